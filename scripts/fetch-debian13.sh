#!/bin/bash
# Fetches packages of Debian 13 with all they need and unpacks them into a folder of their own, where
# they run with their own libraries (in-root.sh); nothing is installed:
#   fetch-debian13.sh ROOT PACKAGE…
# .versions in it names what was unpacked.
set -euo pipefail
root=${1:?the folder to unpack into}
shift
stamp=$root/.unpacked

say() { printf 'debian 13: %s\n' "$*"; }
fail() { printf 'debian 13: %s\n' "$*" >&2; exit 1; }

[ -e "$stamp" ] && exit 0
for program in apt-get dpkg-deb unshare; do
    command -v $program > /dev/null || fail "there is no $program; this needs a Debian or one of its kin"
done
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e $keyring ] || fail "there is no $keyring; install debian-archive-keyring"
# The mirror that this machine uses for its own packages.
mirror=$(find /etc/apt \( -name '*.list' -o -name '*.sources' \) -exec cat {} + \
    | sed -nE 's/^(URIs:|deb( \[[^]]*\])?) +(https?:[^ ]*\/debian\/?)( .*)?$/\3/p' | head -1)
[ -n "$mirror" ] || fail "no Debian mirror is named in /etc/apt"

apt=$root.apt
rm -rf "$root" "$apt"
mkdir -p "$root" "$apt"/{lists,cache/archives}/partial "$apt"/{conf,parts,preferences}
touch "$apt/status"
echo "deb [signed-by=$keyring] $mirror trixie main" > "$apt/sources.list"
cat > "$apt/apt.conf" << X
Dir::State "$apt";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::main "-";
Dir::Etc::parts "$apt/conf";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/parts";
Dir::Etc::preferencesparts "$apt/preferences";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
X
# Settings of this machine that are needed to reach the mirror at all.
apt-config dump Acquire >> "$apt/apt.conf"
say "fetching $* into $root"
export APT_CONFIG=$apt/apt.conf
apt-get -qq update
apt-get -qq install -y --download-only "$@"
for folder in bin sbin lib lib64; do
    mkdir -p "$root/usr/$folder"
    ln -s "usr/$folder" "$root/$folder"
done
for package in "$apt"/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$root"
    dpkg-deb --show "$package" >> "$root/.versions"
done
mkdir -p "$root"/{dev,proc,run,tmp}
# No package's script has run, so what would have been made is made here.
printf 'root:x:0:0:root:/root:/bin/sh\n' > "$root/etc/passwd"
printf 'root:x:0:\n' > "$root/etc/group"
printf '127.0.0.1 localhost\n' > "$root/etc/hosts"
rm -rf "$apt"
touch "$stamp"
say "unpacked: $(wc -l < "$root/.versions") packages"
