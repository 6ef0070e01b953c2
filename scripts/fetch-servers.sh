#!/bin/bash
# Fetches Prosody 13.0 and ejabberd as Debian 13 packages and unpacks them into a folder of their own,
# where they run with their own libraries; nothing is installed. With a target folder as argument.
set -euo pipefail
target=${1:?the target folder}
root=$target/servers/trixie
[ -e "$root/.unpacked" ] && exit 0
mkdir -p "$target/servers"
"$(dirname "$0")/fetch-debian13.sh" "$root" prosody ejabberd
printf 'servers: '
"$(dirname "$0")/in-root.sh" "$root" /tmp -- /usr/bin/lua5.4 -v 2>&1 | head -1
