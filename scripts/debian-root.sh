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
if [ ! -e "$root/.made" ]; then
    command -v debootstrap > /dev/null || {
        echo "debian-root: installing debootstrap" >&2
        apt-get install -y -qq --no-install-recommends debootstrap > /dev/null
    }
    mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' \
        2> /dev/null | head -1)}
    rm -rf --one-file-system "$root"
    echo "debian-root: making $(basename "$root") below $roots, about two minutes" >&2
    # In a mount namespace: what it mounts is gone with it, whatever happens.
    unshare --mount --propagation private \
        debootstrap --variant=minbase --cache-dir="$roots/cache" \
        --include=systemd,systemd-sysv,udev,dbus,kmod,ca-certificates${2:+,$2} \
        "$release" "$root" "${mirror:-http://deb.debian.org/debian}" > "$root.log" \
        || { tail -20 "$root.log" >&2; exit 1; }
    touch "$root/.made"
fi
echo "$root"
