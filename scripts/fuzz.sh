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
# the sanitizer needs features that only nightly Rust has without this variable
fuzz=(cargo +nightly fuzz)
if ! cargo +nightly --version >/dev/null 2>&1; then
    export RUSTC_BOOTSTRAP=1
    fuzz=(cargo fuzz)
fi

if [ $# -eq 0 ]; then
    mapfile -t targets < <(cargo fuzz list)
else
    targets=("$@")
fi

"${fuzz[@]}" build
for target in "${targets[@]}"; do
    echo "== $target, $seconds seconds"
    mkdir -p "fuzz/found/$target"
    log="fuzz/found/$target.log"
    if ! "${fuzz[@]}" run "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=1024 \
        -print_final_stats=1 >"$log" 2>&1; then
        tail -40 "$log"
        exit 1
    fi
    grep -E '^stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb|slowest)' "$log"
    echo "coverage: $(grep -oE 'cov: [0-9]+ ft: [0-9]+ corp: [0-9]+' "$log" | tail -1)"
done
