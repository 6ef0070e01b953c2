#!/bin/bash
# Breaks the Double Ratchet, its record, the session around it and the key derivation in every small way
# that cargo-mutants knows, and sees whether a test notices.
#
#   scripts/mutants.sh [ARGUMENTS OF cargo mutants]
#
# What survives is in target/mutants/mutants.out/missed.txt. A run
# that was cut off goes on where it ended: what a test noticed is not broken again.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
# The copy that is broken lies beside what is built, not on a small /tmp.
export TMPDIR=$target/mutants/tmp CARGO_TARGET_DIR=$target/mutants/build
mkdir -p "$TMPDIR"

# Building the crate once for each fault is what takes the time.
export CARGO_PROFILE_DEV_DEBUG=false CARGO_INCREMENTAL=1

files=(ratchet.rs ratchet/record.rs session.rs kdf.rs)
# break_it TIMEOUT TESTS…: 2 and 3 are survivors and tests that did not end.
break_it() {
    cargo mutants --package strongroom-omemo "${files[@]/#/--file=crates/omemo/src/}" \
        --cargo-arg=--config=profile.dev.package.strongroom-omemo.opt-level=1 \
        --jobs 1 --timeout "$1" --iterate --no-shuffle --output "$target/mutants" "${arguments[@]}" \
        -- "${@:2}"
}
arguments=("$@")
# What the crate's own tests notice need not wait for the long ones.
break_it 90 --lib || [ $? -le 3 ]
break_it 600 --lib --test two_party --test transcripts
