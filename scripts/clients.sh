#!/bin/bash
# Lets real clients from Debian talk with a vault on this machine: Prosody, the daemon, and the client
# in a window or terminal that nobody sees.
#
#   scripts/clients.sh            each client pairs, shares a photo, and gets it back; a table at the end
#   scripts/clients.sh pictures   takes the pictures in docs/pictures anew
#   scripts/clients.sh evening    the same of the guide: the first evening
#
# Needs root: clients ask port 5222 of localhost and the system's authorities, so all of it runs in
# network and mount namespaces of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
pictures) what=(window.py docs/pictures) ;;
evening) what=(evening.py docs/pictures) ;;
"") what=(real_clients.py) ;;
*)
    echo "usage: $0 [pictures|evening]" >&2
    exit 2
    ;;
esac

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
python=${STRONGROOM_PEERS_PYTHON:-$target/peers-venv/bin/python}
[ -x "$python" ] || scripts/setup.sh

[ "$(id -u)" -eq 0 ] || exec sudo --preserve-env=CARGO_TARGET_DIR,STRONGROOM_PEERS_PYTHON,PATH "$0" "$@"

missing=()
for need in dino-im:dino-im profanity:profanity tmux:tmux Xvfb:xvfb xdotool:xdotool xclip:xclip \
    xterm:xterm wkhtmltoimage:wkhtmltopdf import:imagemagick dbus-run-session:dbus unshare:util-linux ip:iproute2; do
    command -v "${need%%:*}" >/dev/null || missing+=("${need#*:}")
done
[ -e /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf ] || missing+=(fonts-noto-color-emoji)
[ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || missing+=(fonts-dejavu-core)
if [ ${#missing[@]} -gt 0 ]; then
    echo "Installing ${missing[*]}"
    apt-get update -qq
    apt-get install --assume-yes --no-install-recommends "${missing[@]}" >/dev/null
fi

# QXmpp 1.10 is in Debian 13 only: it is unpacked beside, and a program of ours built against it there.
more=()
if [ "${what[0]}" = real_clients.py ]; then
    root=$target/clients/trixie
    mkdir -p "$target/clients/built"
    scripts/fetch-debian13.sh "$root" g++ libqxmppqt6-dev libqca-qt6-plugins
    cp scripts/qxmpp_phone.cpp "$target/clients/built"
    include=/usr/include
    qt=$include/x86_64-linux-gnu/qt6
    [ -d "$root$qt" ] || qt=$include/aarch64-linux-gnu/qt6
    scripts/in-root.sh "$root" "$target/clients/built" -- /usr/bin/g++ -std=c++20 -O1 -fPIC \
        -I$qt -I$qt/QtCore -I$qt/QtNetwork -I$qt/QtXml -I$include/QXmppQt6 -I$include/QXmppQt6/Omemo \
        "$target/clients/built/qxmpp_phone.cpp" -o "$target/clients/built/qxmpp_phone" \
        -lQXmppQt6 -lQXmppOmemoQt6 -lQt6Core -lQt6Network -lQt6Xml
    more=("$root" "$target/clients/built/qxmpp_phone")
fi

echo "Building strongroom (without optimisation: the quicker build)"
cargo build --workspace --bins --locked

# The shell stands between, for whoever is the first process of a namespace inherits all orphans.
unshare --net --mount --pid --fork --kill-child --mount-proc \
    sh -c 'ip link set lo up && "$@"; exit $?' -- \
    dbus-run-session -- "$python" -B "scripts/${what[0]}" "$target/debug" "${what[@]:1}" "${more[@]}"
