#!/usr/bin/env bash
# Searches for inputs that break a parser: every fuzz target in turn, or the ones named.
#
#   scripts/fuzz.sh [SECONDS [TARGET...]]      60 seconds each, if nothing is said
#
# New inputs go to fuzz/found/<target>, inputs that crash to fuzz/artifacts/<target>; neither is
# committed. The exit status is that of the first target that failed.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift || true

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "installing cargo-fuzz"
    cargo install cargo-fuzz --locked
fi
if ! rustup run nightly rustc --version >/dev/null 2>&1; then
    echo "installing the nightly toolchain, which has the address sanitizer"
    rustup toolchain install nightly --profile minimal
fi

if [ $# -eq 0 ]; then
    mapfile -t targets < <(cargo fuzz list)
else
    targets=("$@")
fi

cargo +nightly fuzz build
for target in "${targets[@]}"; do
    echo "== $target, $seconds seconds"
    mkdir -p "fuzz/found/$target"
    log="fuzz/found/$target.log"
    if ! cargo +nightly fuzz run "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=1024 \
        -print_final_stats=1 >"$log" 2>&1; then
        tail -40 "$log"
        exit 1
    fi
    grep -E '^stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb|slowest)' "$log"
    echo "coverage: $(grep -oE 'cov: [0-9]+ ft: [0-9]+ corp: [0-9]+' "$log" | tail -1)"
done
