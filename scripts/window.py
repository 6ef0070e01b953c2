"""Takes the pictures for docs/: an owner's evening in Dino's window. Usage: window.py PROGRAMS FOLDER

Runs as root in network and mount namespaces of its own (scripts/pictures.sh). Every step waits for
what Dino's own database says; nothing in the pictures is painted.
"""
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

import photos
from stage import (OWNER, PATIENCE, VAULT, Failed, Process, Prosody, Stage, Vault, check,
                   pairing_code, run)

WIDTH, HEIGHT = 520, 1240
DISPLAY = ":87"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
# As numbered in Dino's database.
CHAT, OMEMO = 0, 2
# More of the scenes than the evening needs, so that a sheet has something to show.
EARLIER = 9


class Dino:
    """Dino with an account, a contact and an open conversation with it, as after a first evening."""

    def __init__(self, folder):
        self.home = Path(folder)
        self.data = self.home / ".local/share/dino"
        self.place = {"HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home / "run"),
                      "DISPLAY": DISPLAY, "GDK_BACKEND": "x11", "GSK_RENDERER": "cairo",
                      "LIBGL_ALWAYS_SOFTWARE": "1"}
        os.environ.update(self.place)
        (self.home / "run").mkdir(mode=0o700, parents=True)
        self.screen = Process(["Xvfb", DISPLAY, "-screen", "0", f"{WIDTH}x{HEIGHT}x24"],
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
            database.execute("INSERT INTO jid (bare_jid) VALUES (?)", (VAULT,))
            database.execute(
                "INSERT INTO conversation (account_id, jid_id, active, last_active, type,"
                " encryption, notification, send_typing, send_marker)"
                " SELECT account.id, jid.id, 1, strftime('%s'), ?, ?, 0, 0, 0 FROM account, jid"
                " WHERE jid.bare_jid = ?", (CHAT, OMEMO, VAULT))
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
        self.until("the server", lambda: self.ask("SELECT 1 FROM roster WHERE jid = ?", VAULT))
        subprocess.run(["dino-im", f"xmpp:{VAULT}?message"], check=False, capture_output=True)

    def say(self, text):
        run(["xdotool", "type", "--delay", "25", text])
        run(["xdotool", "key", "Return"])
        self.until(f"its own message {text}",
                   lambda: self.ask("SELECT 1 FROM message WHERE body = ? AND direction = 1", text))

    def paste(self, picture, drive):
        before = blobs(drive)
        holder = subprocess.Popen(["xclip", "-selection", "clipboard", "-quiet", "-t", "image/png",
                                   "-i", str(picture)], stderr=subprocess.DEVNULL)
        # Nobody tells when a clipboard has changed hands, or a preview is drawn.
        time.sleep(2)
        run(["xdotool", "mousemove", WIDTH // 2, HEIGHT - 38, "click", 1, "key", "ctrl+v"])
        time.sleep(4)
        run(["xdotool", "key", "Return"])
        self.until("a sealed blob", lambda: blobs(drive) > before)
        holder.kill()
        holder.wait()
        print(f"{Path(picture).name} is in")

    def hear(self, words):
        return self.until(words, lambda: self.ask(
            "SELECT body FROM message WHERE direction = 0 AND instr(body, ?)", words))[0][0]

    def shoot(self, path):
        # What was said last is drawn a moment after it is known; buttons are shown at the pointer.
        run(["xdotool", "mousemove", 4, HEIGHT - 4])
        time.sleep(2)
        run(["import", "-window", "root", "-display", DISPLAY, path])


def blobs(drive):
    """How many files of a photo's size lie on the drive."""
    return sum(it.is_file() and it.stat().st_size > 500_000 for it in drive.rglob("*"))


def make_contacts(server):
    """Writes into the server's rosters that each has subscribed with the other."""
    rosters = server.folder / "data" / VAULT.partition("@")[2] / "roster"
    rosters.mkdir(parents=True)
    for one, other in ((VAULT, OWNER), (OWNER, VAULT)):
        (rosters / f"{one.partition('@')[0]}.dat").write_text(
            f'return {{ ["{other}"] = {{ subscription = "both"; groups = {{}}; }}; }};\n')


def paint_earlier(folder):
    """Photos of other days: the scenes in other lights, in a size that a camera takes."""
    shots = photos.make(folder)
    for number in range(EARLIER):
        with Image.open(shots[number % len(shots)]) as image:
            box = (number * 120, number * 60, image.width - 100, image.height - number * 80)
            other = image.crop(box).resize((1600, 1200))
            if number % 2:
                other = ImageOps.mirror(other)
            light = ImageEnhance.Brightness(other).enhance(1.1 - number / 15)
            light.save(folder / f"IMG_{20260701 + number}_1804{number:02}.jpg", quality=88)
    for shot in shots:
        with Image.open(shot) as image:
            image.resize((1600, 1200)).save(shot.with_suffix(".png"))
        shot.unlink()
    return [shot.with_suffix(".png") for shot in shots]


def main(programs, folder):
    run(["ip", "link", "set", "lo", "up"])
    with Stage() as stage:
        stage.server = Prosody(stage.folder / "server", c2s=5222)
        trusted = stage.folder / "authorities"
        trusted.write_bytes(Path(AUTHORITIES).read_bytes() + stage.server.authority.read_bytes())
        run(["mount", "--bind", trusted, AUTHORITIES])
        for jid in (VAULT, OWNER):
            stage.server.register(jid, "secret of " + jid)
        make_contacts(stage.server)
        stage.vault = Vault(stage.folder / "pi", programs, stage.server)
        said = stage.vault.init("secret of " + VAULT)
        shots = paint_earlier(stage.folder / "camera")
        earlier = sorted((stage.folder / "camera").glob("*.jpg"))
        run([programs / "strongroom", "--config", stage.vault.settings, "import", *earlier])
        stage.vault.start()
        dino = stage.also(Dino(stage.folder / "dino"))
        dino.make_account("secret of " + OWNER)
        dino.open_conversation()
        dino.say(pairing_code(said))
        print(dino.hear("Paired"))
        for shot in shots:
            dino.paste(shot, stage.vault.drive)
        dino.say("status")
        print(dino.hear("The vault is open: 12 files"))
        dino.say("sheet")
        sheet = dino.until("a sheet", lambda: dino.ask(
            "SELECT path FROM file_transfer WHERE direction = 0 AND state = 0"))[0][0]
        dino.shoot(folder / "dino.png")
        shutil.copy(dino.data / "files" / sheet, folder / "sheet.jpg")
    print(f"The pictures are in {folder}.")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except Failed as trouble:
        sys.exit(f"error: {trouble}")
