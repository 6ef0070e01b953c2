#!/bin/bash
# Runs the main path against each kind of server, and between two of them; a table at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
scripts/fetch-servers.sh "$target"
export STRONGROOM_PEERS_ROOT=$target/servers/trixie

rows=() failed=0
for kind in prosody prosody-13 ejabberd; do
    tests=(main_path:: servers::)
    [ $kind = prosody ] && tests+=(federation::)
    # That test alters the name in a link; ejabberd serves a file only under the name it came with.
    [ $kind = ejabberd ] && tests+=(--skip main_path::hard_names)
    echo "== $kind"
    started=$SECONDS log=$target/servers/$kind.log
    STRONGROOM_PEERS_SERVER=$kind cargo test --workspace --features peers --locked --test peers \
        -- "${tests[@]}" 2>&1 | tee "$log" || failed=1
    rows+=("$(printf '%-12s %4ss  %s' $kind $((SECONDS - started)) \
        "$(grep '^test result' "$log" || echo 'did not run')")")
done
printf '\n%s\n' "${rows[@]}"
exit $failed
