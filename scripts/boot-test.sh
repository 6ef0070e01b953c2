#!/bin/bash
# Boots the very image in QEMU and plays the first evening with it: a file on the card, a phone that
# pairs, a blank drive and sticks as they are sold, "prepare" by chat, photos. Then the stick is pulled
# in the middle, the power is cut in the middle; the clock starts in 1970; every port is tried; at last
# the same card boots on an emulated Pi 3. A table at the end. Needs root; hours, since each power cut
# is a boot (STRONGROOM_PULLS=2 STRONGROOM_CUTS=1: half an hour).
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
# Sticks as they are sold, one with a table of partitions and one without, each with a file on it; a
# drive with nothing.
printf 'What was on the stick before.\n' > "$work/letter.txt"
truncate -s 64M "$work/stick" "$work/spare"
echo '2048,,c' | sfdisk --quiet --label dos "$work/stick"
in_builder mkfs.vfat --offset 2048 -F 16 -i 5EC2E701 -n HOLIDAY /build/stick $((63 * 1024)) > /dev/null
in_builder mkfs.vfat -F 16 -i 5EC2E702 /build/spare > /dev/null
for stick in stick@@1M spare; do in_builder mcopy -i "/build/$stick" /build/letter.txt ::; done
truncate -s 1G "$work/drive"
"$python" -B -c '
import sys; sys.path.insert(0, "scripts")
import photos, pathlib
photos.make(pathlib.Path(sys.argv[1]))' "$work/photos"

PYTHONPATH=scripts exec "$python" -B scripts/boot_test.py "$work" "$builder"
