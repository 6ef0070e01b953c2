"""Strongroom measured against plain tools, in one run.

Usage: bench.py PROGRAMS [--small] [MEASURE...]; without a measure, all of them.

Exits with 1 when something does not work, for example when bytes come back changed. A figure that
misses its limit is shown as a miss, and is no error.
"""
import http.client
import os
import platform
import re
import resource
import shutil
import ssl
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench_removal import removal
from bench_sheet import sheet
from bench_small import small_files
from measure import (MIB, TICKS, Cost, Table, Watch, anonymous, best, children, cost_of, idle,
                     processor_seconds, status)
from stage import (OWNER, VAULT, Failed, Phone, Process, Prosody, Stage, check, free_ports,
                   pairing_code, run)
from stage import Vault as Home

ROUNDS = 3
LISTS = 200
ENTRIES = 1000
MANY_ENTRIES = 100_000
# Each is asked of a vault in which something answers to it.
TEXTS = ("list", "find garten 000", "find photos last week garten", "find videos june 2025",
         "info 7", "albums")
TEXT_LIMIT_MS = 30
LONG = 600
SCRIPTS = Path(__file__).resolve().parent
# What the project asks of itself.
CPU_LIMIT, WALL_LIMIT = 1.6, 1.5
OVER_IDLE_MIB, SPREAD_MIB = 24, 4
BUSY_SHARE = 0.1
FLAT_LIMIT = 2
# Three files of two gibibytes, one of a gibibyte, and a margin.
NEEDED_BYTES = 8e9


class Bench:
    def __init__(self, stage, programs, shrink):
        self.stage, self.programs, self.shrink = stage, programs, shrink
        self.table, self.folder = Table(), stage.folder
        self.bench_pass = programs / "examples/bench_pass"

    def size(self, mib):
        return max(5, mib // self.shrink)

    def prepare(self, mib, name):
        """Makes a file of ciphertext; returns its path, its secret and its content's hash."""
        path = self.folder / "host" / name
        return path, *run([self.bench_pass, "prepare", mib, path]).split()

    def measured(self, mib, *commands):
        """Costs of programs that write so much, on memory that a virtual machine holds already.

        What a guest writes into memory that its host has yet to find costs several times as much,
        and that would hit now one and now the other of two programs that are compared.
        """
        warm = self.folder / "warm"
        with warm.open("wb") as out:
            for _ in range(mib + mib // 8):
                out.write(bytes(MIB))
        warm.unlink()
        return cost_of(*commands)

    def open(self):
        """Server, vault, phone and a host of files, paired and at rest."""
        stage, folder, [port] = self.stage, self.folder / "host", free_ports(1)
        folder.mkdir()
        # Prosody's own host takes in some 2 MB/s, so it grants slots on ours.
        stage.server = Prosody(self.folder / "server", limit_mib=4096, host_port=port)
        certificate, key = (stage.server.folder / name for name in ("server.crt", "server.key"))
        host = stage.also(Process([sys.executable, "-B", SCRIPTS / "bench_host.py", folder,
                                   certificate, key, port]))
        check(host.said.take(lambda line: line == str(port), 20), "the host of files does not run")
        self.host = f"localhost:{port}"
        for jid in (VAULT, OWNER):
            stage.server.register(jid, "secret of " + jid)
        stage.vault = Home(self.folder / "pi", self.programs, stage.server)
        said = stage.vault.init("secret of " + VAULT, pins=[self.host])
        stage.vault.start()
        stage.phone = Phone(self.folder / "phone", stage.server, "secret of " + OWNER,
                            SCRIPTS / "bench_phone.py")
        stage.phone.befriend(VAULT)
        stage.phone.order("send_text", to=VAULT, text=pairing_code(said))
        stage.phone.reply("Paired")

    def fresh_daemon(self):
        """A new daemon and vault process at rest; their ids and what they hold."""
        self.stage.vault.stop()
        self.stage.vault.start()
        pids = [self.stage.vault.daemon.pid, *children(self.stage.vault.daemon.pid)]
        check(len(pids) == 2, f"daemon and vault process were expected: {pids}")
        return pids, idle(pids)

    def announce(self, address, secret):
        """Has the phone share a file that lies on a host already; returns its number."""
        link = f"aesgcm://{address}#{secret}"
        self.stage.phone.order("send_text", to=VAULT, text=link)
        told = self.stage.phone.reply("stored", LONG)
        number = re.match(r"✅ #(\d+) .*, stored\.$", told)
        check(number, f"the vault did not store it: {told}")
        return number[1]

    def upload(self, path):
        """Puts a file into a slot of the server; returns where it can be got."""
        size = path.stat().st_size
        slot = self.stage.phone.order("slot", name=path.name, size=size)
        target = urlsplit(slot["put"])
        tls = ssl.create_default_context(cafile=str(self.stage.server.authority))
        line = http.client.HTTPSConnection(target.hostname, target.port, context=tls,
                                           timeout=LONG, blocksize=1 << 18)
        headers = {name: value.strip() for name, value in slot["headers"]}
        with path.open("rb") as body:
            line.request("PUT", f"{target.path}?{target.query}".rstrip("?"), body,
                         {**headers, "Content-Length": str(size),
                          "Content-Type": "application/octet-stream"})
        answer = line.getresponse().status
        line.close()
        check(answer in (200, 201), f"the host refused an upload: {answer}")
        return slot["get"].removeprefix("https://")

    def clear_host(self):
        """Removes what was put into slots: these files are large."""
        shutil.rmtree(self.folder / "host/file_share")


# ------------------------------------------------------------------------------------ the measures

def ingest(bench):
    """From ciphertext on the disk to a durable blob, against copying and encrypting."""
    mib = bench.size(1024)
    vault = Home(bench.folder / "scratch", bench.programs, bench.stage.server)
    vault.init("unused")
    path, secret, _ = bench.prepare(mib, "ingest")
    copy = bench.folder / "copy"
    command = [bench.bench_pass, "ingest", path, secret, vault.data, vault.card / "vault.pub"]
    rounds = {"ingest": [], "cp": [], "ring": [], "aes-gcm": []}
    for _ in range(ROUNDS):
        rounds["ring"].append(cost_of([bench.bench_pass, "ring", mib]))
        rounds["aes-gcm"].append(cost_of([bench.bench_pass, "aes-gcm", mib]))
        rounds["cp"].append(bench.measured(mib, ["cp", path, copy], ["sync", copy]))
        copy.unlink()
        rounds["ingest"].append(bench.measured(mib, command))
        for blob in vault.data.glob("blobs/*/*.blob"):
            blob.unlink()
    path.unlink()
    shutil.rmtree(vault.folder)
    ours, copied, ring, aes_gcm = map(best, rounds.values())
    bench.table.heading(
        f"Ingest of {mib} MiB from local ciphertext to a durable blob; the best of {ROUNDS} "
        "rounds. Against cp, fsync and two raw passes of AES-256-GCM by aes-gcm, whose streaming form "
        "opens what comes in; beside it one pass of aes-gcm and one of ring, which seals, and two of "
        "ring. Ours also takes a BLAKE3 hash on the way.")
    for what, raw, limits in (("2 aes-gcm", aes_gcm + aes_gcm, (CPU_LIMIT, WALL_LIMIT)),
                              ("ring + aes-gcm", ring + aes_gcm, (None, None)),
                              ("2 ring", ring + ring, (None, None))):
        for kind, limit in zip(("cpu", "wall"), limits):
            own, cp, aead = (getattr(it, kind) for it in (ours, copied, raw))
            bench.table.add(f"ingest, {kind}", f"{own:.2f} s", f"{cp:.2f} cp + {aead:.2f} {what}",
                            own / (cp + aead), most=limit)


def over_https(bench):
    """The whole daemon against curl and cp, from the same host."""
    mib, daemon, plain = bench.size(1024), [], []
    pids, _ = bench.fresh_daemon()
    for number in range(ROUNDS):
        path, secret, _ = bench.prepare(mib, f"https-{number}")
        fetched, copy = bench.folder / "fetched", bench.folder / "copy"
        plain.append(bench.measured(
            2 * mib, ["curl", "--silent", "--fail", "--cacert", bench.stage.server.authority,
                      "--output", fetched, f"https://{bench.host}/{path.name}"],
            ["cp", fetched, copy], ["sync", copy]))
        fetched.unlink(), copy.unlink()
        bench.measured(mib)
        before, began = processor_seconds(pids), time.monotonic()
        bench.announce(f"{bench.host}/{path.name}", secret)
        daemon.append(Cost(time.monotonic() - began, processor_seconds(pids) - before))
        path.unlink()
    # Nobody asks for these again, and the room is needed.
    bench.stage.vault.stop()
    for blob in bench.stage.vault.data.glob("blobs/*/*.blob"):
        blob.unlink()
    ours, theirs = best(daemon), best(plain)
    bench.table.heading(f"{mib} MiB over HTTPS from this machine; the best of {ROUNDS} rounds. "
                        "Ours from the phone's message to \"stored\", theirs curl, cp and fsync.")
    for kind in ("cpu", "wall"):
        own, other = getattr(ours, kind), getattr(theirs, kind)
        bench.table.add(f"daemon, {kind}", f"{own:.2f} s", f"{other:.2f} s (curl + cp)",
                        own / other)


def memory(bench):
    """Anonymous memory of both processes together while files go in and out."""
    bench.table.heading("Anonymous memory of daemon and vault process, sampled every 20 ms, fresh "
                        "processes for each size; content back with the same SHA-256.")
    over = {}
    for mib in (5, bench.size(200), bench.size(2048)):
        path, secret, digest = bench.prepare(mib, f"film-{mib}.bin")
        address = bench.upload(path)
        path.unlink()
        pids, at_rest = bench.fresh_daemon()
        with Watch(pids) as coming:
            number = bench.announce(address, secret)
        bench.clear_host()
        with Watch(pids) as going:
            bench.stage.phone.order("send_text", to=VAULT, text=f"get {number}")
            file = bench.stage.phone.wait("file", patience=LONG)
        check(file["sha256"] == digest and file["size"] == mib * MIB,
              f"{mib} MiB came back with other bytes")
        bench.clear_host()
        peak = max(coming.peak, going.peak)
        over[mib] = (peak - sum(at_rest)) / MIB
        bench.table.add(
            f"{mib} MiB in and out", f"peak {coming.peak / MIB:.1f} in, {going.peak / MIB:.1f} out",
            f"idle {at_rest[0] / MIB:.1f} + {at_rest[1] / MIB:.1f} MiB", over[mib], "MiB",
            most=OVER_IDLE_MIB)
    small, large = min(over), max(over)
    bench.table.add(f"{large} MiB beyond 5 MiB", f"{over[large]:.1f} MiB over idle",
                    f"{over[small]:.1f} MiB over idle", over[large] - over[small], "MiB",
                    most=SPREAD_MIB)
    after = [anonymous(pid) / MIB for pid in pids]
    bench.table.add("kept after the largest", f"{after[0]:.1f} + {after[1]:.1f} MiB",
                    f"idle {sum(at_rest) / MIB:.1f} MiB", sum(after) - sum(at_rest) / MIB, "MiB")
    most = [status(pid, "VmHWM") / MIB for pid in pids]
    bench.table.add("resident at most, with program", f"{most[0]:.1f} + {most[1]:.1f} MiB",
                    f"{large} MiB in and out", sum(most), "MiB")


def sealing(bench):
    """Sealing and unsealing against the raw cipher: crates/vault/examples/seal_speed.rs."""
    mib = bench.size(1024)
    said = run([bench.programs / "examples/seal_speed", mib, bench.folder])
    found = {what.strip(): (float(speed), float(cpu)) for what, speed, cpu in re.findall(
        r"(?m)^(\S.*?) +(\d+) MB/s +[\d.]+ s wall +([\d.]+) s CPU", said)}
    raw = next(cost for what, cost in found.items() if what.startswith("raw"))
    bench.table.heading(f"Sealing {mib} MiB against one raw pass of ring's AES-256-GCM, processor "
                        "time; the parts of it beside.")
    for what, (speed, cpu) in found.items():
        bench.table.add(what, f"{cpu:.2f} s, {speed:.0f} MB/s", f"{raw[1]:.2f} s, {raw[0]:.0f} MB/s",
                        cpu / raw[1])


def ratchet(bench):
    """Messages through the whole machine against python-omemo with oldmemo."""
    said = run([bench.programs / "examples/ratchet_speed"])
    ours = [float(number) for number in re.findall(r"\(([\d.]+) us\)", said)]
    theirs = [float(it) for it in
              run([sys.executable, "-B", SCRIPTS / "bench_oldmemo.py"]).split()]
    check(len(ours) == len(theirs) == 4, f"not the figures that were expected: {ours}, {theirs}")
    bench.table.heading("OMEMO messages through the whole machine, state in memory, against "
                        "python-omemo with oldmemo.")
    for at, what in enumerate(("sent, one chain", "received, one chain", "sent, each with a turn",
                               "received, each with a turn")):
        bench.table.add(what, f"{1e6 / ours[at]:,.0f} /s", f"{1e6 / theirs[at]:,.0f} /s",
                        theirs[at] / ours[at])


def listing(bench):
    """How long `list` takes beyond the server, with a thousand entries in the vault."""
    vault = bench.stage.vault
    vault.stop()
    run([bench.bench_pass, "fill", ENTRIES, vault.data, *vault.stick.iterdir()])
    vault.start()
    idle([vault.daemon.pid, *children(vault.daemon.pid)])
    times = bench.stage.phone.order("stopwatch", LONG, to=VAULT, text="list", rounds=LISTS)
    bench.table.heading(f"`list` with {ENTRIES} entries and more, asked {LISTS} times; beyond an "
                        "XMPP ping from the phone to the server. Question and answer pass the "
                        "server one after the other, the ping passes it once.")
    for what, at in (("p50", 0.5), ("p99", 0.99)):
        answer, ping = (sorted(times[kind])[int(at * LISTS) - 1] * 1e3
                        for kind in ("answers", "pings"))
        bench.table.add(f"list, {what}", f"{answer:.1f} ms", f"ping {ping:.1f} ms",
                        answer - ping, "ms")
    rest = statistics.median(times["pings"]) * 1e3
    bench.table.add("list, p99 beyond the median ping", f"{answer:.1f} ms", f"ping {rest:.1f} ms",
                    answer - rest, "ms")


def texts(bench):
    """How long text commands take beyond the server, with very many entries in the vault."""
    vault, count = bench.stage.vault, MANY_ENTRIES // bench.shrink
    vault.stop()
    run([bench.bench_pass, "enter", count, vault.data, *vault.stick.iterdir()])
    vault.start()
    idle([vault.daemon.pid, *children(vault.daemon.pid)])
    bench.table.heading(f"Text commands with {count:,} entries and more, each asked {LISTS} times: "
                        "the 99th of a hundred answers beyond the median XMPP ping.")
    for text in TEXTS:
        times = bench.stage.phone.order("stopwatch", LONG, to=VAULT, text=text, rounds=LISTS)
        answer = sorted(times["answers"])[int(0.99 * LISTS) - 1] * 1e3
        ping = statistics.median(times["pings"]) * 1e3
        bench.table.add(text, f"{answer:.1f} ms", f"ping {ping:.1f} ms", answer - ping, "ms",
                        most=TEXT_LIMIT_MS)


def index(bench):
    """Questions to the index by how much is in it: crates/vault/examples/index_speed.rs."""
    most, blobs = (1_000_000, 2000) if bench.shrink == 1 else (100_000, 500)
    said = run([bench.programs / "examples/index_speed", bench.folder, most, blobs])
    sizes = {int(entries): {what: float(us) for what, us in re.findall(r"([a-z-]+) ([\d.]+)", rest)}
             for entries, rest in re.findall(r"(?m)^(\d+) (list .*)$", said)}
    few, many = min(sizes), max(sizes)
    check(most == many, f"not the sizes that were expected: {sorted(sizes)}")
    bench.table.heading(
        f"The index, median of 400 questions for ten entries each, in microseconds, at "
        f"{', '.join(f'{size:,}' for size in sorted(sizes))} entries; the ratio is the last to the "
        "first. A page begins at a random number; find-one looks for one name, find-common for two "
        "words that every eighth name has, find-short for two letters, find-all for photos of the "
        "last forty days with one word.")
    for what in sizes[few]:
        limit = FLAT_LIMIT if what in ("list", "page", "totals") else None
        bench.table.add(what, " ".join(f"{sizes[size][what]:.0f}" for size in sorted(sizes)) + " us",
                        f"{few:,} to {many:,}", sizes[many][what] / sizes[few][what], most=limit)
    kept, rebuilt = map(float, re.search(r"entered (\d+) /s, rebuilt (\d+) /s", said).groups())
    bench.table.add("rebuilt from blobs and log", f"{rebuilt:,.0f} /s",
                    f"{kept:,.0f} /s sealed and entered", rebuilt / kept)


# ------------------------------------------------------------------------------------- the machine

def machine(folder):
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"(?m)^(?:model name|Model)\s*: (.*)$", text)
    flags = set(re.search(r"(?m)^(?:flags|Features)\s*: (.*)$", text)[1].split())
    memory_kib = int(re.search(r"MemTotal: +(\d+)", Path("/proc/meminfo").read_text())[1])
    file_system = run(["stat", "--file-system", "--format=%T", folder]).strip()
    known = sorted(flags & {"aes", "vaes", "pclmulqdq", "vpclmulqdq", "pmull", "sha_ni", "sha2"})
    return (f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, "
            f"{memory_kib / MIB:.1f} GiB, {file_system}, Linux {platform.release()}; "
            f"in hardware: {', '.join(known) or 'no AES'}")


class Others:
    """What share of the processors went to neither the bench nor what it started."""

    def __init__(self):
        self.began = time.monotonic(), *self._seconds()

    @staticmethod
    def _seconds():
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
        used = [resource.getrusage(who) for who in
                (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return ((user + nice + system + irq + softirq + steal) / TICKS,
                sum(it.ru_utime + it.ru_stime for it in used))

    def share(self):
        now = time.monotonic(), *self._seconds()
        wall, busy, own = (new - old for new, old in zip(now, self.began))
        return max(0.0, (busy - own) / wall / os.cpu_count())


MEASURES = {measure.__name__: measure for measure in (
    ingest, over_https, memory, sealing, ratchet, listing, small_files, removal, texts, index,
    sheet)}


def main():
    programs, small = Path(sys.argv[1]).resolve(), "--small" in sys.argv[2:]
    names = [word for word in sys.argv[2:] if word != "--small"]
    unknown = [name for name in names if name not in MEASURES]
    check(not unknown, f"no such measure: {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    place = programs.parent / "bench"
    place.mkdir(exist_ok=True)
    shrink = 16 if small else 1
    free = shutil.disk_usage(place).free
    check(free > NEEDED_BYTES / shrink, f"{place} has {free / 1e9:.0f} GB of room, which is too "
          f"little: {NEEDED_BYTES / shrink / 1e9:.0f} GB are needed")
    began = time.monotonic()
    print(f"\n{machine(place)}", flush=True)
    others = Others()
    if small:
        print("SMALL RUN: a sixteenth of the sizes for which the limits were named")
    with Stage(place) as stage:
        bench = Bench(stage, programs, shrink)
        bench.open()
        for name in names or MEASURES:
            since = time.monotonic()
            MEASURES[name](bench)
            print(f"  ({name} took {time.monotonic() - since:.0f} s)", flush=True)
    print("\nLimits missed: " + (", ".join(bench.table.misses) or "none")
          + f". The bench took {time.monotonic() - began:.0f} seconds.")
    share = others.share()
    print(f"Others used {share:.0%} of the processors meanwhile"
          + ("; times on the wall say little then." if share > BUSY_SHARE else "."))


if __name__ == "__main__":
    try:
        main()
    except Failed as failed:
        print(f"\nFAILED: {failed}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
