"""The stage on which demo and bench play: a Prosody on loopback, a vault with its daemon, a phone.

Each is a process of its own, started here and ended here by its process id. The stage knows how to
start, ask and wait; what is played on it is the business of demo.py and bench.py.
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "tests/peers"
DOMAIN = "localhost"
VAULT, OWNER = f"vault@{DOMAIN}", f"me@{DOMAIN}"
PATIENCE = 60
UNIT_MARKS = ("JOURNAL_STREAM", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Failed(Exception):
    """A step did not do what it has to do."""


def check(holds, otherwise):
    if not holds:
        raise Failed(otherwise)


class Journal:
    """What a process has said so far; one thread adds, others wait and take."""

    def __init__(self):
        self._items, self._closed, self._news = [], False, threading.Condition()

    def add(self, item):
        with self._news:
            self._items.append([item, False])
            self._news.notify_all()

    def close(self):
        with self._news:
            self._closed = True
            self._news.notify_all()

    def take(self, wanted, patience=PATIENCE):
        """Waits for an item that nobody has taken, and takes it; None when it does not come."""
        end = time.monotonic() + patience
        with self._news:
            while True:
                for entry in self._items:
                    if not entry[1] and wanted(entry[0]):
                        entry[1] = True
                        return entry[0]
                left = end - time.monotonic()
                if left <= 0 or self._closed:
                    return None
                self._news.wait(left)

    def all(self):
        with self._news:
            return [entry[0] for entry in self._items]


class Process:
    """A running program whose lines of output are kept."""

    def __init__(self, command, parse=str, **how):
        environment = {key: value for key, value in os.environ.items() if key not in UNIT_MARKS}
        self.child = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.PIPE, env=environment, text=True,
            encoding="utf-8", errors="replace", start_new_session=True, **how)
        self.said = Journal()
        self._reader = threading.Thread(target=self._read, args=(parse,), daemon=True)
        self._reader.start()

    def _read(self, parse):
        for line in self.child.stdout:
            self.said.add(parse(line.rstrip("\n")))
        self.said.close()

    @property
    def pid(self):
        return self.child.pid

    def stop(self, patience=10):
        """Asks it to end and returns its exit status; kills it when it does not obey."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(patience)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            return None


def run(command, **how):
    """Runs a program to its end and returns what it printed; it must succeed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          encoding="utf-8", **how)
    check(done.returncode == 0, f"{Path(command[0]).name} failed ({done.returncode}):\n"
          f"{done.stdout}{done.stderr}".rstrip(":\n"))
    return done.stdout


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class Prosody:
    """A server of our own in a folder of its own, on free ports of the loopback address.

    With `c2s` clients find it on that port. With `host_port` it grants slots on another host of files on this machine, for those who find
    its own, which takes in few megabytes a second, too slow. An open one lets anybody make an account.
    """

    def __init__(self, folder, limit_mib=64, host_port=None, c2s=None, is_open=False):
        self.is_open = is_open
        self.folder, self.process, self.host_port = Path(folder), None, host_port
        self.wanted_c2s = c2s
        for name in ("data", "certs"):
            (self.folder / name).mkdir(parents=True)
        run(["bash", PEERS / "mkca.sh", self.folder])
        self.authority = self.folder / "ca.crt"
        self.config = self.folder / "prosody.cfg.lua"
        for _ in range(3):
            self._configure(limit_mib)
            if self._start():
                return
        raise Failed("Prosody found its ports taken three times")

    def _configure(self, limit_mib):
        self.c2s, self.direct_tls, self.https = free_ports(3)
        self.c2s = self.wanted_c2s or self.c2s
        words = {"BASE": self.folder, "RUN_AS_ROOT": str(os.geteuid() == 0).lower(),
                 "C2S": self.c2s, "DIRECT_TLS": self.direct_tls, "HTTPS": self.https,
                 "LIMIT_MIB": limit_mib, "LOG_LEVEL": "info"}
        template = (PEERS / "prosody.cfg.lua").read_text()
        text = re.sub("@([A-Z0-9_]+)@", lambda it: str(words[it[1]]), template)
        if self.is_open:
            text = text.replace("allow_registration = false", "allow_registration = true")
            text = text.replace('"limits",', '"limits", "register_ibr", "register_limits",')
        if self.host_port:
            text = text.replace(f'"https://localhost:{self.https}/"',
                                f'"https://localhost:{self.host_port}/"')
        self.config.write_text(text)

    def _start(self):
        (self.folder / "server.log").write_text("")
        self.process = Process(["prosody", "--config", self.config, "-F"],
                               stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        end = time.monotonic() + PATIENCE
        for port in (self.c2s, self.direct_tls, self.https):
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    check(self.process.child.poll() is None and time.monotonic() < end,
                          f"Prosody does not run:\n{self.log()}")
                    time.sleep(0.05)
        # Somebody else may be listening there.
        if "Failed to open server port" not in self.log():
            return True
        self.stop()
        return False

    def register(self, jid, password):
        name, domain = jid.split("@")
        run(["prosodyctl", "--config", self.config, "register", name, domain, password])

    def log(self):
        return (self.folder / "server.log").read_text(errors="replace")

    def stop(self):
        if self.process:
            self.process.stop()


class Vault:
    """A vault on three folders that stand for drive, stick and card, and its daemon."""

    def __init__(self, folder, programs, server):
        self.folder, self.server = Path(folder), server
        self.program = Path(programs) / "strongroom"
        self.rescuer = Path(programs) / "strongroom-rescue"
        self.drive, self.data = self.folder / "drive", self.folder / "drive/vault"
        self.stick, self.drawer = self.folder / "stick", self.folder / "drawer"
        self.card, self.settings = self.folder / "card", self.folder / "strongroom.toml"
        self.daemon = None

    def init(self, password, pins=()):
        """Makes the vault and returns what set-up said."""
        for folder in (self.drive, self.stick, self.card):
            folder.mkdir(parents=True)
        secret = self.card / "password"
        secret.touch(mode=0o600)
        secret.write_text(password + "\n")
        pins = [f"localhost:{self.server.https}", *pins]
        said = run([self.program, "--config", self.settings, "init", "--trial", "--mode", "presence",
                    "--jid", VAULT, "--owner", OWNER, "--password-file", secret,
                    "--server", f"127.0.0.1:{self.server.c2s}", "--ca-file", self.server.authority,
                    *(part for pin in pins for part in ("--pin", pin)),
                    "--data", self.data, "--key", self.stick, "--system", self.card])
        # Each file is told by itself, however soon it follows another.
        settings = self.settings.read_text()
        check("gather_seconds = 10" in settings, "the settings do not say how arrivals are told")
        self.settings.write_text(settings.replace("gather_seconds = 10", "gather_seconds = 0"))
        return said

    def start(self):
        """Starts the daemon and waits until it is online with the vault open."""
        self.daemon = Process([self.program, "--config", self.settings, "run"],
                              stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        for words in ("online", "the vault is open"):
            self.heard(words)

    def heard(self, words, patience=PATIENCE):
        check(self.daemon.said.take(lambda line: words in line, patience) is not None,
              f"the daemon never said: {words}")

    def stop(self):
        if self.daemon:
            daemon, self.daemon = self.daemon, None
            check(daemon.stop() == 0, "the daemon did not stop within 10 seconds in good order:\n"
                  + "\n".join(daemon.said.all()))

    def rescue(self, *arguments, **how):
        return run([self.rescuer, "--vault", self.data, *arguments], **how)


class Phone:
    """The owner's phone: tests/peers/phone.py as a program of its own, told what to do."""

    def __init__(self, folder, server, password, script=PEERS / "phone.py"):
        self.process = Process(
            [sys.executable, "-B", script, "--jid", OWNER, "--password", password,
             "--port", server.c2s, "--cafile", server.authority, "--state", folder],
            parse=self._parse, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._seq = 0
        self.online = self.wait("online")

    @staticmethod
    def _parse(line):
        try:
            return json.loads(line)
        except ValueError:
            return {"event": "noise", "line": line}

    def order(self, what, patience=PATIENCE, **how):
        self._seq += 1
        seq = self._seq
        self.process.child.stdin.write(json.dumps({"seq": seq, "do": what, **how}) + "\n")
        self.process.child.stdin.flush()
        done = self.wait("done", lambda it: it["seq"] == seq, patience)
        check(done["ok"], f"the phone could not {what}: {done.get('error')}")
        return done

    def wait(self, kind, wanted=lambda _: True, patience=PATIENCE):
        event = self.process.said.take(lambda it: it["event"] == kind and wanted(it), patience)
        check(event is not None, f"the phone waited in vain for: {kind}")
        return event

    def reply(self, words, patience=PATIENCE):
        """Waits for an encrypted message of the vault that holds these words."""
        try:
            return self.wait("message", lambda it: it["encrypted"] and it["from"] == VAULT
                             and words in it["body"], patience)["body"]
        except Failed:
            raise Failed(f"the vault did not answer: {words}") from None

    def befriend(self, jid):
        """Makes a contact: each side asks and approves."""
        self.order("subscribe", jid=jid)
        self.wait("presence", lambda it: it["from"] == jid and it["kind"] == "subscribe")
        self.order("approve", jid=jid)
        self.wait("presence", lambda it: it["from"] == jid and it["kind"] == "subscribed")

    def stop(self):
        # The end of its orders is the order to end.
        self.process.child.stdin.close()
        try:
            self.process.child.wait(10)
        except subprocess.TimeoutExpired:
            self.process.stop(2)


class Stage:
    """The folder of it all. Leaving it ends every process and removes the folder."""

    def __init__(self, place=None):
        self.folder = Path(tempfile.mkdtemp(prefix="strongroom-", dir=place))
        self.server = self.vault = self.phone = None
        self._others = []

    def __enter__(self):
        # So that whoever ends the play early still has the stage cleared.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def also(self, process):
        self._others.append(process)
        return process

    def __exit__(self, kind, error, _trace):
        if isinstance(error, Failed):
            self._report()
        for one in (self.phone, self.vault, self.server, *self._others):
            try:
                if one is not None:
                    one.stop()
            except (Failed, OSError) as trouble:
                print(f"while clearing the stage: {trouble}", file=sys.stderr)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _report(self):
        if self.vault is not None and self.vault.daemon is not None:
            print("\n--- what the daemon said last", *self.vault.daemon.said.all()[-20:],
                  sep="\n", file=sys.stderr)
        if self.server is not None:
            print("--- what the server said last", *self.server.log().splitlines()[-10:],
                  sep="\n", file=sys.stderr)


def pairing_code(said):
    """The code in what `strongroom init` printed."""
    found = re.search(r"PAIRING CODE.*?\n\s+([0-9A-Z]{5}-[0-9A-Z]{5})\n", said, re.S)
    check(found is not None, "set-up printed no pairing code")
    return found[1]


def recovery_words(said):
    """The 24 words in what `strongroom init` printed."""
    words = re.findall(r"(?<=\d )[a-z]+", said.partition("RECOVERY WORDS")[2].partition("xmpp:")[0])
    check(len(words) == 24, f"set-up printed {len(words)} recovery words")
    return " ".join(words)
