#!/bin/bash
# Makes the builder, once: a small Debian with the tools that make and boot the image, so that
# every machine makes the same one. Needs root and mmdebstrap; three minutes, 1.5 GB.
set -euo pipefail
cd "$(dirname "$0")/.."
export SOURCE_DATE_EPOCH=0
. pi-image/lib.sh

tools=(mmdebstrap arch-test mount qemu-user mtools dosfstools e2fsprogs fdisk zstd
    libarchive13t64 qemu-system-arm qemu-utils ipxe-qemu)
mkdir -p "$image_work"
# One at a time.
exec 9> "$image_work/builder.lock"
flock 9
[ ! -e "$builder/.made" ] || exit 0

say "making the builder below $image_work, three minutes"
rm -rf --one-file-system "$builder"
command -v mmdebstrap > /dev/null || apt-get install -y -qq --no-install-recommends mmdebstrap > /dev/null
log=$image_work/builder.log
# The emulators are the newer ones, which know the Pi's boards better.
# shellcheck disable=SC2016
unshare --mount --propagation private mmdebstrap --mode=root --variant=apt --components=main \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='force-unsafe-io' \
    --setup-hook='mkdir -p "$1/etc/apt/preferences.d"; printf "%s\n" "Package: qemu-*" \
        "Pin: release n=trixie-backports" "Pin-Priority: 900" > "$1/etc/apt/preferences.d/newer"' \
    --include="$(IFS=,; echo "${tools[*]}")" \
    trixie "$builder" "deb $(mirror) trixie main" "deb $(mirror) trixie-backports main" \
    > "$log" 2>&1 || { tail -20 "$log" >&2; exit 1; }
cp /etc/resolv.conf "$builder/etc/resolv.conf"
touch "$builder/.made"
