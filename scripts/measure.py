"""Clocks and tables for the bench: what a process costs, what it holds, and how that compares."""
import os
import subprocess
import textwrap
import threading
import time
from pathlib import Path

from stage import Failed, check

TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.02
MIB = 1 << 20


class Cost:
    """Seconds on the wall and seconds of processor time, user and kernel."""

    def __init__(self, wall=0.0, cpu=0.0):
        self.wall, self.cpu = wall, cpu

    def __add__(self, other):
        return Cost(self.wall + other.wall, self.cpu + other.cpu)


def cost_of(*commands):
    """Runs programs one after another to their ends; getrusage tells what they cost."""
    sum_of_all = Cost()
    for command in commands:
        began = time.monotonic()
        child = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
        _, ended, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(ended)
        check(child.returncode == 0, f"{Path(command[0]).name} failed ({child.returncode})")
        sum_of_all += Cost(time.monotonic() - began, used.ru_utime + used.ru_stime)
    return sum_of_all


def best(costs):
    """The least of several rounds, of wall and processor time each for itself: what disturbs a
    round only adds to it."""
    return Cost(min(it.wall for it in costs), min(it.cpu for it in costs))


def children(pid):
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def processor_seconds(pids):
    """What running processes have used so far; the kernel counts it in hundredths."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(it[11]) + int(it[12]) for it in fields) / TICKS


def status(pid, field):
    """Bytes of memory, as the kernel counts them under this name. proc(5)"""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise Failed(f"process {pid} is gone")


def anonymous(pid):
    """Bytes of memory that no file stands behind: heap and stacks."""
    return status(pid, "RssAnon")


class Watch:
    """Samples the anonymous memory of processes for as long as it is entered."""

    def __init__(self, pids):
        self.pids, self.peak, self._end = pids, 0, threading.Event()

    def look(self):
        self.peak = max(self.peak, sum(map(anonymous, self.pids)))

    def _run(self):
        while not self._end.wait(SAMPLE_SECONDS):
            self.look()

    def __enter__(self):
        self.look()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()
        self.look()


def idle(pids, patience=20):
    """Waits until nothing grows or shrinks for a second, and returns what each process holds."""
    end, last, since = time.monotonic() + patience, None, time.monotonic()
    while time.monotonic() < end:
        now = [anonymous(pid) for pid in pids]
        if now != last:
            last, since = now, time.monotonic()
        if time.monotonic() - since >= 1:
            return now
        time.sleep(SAMPLE_SECONDS)
    raise Failed("the processes do not come to rest")


class Table:
    """The figures with their limits, shown as they come. A miss is shown as one and counted."""

    WIDTHS = (34, 20, 32, 12, 12)

    def __init__(self):
        self.misses = []

    def heading(self, text):
        print("\n" + textwrap.fill(text, 100))
        self._show("what", "measured", "against", "figure", "limit", "")

    def add(self, what, measured, against, value, unit="x", most=None, least=None):
        """One figure; most or least is its limit, if one was ever named."""
        digits = 2 if unit == "x" else 1
        if most is None and least is None:
            limit, verdict = "none named", "-"
        else:
            holds = value <= most if least is None else value >= least
            limit = f"<= {most:g} {unit}" if least is None else f">= {least:g} {unit}"
            verdict = "pass" if holds else "MISS"
            if not holds:
                self.misses.append(what)
        self._show(what, measured, against, f"{value:.{digits}f} {unit}", limit, verdict)

    def _show(self, *cells):
        widths = (*self.WIDTHS, 0)
        print(("  " + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths))).rstrip(),
              flush=True)
