#!/bin/bash
# Makes Debian's part of the root: the packages of packages.txt for the Pi. Kept until the recipe
# changes, since it takes ten minutes. Needs root. Called by root.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. pi-image/lib.sh

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
base=$image_work/base
pi-image/builder.sh
trap end_foreign EXIT
start_foreign

# What the kept root was made from: anything else, and it is made anew.
recipe=$(cat pi-image/packages.txt pi-image/initramfs-* pi-image/base.sh | sha256sum | cut -c1-16)
[ "$(cat "$image_work/base.recipe" 2> /dev/null)" != "$recipe" ] || exit 0

packages=$(sed -n 's/^\([a-z][^ ]*\).*/\1/p' pi-image/packages.txt | paste -sd,)
say "making Debian's part, ten minutes"
rm -rf --one-file-system "$base"
mkdir -p "$image_work/recipe"
cp pi-image/initramfs-* "$image_work/recipe/"
# The backports are below the rest, but for the kernel and the Pi's firmware.
cat > "$image_work/recipe/backports" << 'PIN'
Package: linux-image-* linux-modules-* linux-binary-* linux-base src:linux raspi-firmware initramfs-tools*
Pin: release n=trixie-backports
Pin-Priority: 900
PIN
cat > "$image_work/recipe/setup" << 'SETUP'
set -eu
cd "$1"
mkdir -p etc/apt/preferences.d etc/default boot/firmware etc/initramfs-tools/conf.d \
    etc/initramfs-tools/scripts/local-bottom
cp /build/recipe/backports etc/apt/preferences.d/strongroom
printf '%s\n' 'CMA=64M' 'ROOTPART=LABEL=strongroom-root' 'CONSOLES="auto"' > etc/default/raspi-firmware
printf '%s\n' COMPRESS=zstd COMPRESSLEVEL=9 MODULES=list > etc/initramfs-tools/conf.d/strongroom
echo ro panic=10 > etc/default/raspi-extra-cmdline
grep -v '^#' /build/recipe/initramfs-modules.txt > etc/initramfs-tools/modules
install -m 0755 /build/recipe/initramfs-overlay etc/initramfs-tools/scripts/local-bottom/strongroom
# Once at the end, not with every package.
printf '%s\n' update_initramfs=no backup_initramfs=no > etc/initramfs-tools/update-initramfs.conf
SETUP
cat > "$image_work/recipe/finish" << 'FINISH'
set -eu
printf '%s\n' update_initramfs=yes backup_initramfs=no > "$1/etc/initramfs-tools/update-initramfs.conf"
# It stands in for a device of the machine that made the image.
printf '%s\n' 'proc /proc proc defaults 0 0' > "$1/etc/fstab"
# The kernel's own package has made it, unless its parts came in another order.
ls "$1"/boot/firmware/initrd.img-* > /dev/null 2>&1 || chroot "$1" update-initramfs -c -k all
FINISH
# shellcheck disable=SC2016
in_builder mmdebstrap --mode=root --variant=minbase --architectures=arm64 --format=directory \
    --components=main,non-free-firmware \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt=force-confold --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --setup-hook='sh /build/recipe/setup "$1"' --customize-hook='sh /build/recipe/finish "$1"' \
    --include="$packages" \
    trixie /build/base \
    "deb $(mirror) trixie main non-free-firmware" \
    "deb $(mirror) trixie-updates main non-free-firmware" \
    "deb $(security_mirror) trixie-security main non-free-firmware" \
    "deb $(mirror) trixie-backports main non-free-firmware" \
    > "$image_work/base.log" 2>&1 || { tail -30 "$image_work/base.log" >&2; fail "see $image_work/base.log"; }
echo "$recipe" > "$image_work/base.recipe"
