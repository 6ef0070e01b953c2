#!/bin/bash
# Boots the very image in QEMU and plays with it: a stick and a drive are plugged in, the owner's
# phone pairs and shares photos, the stick is pulled in the middle, the power is cut in the middle,
# the clock starts in 1970; then the same card boots on an emulated Pi 3. A table at the end. Needs
# root; hours, since each power cut is a boot (STRONGROOM_PULLS=2 STRONGROOM_CUTS=1: half an hour).
#
#   scripts/boot-test.sh [IMAGE]      the image, if it is made already
#
# STRONGROOM_PULLS, STRONGROOM_CUTS   how often the stick is pulled and the power cut (20 each)
# STRONGROOM_PI3=no                   without the Pi 3
set -euo pipefail
cd "$(dirname "$0")/.."
. pi-image/lib.sh
say() { printf 'boot-test: %s\n' "$*"; }
[ "$(id -u)" = 0 ] || { say "not run: booting the image needs root"; exit 0; }

python=$(realpath --no-symlinks "${STRONGROOM_PEERS_PYTHON:-$target/peers-venv/bin/python}")
image=${1:-}
if [ -z "$image" ]; then
    pi-image/image.sh
    image=$(ls "$target"/image/strongroom-*-arm64.img)
fi
image=$(realpath "$image")
pi-image/builder.sh

work=$target/boot-test
rm -rf --one-file-system "$work"
mkdir -p "$work"
export SOURCE_DATE_EPOCH=0
# In the builder, where the newer emulator is; our folder is /build there.
image_work=$work
say "copying the image, on a card of 4 GB"
cp --sparse=always "$image" "$work/card"
truncate -s 4G "$work/card"
fat() { in_builder env MTOOLS_SKIP_CHECK=1 "$1" -i /build/card@@4M "${@:2}"; }
fat mdir -b :: > "$work/files"
kernel=$(grep -o 'vmlinuz-[^ ]*' "$work/files" | sort -V | tail -1)
initrd=$(grep -o 'initrd.img-[^ ]*' "$work/files" | sort -V | tail -1)
fat mcopy "::$kernel" /build/kernel
fat mcopy "::$initrd" /build/initrd
fat mcopy ::cmdline.txt /build/cmdline
fat mcopy ::bcm2837-rpi-3-b.dtb /build/pi3.dtb
truncate -s 64M "$work/stick"
in_builder mkfs.vfat -n STRONGROOM /build/stick > /dev/null
truncate -s 1G "$work/drive"
in_builder mke2fs -q -t ext4 -L strongroom-data /build/drive
"$python" -B -c '
import sys; sys.path.insert(0, "scripts")
import photos, pathlib
photos.make(pathlib.Path(sys.argv[1]))' "$work/photos"

PYTHONPATH=scripts exec "$python" -B scripts/boot_test.py "$work" "$builder"
