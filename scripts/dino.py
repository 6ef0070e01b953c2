"""Dino from Debian, with an account, a contact and a window that nobody sees.

Waits for what its database says; where it says nothing, for a moment.
"""
import os
import sqlite3
import subprocess
import time
from pathlib import Path

from stage import OWNER, PATIENCE, VAULT, Failed, Process, run

WIDTH, HEIGHT = 520, 1240
DISPLAY = ":87"
# As numbered in Dino's database.
CHAT, OMEMO = 0, 2


class Dino:
    """Dino with an account, a contact and an open conversation with it, as after a first evening."""

    def __init__(self, folder, vault=VAULT):
        self.home, self.vault = Path(folder), vault
        self.data = self.home / ".local/share/dino"
        self.place = {"HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home / "run"),
                      "DISPLAY": DISPLAY, "GDK_BACKEND": "x11", "GSK_RENDERER": "cairo",
                      "LIBGL_ALWAYS_SOFTWARE": "1"}
        os.environ.update(self.place)
        (self.home / "run").mkdir(mode=0o700, parents=True)
        # A lock that an earlier run left names a process which is another one here.
        self.screen = Process(["Xvfb", DISPLAY, "-nolock", "-screen", "0", f"{WIDTH}x{HEIGHT}x24"],
                              stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.until("a screen", lambda: subprocess.run(
            ["xdotool", "getdisplaygeometry"], capture_output=True).returncode == 0)
        self.program = None

    def until(self, what, holds, patience=PATIENCE):
        """Waits until something holds, and returns what it was."""
        end = time.monotonic() + patience
        while not (found := holds()):
            if time.monotonic() > end:
                self.shoot(Path("target/window-trouble.png"))
                raise Failed(f"Dino waited in vain for {what}")
            time.sleep(0.1)
        return found

    def ask(self, sql, *values):
        try:
            with sqlite3.connect(f"file:{self.data}/dino.db?mode=ro", uri=True) as database:
                return database.execute(sql, values).fetchall()
        except sqlite3.Error:
            return []

    def start(self):
        self.program = Process(["dino-im"], stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    def stop(self):
        for one in (self.program, self.screen):
            if one:
                one.stop()

    def make_account(self, password):
        """Lets Dino make its database, and writes into it what its windows would have asked for."""
        self.start()
        self.until("its database", lambda: self.ask("SELECT 1 FROM settings"))
        self.program.stop()
        with sqlite3.connect(self.data / "dino.db") as database:
            database.execute("INSERT INTO account (bare_jid, resourcepart, password, alias, enabled)"
                             " VALUES (?, 'dino', ?, 'Me', 1)", (OWNER, password))
            database.execute("INSERT INTO jid (bare_jid) VALUES (?)", (self.vault,))
            database.execute(
                "INSERT INTO conversation (account_id, jid_id, active, last_active, type,"
                " encryption, notification, send_typing, send_marker)"
                " SELECT account.id, jid.id, 1, strftime('%s'), ?, ?, 0, 0, 0 FROM account, jid"
                " WHERE jid.bare_jid = ?", (CHAT, OMEMO, self.vault))
            for key, value in (("window_width", WIDTH), ("window_height", HEIGHT)):
                database.execute("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)",
                                 (key, str(value)))
        database.close()

    def open_conversation(self):
        self.start()
        found = self.until("its window", lambda: subprocess.run(
            ["xdotool", "search", "--onlyvisible", "--name", "."], capture_output=True,
            text=True).stdout.split())
        run(["xdotool", "windowsize", found[-1], WIDTH, HEIGHT])
        run(["xdotool", "windowfocus", found[-1]])
        self.until("the server", lambda: self.ask("SELECT 1 FROM roster WHERE jid = ?", self.vault))
        subprocess.run(["dino-im", f"xmpp:{self.vault}?message"], check=False, capture_output=True)

    def say(self, text):
        run(["xdotool", "type", "--delay", "25", text])
        run(["xdotool", "key", "Return"])
        self.until(f"its own message {text}",
                   lambda: self.ask("SELECT 1 FROM message WHERE body = ? AND direction = 1", text))

    def paste(self, picture):
        """Sends a picture as PNG, as Dino re-encodes it; whoever calls sees that it arrived."""
        def sent():
            return self.ask("SELECT count(*) FROM file_transfer WHERE direction = 1")[0][0]

        before = sent()
        for _ in range(4):
            self._paste(picture)
            end = time.monotonic() + 5
            while time.monotonic() < end:
                if sent() > before:
                    return
                time.sleep(0.1)
        raise Failed("Dino took no picture from the clipboard")

    def _paste(self, picture):
        holder = subprocess.Popen(["xclip", "-selection", "clipboard", "-quiet", "-t", "image/png",
                                   "-i", str(picture)], stderr=subprocess.DEVNULL)
        # Nobody tells when a clipboard has changed hands, or a preview is drawn.
        time.sleep(2)
        run(["xdotool", "mousemove", WIDTH // 2, HEIGHT - 38, "click", 1, "key", "ctrl+v"])
        time.sleep(4)
        run(["xdotool", "key", "Return"])
        # By then it was read.
        time.sleep(2)
        holder.kill()
        holder.wait()

    def files(self, sent):
        """The files that went out, or came in, in their order."""
        rows = self.ask("SELECT path FROM file_transfer WHERE direction = ? AND state = 0 AND path"
                        " IS NOT NULL ORDER BY id", int(sent))
        return [self.data / "files" / row[0] for row in rows]

    def hear(self, words):
        return self.until(words, lambda: self.ask(
            "SELECT body FROM message WHERE direction = 0 AND instr(body, ?)", words))[0][0]

    def shoot(self, path):
        # What was said last is drawn a moment after it is known; buttons are shown at the pointer.
        run(["xdotool", "mousemove", 4, HEIGHT - 4])
        time.sleep(2)
        run(["import", "-window", "root", "-display", DISPLAY, path])
