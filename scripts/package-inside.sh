#!/bin/bash
# What package-test.sh runs inside a fresh Debian that nobody else uses.
set -euo pipefail

fail() { printf 'FAILED: %s\n' "$*"; exit 1; }
files() {
    find / -xdev \( -path /proc -o -path /run -o -path /tmp -o -path /var/lib/dpkg -o -path /var/log \
        -o -path /var/cache -o -path /var/lib/systemd/deb-systemd-helper-\* \) -prune -o -print | sort
}
quietly() { "$@" > /tmp/said 2>&1 || { cat /tmp/said; fail "$*"; }; }
mode() { stat -c '%a %U %G' "$1"; }

files > /tmp/before

quietly dpkg --install /tmp/older.deb
strongroom --version > /dev/null
strongroom-rescue --version > /dev/null
[ "$(strongroom config)" = "$(cat /usr/share/doc/strongroom/examples/strongroom.toml)" ] \
    || fail "the example settings are not those of the program"
[ "$(mode /var/lib/strongroom)" = "700 strongroom strongroom" ] || fail "the state's folder"
[ "$(mode /srv/strongroom)" = "700 strongroom strongroom" ] || fail "the drive's folder"
[ "$(mode /etc/strongroom)" = "770 root strongroom" ] || fail "the settings' folder"
getent passwd strongroom | grep -q ':/var/lib/strongroom:/usr/sbin/nologin$' || fail "the user"
[ -L /etc/systemd/system/multi-user.target.wants/strongroom.service ] || fail "it is not enabled"
for page in strongroom strongroom-init strongroom-key-agent strongroom-rescue; do
    zcat "/usr/share/man/man1/$page.1.gz" | grep -q '^\.TH' || fail "there is no page $page(1)"
done
bash -n /usr/share/bash-completion/completions/strongroom || fail "the completions"
for unit in strongroom.service strongroom-key@sda1.service; do
    said=$(systemd-analyze verify --man=no --recursive-errors=no $unit 2>&1) && [ -z "$said" ] \
        || fail "$unit: $said"
done
systemd-analyze security --offline=true --threshold=11 strongroom.service > /tmp/said \
    || fail "$(tail -1 /tmp/said)"
printf 'installed; %s\n' "$(tail -1 /tmp/said | sed 's/^→ //; s/ [^ .0-9]*$//')"

echo '# settings' > /etc/strongroom/strongroom.toml
echo secret > /etc/strongroom/password
echo half > /var/lib/strongroom/vault.pub
mkdir /srv/strongroom/vault
quietly dpkg --install /tmp/now.deb
[ "$(cat /etc/strongroom/password /var/lib/strongroom/vault.pub)" = $'secret\nhalf' ] \
    || fail "an upgrade lost state"
[ -L /etc/systemd/system/multi-user.target.wants/strongroom.service ] || fail "not enabled any more"
echo 'upgraded; settings, state and drive as they were'

# The power goes at many moments of an upgrade; the next start finishes it.
new=$(sha256sum < /usr/bin/strongroom)
took=$( { time -p dpkg --install /tmp/now.deb > /dev/null 2>&1; } 2>&1 | awk '/^real/ { print $2 }')
half=0 cuts=15
for cut in $(seq $cuts); do
    quietly dpkg --install /tmp/older.deb
    old=$(sha256sum < /usr/bin/strongroom)
    [ "$old" != "$new" ] || fail "the older program is the newer one"
    { timeout --signal=KILL "$(awk "BEGIN { print $took * $cut / ($cuts + 1) }")" \
        dpkg --install /tmp/now.deb > /dev/null; } 2> /dev/null || true
    found=$(sha256sum < /usr/bin/strongroom)
    [ "$found" = "$old" ] || [ "$found" = "$new" ] || fail "cut off, the program is neither old nor new"
    strongroom --version > /dev/null || fail "cut off, the program does not start"
    [ "$(dpkg-query -W -f '${db:Status-Status}' strongroom)" = installed ] || half=$((half + 1))
    quietly dpkg --configure --pending
    quietly dpkg --install /tmp/now.deb
    [ "$(sha256sum < /usr/bin/strongroom)" = "$new" ] || fail "an upgrade that was cut off is not finished"
    [ "$(dpkg-query -W -f '${db:Status-Status}' strongroom)" = installed ] || fail "it is not whole"
done
[ $half -ge 1 ] || fail "none of $cuts cuts found it half-way"
[ "$(cat /etc/strongroom/password /var/lib/strongroom/vault.pub)" = $'secret\nhalf' ] \
    || fail "an upgrade that was cut off lost state"
echo "killed at $cuts moments of an upgrade, $half half-way: the old or the new program each time, and finished by the next"

quietly dpkg --remove strongroom
[ ! -e /usr/bin/strongroom ] || fail "removed, it is still there"
[ -e /etc/strongroom/strongroom.toml ] || fail "removing took the settings"
quietly dpkg --purge strongroom
grep -q KEPT /tmp/said || fail "it was not said what is kept"
[ "$(cat /etc/strongroom/password /var/lib/strongroom/vault.pub)" = $'secret\nhalf' ] \
    || fail "purging took a vault's state"
[ -d /srv/strongroom/vault ] || fail "purging touched the drive"
echo 'purged with a vault: its settings, state and drive are kept, and that is said'

rm -r /etc/strongroom /var/lib/strongroom /srv/strongroom/vault
quietly dpkg --install /tmp/now.deb
echo half-typed > /etc/strongroom/password
quietly dpkg --purge strongroom
files > /tmp/after
left=$(comm -13 /tmp/before /tmp/after)
# The user stays, as Debian has it: a later one must not get its number.
left=$(grep -vE '^/etc/(passwd|group|shadow|gshadow)-?$|^/etc/\.pwd\.lock$' <<< "$left" || true)
[ -z "$left" ] || fail "purged, there are still: $left"
echo 'purged without a vault: nothing is left'
