#!/bin/bash
# Shows a whole evening with Strongroom on this machine: builds it, and lets a server, a vault and a
# phone of foreign make talk to each other. What is made on the way is removed again.
#
# Built without optimisation, which is much quicker to build and does exactly the same; for figures
# there is `make bench`.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
python=${STRONGROOM_PEERS_PYTHON:-$target/peers-venv/bin/python}
[ -x "$python" ] || scripts/setup.sh

echo "Building strongroom and strongroom-rescue (without optimisation: the quicker build)"
cargo build --workspace --bins --locked

exec "$python" -B scripts/demo.py "$target/debug"
