#!/bin/bash
# Makes the smallest Debian of a release that has a service manager, once, and prints its folder.
#   debian-root.sh bookworm [PACKAGE]      with one more package in it
# The mirror is DEBIAN_MIRROR, or the one of this machine's own sources. Needs root and debootstrap.
set -euo pipefail
cd "$(dirname "$0")/.."
release=${1:?release}
roots=$(realpath "${CARGO_TARGET_DIR:-target}")/roots
root=$roots/$release${2:+-$2}
mkdir -p "$roots/cache"
# One at a time.
exec 9> "$root.lock"
flock 9
[ ! -e "$root/.made" ] || { echo "$root"; exit 0; }

say() { printf 'debian-root: %s\n' "$*" >&2; }
# In a mount namespace: what is mounted on the way is gone with it, whatever happens.
apart() {
    unshare --mount --propagation private "$@" > "$root.log" 2>&1 \
        || { tail -20 "$root.log" >&2; exit 1; }
}
rm -rf --one-file-system "$root"
say "making $(basename "$root") below $roots, about two minutes"
if [ -n "${2:-}" ]; then
    cp -a --reflink=auto "$(scripts/debian-root.sh "$release")" "$root"
    rm "$root/.made"
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    # shellcheck disable=SC2016
    apart bash -euc 'mount -t proc proc "$1/proc"
        chroot "$1" apt-get update -qq
        DEBIAN_FRONTEND=noninteractive chroot "$1" \
            apt-get install -y -qq --no-install-recommends "$2"' sh "$root" "$2"
else
    command -v debootstrap > /dev/null || {
        say "installing debootstrap"
        apt-get install -y -qq --no-install-recommends debootstrap > /dev/null
    }
    mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' \
        2> /dev/null | head -1)}
    apart debootstrap --variant=minbase --cache-dir="$roots/cache" \
        --include=systemd,systemd-sysv,udev,dbus,kmod,ca-certificates,e2fsprogs,mount \
        "$release" "$root" "${mirror:-http://deb.debian.org/debian}"
fi
touch "$root/.made"
echo "$root"
