#!/bin/bash
# Makes the pictures in docs/pictures: a real client's window in which an owner talks with a vault,
# and a contact sheet that came out of one. Everything in them is real and on this machine: Prosody,
# the daemon, and Dino from Debian in a window nobody sees.
#
# Needs root: Dino asks port 5222 of localhost and the system's authorities, so all of it runs in
# network and mount namespaces of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
python=${STRONGROOM_PEERS_PYTHON:-$target/peers-venv/bin/python}
[ -x "$python" ] || scripts/setup.sh

[ "$(id -u)" -eq 0 ] || exec sudo --preserve-env=CARGO_TARGET_DIR,STRONGROOM_PEERS_PYTHON,PATH "$0" "$@"

missing=()
for need in dino-im:dino-im Xvfb:xvfb xdotool:xdotool xclip:xclip import:imagemagick \
    dbus-run-session:dbus unshare:util-linux ip:iproute2; do
    command -v "${need%%:*}" >/dev/null || missing+=("${need#*:}")
done
[ -e /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf ] || missing+=(fonts-noto-color-emoji)
[ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || missing+=(fonts-dejavu-core)
if [ ${#missing[@]} -gt 0 ]; then
    echo "Installing ${missing[*]}"
    apt-get update -qq
    apt-get install --assume-yes --no-install-recommends "${missing[@]}" >/dev/null
fi

echo "Building strongroom (without optimisation: the quicker build)"
cargo build --workspace --bins --locked

mkdir -p docs/pictures
# The shell stands between, for whoever is the first process of a namespace inherits all orphans.
unshare --net --mount --pid --fork --kill-child --mount-proc sh -c '"$@"; exit $?' -- \
    dbus-run-session -- "$python" -B scripts/window.py "$target/debug" docs/pictures
