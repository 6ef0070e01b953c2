"""Profanity from Debian in a terminal that nobody sees, typed into and read from the screen."""
import os
import re
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

from stage import OWNER, PATIENCE, VAULT, Failed, run

SETTINGS = """[ui]
splash=false
titlebar.show=false
[omemo]
policy=manual
trustmode=blind
[logging]
[notifications]
message=off
"""
# Wide enough that no link is broken into lines.
COLUMNS, LINES = 400, 120


class Profanity:
    """One session, in the conversation with the vault."""

    def __init__(self, folder):
        self.home = Path(folder)
        config = self.home / ".config/profanity"
        config.mkdir(parents=True)
        (config / "profrc").write_text(SETTINGS)
        self.tmux = ["tmux", "-S", str(self.home / "tmux")]
        self.place = {**os.environ, "HOME": str(self.home), "LANG": "C.UTF-8",
                      "XDG_CONFIG_HOME": str(self.home / ".config"),
                      "XDG_DATA_HOME": str(self.home / ".local/share")}
        run([*self.tmux, "new-session", "-d", "-x", COLUMNS, "-y", LINES,
             "-c", self.home, "profanity"], env=self.place)

    def screen(self):
        return run([*self.tmux, "capture-pane", "-p"], env=self.place)

    def until(self, words, patience=PATIENCE):
        """Waits until the screen matches, and returns the match."""
        end = time.monotonic() + patience
        while not (found := re.search(words, self.screen())):
            if time.monotonic() > end:
                raise Failed(f"Profanity waited in vain for {words}:\n{self.screen().strip()}")
            time.sleep(0.2)
        return found

    def type(self, text):
        run([*self.tmux, "send-keys", "-l", text], env=self.place)
        run([*self.tmux, "send-keys", "Enter"], env=self.place)

    def open_conversation(self, password):
        self.type(f"/connect {OWNER}")
        self.until("password")
        self.type(password)
        self.until("logged in successfully")
        self.type("/omemo gen")
        self.until("materials generated")
        self.type(f"/msg {VAULT}")
        self.type("/omemo start")
        self.until(r"\[OMEMO\]")

    def say(self, text):
        self.type(text)

    def hear(self, words):
        return self.until(words)[0]

    def share(self, path):
        self.type(f"/sendfile {path}")

    def save(self):
        """Has the file saved whose link came last; returns where it will be in a while."""
        self.until(rf"{re.escape(VAULT.partition('@')[0])}.*aesgcm://")
        link = re.findall(r"aesgcm://[^ ]+", self.screen())[-1]
        self.type(f"/url save {link}")
        return self.home / Path(urlsplit(link).path).name

    def stop(self):
        subprocess.run([*self.tmux, "kill-server"], env=self.place, check=False,
                       capture_output=True)
