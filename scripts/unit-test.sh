#!/bin/bash
# Boots a Debian with the package installed, in a user-mode Linux, and plays an evening under the
# real units: a photo goes in and out, the stick is pulled and put back, limits and watchdog are
# tried, and no system call that is needed is refused. About five minutes; needs root.
#
#   scripts/unit-test.sh [PACKAGE]      the package, if it is made already
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath "${CARGO_TARGET_DIR:-target}")
python=$(realpath --no-symlinks "${STRONGROOM_PEERS_PYTHON:-$target/peers-venv/bin/python}")
work=$target/unit-test

say() { printf 'unit-test: %s\n' "$*"; }
[ "$(id -u)" = 0 ] || { say "not run: making a Debian to boot needs root"; exit 0; }

missing=()
for tool in "mkfs.vfat dosfstools" "mke2fs e2fsprogs" "debootstrap debootstrap"; do
    read -r program source <<< "$tool"
    PATH=$PATH:/usr/sbin command -v "$program" > /dev/null || missing+=("$source")
done
[ ${#missing[@]} = 0 ] || apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null

package=${1:-}
if [ -z "$package" ]; then
    scripts/package.sh
    package=$(ls "$target"/debian/strongroom_*_"$(dpkg --print-architecture)".deb)
fi
base=$(scripts/debian-root.sh bookworm)

uml=$target/uml
kernel=/usr/bin/linux.uml modules=/usr/lib/uml/modules
if [ ! -e "$kernel" ]; then
    [ -e "$uml/usr/bin/linux.uml" ] || {
        mkdir -p "$uml"
        (cd "$uml" && apt-get download -qq user-mode-linux && dpkg -x user-mode-linux_*.deb . \
            && rm user-mode-linux_*.deb)
    }
    kernel=$uml/usr/bin/linux.uml modules=$uml/usr/lib/uml/modules
fi

rm -rf --one-file-system "$work"
mkdir -p "$work/disks"
trap 'rm -rf --one-file-system "$work/root" "$work/disks"' EXIT
root=$work/root
cp -a --reflink=auto "$base" "$root"
mkdir -p "$root/lib/modules"
cp -a "$modules"/. "$root/lib/modules/"
say "installing $(basename "$package")"
cp "$package" "$root/tmp/strongroom.deb"
chroot "$root" dpkg --install /tmp/strongroom.deb > "$work/dpkg.log"
rm "$root/tmp/strongroom.deb"

for version in "$root"/lib/modules/*; do chroot "$root" depmod "$(basename "$version")"; done
echo vfat > "$root/etc/modules-load.d/stick.conf"
echo "/dev/ubdc /srv/strongroom ext4 nofail 0 2" > "$root/etc/fstab"
echo evening > "$root/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost\n' > "$root/etc/hosts"
# The one thing that is not as at home: this machine's disks have no bus to be told by.
echo 'KERNEL=="ubdb", ENV{ID_BUS}="usb"' > "$root/etc/udev/rules.d/65-this-is-a-stick.rules"
ln -sf /dev/null "$root/etc/systemd/system/getty.target"
mkdir -p "$root/host"
cat > "$root/etc/systemd/system/evening.service" << UNIT
[Unit]
After=multi-user.target systemd-udev-settle.service
[Service]
Type=oneshot
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
# The evening ends with the machine going down, and tells of it.
KillMode=mixed
TimeoutStopSec=120
ExecStart=/bin/bash /evening $(printf '%q ' "$python" "$PWD/scripts/unit_evening.py" "$work/photos")
ExecStopPost=/bin/sh -c '[ -e /run/evening-is-over ] || systemctl --no-block poweroff'
[Install]
WantedBy=default.target
UNIT
# The server and the phone are this machine's, seen through a window that cannot be written to.
cat > "$root/evening" << 'RUN'
set -euo pipefail
mount -t hostfs -o ro none /host
for folder in proc sys dev run; do mount --rbind "/$folder" "/host/$folder"; done
mount -t tmpfs -o size=200m tmpfs /host/tmp
export HOME=/tmp PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
exec chroot /host "$@"
RUN
ln -s ../evening.service "$root/etc/systemd/system/multi-user.target.wants/"

say "making the disks"
PYTHONPATH=scripts "$python" -B -c '
import photos, pathlib, sys
photos.make(pathlib.Path(sys.argv[1]))' "$work/photos"
truncate -s 1500M "$work/disks/system"
mke2fs -q -t ext4 -d "$root" "$work/disks/system"
truncate -s 64M "$work/disks/stick"
PATH=$PATH:/usr/sbin mkfs.vfat -n STRONGROOM "$work/disks/stick" > /dev/null
truncate -s 400M "$work/disks/drive"
mke2fs -q -t ext4 "$work/disks/drive"
rm -rf --one-file-system "$root"

say "booting"
"$python" -B scripts/unit_boot.py "$kernel" "$work"
