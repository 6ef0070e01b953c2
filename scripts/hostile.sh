#!/bin/bash
# Attacks a vault from its server, its contacts and the line between, each attack beside its honest twin,
# and breaks the line at every stanza: about 5 minutes on two cores. The table comes at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

table=$(mktemp)
trap 'rm -f "$table"' EXIT
export STRONGROOM_HOSTILE=all STRONGROOM_HOSTILE_TABLE=$table
failed=0

cargo test --workspace --features peers --locked --test peers -- hostile:: lines:: middle:: \
    client::files_that_appear \
    --test-threads 2 || failed=1

printf '\n%-68s %8s %6s\n' attack accepted twin
awk -F '\t' '
    NF == 3 { printf "%-68s %8s %6s\n", $1, $2, $3; attacks++; accepted += $2 != "0/1"; twins += $3 == "1/1" }
    NF == 1 { others = others $0 "\n" }
    END {
        printf "%d attacks, accepted: %d; honest twins accepted: %d\n\n%s", attacks, accepted, twins, others
    }' "$table"
exit "$failed"
