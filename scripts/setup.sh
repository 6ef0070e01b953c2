#!/bin/bash
# Installs what building and testing need, and says what it does. What is there is left alone.
# Debian packages come through apt-get, as root or with sudo; Python packages go into a virtual
# environment in the target folder; nothing else of the system is touched.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# package and a file that shows it is there
needed=(
    "gcc /usr/bin/gcc" "make /usr/bin/make" "perl /usr/bin/perl"
    "pkg-config /usr/bin/pkg-config" "libc6-dev /usr/include/stdio.h"
    "ca-certificates /etc/ssl/certs/ca-certificates.crt" "openssl /usr/bin/openssl"
    "prosody /usr/bin/prosodyctl" "systemd /usr/bin/systemd-analyze"
)

install_packages() {
    local missing=() root=() had_prosody=1
    for entry in "${needed[@]}"; do
        read -r package file <<< "$entry"
        [ -e "$file" ] || missing+=("$package")
    done
    # Also where a Python of another origin comes first in the path: this is one that will do.
    [ -n "$(venv_maker)" ] || [ "$python_ready" = 1 ] || missing+=(python3 python3-venv python3-dev)
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get > /dev/null || fail "this is no Debian; install by hand: ${missing[*]}"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo > /dev/null || fail "neither root nor sudo; install by hand: ${missing[*]}"
        root=(sudo)
    fi
    command -v prosodyctl > /dev/null || had_prosody=0
    say "installing Debian packages: ${missing[*]}"
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
    if [ $had_prosody = 0 ] && [ -d /run/systemd/system ]; then
        say "switching off the Prosody service of the package: the tests start servers of their own"
        "${root[@]}" systemctl disable --now --quiet prosody || true
    fi
}

# The Python with all of requirements.txt in exactly these versions.
python=${STRONGROOM_PEERS_PYTHON:-${CARGO_TARGET_DIR:-target}/peers-venv/bin/python}

python_is_ready() {
    [ -x "$python" ] && "$python" - tests/peers/requirements.txt << 'PY'
import sys
from importlib.metadata import PackageNotFoundError, version
for line in open(sys.argv[1]):
    name, _, wanted = line.split("#")[0].strip().partition("==")
    try:
        if name and version(name) != wanted:
            sys.exit(1)
    except PackageNotFoundError:
        sys.exit(1)
PY
}

# The newest Python of at least 3.10 that can make a virtual environment and build modules in it:
# omemo-dr comes as source.
venv_maker() {
    local candidate
    for candidate in python3.14 python3.13 python3.12 python3.11 python3.10 python3 /usr/bin/python3; do
        if "$candidate" -c 'import ensurepip, os, sys, sysconfig, venv
headers = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(sys.version_info < (3, 10) or not os.path.exists(headers))' 2> /dev/null; then
            command -v "$candidate"
            return
        fi
    done
}

install_python() {
    [ "$python_ready" = 1 ] && return
    local folder=${python%/bin/python} maker
    [ "$(basename "$folder")" = peers-venv ] \
        || fail "STRONGROOM_PEERS_PYTHON ($python) lacks packages of tests/peers/requirements.txt"
    maker=$(venv_maker)
    [ -n "$maker" ] || fail "no Python of at least 3.10 with venv and headers (Python.h)"
    say "making a Python environment for the test phone in $folder"
    rm -rf "$folder"
    "$maker" -m venv "$folder"
    "$python" -m pip install --quiet --disable-pip-version-check --prefer-binary \
        -r tests/peers/requirements.txt
}

check_rust() {
    command -v cargo > /dev/null \
        || fail "there is no cargo; install Rust as https://rustup.rs says, then try again"
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    found=$(rustc --version | cut -d' ' -f2)
    [ "$(printf '%s\n' "$wanted" "${found%%-*}" | sort -V | head -1)" = "$wanted" ] \
        || fail "Rust $found is too old, $wanted is needed; try: rustup update stable"
    if ! cargo fmt --version > /dev/null 2>&1 || ! cargo clippy --version > /dev/null 2>&1; then
        command -v rustup > /dev/null || fail "rustfmt and clippy are missing"
        say "adding rustfmt and clippy"
        rustup component add rustfmt clippy
    fi
}

python_ready=0
if python_is_ready; then python_ready=1; fi
install_packages
install_python
check_rust
say "everything is there"
