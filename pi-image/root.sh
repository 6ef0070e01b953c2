#!/bin/bash
# Makes the root of the image: a copy of Debian's part with our package, settings and units. Needs
# root.
#
#   pi-image/root.sh PACKAGE      strongroom_VERSION_arm64.deb
set -euo pipefail
cd "$(dirname "$0")/.."
. pi-image/lib.sh

package=$(realpath "${1:?the arm64 package}")
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
root=$image_work/root
pi-image/builder.sh
trap end_foreign EXIT
start_foreign

pi-image/base.sh

say "our part"
rm -rf --one-file-system "$root"
cp -a --reflink=auto "$image_work/base" "$root"
cp -r --no-preserve=ownership,timestamps pi-image/files/. "$root/"
cp "$package" "$root/strongroom.deb"
cp pi-image/finish-root.sh "$root/finish-root.sh"
# shellcheck disable=SC2016
in_builder sh -euc '
    mount -t proc proc /build/root/proc
    exec chroot /build/root sh /finish-root.sh' > "$image_work/root.log" 2>&1 \
    || { tail -20 "$image_work/root.log" >&2; fail "see $image_work/root.log"; }
rm "$root/finish-root.sh" "$root/strongroom.deb"
du -sh "$root" | cut -f1 | sed 's/^/image: root of /' >&2
