"""Contact sheets: what one of 20 tiles costs from sealed thumbnails, decoders and all."""
import re

from stage import run

# What the project asks of itself, in milliseconds of processor time.
SHEET_LIMIT = 300


def sheet(bench):
    """A section of the bench's table: examples/sheet_speed.rs."""
    said = run([bench.programs / "examples/sheet_speed", bench.programs / "strongroom"])
    found = {what: (float(cpu), float(wall), rest) for what, cpu, wall, rest in re.findall(
        r"(?m)^(\w+) ([\d.]+) ms CPU, ([\d.]+) ms wall, of (.*)$", said)}
    bench.table.heading("Pictures, each by a decoder of its own: processor time of whoever asks, and "
                        "of the decoder from its start to its end.")
    for what, limit in (("sheet", SHEET_LIMIT), ("thumbnail", None)):
        cpu, wall, rest = found[what]
        bench.table.add(what, f"{cpu:.1f} ms CPU", f"{wall:.1f} ms wall; {rest}", cpu, "ms", most=limit)
