"""Plays with the machine of virtual_pi.py. Usage: boot_test.py FOLDER BUILDER (see boot-test.sh)

The server and the phone are this machine's; the vault, its stick and its drive are the Pi's.
Exits with 1 when anything that must hold did not.
"""
import hashlib
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import stage
import virtual_pi
from stage import OWNER, VAULT, Failed, Phone, Prosody, check, pairing_code

SECRET = "secret of the vault"
DAEMON = "strongroom.service"
# Emulated, and on a machine that has other things to do.
LONG = 1500
PULLS = int(os.environ.get("STRONGROOM_PULLS", 20))
CUTS = int(os.environ.get("STRONGROOM_CUTS", 20))


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
        print(f"boot-test:   ok  {what}: {fact}", flush=True)

    # ---------------------------------------------------------------- the machine
    def boot(self):
        self.pi = virtual_pi.Machine(self.folder, self.builder)
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

    def get(self, number):
        self.drain("file")
        self.ask(f"get {number}", f"#{number} ")
        file = self.phone.wait("file", patience=LONG)
        check(digest(file["path"]) == self.acknowledged[number],
              f"#{number} did not come back as it was sent")

    # ---------------------------------------------------------------- acts
    def first_boot(self):
        took = self.boot()
        began = int(self.pi.here("date -u +%s"))
        image = int(self.pi.here("stat -c %Y /usr/lib/clock-epoch"))
        check(began >= image, "the clock is before the day of the image")
        self.holds("boots", f"{took:.0f} s to a shell; the clock chip said 1970, the Pi "
                   + self.pi.here("date -u +%F"))
        self.pi.until("systemctl is-system-running | grep -E 'running|degraded'", "start-up", LONG)
        failed = self.pi.here("systemctl --failed --plain --no-legend")
        check(not failed, f"units failed: {failed}")
        self.pi.here("mountpoint -q /run/image/card && ! touch /run/image/card/x && touch /x")
        self.pi.here("[ -z \"$(swapon --noheadings --raw --show=NAME | grep -v zram)\" ]")
        self.pi.here("[ -z \"$(ls -A /var/log/journal)\" ] && "
                     "! systemctl is-active ssh")
        self.pi.here("echo attic > /etc/hostname && echo lost > /etc/lost && "
                     "/usr/lib/strongroom-image/keep")
        self.pi.here("nft list chain inet strongroom input | grep -q 'policy drop'")
        size = int(self.pi.here("df --output=size -m /state | tail -1"))
        check(size > 1500, f"the state partition has {size} MB")
        self.holds("root read-only under a layer of memory, no swap on the card, journal in "
                   "memory, no SSH, input dropped", f"0 failed units; state grew to {size} MB")

    def clock_comes(self):
        self.clock.answers = True
        self.pi.until("[ -e /run/systemd/timesync/synchronized ]", "the time", LONG)
        wrong = abs(int(self.pi.here("date -u +%s")) - time.time())
        check(wrong < 120, f"the clock is {wrong:.0f} s off")
        self.holds("takes the time from the network when it comes", f"within {wrong:.0f} s")

    def set_up(self):
        pi = self.pi
        for name in ("drive", "stick"):
            pi.plug(name)
        pi.until("mountpoint /srv/strongroom", "the drive was never mounted")
        pi.here("systemd-tmpfiles --create strongroom.conf")
        for name, text in (("ca.crt", self.server.authority.read_text()), ("password", SECRET)):
            pi.put(f"/etc/strongroom/{name}", text + "\n", "600", "strongroom")
        pi.until("[ -e /dev/disk/by-label/STRONGROOM ]", "the stick was never seen")
        place = "/media/strongroom-key"
        pi.here(f"mount -o uid=strongroom,gid=strongroom,umask=077 /dev/disk/by-label/STRONGROOM "
                f"{place}")
        told = pi.here(
            "runuser -u strongroom -- strongroom init --mode presence "
            f"--jid {VAULT} --owner {OWNER} --password-file /etc/strongroom/password "
            f"--server 127.0.0.1:{self.server.c2s} --ca-file /etc/strongroom/ca.crt "
            f"--pin localhost:{self.server.https} --data /srv/strongroom/vault --key {place} "
            "--agent /run/strongroom/key.sock", LONG)
        pi.here("sed -i 's/gather_seconds = 10/gather_seconds = 0/' /etc/strongroom/strongroom.toml")
        pi.here(f"umount {place}")
        pi.pull("stick")
        # Enabled in the image; it waits for settings.
        pi.here(f"systemctl start {DAEMON}", LONG)
        self.heard("online")
        pi.plug("stick")
        self.heard("the vault is open")
        self.phone = Phone(self.folder / "phone", self.server, "secret of the owner")
        self.phone.befriend(VAULT)
        self.phone.order("send_text", to=VAULT, text=pairing_code(told))
        self.phone.reply("Paired", LONG)
        self.holds("drive mounted, stick seen, vault open, phone paired", "")

    def a_photo(self):
        self.send(self.photos[0])
        began = time.monotonic()
        number = self.stored(self.photos[0])
        took = time.monotonic() - began
        self.get(number)
        size = self.photos[0].stat().st_size
        self.holds("a photo goes in and comes back",
                   f"{size / 1e6:.1f} MB, equal byte for byte, told {took:.0f} s after sending")

    def pulls(self):
        """The stick leaves while a photo comes in, or while one goes out."""
        told, waiting, outs = [], 0, 0
        for turn in range(PULLS):
            photo = self.small_photo()
            going_out = turn % 2
            if going_out:
                self.phone.order("send_text", LONG, to=VAULT,
                                 text=f"get {self.chance.choice(sorted(self.acknowledged))}")
            else:
                self.send(photo)
            time.sleep(self.chance.uniform(0, 3))
            opened = self.said("the vault is open")
            self.pi.pull("stick")
            began = time.monotonic()
            self.phone.reply("The key is gone", LONG)
            told.append(time.monotonic() - began)
            # From here on nothing is read; what was let out before may still arrive.
            self.drain("message")
            self.ask("get 1", "The vault is locked")
            self.ask("list", "The vault is locked")
            files = self.drain("file")
            check(files <= going_out, f"{files} files came out of a locked vault")
            self.pi.plug("stick")
            self.heard("the vault is open", opened)
            self.drain("message")
            if going_out:
                outs += 1
            else:
                self.settle(photo)
                waiting += 1
        self.all_there()
        self.holds(f"the stick is pulled in the middle {PULLS} times",
                   f"{waiting} while a photo came in, {outs} while one went out; no acknowledged "
                   f"file lost, no read served after; told {spread(told)} after")

    def cuts(self):
        recovered, acknowledged = [], 0
        for _turn in range(CUTS):
            photo = self.small_photo()
            before = self.clock_now()
            self.send(photo)
            time.sleep(self.chance.uniform(0, 4))
            self.pi.cut()
            acknowledged += bool(self.phone.process.said.take(
                lambda it: it["event"] == "message" and photo.name in it["body"]
                and "stored" in it["body"], 0))
            self.clock.answers = False
            self.boot()
            now = int(self.pi.here("date -u +%s"))
            check(now > before - 120, f"the clock fell from {before} to {now}")
            self.pi.here("[ $(cat /proc/sys/kernel/hostname) = attic ] && [ ! -e /etc/lost ]")
            self.clock.answers = True
            for name in ("drive", "stick"):
                self.pi.plug(name)
            self.heard("online")
            self.heard("the vault is open")
            recovered.append(time.monotonic() - self.pi.began)
            self.drain("message")
            self.settle(photo)
            wrong = self.pi.here("journalctl -q -b -o cat -k | grep -E 'EXT4-fs error|I/O error' "
                                 "| grep -v 'dev sd'", may_fail=True)
            check(not wrong, f"the file systems did not recover: {wrong}")
            failed = self.pi.here("systemctl --failed --plain --no-legend")
            check(not failed, f"units failed after a power cut: {failed}")
        self.all_there()
        self.holds(f"the power is cut in the middle of writes {CUTS} times",
                   f"{acknowledged} photos were acknowledged before the cut; all {CUTS} are there, "
                   "file systems recover, the vault verifies, the clock goes on; open again "
                   f"{spread(recovered)} after switching on")

    def clock_now(self):
        return int(self.pi.here("stat -c %Y /var/lib/systemd/timesync/clock"))

    def all_there(self):
        self.drain("message")
        self.ask("verify", "Full check done")
        for number in sorted(self.acknowledged):
            self.get(number)

    def switch_off(self):
        self.pi.here("systemctl --no-block poweroff")
        try:
            self.pi.child.wait(LONG)
        except subprocess.TimeoutExpired:
            raise Failed("it did not switch off") from None
        self.pi.cut()

    def pi3(self):
        if os.environ.get("STRONGROOM_PI3") == "no":
            return
        self.pi = virtual_pi.Machine(self.folder, self.builder, "raspi3b")
        took = self.pi.shows("Started strongroom.service", LONG * 2)
        self.pi.cut()
        self.holds("the same card on an emulated Pi 3 B", f"the daemon is ready after {took:.0f} s")

    def run(self):
        self.server = Prosody(self.folder / "server")
        for jid, secret in ((VAULT, SECRET), (OWNER, "secret of the owner")):
            self.server.register(jid, secret)
        virtual_pi.inject(self.folder, self.builder, (self.server.c2s, self.server.https))
        self.first_boot()
        self.clock_comes()
        self.set_up()
        self.a_photo()
        self.pulls()
        self.cuts()
        self.switch_off()
        self.pi3()

    def end(self):
        if self.pi is not None:
            self.pi.cut()
        for one in (self.phone, self.server):
            if one is not None:
                one.stop()


def main():
    stage.PATIENCE = LONG
    # Whoever ends the play early still has the machine switched off.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    play = Play(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
    failed = None
    try:
        play.run()
    except (Failed, OSError, subprocess.SubprocessError) as trouble:
        failed = trouble
        try:
            if play.pi is not None and play.pi.channel is not None:
                print(play.pi.here(f"journalctl -q -b -o cat -u {DAEMON} | tail -30", 60, True))
        except (Failed, OSError):
            pass
    finally:
        play.end()
    print("\nWhat held" + (f" (shell {spread(play.boots)} after switching on)" if play.boots else ""))
    for what, fact in play.rows:
        print(f"| {what} | {fact} |")
    if failed:
        print(f"FAILED: {failed}")
        sys.exit(1)


if __name__ == "__main__":
    main()
