#!/usr/bin/env bash
# Builds Strongroom for the Raspberry Pi (64 bit) on a Debian or Ubuntu PC, and checks the result:
# that it is for aarch64, that it finds its glibc on Raspberry Pi OS bookworm, and that it starts.
#
#   scripts/cross.sh           build and check
#   scripts/cross.sh --test    also run the tests of crates/omemo and crates/vault under qemu
#
# The programs are then in target/aarch64-unknown-linux-gnu/release (or under CARGO_TARGET_DIR).
set -euo pipefail
cd "$(dirname "$0")/.."

target=aarch64-unknown-linux-gnu
triple=aarch64-linux-gnu
# Raspberry Pi OS bookworm; trixie has 2.41
newest_glibc=2.36
programs=(strongroom strongroom-rescue)
built=${CARGO_TARGET_DIR:-target}/$target/release

run_tests=no
case "${1:-}" in
--test) run_tests=yes ;;
"") ;;
*)
    echo "usage: $0 [--test]" >&2
    exit 2
    ;;
esac

say() { printf '\n== %s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

need_packages() {
    local missing=()
    while [ $# -gt 0 ]; do
        command -v "$1" >/dev/null || missing+=("$2")
        shift 2
    done
    [ -f "/usr/$triple/lib/libc.so.6" ] || missing+=(libc6-dev-arm64-cross)
    [ ${#missing[@]} -eq 0 ] && return
    say "installing ${missing[*]}"
    local sudo=
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    $sudo apt-get update
    $sudo apt-get install --assume-yes --no-install-recommends "${missing[@]}"
}

need_packages \
    $triple-gcc gcc-$triple \
    $triple-readelf binutils-$triple \
    qemu-aarch64 qemu-user \
    perl perl \
    make make

if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
    say "installing Rust's standard library for $target"
    rustup target add $target
fi

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$triple-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/$triple"
export CC_aarch64_unknown_linux_gnu=$triple-gcc
export AR_aarch64_unknown_linux_gnu=$triple-ar

say "building for $target"
cargo build --release --locked --target $target --package strongroom --package strongroom-vault --bins

for program in "${programs[@]}"; do
    file=$built/$program
    say "checking $program, $(stat --format=%s -- "$file") bytes"

    machine=$($triple-readelf --file-header "$file" | sed -n 's/^ *Machine: *//p')
    [ "$machine" = AArch64 ] || fail "$program is for $machine"
    echo "machine: $machine"

    glibc=$($triple-readelf --version-info --wide "$file" |
        grep -oE 'GLIBC_[0-9.]+' | sort --unique --version-sort | tail -1)
    [ -n "$glibc" ] || fail "$program names no version of glibc"
    newest=$(printf 'GLIBC_%s\n%s\n' $newest_glibc "$glibc" | sort --version-sort | tail -1)
    [ "$newest" = GLIBC_$newest_glibc ] || fail "$program needs $glibc, bookworm has $newest_glibc"
    echo "newest symbol: $glibc"

    echo "libraries: $($triple-readelf --dynamic "$file" |
        sed -n 's/.*Shared library: \[\(.*\)\]/\1/p' | tr '\n' ' ')"

    version=$(qemu-aarch64 -L "/usr/$triple" "$file" --version) || fail "$program does not start"
    echo "says: $version"
    [ "$program" != strongroom ] || grep -q '^AES: in ' <<< "$version" ||
        fail "it does not say how it computes AES"
done

if [ $run_tests = yes ]; then
    say "running the tests of the inner crates under qemu-aarch64"
    cargo test --locked --target $target --package strongroom-omemo --package strongroom-vault
fi
