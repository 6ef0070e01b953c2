#!/bin/bash
# Runs a program of an unpacked system, in a mount namespace of its own:
#   in-root.sh ROOT SHARED [NAME=VALUE…] -- PROGRAM ARGUMENT…
# SHARED is a folder that is found inside under the same name. Nothing of this is seen outside.
set -euo pipefail
user=()
[ "$(id -u)" = 0 ] || user=(--map-root-user)
exec unshare --mount "${user[@]}" --propagation private bash -euo pipefail -c '
    root=$1 shared=$2
    shift 2
    environment=(HOME=/root PATH=/usr/sbin:/usr/bin:/sbin LANG=C.UTF-8)
    while [ "$1" != -- ]; do
        environment+=("$1")
        shift
    done
    shift
    mount --rbind /dev "$root/dev"
    mount --rbind /proc "$root/proc"
    # An empty folder over what is written to: two servers must not meet in it.
    mount -t tmpfs tmpfs "$root/tmp"
    mkdir -p "$root$shared"
    mount --bind "$shared" "$root$shared"
    exec env -i "${environment[@]}" chroot "$root" "$@"
' in-root "$@"
