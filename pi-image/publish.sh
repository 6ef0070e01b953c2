#!/bin/bash
# Packs an image and writes what is published beside it. Usage: publish.sh IMAGE (see image.sh)
set -euo pipefail
cd "$(dirname "$0")/.."
. pi-image/lib.sh

image=$(realpath "${1:?image}")
out=$(dirname "$image") name=$(basename "$image" .img)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
say "packing"
in_builder_packed() {
    # The builder's zstd, so that the packed image is the same too.
    chroot "$builder" zstd --quiet --threads=0 -9 --stdout < "$image"
}
in_builder_packed > "$image.zst"

crates=$(cargo tree --locked --package strongroom --edges normal,build --prefix none \
    --target aarch64-unknown-linux-gnu --format '{p} {l}')
python3 -B pi-image/parts.py sbom "$name" "$image_work/root" <<< "$crates" > "$out/$name.cdx.json"
python3 -B pi-image/parts.py imager "$image" "${STRONGROOM_DOWNLOADS:-file://$out}" > "$out/$name.imager.json"
(cd "$out" && sha256sum "$name.img" "$name.img.zst" "$name.cdx.json" "$name.imager.json") > "$out/$name.sha256"
rm -f "$out/$name.sha256.sig"
if [ -n "${STRONGROOM_SIGNING_KEY:-}" ]; then
    ssh-keygen -q -Y sign -n strongroom-image -f "$STRONGROOM_SIGNING_KEY" "$out/$name.sha256"
    say "signed: check with ssh-keygen -Y verify -n strongroom-image"
else
    say "NOT SIGNED: set STRONGROOM_SIGNING_KEY before you give this image to anybody"
fi
ls -lh "$out" >&2
