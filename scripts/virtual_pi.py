"""The machine that boot_test.py boots: QEMU with the image's card, and the hand at its plugs.

Knows how to switch it on, cut its power, plug things in and out and run a command in it; what is
done with it is the business of boot_test.py.
"""
import json
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import threading
import time
import uuid
from pathlib import Path

import device_tree
from stage import Failed, check

# What people plug in: maker and model as the device says them.
MODELS = {"drive": ("Samsung", "PSSD T7"), "stick": ("SanDisk", "Ultra"),
          "spare": ("Kingston", "DataTraveler")}
CHANNEL = "strongroom.test"
# Into the builder with the folder as /build there; gone with whoever called.
ENTER = """
    mount --bind "$2" "$1/build"; mount --rbind /dev "$1/dev"; mount -t proc proc "$1/proc"
    builder=$1; shift 2
    exec chroot "$builder" "$@"
"""
# What a copy of the image gets to be tested: a root shell where the host has put a port for it, and
# this machine's servers where they look to be the Pi's own.
SHELL = f"""[Unit]
Description=Test channel
ConditionPathExists=/dev/virtio-ports/{CHANNEL}
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/sh -c 'exec /bin/sh <>/dev/virtio-ports/{CHANNEL} >&0 2>&1'
Restart=always
RestartSec=1
"""


def inside(folder, builder, *command, **how):
    return subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private",
         "bash", "-euc", ENTER, "sh", str(builder), str(folder), *command], **how)


def inject(folder, builder, ports):
    """Puts the test channel into the copy of the image, and nothing else."""
    files = {"test-channel.service": SHELL}
    for port in ports:
        files[f"test-port-{port}.socket"] = f"[Socket]\nListenStream=127.0.0.1:{port}\n"
        files[f"test-port-{port}.service"] = (
            f"[Service]\nExecStart=/usr/lib/systemd/systemd-socket-proxyd 10.0.2.2:{port}\n")
    timesync = "[Time]\nNTP=10.0.2.2\nFallbackNTP=\nPollIntervalMinSec=16\nConnectionRetrySec=5\n"
    orders = ["cd /etc/systemd", "mkdir timesyncd.conf.d", "cd timesyncd.conf.d",
              "write /build/inject/timesync test.conf", "cd /etc/systemd/system"]
    (folder / "inject").mkdir()
    (folder / "inject/timesync").write_text(timesync)
    for name, text in files.items():
        (folder / "inject" / name).write_text(text)
        orders.append(f"write /build/inject/{name} {name}")
    orders.append("cd multi-user.target.wants")
    started = [it for it in files if it.endswith(".socket") or it == "test-channel.service"]
    orders += [f"symlink {it} /etc/systemd/system/{it}" for it in started]
    (folder / "inject/orders").write_text("\n".join(orders) + "\n")
    # The root is the second part of the card.
    listed = subprocess.run(["sfdisk", "--json", str(folder / "card")], check=True,
                            capture_output=True, text=True).stdout
    start = json.loads(listed)["partitiontable"]["partitions"][1]["start"] * 512
    done = inside(folder, builder, "debugfs", "-w", "-f", "/build/inject/orders",
                  f"/build/card?offset={start}", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                  text=True)
    said, _ = done.communicate()
    check(done.returncode == 0 and "not found" not in said.lower(), f"injecting: {said}")


class Clock:
    """A time server on loopback, RFC 5905: silent until it is told to answer."""

    def __init__(self):
        self.answers = False
        self.line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.line.bind(("127.0.0.1", 123))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            asked, whom = self.line.recvfrom(512)
            if not self.answers or len(asked) < 48:
                continue
            now = time.time() + 2208988800
            stamp = struct.pack("!II", int(now), int(now % 1 * 2**32))
            self.line.sendto(struct.pack("!BBbbII4s", 0x24, 1, 4, -20, 0, 0, b"TEST")
                             + stamp + asked[40:48] + stamp + stamp, whom)


class Machine:
    """One machine from its switching on until its power is cut."""

    def __init__(self, folder, builder, board="virt", plugged=()):
        self.folder, self.builder, self.board = Path(folder), builder, board
        self.log = self.folder / f"console.{board}"
        for name in ("qmp", "channel", "wire"):
            (self.folder / name).unlink(missing_ok=True)
        if board == "virt":
            self._make_tree()
        command = {"virt": self._virt, "raspi3b": self._pi3}[board]()
        for name in plugged:
            command += self._plugged(name)
        self.began = time.monotonic()
        self.child = inside(self.folder, builder, *command, stdin=subprocess.DEVNULL,
                            stdout=(self.folder / "qemu.log").open("ab"),
                            stderr=subprocess.STDOUT, start_new_session=True)
        self.qmp = self.channel = None

    def _words(self, console):
        kept = [it for it in (self.folder / "cmdline").read_text().split()
                if not it.startswith("console=")]
        # Emulated beside other work, a device may take its time.
        return " ".join([*kept, f"console={console}", "systemd.show_status=1",
                         "systemd.default_device_timeout_sec=900",
                         "systemd.default_timeout_start_sec=900"])

    def _bare(self, more=""):
        return ["qemu-system-aarch64", "-M", f"virt,gic-version=3{more}", "-cpu", "cortex-a72",
                "-accel", "tcg,thread=multi,tb-size=512", "-smp", "2", "-m", "1024",
                "-display", "none", "-monitor", "none", "-no-reboot"]

    def _make_tree(self):
        """Has the machine tell what it is made of, and adds the lamp that it has not."""
        tree = self.folder / "virt.dtb"
        if tree.exists():
            return
        done = inside(self.folder, self.builder, *self._bare(",dumpdtb=/build/bare.dtb"),
                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        check(done.wait(120) == 0, "the emulator does not tell what it is made of")
        tree.write_bytes(device_tree.with_lamp((self.folder / "bare.dtb").read_bytes()))

    def _virt(self):
        return [*self._bare(), "-dtb", "/build/virt.dtb",
                # No clock that runs without power, as in a Pi
                "-rtc", "base=1970-01-01",
                "-kernel", "/build/kernel", "-initrd", "/build/initrd",
                # Whatever a unit's filter refuses is logged; it is refused as ever.
                "-append", self._words("ttyAMA0") + " SYSTEMD_LOG_SECCOMP=1",
                "-drive", "if=none,id=card,file=/build/card,format=raw,cache=writeback",
                "-device", "virtio-blk-pci,drive=card",
                "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
                "-netdev", "stream,id=wire,server=on,addr.type=unix,addr.path=/build/wire",
                "-device", "virtio-net-pci,netdev=wire,romfile=",
                "-device", "qemu-xhci,id=usb", "-device", "virtio-rng-pci",
                "-device", "virtio-serial-pci",
                "-chardev", "socket,id=channel,path=/build/channel,server=on,wait=off",
                "-device", f"virtserialport,chardev=channel,name={CHANNEL}",
                "-qmp", "unix:/build/qmp,server=on,wait=off",
                "-serial", f"file:/build/{self.log.name}"]

    def _pi3(self):
        return ["qemu-system-aarch64", "-M", "raspi3b", "-accel", "tcg,thread=multi",
                "-display", "none", "-monitor", "none", "-no-reboot", "-snapshot",
                "-kernel", "/build/kernel", "-initrd", "/build/initrd", "-dtb", "/build/pi3.dtb",
                # The model of the Pi's watchdog has no time in it: armed, it resets the machine at once.
                "-append", self._words("ttyS1,115200") + " modprobe.blacklist=bcm2835_wdt",
                "-drive", "if=sd,file=/build/card,format=raw",
                "-serial", "null", "-serial", f"file:/build/{self.log.name}"]

    # ---------------------------------------------------------------- power
    def cut(self):
        """The power is gone: nothing that was not written yet is written."""
        for line in (self.qmp, self.channel):
            if line is not None:
                line.close()
        self.qmp = self.channel = None
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()

    def console(self):
        """What its console has shown, without the colours."""
        shown = self.log.read_text(errors="replace") if self.log.exists() else ""
        return re.sub("\x1b\\[[0-9;]*[A-Za-z]", "", shown)

    def shows(self, words, patience):
        """Waits for words on its console; returns how long after switching on."""
        end = time.monotonic() + patience
        while words not in self.console():
            check(time.monotonic() < end and self.child.poll() is None,
                  f"{self.board} never showed: {words}\n{self.console()[-3000:]}")
            time.sleep(0.2)
        return time.monotonic() - self.began

    # ---------------------------------------------------------------- plugs
    def connect(self, name, patience=60):
        """Connects to one of the emulator's sockets."""
        end = time.monotonic() + patience
        while True:
            line = socket.socket(socket.AF_UNIX)
            try:
                # A path may be long, and an address may not.
                line.connect(os.path.relpath(self.folder / name))
                return line
            except OSError:
                line.close()
                check(time.monotonic() < end and self.child.poll() is None,
                      "the emulator did not start: " + (self.folder / "qemu.log").read_text()[-500:])
                time.sleep(0.1)

    def order(self, what, **how):
        if self.qmp is None:
            self.qmp = self.connect("qmp").makefile("rw")
            self.qmp.readline()
            self.order("qmp_capabilities")
        self.qmp.write(json.dumps({"execute": what, "arguments": how}) + "\n")
        self.qmp.flush()
        while True:
            said = json.loads(self.qmp.readline())
            if "error" in said:
                raise Failed(f"{what}: {said['error']['desc']}")
            if "return" in said:
                return said["return"]

    @staticmethod
    def _disk(name):
        maker, model = MODELS[name]
        return {"driver": "scsi-hd", "id": f"{name}-disk", "bus": f"{name}.0", "drive": name,
                "vendor": maker, "product": model, "serial": name.upper()}

    def _plugged(self, name):
        """What the emulator is told of a device that is in from the beginning."""
        disk = ",".join(f"{what}={value}".replace("driver=", "", 1)
                        for what, value in self._disk(name).items())
        return ["-blockdev", f"driver=raw,node-name={name},file.driver=file,"
                             f"file.filename=/build/{name}",
                "-device", f"usb-bot,id={name},bus=usb.0", "-device", disk]

    def plug(self, name):
        self.order("blockdev-add", driver="raw", **{"node-name": name},
                   file={"driver": "file", "filename": f"/build/{name}"})
        self.order("device_add", driver="usb-bot", id=name, bus="usb.0")
        self.order("device_add", **self._disk(name))
        self.order("qom-set", path=f"/machine/peripheral/{name}", property="attached", value=True)

    def pull(self, name):
        self.order("device_del", id=name)
        for _ in range(100):
            try:
                return self.order("blockdev-del", **{"node-name": name})
            except Failed:
                # Still being let go
                time.sleep(0.1)
        raise Failed(f"{name} was not let go")

    # ---------------------------------------------------------------- inside
    def here(self, command, patience=300, may_fail=False):
        """Runs a command in the machine, as root; returns what it printed."""
        if self.channel is None:
            self.channel = self.connect("channel")
        mark = uuid.uuid4().hex
        order = (f"\n{{ {command}\n}} </dev/null 2>&1; "
                 f"printf '\\n%s%s %s\\n' {mark[:9]} {mark[9:]} $?\n")
        got, end, sent = b"", time.monotonic() + patience, 0
        self.channel.settimeout(1)
        while time.monotonic() < end:
            if not sent:
                self.channel.sendall(order.encode())
                sent = 1
            try:
                part = self.channel.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                part = b""
            check(part, f"the machine went down:\n{self.console()[-1500:]}")
            got += part
            found = re.search(rb"\n" + mark.encode() + rb" (\d+)\n", got)
            if found:
                said = got[:found.start()].decode(errors="replace").strip()
                check(may_fail or found[1] == b"0", f"{command}: {said}")
                return said
        raise Failed(f"no answer within {patience} s: {command}\n{self.console()[-1500:]}")

    def put(self, path, text, mode="644", owner="root"):
        self.here(f"printf %s {shlex.quote(text)} > {path} && chmod {mode} {path} "
                  f"&& chown {owner}: {path}")

    def until(self, command, what, patience=300):
        """Waits until a command succeeds in it. The shell there is given back in any case."""
        now = "$(cut -d. -f1 /proc/uptime)"
        try:
            self.here(f"end=$(({now} + {patience})); until {command} >/dev/null 2>&1; do "
                      f"[ {now} -lt $end ] || break; sleep 0.3; done; [ {now} -lt $end ]",
                      patience + 60)
        except Failed as failed:
            raise Failed(f"in vain: {what}\n{failed}") from None
