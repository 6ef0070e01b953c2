"""The first evening with the booted image: a file on the card, a phone, a drive and sticks as sold.

Nothing is done in the machine that an owner does not do: it is looked at, and where a fault is
provoked it is said.
"""
import json
import re
import secrets
import subprocess
import time

import wire
from boot_play import DAEMON, LONG, Play, digest
from stage import OWNER, ROOT, VAULT, Phone, Prosody, check

# Of a code thrown with dice, letters and digits in turn; none that looks like a word in disguise
LETTERS, DIGITS = "BCFHKMNVXZ", "256789"
CARD = "/boot/firmware"
STATUS = f"{CARD}/strongroom-status.txt"
# The card's small partition: where it begins, and its length.
FAT_AT, FAT_BYTES = 4 << 20, 512 << 20
LETTER = "What was on the stick before.\n"


class Evening(Play):
    def prepare(self):
        self.server = Prosody(self.folder / "server", is_open=True)
        self.server.register(OWNER, "secret of the owner")
        self.code = "".join(secrets.choice(LETTERS) + secrets.choice(DIGITS) for _ in range(6))

    # ---------------------------------------------------------------- the card
    def first_boot_file(self):
        """The example as an owner fills it in."""
        certificate = self.folder / "server/server.crt"
        printed = subprocess.run(
            ["openssl", "x509", "-in", certificate, "-noout", "-fingerprint", "-sha256"],
            check=True, capture_output=True, text=True).stdout
        key = self.folder / "ssh"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me", "-f", key],
                           check=True)
        public = key.with_suffix(".pub").read_text().strip()
        text = (ROOT / "docs/first-boot.example.toml").read_text()
        for line, wanted in (
                (r'jid = "vault@example.org"', f'jid = "{VAULT}"'),
                (r'password = "the password of the vault.s account"', ""),
                (r'#register = .*', f'register = "{VAULT.partition("@")[2]}"'),
                (r'#server = .*', f'server = "127.0.0.1:{self.server.c2s}"'),
                (r'#certificate_sha256 = .*',
                 f'certificate_sha256 = "{printed.partition("=")[2].strip().replace(":", "")}"'),
                (r'#upload_hosts = .*', f'upload_hosts = ["localhost:{self.server.https}"]'),
                (r'jid = "me@example.org"', f'jid = "{OWNER}"'),
                (r'#pairing_code = .*', f'pairing_code = "{self.code}"'),
                (r'host_name = .*', 'host_name = "attic"'),
                (r'#ssh_keys = .*', f'ssh_keys = ["{public}"]')):
            text, count = re.subn(f"(?m)^{line}$", wanted, text)
            check(count == 1, f"the example has not one line: {line}")
        before, _, rest = text.partition("[wifi]")
        return before + rest[rest.index("[system]"):]

    def lay_down(self, text):
        (self.folder / "strongroom.toml").write_text(text)
        self.mtools("mcopy", "-o", "-i", f"/build/card@@{FAT_AT}", "/build/strongroom.toml",
                    "::strongroom.toml")

    def on_card(self, words):
        """How often the small partition has these words, in files or where files were."""
        with (self.folder / "card").open("rb") as card:
            card.seek(FAT_AT)
            return card.read(FAT_BYTES).count(words.encode())

    # ---------------------------------------------------------------- acts
    def a_mistake(self):
        """A file with a wrong line: it says which, and nothing is changed. No port is open."""
        # A computer that replaces a file leaves the old one's bytes: another code, to be told apart.
        text = self.first_boot_file().replace(self.code, self.code[::-1])
        self.lay_down(text.replace("[owner]", "[owner]\njjd = \"me\"", 1))
        self.boot()
        self.pi.until(f"grep -q '^Strongroom: NOT SET UP' {STATUS}", "the status on the card", LONG)
        self.pi.until("systemctl is-failed strongroom-first-boot", "the unit to end", LONG)
        failed = self.failed_units()
        check(failed == ["strongroom-first-boot.service"], f"units failed: {failed}")
        self.pi.here(f"! systemctl is-active {DAEMON} && [ ! -e /etc/strongroom/strongroom.toml ]")
        neighbour = wire.connect(self.pi)
        tcp, udp = neighbour.tcp(), neighbour.udp()
        check((*tcp, udp) == (set(), set(), set()), f"ports answer: {tcp} {udp}")
        # The control: one port of each kind that is let in.
        for kind in ("tcp", "udp"):
            self.pi.here(f"nft add rule inet strongroom owner {kind} dport 4711 accept")
        around = range(4700, 4721)
        let_in = (*neighbour.tcp(around), neighbour.udp(around))
        check(let_in == (set(), {4711}, {4711}), f"the scan does not see port 4711: {let_in}")
        neighbour.close()
        self.pi.cut()
        told = self.mtools("mtype", "-i", f"/build/card@@{FAT_AT}", "::strongroom-status.txt").decode()
        check(told.count("Line ") == 1 and '"jjd"' in told and 'did you mean "jid"?' in told, f"the status: {told}")
        line = next(it for it in told.splitlines() if "jjd" in it)
        self.holds("a first-boot file with a wrong line changes nothing, and a computer reads why", line)
        self.holds("without the owner's key for SSH no port of 65535 answers, by TCP or UDP",
                   "0 of 131070; port 4711, let in for the control, answers by both")

    def first_boot(self):
        self.lay_down(self.first_boot_file())
        check(self.on_card(self.code), "the search does not find the code")
        took = self.boot()
        began = int(self.pi.here("date -u +%s"))
        image = int(self.pi.here("stat -c %Y /usr/lib/clock-epoch"))
        check(began >= image, "the clock is before the day of the image")
        self.holds("boots", f"{took:.0f} s to a shell; the clock chip said 1970, the Pi "
                   + self.pi.here("date -u '+%F %R'"))
        self.pi.until(f"grep -q '^Strongroom: SET UP' {STATUS}", "the card was not applied", LONG)
        told = self.pi.here(f"cat {STATUS}")
        address = next(it for it in told.splitlines() if it.startswith(f"xmpp:{VAULT}?"))
        self.pi.here(f"[ \"$(head -c 4 {CARD}/strongroom-address.png | tail -c 3)\" = PNG ]")
        page = self.pi.here(f"cat {CARD}/strongroom-address.html")
        check(address.replace("&", "&amp;") in page or address in page, "the page has another address")
        self.pi.here(f"[ ! -e {CARD}/strongroom.toml ]")
        check(not self.on_card(self.code), "the card still has the file's bytes")
        self.holds("the file on the card is applied and wiped, an account is made",
                   "status, address, page and picture are there; the code, found on the raw card "
                   "before, is found 0 times")
        self.heard("online")
        self.phone = Phone(self.folder / "phone", self.server, "secret of the owner")
        self.phone.befriend(VAULT)

    def clock_comes(self):
        """Only after the login, as a router may be slow: the pairing code must outlive the jump."""
        before = int(self.pi.here("date -u +%s"))
        self.clock.answers = True
        self.pi.until("[ -e /run/systemd/timesync/synchronized ]", "the time", LONG)
        wrong = abs(int(self.pi.here("date -u +%s")) - time.time())
        check(wrong < 120, f"the clock is {wrong:.0f} s off")
        jumped = (time.time() - before) / 60
        self.ask(self.code.lower(), "Paired")
        self.phone.reply("There is no vault yet", LONG)
        self.holds("takes the time from the network when it comes; the phone pairs by the card's code",
                   f"within {wrong:.0f} s; after the login the clock went {jumped:.0f} minutes ahead, "
                   "and the code, good for 30, still counted")

    def machine(self):
        self.pi.until("systemctl is-system-running | grep -E 'running|degraded'", "start-up", LONG)
        check(not self.failed_units(), f"units failed: {self.failed_units()}")
        self.pi.here("mountpoint -q /run/image/card && ! touch /run/image/card/x && touch /x")
        self.pi.here("[ -z \"$(swapon --noheadings --raw --show=NAME | grep -v zram)\" ]")
        self.pi.here("[ -z \"$(ls -A /var/log/journal)\" ]")
        # What is not the owner's is to be gone after the next start.
        self.pi.here("echo lost > /etc/lost")
        size = int(self.pi.here("df --output=size -m /state | tail -1"))
        check(size > 1500, f"the state partition has {size} MB")
        self.holds("root read-only under a layer of memory, no swap on the card, journal in memory",
                   f"0 failed units; state grew to {size} MB")
        self.pi.until("systemctl is-active ssh", "the owner gave a key for SSH", LONG)
        neighbour = wire.connect(self.pi)
        tcp, udp = neighbour.tcp(), neighbour.udp()
        neighbour.close()
        check((*tcp, udp) == ({22}, set(), set()), f"ports answer: {tcp} {udp}")
        self.holds("with a key for SSH in the file one port of 65535 is open", "22, and nothing else")

    def drives(self, words):
        """Asks what is plugged in until the vault says this, as the owner it told to wait does."""
        end = time.monotonic() + LONG
        while True:
            told = self.ask("drives", "I see")
            if re.search(words, told):
                return told
            check(time.monotonic() < end, f"the vault sees otherwise: {told}")
            time.sleep(2)

    def first_evening(self):
        began = time.monotonic()
        for name in ("drive", "stick"):
            self.pi.plug(name)
        told = self.drives(r'for example "prepare ')
        self.tell(f"      {told!r}")
        order = re.search(r'for example "(prepare [^"]+)"', told)[1]
        asked = self.confirm(order, "I format this drive", "I prepare it")
        self.phone.reply("The vault is made", LONG)
        self.phone.reply("You may take the key out now", LONG)
        self.holds("drive and stick, as they are sold, become a vault by chat alone",
                   f"\"{order}\", {time.monotonic() - began:.0f} s from plugging in to open; "
                   + " / ".join(it for it in asked.splitlines() if "GB" in it or "MB" in it))
        self.pi.here("[ \"$(e2label $(findmnt -no SOURCE /srv/strongroom))\" = strongroom-data ]")
        self.a_photo()
        self.pi.plug("spare")
        told = self.drives(r'for example "prepare spare ')
        order = re.search(r'for example "(prepare [^"]+)"', told)[1]
        self.confirm(order, "I add a second key", "I prepare it")
        self.phone.reply("The second stick opens the vault too", LONG)
        self.pi.pull("spare")
        opened = self.said("the vault is open")
        self.confirm("prepare pi", "The stick is to live in the Pi",
                     "The stick lives in the Pi from now on")
        self.heard("the vault is open", opened)
        self.sticks_keep_theirs()
        self.holds("a spare stick is made, and the first one's home is the Pi, by chat",
                   f"\"{order}\", \"prepare pi\"; what was on both sticks is still there")

    def a_photo(self):
        self.send(self.photos[0])
        began = time.monotonic()
        number = self.stored(self.photos[0])
        took = time.monotonic() - began
        self.get(number)
        size = self.photos[0].stat().st_size
        self.holds("a photo goes in and comes back",
                   f"{size / 1e6:.1f} MB, equal byte for byte, told {took:.0f} s after sending")

    def sticks_keep_theirs(self):
        for stick in ("/build/stick@@1M", "/build/spare"):
            found = self.mtools("mtype", "-i", stick, "::letter.txt").decode()
            check(found.replace("\r", "") == LETTER, f"{stick} has another letter: {found}")

    # ---------------------------------------------------------------- signs of life
    def lamp(self):
        return self.pi.here("sed 's/.*\\[\\(.*\\)\\].*/\\1/' /sys/class/leds/ACT/trigger")

    def shines(self, wanted):
        self.pi.until(f"grep -q '\\[{wanted}\\]' /sys/class/leds/ACT/trigger", f"the lamp: {wanted}", 60)

    def signs_of_life(self):
        self.shines("heartbeat")
        opened = self.said("the vault is open")
        self.pi.pull("stick")
        self.phone.reply("The key is gone", LONG)
        self.shines("default-on")
        self.pi.plug("stick")
        self.heard("the vault is open", opened)
        self.shines("heartbeat")
        # A fault: its state cannot be read any more.
        place = "/var/lib/strongroom/state.db"
        self.pi.here(f"systemctl stop {DAEMON} && mv {place} {place}.aside && mkdir {place} && "
                     f"systemctl start --no-block {DAEMON}")
        self.pi.until(f"grep -q '^Strongroom: IN TROUBLE' {STATUS}", "the status on the card", LONG)
        self.shines("timer")
        told = self.pi.here(f"cat {STATUS}")
        check("three times in a row" in told, f"the status: {told}")
        opened = self.said("the vault is open")
        self.pi.here(f"rmdir {place} && mv {place}.aside {place}")
        back = self.phone.reply("I am back, after", LONG)
        self.heard("the vault is open", opened)
        self.shines("heartbeat")
        check(not self.failed_units(), f"units failed: {self.failed_units()}")
        self.holds("a lamp that the kernel names ACT, as a Pi's, shows how the vault is",
                   "heartbeat open, lit locked, slowly on and off in trouble, heartbeat again (the "
                   "lamp is put into the virtual machine's device tree)")
        self.holds("after three failed starts the card says so, and the chat once it is over",
                   back.partition(".")[0])

    def nothing_is_refused(self):
        refused = self.refusals()
        check(not refused, "refused: " + "\n".join(refused[:20]))
        self.pi.here("systemd-run -q --wait -p SystemCallFilter=~chroot -p SystemCallErrorNumber=EPERM "
                     "/usr/sbin/chroot / /bin/true", may_fail=True)
        self.pi.until("journalctl -q -b -o cat -g 'type=1326.*chroot|^SECCOMP.*chroot'",
                      "a refused call is not logged")
        self.holds("no system call of our units was refused all evening",
                   f"0 logged; one provoked for the control is logged ({len(self.refusals())}); of "
                   f"Debian's own services: {', '.join(self.refusals(of_debian=True)) or 'none'}")

    def the_journal_is_quiet(self):
        """Neither the code nor names nor the owner's address; the same search finds the vault's words."""
        text = self.pi.here(f"journalctl -q -b -o json -u {DAEMON} -u 'strongroom-*'", LONG)
        entries = [json.loads(it) for it in text.splitlines() if it.startswith("{")]
        needles = {"the code": self.code, "the owner's address": OWNER, "a link": "aesgcm://",
                   "a photo": self.photos[0].stem}
        found = [what for what, needle in needles.items() if needle in text]
        check(not found, f"the journal gives away {', '.join(found)}")
        check("the vault is open" in text, "the search finds nothing anywhere")
        self.holds("the journal of the evening has no code, name, link or owner's address",
                   f"0 of {len(needles)} in {len(entries)} entries")

    def evening(self):
        self.a_mistake()
        self.first_boot()
        self.clock_comes()
        self.machine()
        self.first_evening()
        self.signs_of_life()
        self.the_journal_is_quiet()
        self.nothing_is_refused()
