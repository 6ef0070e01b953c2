"""Boots what unit-test.sh has made, and is the hand at its stick. Usage: unit_boot.py KERNEL FOLDER

The machine says on its console what it wants: lines that begin with "@" are for us. Exits with 1
when the evening failed or did not come to its end.
"""
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

PATIENCE = 1500
# The console of the machine's manager. mconsole of user-mode Linux: magic, version, length, text.
MAGIC, VERSION, ROOM = 0xCAFEBABE, 2, 512


class Machine:
    def __init__(self, kernel, folder):
        self.folder, self.log = folder, (folder / "console.log").open("wb")
        disks = [f"ubd{letter}={folder / 'disks' / name}"
                 for letter, name in (("a", "system"), ("b", "stick"), ("c", "drive"))]
        os.chdir(folder)
        self.child = subprocess.Popen(
            [kernel, "mem=900M", "umid=evening", "uml_dir=./", *disks, "root=/dev/ubda", "rw",
             "con0=null,fd:1", "con=null", "ssl=null", "audit=1", "panic=1",
             "systemd.show_status=no", "quiet"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True)
        limit = threading.Timer(PATIENCE, self.child.kill)
        limit.daemon = True
        limit.start()

    def lines(self):
        for line in self.child.stdout:
            self.log.write(line)
            self.log.flush()
            yield line.decode(errors="replace").strip()

    def ask(self, order):
        """Gives the machine's manager an order; returns what is wrong, if anything is."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.bind(f"answer.{time.monotonic_ns()}")
            line.settimeout(30)
            text = order.encode()
            line.sendto(struct.pack(f"=III{ROOM}s", MAGIC, VERSION, len(text), text),
                        "evening/mconsole")
            answer = line.recv(2048)
            os.unlink(line.getsockname())
            error, _more, length = struct.unpack_from("=III", answer)
            said = answer[12:12 + length].rstrip(b"\0").decode(errors="replace")
            return said or "no reason given" if error else ""

    def obey(self, order):
        what = {"stick in": f"config ubdb={self.folder / 'disks/stick'}",
                "stick out": "remove ubdb"}[order]
        for _ in range(50):
            wrong = self.ask(what)
            if not wrong:
                return
            # Read this very moment.
            time.sleep(0.1)
        print(f"unit-test: the machine refused \"{what}\": {wrong}", file=sys.stderr)

    def end(self, patience):
        try:
            self.child.wait(patience)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return False
        # Nobody had to kill it.
        return self.child.returncode >= 0


def main():
    kernel, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    began, result = time.monotonic(), None
    machine = Machine(kernel, folder)
    try:
        for line in machine.lines():
            mark, _, text = line.partition(" ")
            if mark == "@host":
                machine.obey(text)
            elif mark == "@result":
                result = text
            elif mark == "@off":
                result = "passed"
            elif mark == "@":
                print(text, flush=True)
    finally:
        ended = machine.end(60 if result else 0)
    if result == "passed" and ended:
        print("  ok  \"off\" by chat takes the machine down: no unit had failed before")
    elif result == "passed":
        result = "failed: it was not switched off"
    print(f"unit-test: {result or 'no result'} after {time.monotonic() - began:.0f} seconds; "
          f"the machine {'went down by itself' if ended else 'had to be killed'}")
    if result != "passed":
        tail = (folder / "console.log").read_bytes()[-6000:].decode(errors="replace")
        print(tail, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
