#!/bin/bash
# Harms vaults in every way of the table that it prints at the end: about 25 minutes on two cores.
# Power cuts and memory limits of the whole daemon need root; without it the table says so.
set -euo pipefail
cd "$(dirname "$0")/.."

table=$(mktemp)
trap 'rm -f "$table"' EXIT
export STRONGROOM_FAULTS=all STRONGROOM_FAULTS_TABLE=$table
failed=0

cargo build --workspace --features peers --locked

# A kernel without vfat gets one in a user-mode Linux, which is unpacked and not installed.
uml=${CARGO_TARGET_DIR:-target}/uml
if ! grep -qw vfat /proc/filesystems && [ ! -e /usr/bin/linux.uml ]; then
    [ -e "$uml/usr/bin/linux.uml" ] || {
        mkdir -p "$uml"
        (cd "$uml" && apt-get download -qq user-mode-linux && dpkg -x user-mode-linux_*.deb . \
            && rm user-mode-linux_*.deb) || echo "no user-mode-linux: the vfat stick is left out"
    }
    STRONGROOM_UML=$(realpath "$uml")
    export STRONGROOM_UML
fi
cargo test --workspace --features peers --locked --test keys -- vfat:: || failed=1
cargo test --workspace --features peers --locked --test faults -- --all || failed=1
cargo test --workspace --features peers --locked --test peers -- power:: crash:: memory:: --test-threads 1 || failed=1

printf '\n'
{
    printf 'fault\truns\tharmed\tlost\tdoubled\thalf\tother, verdict\n'
    cat "$table"
} | awk -F '\t' '{ printf "%-56s %6s %7s %5s %8s %5s  %s\n", $1, $2, $3, $4, $5, $6, $7 }'
exit "$failed"
