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
mkdir -p $firmware
if bash "$update" > /run/said 2>&1 || ! grep -q 'not on the card' /run/said; then
    fail "it runs with a small partition that is on no card"
fi
mount -t tmpfs tmpfs $firmware
mkdir -p $firmware/overlays
for file in vmlinuz-1 initrd.img-1 a.dtb start.elf fixup.dat bootcode.bin overlays/a.dtbo; do
    echo "$file of version 1" > "$firmware/$file"
done
cp $firmware/{vmlinuz,initrd.img}-1 $card/boot/
echo root=here > $firmware/cmdline.txt
printf '%s\n' kernel=vmlinuz-1 'initramfs initrd.img-1' > $firmware/config.txt
# As Debian's own: in place, one after the other, nothing flushed.
mkdir -p $card/etc/kernel/postinst.d
cat > $card/etc/kernel/postinst.d/z50-raspi-firmware << 'HOOK'
#!/bin/sh
set -e
version=$(ls /boot/initrd.img-* | sed 's/.*img-//' | sort -V | tail -1)
cp /boot/vmlinuz-$version /boot/initrd.img-$version /boot/firmware/
echo > /boot/firmware/config.txt
printf '%s\n' "kernel=vmlinuz-$version" "initramfs initrd.img-$version" >> /boot/firmware/config.txt
for file in /boot/firmware/vmlinuz-* /boot/firmware/initrd.img-*; do
    [ -e "/boot/${file##*/}" ] || rm "$file"
done
HOOK
chmod +x $card/etc/kernel/postinst.d/z50-raspi-firmware
echo 'of the owner' > $firmware/strongroom.toml
printf '#!/bin/sh\necho "$*" >> /run/asked\n' > /run/tools/systemctl
chmod +x /run/tools/systemctl
export PATH=/run/tools:$PATH

# Makes a package of a version, with a kernel, and lays it there as if a while ago:
# lay VERSION [NAME [LINE OF ITS CONTROL [LINE OF ITS SCRIPT]]]
lay() {
    local made=/run/package to=$firmware/strongroom_$1_arm64.deb
    rm -rf $made
    mkdir -p $made/DEBIAN $made/usr/bin $made/boot
    printf '%s\n' "Package: ${2:-strongroom}" "Version: $1" 'Architecture: all' 'Maintainer: nobody <n@localhost>' \
        ${3:+"$3"} 'Description: a version' > $made/DEBIAN/control
    printf '#!/bin/sh\necho %s\n' "$1" > "$made/usr/bin/${2:-strongroom}"
    chmod 755 $made/usr/bin/*
    if [ "${2:-strongroom}" = strongroom ]; then
        head -c 3000000 /dev/zero > "$made/boot/vmlinuz-$1"
        echo end >> "$made/boot/vmlinuz-$1"
        echo "initrd of version $1" > "$made/boot/initrd.img-$1"
    fi
    printf '%s\n' '#!/bin/sh' 'set -e' "${4:-true}" \
        'DEB_MAINT_PARAMS=configure /etc/kernel/postinst.d/z50-raspi-firmware' > $made/DEBIAN/postinst
    chmod 755 $made/DEBIAN/postinst
    dpkg-deb --root-owner-group --build $made "$to" > /dev/null
    touch --date='1 hour ago' "$to"
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
# What a new start undoes.
start_anew() {
    umount --recursive --lazy $card/{boot/firmware,dev,proc,sys,run} 2> /dev/null || true
    mount -o remount,rw $card
}
# shellcheck disable=SC2016
state_of() { chroot $card dpkg-query --show --showformat '${db:Status-Abbrev}' "$1" | tr -d ' '; }
staged=$card/var/cache/strongroom-firmware

# A kernel that dpkg has and that the power cut took from the folder it was copied to.
start_anew
mkdir -p $staged
cp -r $firmware/* $staged/
rm $staged/strongroom*
: > "$staged/$(kernel)"
: > $staged/config.txt
touch $staged.whole
before=$(kernel)
run
[ "$(kernel)" = "$before" ] && [ -s "$firmware/$before" ] || fail "an empty kernel was published"
[ ! -e $staged.whole ] || fail "it is not finished"
# And where it cannot be made anew, nothing is published.
start_anew
mkdir -p $staged
cp -r $firmware/{vmlinuz-*,initrd.img-*} $staged/
: > "$staged/$before"
printf '%s\n' "kernel=$before" "initramfs initrd.img-${before#vmlinuz-}" '# new' > $staged/config.txt
touch $staged.whole
mv $card/etc/kernel/postinst.d/z50-raspi-firmware /run/hook
! bash "$update" > /run/said 2>&1 || fail "it is content with an empty kernel"
grep -q 'not whole' /run/said || fail "it does not say why"
[ -s "$firmware/$before" ] || fail "an empty kernel was published"
start_anew
mv /run/hook $card/etc/kernel/postinst.d/z50-raspi-firmware
run
echo 'card: an empty kernel in the folder for the small partition is made anew or not published'

# Two packages of one version that need each other, cut off after the first was unpacked.
start_anew
for version in 1 2; do
    lay $version pair-a "Depends: pair-b (= $version)"
    mv $firmware/strongroom_${version}_arm64.deb $card/tmp/pair-a-$version.deb
    lay $version pair-b
    mv $firmware/strongroom_${version}_arm64.deb $card/tmp/pair-b-$version.deb
done
chroot $card dpkg --force-depends --install /tmp/pair-a-1.deb /tmp/pair-b-1.deb > /run/said 2>&1 || fail "no pair"
chroot $card dpkg --force-depends --unpack /tmp/pair-a-2.deb > /run/said 2>&1 || fail "no half pair"
[ "$(state_of pair-a)" = iU ] || fail "the pair is not half in"
touch $staged.whole && mkdir -p $staged && cp -r $firmware/{vmlinuz-*,initrd.img-*,config.txt} $staged/
! bash "$update" > /run/said 2>&1 || fail "it is content with half a pair"
grep -q 'half installed' /run/said || fail "it does not say that a package is half in"
# The rest of them comes as apt would bring it.
start_anew
chroot $card dpkg --unpack /tmp/pair-b-2.deb > /run/said 2>&1
run
[ "$(state_of pair-a)$(state_of pair-b)" = iiii ] || fail "the pair is not set up by the next run"

# One of ours that needs what is not here changes nothing; one whose script fails is said to be half in.
now=$(chroot $card strongroom)
lay 50 strongroom 'Depends: nowhere-to-be-had'
run
[ -e $firmware/strongroom_50_arm64.deb.refused ] && [ "$(chroot $card strongroom)" = "$now" ] ||
    fail "a package that needs what is not here was unpacked"
grep -q 'nothing was changed' /run/said || fail "it does not say that nothing was changed"
lay 51 strongroom '' false
run
grep -q 'did not come in whole' $firmware/strongroom_51_arm64.deb.refused.txt || fail "it does not say that a package is half in"
[ "$(state_of strongroom)" = iF ] || fail "the script did not fail"
lay 52
run
is_at 52
[ "$(state_of strongroom)" = ii ] || fail "a mended package does not mend"
lay 9
run
[ -e $firmware/strongroom_9_arm64.deb.refused ] || fail "an older package came in unasked"
lay 9
mv $firmware/strongroom_9_arm64.deb $firmware/strongroom_back_9.deb
run
is_at 9
lay 53
mv $firmware/strongroom_53_arm64.deb /run/whole.deb
head -c 2000 /run/whole.deb > $firmware/strongroom_53_arm64.deb
(sleep 4 && tail -c +2001 /run/whole.deb >> $firmware/strongroom_53_arm64.deb) &
run
is_at 53
echo 'card: half a pair, a package that needs another, one that fails, an older one and one that is still copied'

# A card that the last run has filled is cleaned before it is measured.
start_anew
mkdir -p $card/var/lib/apt/lists
room=$(df --output=avail -m $card | tail -1)
head -c $((room - 300))M /dev/zero > $card/var/lib/apt/lists/left
lay 54
run
is_at 54
start_anew
room=$(df --output=avail -m $card | tail -1)
head -c $((room - 300))M /dev/zero > $card/var/filling
lay 55
! bash "$update" > /run/said 2>&1 || fail "it begins without room"
grep -q 'MB are free' /run/said || fail "it does not say that there is no room"
[ -e $firmware/strongroom_55_arm64.deb ] || fail "the package is gone"
rm $firmware/strongroom_55_arm64.deb
echo 'card: what a failed run left is cleaned before the room is measured'
[ "$(cat $firmware/strongroom.toml)" = 'of the owner' ] || fail "a file of the owner was touched"
[ $old -ge 1 ] || fail "none of $cuts cuts came before the end"
echo "card: cut off at $cuts moments of an update, with the old kernel after $old of them and the new after the rest; the next run finishes"
