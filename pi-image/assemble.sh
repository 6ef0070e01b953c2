#!/bin/bash
# Makes the image of the card from the root, without loop devices or mounts: FAT for the Pi's own
# firmware, the root, and the state as the last partition, which grows. The same root gives the
# same image, bit for bit.
#
#   pi-image/assemble.sh ROOT IMAGE      both below the work folder, named from there
set -euo pipefail
cd "$(dirname "$0")/.."
. pi-image/lib.sh

root=${1:?root} image=${2:?image}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

say "assembling $image"
cp pi-image/assemble-inside.sh "$image_work/assemble-inside.sh"
in_builder bash /build/assemble-inside.sh "/build/$root" "/build/$image"
rm "$image_work/assemble-inside.sh"
