#!/bin/bash
# Makes the Debian package: target/debian/strongroom_VERSION_ARCHITECTURE.deb.
#
#   scripts/package.sh            for this machine
#   scripts/package.sh arm64      for the Raspberry Pi; scripts/cross.sh builds it
#
# With STRONGROOM_BUILT set it takes the programs that lie in the target folder already.
#
# The same source gives the same package, bit for bit: all dates in it are those of the commit.
set -euo pipefail
cd "$(dirname "$0")/.."

ours=$(dpkg --print-architecture)
architecture=${1:-$ours}
target=${CARGO_TARGET_DIR:-target}
pages=target/package
declare -A triples=([amd64]=x86_64-unknown-linux-gnu [arm64]=aarch64-unknown-linux-gnu)
triple=${triples[$architecture]:?$architecture is not among amd64 and arm64}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || stat -c %Y Cargo.lock)}
export SOURCE_DATE_EPOCH

say() { printf 'package: %s\n' "$*"; }

run=() options=(--no-build --no-strip --locked)
if [ "$architecture" = "$ours" ]; then
    built=$target/release
    [ -n "${STRONGROOM_BUILT:-}" ] || cargo build --release --locked --workspace --bins
else
    built=$target/$triple/release
    options+=(--target "$triple")
    run=("qemu-${triple%%-*}" -L "/usr/${triple/-unknown/}")
    [ -n "${STRONGROOM_BUILT:-}" ] || scripts/cross.sh
fi

# Debian's bookworm has 2.36, which is what the package says it needs.
newest=$(for program in strongroom strongroom-rescue; do
    LC_ALL=C grep -aoE 'GLIBC_2\.[0-9]+' "$built/$program"
done | sort -uV | tail -1)
[ "$(printf '%s\nGLIBC_2.36\n' "$newest" | sort -V | tail -1)" = GLIBC_2.36 ] || {
    say "the programs need $newest, and bookworm has 2.36; build on bookworm, or with make cross"
    exit 1
}

rm -rf "$pages"
mkdir -p "$pages"
"${run[@]}" "$built/strongroom" manual "$pages"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
maintainer=$(sed -n 's/^maintainer = "\(.*\)"/\1/p' Cargo.toml)
cat > "$pages/changelog" << CHANGES
strongroom ($version-1) stable; urgency=medium

  * What changes for the owner of a vault is in CHANGELOG.md of the source.

 -- $maintainer  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
CHANGES

rm -f "$target"/debian/strongroom_*_"$architecture".deb
say "making the package for $architecture"
cargo deb "${options[@]}" --package strongroom --output "$target/debian/" > /dev/null
ls -l "$target"/debian/strongroom_*_"$architecture".deb
