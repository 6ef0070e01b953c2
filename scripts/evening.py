"""Takes the pictures of the guide: the first evening, from the laptop to the first photo.

Usage: evening.py PROGRAMS FOLDER. Nothing in the pictures is painted but the photo. Files in memory stand
for drive and stick, and this script for the service manager of the Pi. scripts/clients.sh gives it the
room it needs; it takes loop devices besides.
"""
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from PIL import Image

import alone
import photos
from dino import Dino
from stage import OWNER, PATIENCE, Failed, Process, Stage, check, run

TERMINAL = ["xterm", "-fa", "DejaVu Sans Mono", "-fs", "9", "-geometry", "116x36+0+0", "-bg", "white",
            "-fg", "black", "-xrm", "xterm*allowSendEvents: true"]
# Not the one that Dino has later.
DISPLAY = ":86"
DRIVE, STICK = 1 << 30, 64 << 20


def until(what, holds, patience=PATIENCE):
    end = time.monotonic() + patience
    while not (found := holds()):
        check(time.monotonic() < end, f"waited in vain for {what}")
        time.sleep(0.1)
    return found


def windows(name):
    found = subprocess.run(["xdotool", "search", "--onlyvisible", "--class", name],
                           capture_output=True, text=True)
    return found.stdout.split()


class Screen:
    """A screen that nobody sees, for one program at a time."""

    def __init__(self, size):
        os.environ["DISPLAY"] = DISPLAY
        self.process = Process(["Xvfb", DISPLAY, "-nolock", "-screen", "0", f"{size}x24"],
                               stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until("a screen", lambda: subprocess.run(
            ["xdotool", "getdisplaygeometry"], capture_output=True).returncode == 0)

    def shoot(self, program, name, path, before=None):
        """Shows a program's window, lets something be done in it, and takes its picture."""
        shown = Process(program, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            window = until(f"a window of {name}", lambda: windows(name))[-1]
            # Nobody tells when a window has drawn what is in it.
            time.sleep(3)
            if before:
                before(window)
                time.sleep(1)
            run(["import", "-window", window, "-display", DISPLAY, path])
        finally:
            shown.stop(3)

    def stop(self):
        self.process.stop()


class Plugged:
    """Images that are block devices until the end, and what is mounted of them."""

    def __init__(self, folder):
        self.folder, self.nodes, self.mounts = folder, [], []
        folder.mkdir()

    def plug(self, name, size, *make):
        image = self.folder / name
        image.touch()
        os.truncate(image, size)
        if make:
            run([*make, image])
        node = run(["losetup", "--find", "--show", image]).strip()
        self.nodes.append(node)
        return Path(node).name

    def stop(self):
        for mount in self.mounts:
            subprocess.run(["umount", mount], check=False, capture_output=True)
        for node in self.nodes:
            subprocess.run(["losetup", "--detach", node], check=False, capture_output=True)


class Pi:
    """A flashed card, of which the script is the service manager."""

    def __init__(self, folder, program):
        self.boot, self.root, self.program = folder / "BOOTFS", folder / "root", program
        self.boot.mkdir(parents=True)
        (self.root / "run/strongroom").mkdir(parents=True)
        (self.root / "usr/share").mkdir(parents=True)
        (self.root / "usr/share/zoneinfo").symlink_to("/usr/share/zoneinfo")
        self.settings = self.root / "etc/strongroom/strongroom.toml"
        self.drive = self.root / "srv/strongroom"

    def first_boot(self):
        done = subprocess.run([self.program, "first-boot", "--boot", self.boot, "--root", self.root],
                              check=False)
        check(done.returncode == 0, (self.boot / "strongroom-status.txt").read_text())
        text = self.settings.read_text()
        self.settings.write_text(text.replace('= "/', f'= "{self.root}/'))

    def prepare(self, disks):
        """Does what the path unit does: waits for the daemon's request and has it carried out."""
        until("a request", (self.root / "run/strongroom/prepare").exists)
        run([self.program, "--config", self.settings, "prepare", "--root", self.root,
             *(part for disk in disks for part in ("--only", disk))])


def configure(pi, screen, folder):
    """The laptop's part, typed into a terminal; returns the file it made for the card."""
    words = ["strongroom", "image-config", "--boot", "BOOTFS", "--register", "localhost",
             "--owner", OWNER, "--time-zone", "Europe/Berlin"]
    shell = ["env", f"PATH={pi.program.parent}:{os.environ['PATH']}", "PS1=$ ",
             "bash", "--norc", "--noprofile"]

    def type_it(window):
        run(["xdotool", "type", "--window", window, "--delay", "20", " ".join(words) + "\n"])
        until("the card's file", (pi.boot / "strongroom.toml").exists)

    here = os.getcwd()
    os.chdir(pi.boot.parent)
    try:
        screen.shoot([*TERMINAL, "-e", *shell], "xterm", folder / "laptop.png", type_it)
    finally:
        os.chdir(here)
    return tomllib.loads((pi.boot / "strongroom.toml").read_text())


def main(programs, folder):
    folder = folder.resolve()
    with Stage() as stage:
        alone.serve(stage, [OWNER], is_open=True)
        pi = Pi(stage.folder / "card", programs / "strongroom")
        screen = stage.also(Screen("1000x1000"))
        asked = configure(pi, screen, folder)
        # The card's own system would find the server by its name.
        wish = pi.boot / "strongroom.toml"
        wish.write_text(wish.read_text().replace("[account]\n", (
            '[account]\nserver = "127.0.0.1:5222"\n'
            f'upload_hosts = ["localhost:{stage.server.https}"]\n')))
        pi.first_boot()
        page = pi.boot / "strongroom-address.html"
        run(["wkhtmltoimage", "--quiet", "--width", 620, page, folder / "address.png"],
            env=os.environ | {"QT_QPA_PLATFORM": "offscreen"})
        with Image.open(folder / "address.png") as image:
            image.quantize(64).save(folder / "address.png", optimize=True)
        screen.stop()

        vault = asked["account"]["jid"]
        alone.make_contacts(stage.server, vault)
        daemon = stage.also(Process([pi.program, "--config", pi.settings, "run"],
                                    stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT))
        check(daemon.said.take(lambda line: "online" in line), "the daemon did not log in")
        dino = stage.also(Dino(stage.folder / "dino", vault))
        dino.make_account(alone.password(OWNER))
        dino.open_conversation()
        dino.say(asked["owner"]["pairing_code"])
        dino.hear("There is no vault yet")
        print("paired")

        plugged = stage.also(Plugged(Path("/dev/shm") / stage.folder.name))
        plugged.mounts.append(pi.drive)
        drive = plugged.plug("drive", DRIVE)
        stick = plugged.plug("stick", STICK, "mkfs.ext4", "-q", "-F")
        dino.say("drives")
        pi.prepare([drive, stick])
        dino.hear("I see:")
        dino.say(f"prepare {drive} {stick}")
        dino.say(re.search(r"Send (\d+)", dino.hear("I format this drive"))[1])
        dino.hear("I prepare it")
        pi.prepare([drive, stick])
        dino.hear("The vault is made")
        print("the vault is made")
        stage.also(Process([pi.program, "key-agent", "--device", f"/dev/{stick}", "--socket",
                            pi.root / "run/strongroom/key.sock"], stdin=subprocess.DEVNULL))
        dino.hear("You may take the key out now")
        shot = photos.make(stage.folder / "camera")[0].with_suffix(".png")
        with Image.open(shot.with_suffix(".jpg")) as image:
            image.resize((1600, 1200)).save(shot)
        dino.paste(shot)
        dino.until("a sealed blob", lambda: alone.blobs(pi.drive))
        dino.say("status")
        dino.hear("The vault is open: 1 file")
        dino.shoot(folder / "evening.png")
    print(f"The pictures are in {folder}.")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
    except Failed as trouble:
        sys.exit(f"error: {trouble}")
