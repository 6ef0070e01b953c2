"""How the demo looks on a terminal: headings, checks, and a chat with the phone on the right."""
import os
import sys
import textwrap
import time
import unicodedata

WIDTH = 78
BUBBLE = 52
COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOURS else text


def _columns(text):
    """How many columns a terminal needs for a text."""
    return sum(0 if unicodedata.combining(c) or c == "\ufe0f" else
               2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _lines(text, width):
    return [line for part in text.split("\n")
            for line in textwrap.wrap(part, width, break_on_hyphens=False) or [""]]


def heading(text):
    print("\n" + _paint("1", text) + "\n" + "=" * _columns(text), flush=True)


def tell(text):
    """A sentence of the narrator."""
    print("\n" + "\n".join(_lines(text, WIDTH)), flush=True)


def quote(text):
    """What a program printed, as it stands."""
    print("\n" + textwrap.indent(text.rstrip(), "    "), flush=True)


def fact(text):
    """Something that was checked and holds."""
    first, *rest = _lines(text, WIDTH - 6)
    print("  " + _paint("32", "ok") + "  " + "\n      ".join([first, *rest]), flush=True)


def phone(text, seen=True):
    """What the owner sends: on the right, with the sign that the vault has received it."""
    sign = f"{time.strftime('%H:%M')} {'✓✓' if seen else '✓ '}"
    print()
    lines = _lines(text, BUBBLE)
    for line in lines[:-1]:
        print(" " * (WIDTH - 9 - _columns(line)) + _paint("36", line))
    print(" " * (WIDTH - 9 - _columns(lines[-1])) + _paint("36", lines[-1]) + " "
          + _paint("2", sign), flush=True)


def vault(text):
    """What the vault answers: on the left."""
    print()
    first, *rest = _lines(text, BUBBLE)
    print(_paint("2", time.strftime("%H:%M")) + " " + _paint("33", first))
    for line in rest:
        print("      " + _paint("33", line))
    sys.stdout.flush()


def size(count):
    """A size as the vault writes it: cut off after one digit."""
    return f"{count // 10**5 / 10:.1f} MB" if count >= 10**6 else f"{count // 100 / 10:.1f} kB"
