#!/bin/bash
# Plays the card's updater on a card in memory (package-test.sh): a real dpkg in a real Debian, a package
# whose script writes what starts the Pi as Debian's own hook does, and the power cut at many moments.
# Runs in namespaces of its own. Usage: card-update-inside.sh ROOT
set -euo pipefail
root=$(realpath "${1:?root}")
update=$(realpath "$(dirname "$0")/../pi-image/files/usr/lib/strongroom-image/update")
firmware=/boot/firmware card=/run/image/card

fail() { printf 'FAILED: %s\n' "$*"; cat /run/said; exit 1; }
mount -t tmpfs tmpfs /run
mkdir -p $card /run/tools
mount -t tmpfs -o size=1g tmpfs $card
cp -a "$root/." $card/
mkdir -p $card/boot/firmware
mount -t tmpfs tmpfs /boot
mkdir -p $firmware/overlays
for file in vmlinuz-1 initrd.img-1 a.dtb start.elf fixup.dat bootcode.bin overlays/a.dtbo; do
    echo "$file of version 1" > "$firmware/$file"
done
echo root=here > $firmware/cmdline.txt
echo kernel=vmlinuz-1 > $firmware/config.txt
echo 'of the owner' > $firmware/strongroom.toml
printf '#!/bin/sh\necho "$*" >> /run/asked\n' > /run/tools/systemctl
chmod +x /run/tools/systemctl
export PATH=/run/tools:$PATH

# Lays a package of this version onto the small partition.
lay() {
    local made=/run/package
    rm -rf $made
    mkdir -p $made/DEBIAN $made/usr/bin
    printf '%s\n' "Package: ${2:-strongroom}" "Version: $1" 'Architecture: all' 'Maintainer: nobody <n@localhost>' \
        'Description: a version' > $made/DEBIAN/control
    printf '#!/bin/sh\necho %s\n' "$1" > $made/usr/bin/strongroom
    cat > $made/DEBIAN/postinst << SCRIPT
#!/bin/sh
set -e
head -c 3000000 /dev/zero > /boot/firmware/vmlinuz-$1
echo end >> /boot/firmware/vmlinuz-$1
echo > /boot/firmware/config.txt
echo kernel=vmlinuz-$1 >> /boot/firmware/config.txt
SCRIPT
    chmod 755 $made/usr/bin/strongroom $made/DEBIAN/postinst
    dpkg-deb --root-owner-group --build $made "$firmware/strongroom_$1_arm64.deb" > /dev/null
}
kernel() { sed -n 's/^kernel=//p' $firmware/config.txt; }
run() { bash "$update" > /run/said 2>&1 || fail "the updater fails"; }
is_at() {
    [ "$(chroot $card strongroom)" = "$1" ] || fail "the card has not version $1"
    [ "$(kernel)" = "vmlinuz-$1" ] || fail "the Pi starts with $(kernel) after version $1"
    [ "$(tail -1 "$firmware/vmlinuz-$1" | tr -d '\0')" = end ] || fail "half a kernel"
}

run
grep -q 'time is not known' /run/said || fail "without the time and a package it does something"
lay 2
run
is_at 2
[ -e $firmware/strongroom_2_arm64.deb.installed ] || fail "it is not said that it is installed"
grep -q reboot /run/asked || fail "the machine does not start again"
grep -q "^tmpfs $card tmpfs ro," /proc/mounts || fail "the card stays writable"
head -c 700 $firmware/strongroom_2_arm64.deb.installed > $firmware/strongroom_3_arm64.deb
lay 4 another
run
[ -e $firmware/strongroom_3_arm64.deb.refused ] || fail "half a package is not refused"
[ -e $firmware/strongroom_4_arm64.deb.refused ] || fail "somebody else's package is not refused"
is_at 2
echo 'card: a package of ours is installed, half a one and a foreign one are refused'

begun=$(date +%s%N)
lay 5
run
took=$(($(date +%s%N) - begun))
cuts=15 old=0
for cut in $(seq $cuts); do
    version=$((10 + cut))
    before=$(kernel)
    lay $version
    seconds=$(awk "BEGIN { print $took * $cut / ($cuts + 1) / 1e9 }")
    # Whatever it had started ends with it.
    setsid bash "$update" > /run/said 2>&1 &
    sleep "$seconds"
    kill -9 -- -$! 2> /dev/null || true
    wait $! 2> /dev/null || true
    now=$(kernel)
    [ "$now" = "$before" ] || [ "$now" = "vmlinuz-$version" ] || fail "cut off, the Pi starts with '$now'"
    [ "$(tail -1 "$firmware/$now" | tr -d '\0')" = end ] || fail "cut off, $now is not whole"
    [ "$now" != "$before" ] || old=$((old + 1))
    # What a new start undoes.
    umount --recursive --lazy $card/{boot/firmware,dev,proc,sys,run} 2> /dev/null || true
    mount -o remount,ro $card 2> /dev/null || true
    run
    is_at $version
done
[ "$(cat $firmware/strongroom.toml)" = 'of the owner' ] || fail "a file of the owner was touched"
[ $old -ge 1 ] || fail "none of $cuts cuts came before the end"
echo "card: cut off at $cuts moments of an update, with the old kernel after $old of them and the new after the rest; the next run finishes"
