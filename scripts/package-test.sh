#!/bin/bash
# Installs, upgrades, removes and purges the package in fresh Debians of both releases, and has
# Debian's own checker read it. Needs root; makes the Debians once (two minutes each).
#
#   scripts/package-test.sh [PACKAGE]     the package, if it is made already
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath "${CARGO_TARGET_DIR:-target}")
work=$target/package-test
say() { printf 'package-test: %s\n' "$*"; }
[ "$(id -u)" = 0 ] || { say "not run: making a Debian needs root"; exit 0; }

package=${1:-}
if [ -z "$package" ]; then
    scripts/package.sh
    package=$(ls "$target"/debian/strongroom_*_"$(dpkg --print-architecture)".deb)
fi

rm -rf --one-file-system "$work"
mkdir -p "$work/packages"
trap 'rm -rf --one-file-system "$work"' EXIT
cp "$package" "$work/packages/now.deb"
# The same package under an older name and with another program, to be upgraded from.
dpkg-deb --raw-extract "$package" "$work/older"
sed -i 's/^Version: .*/Version: 0.0.1-1/' "$work/older/DEBIAN/control"
printf 'older' >> "$work/older/usr/bin/strongroom"
dpkg-deb -Znone --root-owner-group --build "$work/older" "$work/packages/older.deb" > /dev/null
rm -rf --one-file-system "$work/older"

for release in bookworm trixie; do
    base=$(scripts/debian-root.sh "$release")
    root=$work/$release
    cp -a --reflink=auto "$base" "$root"
    cp "$work"/packages/*.deb "$root/tmp/"
    cp scripts/package-inside.sh "$root/tmp/"
    # Its own /proc, seen by nobody else and gone with the last process.
    unshare --mount --pid --fork --propagation private bash -euo pipefail -c '
        mount -t proc proc "$1/proc"
        exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 chroot "$1" \
            bash /tmp/package-inside.sh' sh "$root" | sed "s/^/package-test: $release: /"
    rm -rf --one-file-system "$root"
done

# The card's own updater, on a card in memory.
unshare --mount --pid --fork --kill-child --propagation private bash -euc '
    mount -t proc proc /proc
    exec scripts/card-update-inside.sh "$1"' sh "$(scripts/debian-root.sh trixie)" | sed 's/^/package-test: /'

base=$(scripts/debian-root.sh trixie lintian)
mkdir -p "$base/tmp/check"
cp "$package" "$base/tmp/check/"
found=$(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 chroot "$base" \
    lintian --allow-root --no-cfg --fail-on none "/tmp/check/$(basename "$package")" 2>&1) || true
rm -rf --one-file-system "$base/tmp/check"
errors=$(grep -c '^E:' <<< "$found" || true)
warnings=$(grep -c '^W:' <<< "$found" || true)
[ -z "$found" ] || sed 's/^/    /' <<< "$found"
say "lintian: $errors errors, $warnings warnings"
[ "$errors" = 0 ]
