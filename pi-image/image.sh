#!/bin/bash
# Makes the image for the Pi's card, and what is published with it: packed image, list of parts
# (CycloneDX), checksums, their signature, and the list Raspberry Pi Imager reads. Needs root; half
# an hour the first time, five minutes after a change of ours.
#
#   pi-image/image.sh             builds the package for arm64 first
#   pi-image/image.sh PACKAGE     takes this one
#   pi-image/image.sh --twice …   assembles it once more from a copy of the root and compares
#
# STRONGROOM_MIRROR      Debian's mirror (this machine's own)
# STRONGROOM_SIGNING_KEY an SSH key to sign the checksums with; without it they are not signed
# STRONGROOM_DOWNLOADS   the address where the image will lie, for the Imager's list (here)
set -euo pipefail
cd "$(dirname "$0")/.."
. pi-image/lib.sh
[ "$(id -u)" = 0 ] || { say "not run: making a Debian needs root"; exit 0; }

twice=no
[ "${1:-}" != --twice ] || { twice=yes; shift; }
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
package=${1:-}
if [ -z "$package" ]; then
    scripts/package.sh arm64
    package=$(ls "$target"/debian/strongroom_*_arm64.deb)
fi
version=$(dpkg-deb --field "$package" Version)
name=strongroom-$version-arm64.img
out=$target/image
mkdir -p "$image_work" "$out"

pi-image/root.sh "$package"
pi-image/assemble.sh root "$name"
[ $twice = no ] || {
    cp -a --reflink=auto "$image_work/root" "$image_work/root-again"
    pi-image/assemble.sh root-again again.img
    rm -rf --one-file-system "$image_work/root-again"
    cmp "$image_work/$name" "$image_work/again.img" || fail "assembled twice, it is not the same image"
    rm "$image_work/again.img"
    say "assembled twice: the same $(stat -c %s "$image_work/$name") bytes"
}
mv "$image_work/$name" "$out/$name"
pi-image/publish.sh "$out/$name"
