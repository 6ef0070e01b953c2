#!/bin/bash
# Reads the units as the service manager does, and holds their exposure: 1.1 for the daemon, which
# the network reaches, and 1.5 for the key agent, which mounts; more for those that write to the system. Skipped where there is no systemd.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v systemd-analyze > /dev/null || {
    echo "units: not checked, there is no systemd-analyze here"
    exit 0
}
copies=$(mktemp -d)
trap 'rm -rf "$copies"' EXIT
# The programs need not be installed for their units to be read.
for unit in systemd/*.service systemd/*.path systemd/*.socket; do
    [ -e "$unit" ] || continue
    sed 's|^ExecStart=/usr/bin/strongroom |ExecStart=/bin/true |' "$unit" > "$copies/${unit#systemd/}"
done

cd "$copies"
for unit in *; do
    # A template is read as one of its instances.
    said=$(systemd-analyze verify --man=no --recursive-errors=no "./${unit/@./@sda1.}" 2>&1) || {
        printf 'units: %s\n%s\n' "$unit" "$said" >&2
        exit 1
    }
    [ -z "$said" ] || { printf 'units: %s\n%s\n' "$unit" "$said" >&2; exit 1; }
done
held() {
    local said
    said=$(systemd-analyze security --offline=true --no-pager --threshold="$1" "./$2") || {
        grep -E '✗|→' <<< "$said" >&2
        printf 'units: the exposure of %s is over %s tenths\n' "$2" "$1" >&2
        exit 1
    }
    tail -1 <<< "$said" | sed 's/^→ /units: /; s/ [^ .0-9]*$//'
}
held 11 strongroom.service
held 15 strongroom-key@.service
held 12 strongroom-lamp.service
held 20 strongroom-trouble@.service
held 40 strongroom-first-boot.service
held 18 strongroom-stick@.service
held 50 strongroom-prepare.service
