"""How long a vault process lives after its key stick was pulled."""
import fcntl
import os
import select
import subprocess
import time

from measure import children
from stage import check, run

PULLS = 50
LIMIT_MS = 500
LABEL = "SR-BENCH-KEY"
# What pulls a medium out of a loop device. <linux/loop.h>
LOOP_CLR_FD = 0x4C01


class LoopStick:
    """A file system with the key, in a loop device with a link as udev makes it."""

    event = "the loop device let go of its medium; the kernel tells, udev's link stays"

    def __init__(self, vault):
        self.image, self.node = vault.folder / "stick.img", vault.folder / "nodes/by-label" / LABEL
        self.node.parent.mkdir(parents=True)
        with self.image.open("wb") as out:
            out.truncate(4 << 20)
        run(["mkfs.ext4", "-q", "-L", LABEL, "-d", vault.stick, self.image])
        text = vault.settings.read_text()
        nodes = self.node.parent.parent
        vault.settings.write_text(
            text.replace("[keydevice]\n", f'[keydevice]\ndevice = "LABEL={LABEL}"\n')
                .replace('nodes = "/dev/disk"', f'nodes = "{nodes}"'))

    def plug(self):
        self.device = run(["losetup", "--find", "--show", self.image]).strip()
        self.node.symlink_to(self.device)

    def pull(self):
        """Returns when the event was."""
        device = os.open(self.device, os.O_RDONLY)
        at = time.monotonic()
        fcntl.ioctl(device, LOOP_CLR_FD)
        os.close(device)
        return at

    def tidy(self):
        self.node.unlink()


class FolderStick:
    """A folder that is renamed, for machines without root or loop devices."""

    event = "the mount point was renamed"

    def __init__(self, vault):
        self.stick, self.drawer = vault.stick, vault.drawer
        self.stick.rename(self.drawer)

    def plug(self):
        self.drawer.rename(self.stick)

    def pull(self):
        at = time.monotonic()
        self.stick.rename(self.drawer)
        return at

    def tidy(self):
        pass


def loop_devices():
    free = subprocess.run(["losetup", "--find"], capture_output=True, check=False)
    return os.geteuid() == 0 and free.returncode == 0


def removal(bench):
    """From the event to the vault process gone, the longest of many."""
    vault = bench.stage.vault
    vault.stop()
    settings = vault.settings.read_text()
    stick = (LoopStick if loop_devices() else FolderStick)(vault)
    stick.plug()
    vault.start()
    times = []
    for pull in range(PULLS):
        if pull:
            stick.plug()
            vault.heard("the vault is open")
        [process] = [pid for pid in children(vault.daemon.pid)
                     if b"vault-process" in open(f"/proc/{pid}/cmdline", "rb").read()]
        handle = os.pidfd_open(process)
        watch = select.poll()
        watch.register(handle, select.POLLIN)
        at = stick.pull()
        check(watch.poll(60_000), "the vault process outlived the pull by a minute")
        times.append((time.monotonic() - at) * 1e3)
        os.close(handle)
        stick.tidy()
        vault.heard("the vault is locked")
    vault.stop()
    vault.settings.write_text(settings)
    if isinstance(stick, FolderStick):
        stick.plug()
    vault.start()
    times.sort()
    bench.table.heading(f"The key stick pulled {PULLS} times: from the event ({stick.event}) to "
                        "the vault process gone.")
    bench.table.add("pull, median", f"{times[PULLS // 2]:.1f} ms", "", times[PULLS // 2], "ms")
    bench.table.add("pull, longest", f"{times[-1]:.1f} ms", "", times[-1], "ms", most=LIMIT_MS)
