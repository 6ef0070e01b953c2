#!/bin/bash
# Measures Strongroom against plain tools on this machine, in one run, and prints the ratios with
# their limits. Needs 8 GB on the disk of the target folder, and nobody else at work meanwhile.
#
#   scripts/bench.sh            up to 2 GiB through the daemon, some minutes
#   scripts/bench.sh --small    a sixteenth of the sizes, for a slow machine
#   scripts/bench.sh ingest index   only these of the measures in bench.py
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
python=${STRONGROOM_PEERS_PYTHON:-$target/peers-venv/bin/python}
[ -x "$python" ] || scripts/setup.sh
if ! command -v curl > /dev/null; then
    echo "bench.sh: curl is missing, which the daemon is compared with; install it" >&2
    exit 1
fi
# Only compared with: what is missing is skipped by name.
for tool in restic rclone gocryptfs age; do
    command -v $tool > /dev/null || echo "bench.sh: $tool is missing; apt-get install $tool"
done

echo "Building, optimised as for a release"
cargo build --release --locked --workspace --bins
cargo build --release --locked --package strongroom --example bench_pass --example sheet_speed \
    --package strongroom-vault --example seal_speed --example index_speed --example bulk_speed \
    --package strongroom-omemo --example ratchet_speed

exec "$python" -B scripts/bench.py "$target/release" "$@"
