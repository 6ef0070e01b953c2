"""An evening inside the machine that unit_boot.py boots. Usage: unit_evening.py PHOTOS

Runs in a window to the host's files; the machine's own are reached by way of its first process.
Whoever reads the console is told what to do with the stick, and what was found.
"""
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import stage
from stage import OWNER, VAULT, Failed, Phone, Prosody, check, pairing_code

ROOT = Path("/proc/1/root")
SECRET = "secret of the vault"
DAEMON, AGENT = "strongroom.service", "strongroom-key@ubdb.service"
DROP_INS = ROOT / "run/systemd/system"
LONG = 180


def say(text):
    print(f"\n@ {text}", flush=True)


def holds(what, fact):
    say(f"  ok  {what}" + (f": {fact}" if fact != "" else ""))


def here(*command, may_fail=False):
    """Runs a program of the machine itself."""
    done = subprocess.run(
        ["nsenter", "--target=1", "--mount", "--root", "--wd=/", "--", *command],
        capture_output=True, text=True, encoding="utf-8", errors="replace",
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})
    check(may_fail or done.returncode == 0,
          f"{' '.join(command)} ({done.returncode}): {done.stdout}{done.stderr}")
    return done.stdout.strip()


def shown(unit, what):
    return here("systemctl", "show", "--value", f"--property={what}", unit)


def until(what, wanted, patience=LONG):
    """Waits until something is so, and returns how long it took."""
    began = time.monotonic()
    while not wanted():
        check(time.monotonic() - began < patience, f"in vain: {what}")
        time.sleep(0.1)
    return time.monotonic() - began


def journal(*how):
    return here("journalctl", "--quiet", "--no-pager", "--output=cat", *how, may_fail=True)


def heard(words, since=0):
    """Waits until the daemon has said it once more than `since` times."""
    until(f"the daemon never said: {words}",
          lambda: journal(f"--unit={DAEMON}").count(words) > since)


def said(words):
    return journal(f"--unit={DAEMON}").count(words)


def stick(where):
    print(f"\n@host stick {where}", flush=True)
    there = where == "in"
    until(f"stick {where}", lambda: Path("/sys/block/ubdb").exists() == there)


class Evening:
    def __init__(self, photos):
        self.photos = sorted(Path(photos).iterdir())
        self.server = self.phone = None
        self.kept = 0

    # ------------------------------------------------------------------------ chat
    def share(self, photo, words="stored"):
        sent = self.phone.order("send_file", LONG, to=VAULT, path=str(photo))
        self.phone.wait("receipt", lambda it: it["receipt_for"] == sent["id"], LONG)
        return self.phone.reply(words, LONG)

    def ask(self, text, words):
        self.phone.order("send_text", LONG, to=VAULT, text=text)
        return self.phone.reply(words, LONG)

    def get(self, number, photo):
        self.ask(f"get {number}", f"#{number} ")
        file = self.phone.wait("file", patience=LONG)
        digests = [hashlib.sha256(Path(it).read_bytes()).hexdigest()
                   for it in (photo, file["path"])]
        check(digests[0] == digests[1], f"#{number} did not come back as it was sent")

    def in_and_out(self, photo):
        told = self.share(photo)
        self.kept += 1
        check(f"#{self.kept} " in told, f"stored under another number: {told}")
        self.get(self.kept, photo)

    # ------------------------------------------------------------------------ acts
    def set_up(self):
        self.server = Prosody("/tmp/server")
        for jid, secret in ((VAULT, SECRET), (OWNER, "secret of the owner")):
            self.server.register(jid, secret)
        folder = ROOT / "etc/strongroom"
        for name, text in (("ca.crt", self.server.authority.read_text()), ("password", SECRET)):
            (folder / name).write_text(text + "\n")
        here("chown", "strongroom:", "/etc/strongroom/password", "/etc/strongroom/ca.crt")
        here("chmod", "600", "/etc/strongroom/password")
        # The drive was made a moment ago, and belongs to root.
        here("systemd-tmpfiles", "--create", "strongroom.conf")
        place = "/media/strongroom-key"
        here("mount", "-o", "uid=strongroom,gid=strongroom,umask=077",
             "/dev/disk/by-label/STRONGROOM", place)
        told = here("runuser", "-u", "strongroom", "--", "strongroom", "init",
                    "--mode", "presence", "--jid", VAULT, "--owner", OWNER,
                    "--password-file", "/etc/strongroom/password",
                    "--server", f"127.0.0.1:{self.server.c2s}",
                    "--ca-file", "/etc/strongroom/ca.crt",
                    "--pin", f"localhost:{self.server.https}", "--data", "/srv/strongroom/vault",
                    "--key", place, "--agent", "/run/strongroom/key.sock")
        here("umount", place)
        check(shown(AGENT, "ActiveState") != "active", "an agent ran without settings")
        stick("out")
        here("systemctl", "enable", "--now", DAEMON)
        check(shown(DAEMON, "ActiveState") == "active", "the daemon is not ready")
        holds("the daemon says that it is ready", shown(DAEMON, "StatusText"))
        heard("online")
        stick("in")
        heard("the vault is open")
        check(shown(AGENT, "ActiveState") == "active", "udev started no agent")
        holds("udev starts the agent for the stick, and the vault opens", "")
        return pairing_code(told)

    def pair(self, code):
        self.phone = Phone("/tmp/phone", self.server, "secret of the owner")
        self.phone.befriend(VAULT)
        self.phone.order("send_text", to=VAULT, text=code)
        self.phone.reply("Paired", LONG)

    def under_the_real_units(self):
        self.in_and_out(self.photos[0])
        self.ask("list", "#1 ")
        self.ask("verify", "Full check done")
        self.ask("status", "The vault is open")
        holds("a photo goes in, is checked and comes back", "equal byte for byte")

    def the_stick_leaves(self):
        stick("out")
        began = time.monotonic()
        self.phone.reply("The key is gone", LONG)
        told = time.monotonic() - began
        until("the agent ends", lambda: shown(AGENT, "ActiveState") != "active")
        check(self.share(self.photos[1], "Kept.") == "Kept. 1 file waits for the key.", "other words")
        self.ask("list", "The vault is locked")
        opened = said("the vault is open")
        stick("in")
        heard("the vault is open", opened)
        self.phone.reply("1 file that waited is stored as #2", LONG)
        self.kept += 1
        self.get(2, self.photos[1])
        holds("pulled, the stick locks; what came meanwhile is stored when it is back",
              f"told {told:.1f} s after")

    def the_journal_is_quiet(self):
        """Neither secrets nor names nor addresses; the same search finds them where they are."""
        entries = [json.loads(line) for line in here(
            "journalctl", "--quiet", "--output=json", f"--unit={DAEMON}",
            f"--unit={AGENT}").splitlines()]
        ours = [it for it in entries if "STRONGROOM_PROCESS" in it]
        processes = {it["STRONGROOM_PROCESS"] for it in ours}
        check({"daemon", "vault-process"} <= processes, f"fields are missing: {processes}")
        check(all(it.get("STRONGROOM_VERSION") and it.get("TARGET") for it in ours), "no version")
        text = json.dumps(entries, ensure_ascii=False)
        needles = {"password": SECRET, "the owner's address": OWNER,
                   "the phone's fingerprint": self.phone.online["fingerprint"]}
        needles |= {f"photo {at}": photo.name for at, photo in enumerate(self.photos)}
        needles |= {f"photo {at} without ending": photo.stem
                    for at, photo in enumerate(self.photos)}
        needles["link"] = "aesgcm://"
        found = [what for what, needle in needles.items() if needle in text]
        check(not found, f"the journal gives away {', '.join(found)}")
        # The phone's own account of the evening, and the settings, have all of them.
        plain = json.dumps([self.phone.process.said.all(), self.phone.online, SECRET, OWNER,
                            [photo.name for photo in self.photos]], ensure_ascii=False)
        missed = [what for what, needle in needles.items() if needle not in plain]
        check(not missed, f"the search finds nothing anywhere: {', '.join(missed)}")
        holds("the journal has no secret, name or address",
              f"{len(needles)} searched in {len(ours)} entries of {', '.join(sorted(processes))}; "
              "0 found, all of them found in the phone's own record")

    def limits_hold(self):
        group = Path("/sys/fs/cgroup") / shown(DAEMON, "ControlGroup").lstrip("/")
        limit = int((group / "memory.max").read_text())
        check(limit == 384 << 20, f"memory.max is {limit}")
        swap = group / "memory.swap.max"
        check(not swap.exists() or swap.read_text().strip() == "0", "swap is allowed")
        peak = int((group / "memory.peak").read_text()) if (group / "memory.peak").exists() else \
            int((group / "memory.current").read_text())
        holds("memory", f"{peak >> 20} MiB used of 384 MiB")
        before = shown(DAEMON, "MainPID")
        # Somebody in the daemon's group who takes more and more.
        hog = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read(1); "
             "b = [bytearray(1 << 20) for _ in range(600)]; print(len(b))"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        (group / "cgroup.procs").write_text(str(hog.pid))
        printed, _ = hog.communicate(b"x")
        check(hog.returncode == -9 and not printed, "600 MiB were to be had in a group of 384")
        self.get(1, self.photos[0])
        check(shown(DAEMON, "MainPID") == before, "the daemon was ended instead")
        holds("the limit of memory ends whoever goes beyond, and the daemon goes on", "")

    def the_watchdog_bites(self):
        self.drop_in(DAEMON, "watchdog", "WatchdogSec=8")
        before, opened = shown(DAEMON, "MainPID"), said("the vault is open")
        os.kill(int(before), signal.SIGSTOP)
        took = until("the watchdog", lambda: shown(DAEMON, "MainPID") not in (before, "0")
                     and shown(DAEMON, "ActiveState") == "active")
        check("Watchdog timeout" in journal("_PID=1"), "it ended for another reason")
        heard("the vault is open", opened)
        self.ask("status", "The vault is open")
        (DROP_INS / f"{DAEMON}.d/watchdog.conf").unlink()
        holds("a daemon that stands still is started anew",
              f"after {took:.0f} s with a watchdog of 8 s")

    def nothing_needed_is_refused(self):
        """The same units, but whatever they refuse kills and is logged."""
        for unit in (DAEMON, "strongroom-key@.service"):
            self.drop_in(unit, "deadly", "SystemCallErrorNumber=kill", reload_only=unit != DAEMON)
        restarts, opened = int(shown(DAEMON, "NRestarts")), said("the vault is open")
        stick("out")
        self.phone.reply("The key is gone", LONG)
        stick("in")
        heard("the vault is open", opened)
        self.in_and_out(self.photos[2])
        self.ask(f"find {self.photos[2].stem}", "#3 ")
        self.ask("verify", "Full check done")
        self.ask("keys", "What opens the vault")
        self.ask("devices", "Your devices")
        self.ask("lock", "The vault is locked")
        here("systemctl", "reload", DAEMON)
        check(int(shown(DAEMON, "NRestarts")) == restarts, "something needed was refused")
        check(shown(AGENT, "Result") == "success", "the agent was refused something")
        refused = self.refusals()
        check(not refused, f"refused: {refused}")
        # The daemon's unit with a program in it that asks for what is forbidden.
        text = here("systemctl", "cat", DAEMON)
        text = re.sub(r"(?m)^(Exec\w+|Type|WatchdogSec|Restart\w*|NotifyAccess|RuntimeDirectory"
                      r"|StateDirectory)\w*=.*$", "", text)
        (DROP_INS / "control.service").write_text(
            text + "\n[Service]\nType=oneshot\nExecStart=/usr/sbin/chroot / /bin/true\n")
        here("systemctl", "daemon-reload")
        here("systemctl", "start", "control.service", may_fail=True)
        status = shown("control.service", "ExecMainStatus")
        logged = self.refusals()
        check(status == "31" and logged, f"a refused call neither kills nor shows: {status}")
        holds("no system call is refused to daemon, vault process and agent",
              f"0 logged; a forbidden one is logged ({len(logged)}) and ends its program")

    @staticmethod
    def refusals():
        """What the kernel has logged of refused system calls. audit(7), type 1326"""
        return [line for line in journal("--dmesg").splitlines() + journal(
            "_TRANSPORT=audit").splitlines() if "type=1326" in line or line.startswith("SECCOMP ")]

    @staticmethod
    def drop_in(unit, name, line, reload_only=False):
        folder = DROP_INS / f"{unit}.d"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.conf").write_text(f"[Service]\n{line}\n")
        here("systemctl", "daemon-reload")
        if not reload_only:
            opened = said("the vault is open")
            here("systemctl", "restart", unit)
            heard("the vault is open", opened)

    def the_owner_switches_it_off(self):
        for folder in ("strongroom.service.d", "strongroom-key@.service.d"):
            (DROP_INS / folder / "deadly.conf").unlink()
        here("systemctl", "daemon-reload")
        failed = here("systemctl", "--failed", "--plain", "--no-legend").splitlines()
        failed = [line for line in failed if "control.service" not in line]
        check(not failed, f"units failed: {failed}")
        # From here on nobody but the daemon's request takes the machine down.
        (ROOT / "run/evening-is-over").touch()
        number = re.search(r"Send (\d+)", self.ask("off", "Switch the Pi off?"))
        # It goes down with us in it: whoever booted it sees it go.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("\n@off", flush=True)
        self.ask(number[1], "switches off now")
        time.sleep(LONG)
        raise Failed("the machine was not switched off")


def main():
    evening = Evening(sys.argv[1])
    try:
        code = evening.set_up()
        evening.pair(code)
        evening.under_the_real_units()
        evening.the_stick_leaves()
        evening.the_journal_is_quiet()
        evening.limits_hold()
        evening.the_watchdog_bites()
        evening.nothing_needed_is_refused()
        evening.the_owner_switches_it_off()
    except (Failed, OSError, subprocess.SubprocessError) as failed:
        say(f"FAILED  {failed}")
        for line in journal("--lines=60").splitlines():
            print("  " + line, flush=True)
        if evening.server is not None:
            print(evening.server.log()[-1500:], flush=True)
        print("\n@result failed", flush=True)
        sys.exit(1)
    finally:
        for one in (evening.phone, evening.server):
            if one is not None:
                one.stop()


if __name__ == "__main__":
    main()
