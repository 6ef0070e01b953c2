"""QXmpp, the engine of Kaidan, from Debian 13: a program of its own (qxmpp_phone.cpp) that is told what
to do line by line. It speaks urn:xmpp:omemo:2 and describes its files.
"""
import re
import shutil
import subprocess
from pathlib import Path

import alone
from stage import OWNER, PATIENCE, VAULT, Failed, Process

HERE = Path(__file__).resolve().parent


def version(root):
    found = re.search(r"^libqxmppqt6-5\t(\S+)", (Path(root) / ".versions").read_text(), re.M)
    return found[1] if found else "?"


class Qxmpp:
    """One session. `root` is the unpacked system, `program` what was built in it."""

    def __init__(self, folder, root, program, password):
        self.folder = Path(folder)
        self.back = self.folder / "back"
        self.back.mkdir(parents=True)
        authorities = self.folder / "authorities"
        shutil.copy(alone.AUTHORITIES, authorities)
        phone = shutil.copy(program, self.folder / "phone")
        self.process = Process(
            [HERE / "in-root.sh", root, self.folder, "--", phone, OWNER, password, VAULT, authorities,
             self.back], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.hear("ready", "")

    def hear(self, word, matching):
        """Waits for a line of this kind, and returns what it says."""
        says = re.compile(f"{word} ?(.*{matching}.*)")
        line = self.process.said.take(says.fullmatch, PATIENCE)
        if line is None:
            said = "\n".join(self.process.said.all())
            raise Failed(f"QXmpp waited in vain for {word} {matching}:\n{said}")
        return says.fullmatch(line)[1]

    def tell(self, line):
        self.process.child.stdin.write(line + "\n")
        self.process.child.stdin.flush()

    def say(self, text):
        self.tell(f"say {text}")

    def share(self, path):
        """Shares a copy that the program can see."""
        self.tell(f"share {shutil.copy(path, self.folder)}")

    def stop(self):
        self.process.stop()
