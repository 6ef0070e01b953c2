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
export TMPDIR=$target/mutants/tmp
mkdir -p "$TMPDIR"
unset CARGO_TARGET_DIR

# Building the crate once for each fault is what takes the time.
export CARGO_PROFILE_DEV_DEBUG=false CARGO_INCREMENTAL=1

files=(ratchet.rs ratchet/record.rs session.rs kdf.rs)
cargo mutants --package strongroom-omemo "${files[@]/#/--file=crates/omemo/src/}" \
    --cargo-arg=--config=profile.dev.package.strongroom-omemo.opt-level=0 \
    --jobs 1 --minimum-test-timeout 300 --iterate --no-shuffle --output "$target/mutants" "$@" \
    -- --lib --test two_party --test transcripts
