"""Plays with the machine of virtual_pi.py. Usage: boot_test.py FOLDER BUILDER (see boot-test.sh)

The server and the phone are this machine's; the vault, its sticks and its drive are the Pi's.
Exits with 1 when anything that must hold did not.
"""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import stage
import virtual_pi
from boot_evening import STATUS, Evening
from boot_play import DAEMON, LONG, spread
from stage import Failed, check

PULLS = int(os.environ.get("STRONGROOM_PULLS", 20))
CUTS = int(os.environ.get("STRONGROOM_CUTS", 20))


class Test(Evening):
    def pulls(self):
        """The stick leaves while a photo comes in, or while one goes out."""
        told, waiting, outs = [], 0, 0
        for turn in range(PULLS):
            photo = self.small_photo()
            going_out = turn % 2
            if going_out:
                number = self.chance.choice(sorted(self.acknowledged))
                # Under way: what is asked for later waits for the key, and is sent once it is there.
                self.ask(f"get {number}", f"#{number} ")
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
            for reading in ("list", "info 1", f"find {self.photos[0].stem[:4]}"):
                self.ask(reading, "The vault is locked")
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
            self.tell(f"      pull {turn + 1} of {PULLS}: told {told[-1]:.1f} s after")
        self.all_there()
        self.holds(f"the stick is pulled in the middle {PULLS} times",
                   f"{waiting} while a photo came in, {outs} while one went out; no acknowledged "
                   f"file lost, no read served after; told {spread(told)} after")

    def cuts(self):
        """With drive and stick in, as they stay in. Half of the photos are on the way or being written,
        half are told as stored."""
        recovered, acknowledged = [], 0
        for turn in range(CUTS):
            photo = self.small_photo()
            before = self.clock_now()
            self.send(photo)
            time.sleep(self.chance.uniform(*((0, 6), (8, 16))[turn % 2]))
            self.pi.cut()
            acknowledged += bool(self.phone.process.said.take(
                lambda it: it["event"] == "message" and photo.name in it["body"]
                and "stored" in it["body"], 0))
            self.clock.answers = False
            self.boot(("drive", "stick"))
            now = int(self.pi.here("date -u +%s"))
            check(now > before - 120, f"the clock fell from {before} to {now}")
            self.pi.here("[ $(cat /proc/sys/kernel/hostname) = attic ] && [ ! -e /etc/lost ]")
            self.clock.answers = True
            self.heard("online")
            self.heard("the vault is open")
            recovered.append(time.monotonic() - self.pi.began)
            self.drain("message")
            self.settle(photo)
            wrong = self.pi.here("journalctl -q -b -o cat -k | grep -E 'EXT4-fs error|I/O error' "
                                 "| grep -v 'dev sd'", may_fail=True)
            check(not wrong, f"the file systems did not recover: {wrong}")
            check(not self.failed_units(), f"units failed after a power cut: {self.failed_units()}")
            check(not self.refusals(), "refused: " + "\n".join(self.refusals()[:20]))
            self.tell(f"      cut {turn + 1} of {CUTS}: open again after {recovered[-1]:.0f} s")
        self.all_there()
        self.holds(f"the power is cut in the middle of writes {CUTS} times",
                   f"{acknowledged} photos were acknowledged before the cut; all {CUTS} are there, "
                   "file systems recover, 0 failed units, the vault verifies, the clock goes on; open again "
                   f"{spread(recovered)} after switching on")

    def clock_now(self):
        return int(self.pi.here("stat -c %Y /var/lib/systemd/timesync/clock"))

    def switch_off(self):
        self.confirm("off", "Switch the Pi off?", "the Pi switches off now")
        try:
            self.pi.child.wait(LONG)
        except subprocess.TimeoutExpired:
            raise Failed("it did not switch off") from None
        self.pi.cut()
        self.sticks_keep_theirs()
        self.holds("\"off\" by chat switches it off", "and what was on the sticks is still there")

    def pi3(self):
        if os.environ.get("STRONGROOM_PI3") == "no":
            return
        self.pi = virtual_pi.Machine(self.folder, self.builder, "raspi3b")
        took = self.pi.shows("Started strongroom.service", LONG * 2)
        self.pi.cut()
        self.holds("the same card on an emulated Pi 3 B", f"the daemon is ready after {took:.0f} s")

    def run(self):
        self.prepare()
        virtual_pi.inject(self.folder, self.builder, (self.server.c2s, self.server.https))
        self.evening()
        self.pulls()
        self.cuts()
        self.switch_off()
        self.pi3()


def main():
    stage.PATIENCE = LONG
    # Whoever ends the play early still has the machine switched off.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    play = Test(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
    failed = None
    try:
        play.run()
    except (Failed, OSError, subprocess.SubprocessError) as trouble:
        failed = trouble
        try:
            if play.pi is not None and play.pi.channel is not None:
                print(play.pi.here(f"journalctl -q -b -o short-monotonic -u {DAEMON} -u 'strongroom-*' "
                                   f"| tail -60; cat {STATUS}; systemctl --failed --plain", 60, True))
        except (Failed, OSError):
            pass
    finally:
        play.end()
    print("\nWhat held" + (f" ({len(play.boots)} boots, a shell {spread(play.boots)} after switching on)" if play.boots else ""))
    for what, fact in play.rows:
        print(f"| {what} | {fact} |")
    if failed:
        print(f"FAILED: {failed}")
        sys.exit(1)


if __name__ == "__main__":
    main()
