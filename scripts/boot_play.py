"""What the acts of the boot test share: the machine, the owner's phone, and the list of what held."""
import hashlib
import os
import random
import re
import statistics
import subprocess
import time
from pathlib import Path

import virtual_pi
from stage import VAULT, Failed, check

DAEMON = "strongroom.service"
# Emulated, and on a machine that has other things to do.
LONG = 1500


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def spread(seconds):
    return (f"{min(seconds):.1f} to {max(seconds):.1f} s, median {statistics.median(seconds):.1f} s"
            if seconds else "none")


class Play:
    def __init__(self, folder, builder):
        self.folder, self.builder = folder, builder
        self.photos = sorted((folder / "photos").iterdir())
        self.chance = random.Random(6)
        self.pi = self.server = self.phone = None
        self.clock = virtual_pi.Clock()
        self.rows, self.boots, self.made = [], [], 0
        # What the vault has said it stored: number and digest
        self.acknowledged = {}

    def holds(self, what, fact):
        self.rows.append((what, fact))
        self.tell(f"  ok  {what}: {fact}")

    @staticmethod
    def tell(words):
        print(f"boot-test: {time.strftime('%H:%M:%S')} {words}", flush=True)

    # ---------------------------------------------------------------- the machine
    def boot(self, plugged=()):
        self.pi = virtual_pi.Machine(self.folder, self.builder, plugged=plugged)
        self.pi.here("true", LONG)
        took = time.monotonic() - self.pi.began
        self.boots.append(took)
        return took

    def said(self, words):
        count = self.pi.here(f"journalctl -q -o cat -u {DAEMON} | grep -c {words!r}", may_fail=True)
        return int(count.splitlines()[-1])

    def heard(self, words, since=0):
        self.pi.until(f"[ $(journalctl -q -o cat -u {DAEMON} | grep -c {words!r}) -gt {since} ]",
                      f"the daemon never said: {words}", LONG)

    def failed_units(self):
        return self.pi.here("systemctl --failed --plain --no-legend | cut -d' ' -f1").split()

    def refusals(self, of_debian=False):
        """What the kernel has logged of refused system calls: of our units, or of Debian's own services.
        audit(7), type 1326"""
        # Two that the C library asks for and does without: 435 is clone3, whose arguments nobody can look
        # at (RestrictNamespaces=), 198 is socket, for netlink, when a name is looked up
        # (RestrictAddressFamilies=).
        found = self.pi.here("journalctl -q -b -o cat -g 'type=1326|^SECCOMP ' | "
                             "grep -Ev 'syscall=(435|198) '", may_fail=True)
        services = [(it, re.search(r'exe="/usr/lib/systemd/(systemd-[^"]+)"', it))
                    for it in found.splitlines()]
        if of_debian:
            return sorted({service[1] for _, service in services if service})
        return [line for line, service in services if not service]

    def mtools(self, program, *arguments):
        """Has the host look into the card or a stick, as a computer would."""
        done = virtual_pi.inside(self.folder, self.builder, "env", "MTOOLS_SKIP_CHECK=1", program,
                                 *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said, _ = done.communicate()
        check(done.returncode == 0, f"{program} {arguments}: {said.decode(errors='replace')}")
        return said

    # ---------------------------------------------------------------- the chat
    def small_photo(self):
        """A photo that nobody has sent before, small enough to be on the way for moments only."""
        from PIL import Image
        self.made += 1
        path = self.folder / "photos" / f"cat{self.made:03}.jpg"
        noise = Image.effect_noise((640, 480), 60 + self.made % 30)
        noise.save(path, quality=85)
        return path

    def send(self, photo):
        return self.phone.order("send_file", LONG, to=VAULT, path=str(photo))

    def number_in(self, said, photo):
        """The number under which a message of the vault lists a photo, if it does."""
        found = re.search(rf"#(\d+) {re.escape(photo.name)}", said)
        if found:
            self.acknowledged[int(found[1])] = digest(photo)
        return int(found[1]) if found else None

    def stored(self, photo):
        told = self.phone.wait("message", lambda it: it["from"] == VAULT and photo.name in it["body"]
                               and "stored" in it["body"], LONG)["body"]
        number = self.number_in(told, photo)
        check(number, f"{photo.name}: {told}")
        return number

    def settle(self, photo):
        """Finds under which number the vault has a photo that was sent; it may have to fetch it."""
        end = time.monotonic() + LONG
        while time.monotonic() < end:
            if self.number_in(self.ask(f"find {photo.stem}", ""), photo):
                return
            time.sleep(1)
        raise Failed(f"{photo.name} never arrived")

    def drain(self, kind):
        """Takes what has come by now; returns how many."""
        count = 0
        while self.phone.process.said.take(lambda it: it["event"] == kind, 0):
            count += 1
        return count

    def ask(self, text, words):
        self.phone.order("send_text", LONG, to=VAULT, text=text)
        return self.phone.reply(words, LONG)

    def confirm(self, text, words, done):
        """Gives an order that the vault asks a number for; returns what it asked."""
        asked = self.ask(text, words)
        number = re.search(r"Send (\d+) within", asked)
        check(number, f"no number was asked for: {asked}")
        self.ask(number[1], done)
        return asked

    def get(self, number):
        self.drain("file")
        self.ask(f"get {number}", f"#{number} ")
        file = self.phone.wait("file", patience=LONG)
        check(digest(file["path"]) == self.acknowledged[number],
              f"#{number} did not come back as it was sent")

    def all_there(self):
        self.drain("message")
        self.ask("verify", "Full check done")
        for number in sorted(self.acknowledged):
            self.get(number)

    def end(self):
        if self.pi is not None:
            self.pi.cut()
        for one in (self.phone, self.server):
            if one is not None:
                one.stop()
