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
cargo test --features peers --locked --test faults -- --all || failed=1
cargo test --features peers --locked --test peers -- power:: crash:: --test-threads 1 || failed=1

printf '\n'
{
    printf 'fault\truns\tharmed\tlost\tdoubled\thalf\tother, verdict\n'
    cat "$table"
} | awk -F '\t' '{ printf "%-56s %6s %7s %5s %8s %5s  %s\n", $1, $2, $3, $4, $5, $6, $7 }'
exit "$failed"
