#!/bin/bash
# Runs in the builder (assemble.sh). Usage: assemble-inside.sh ROOT IMAGE
set -euo pipefail
root=$1 image=$2
parts=$(mktemp -d /build/parts.XXXXXX)
trap 'rm -rf "$parts"' EXIT

# Numbers of our own choosing, the same in every image.
fat_number=5A71F000 disk_number=0x5a71f000
root_number=5a71f000-0000-4000-8000-000000000001
state_number=5a71f000-0000-4000-8000-000000000002
fat_mib=512 state_mib=128
# What updates need while the old is still there.
spare_mib=800

# In an order that no file system chooses, and with no date after the source's.
archive() {
    tar --create --sort=name --format=posix --numeric-owner --xattrs --acls \
        --pax-option=delete=atime,delete=ctime --mtime="@$SOURCE_DATE_EPOCH" --clamp-mtime "$@"
}

used=$(du -sm --exclude="$root/boot/firmware" --exclude="$root/state" "$root" | cut -f1)
root_mib=$(((used * 115 / 100 + spare_mib + 63) / 64 * 64))

truncate -s ${fat_mib}M "$parts/fat"
mkfs.vfat -F 32 -n BOOTFS -i $fat_number --invariant "$parts/fat" > /dev/null
mkdir "$parts/firmware"
archive --directory="$root/boot/firmware" . | tar --extract --directory="$parts/firmware"
cd "$parts/firmware"
find . -mindepth 1 -type d | LC_ALL=C sort | while read -r folder; do
    mmd -i "$parts/fat" "::$folder"
done
find . -type f | LC_ALL=C sort | while read -r file; do
    mcopy -m -i "$parts/fat" "$file" "::$file"
done
cd /

truncate -s ${root_mib}M "$parts/root"
archive --directory="$root" --exclude='./boot/firmware/*' --exclude='./state/*' . |
    mke2fs -q -t ext4 -L strongroom-root -U $root_number -m 1 \
        -E hash_seed=$root_number,root_owner=0:0 -d - "$parts/root"
# Without a limit to how far it grows.
truncate -s ${state_mib}M "$parts/state"
archive --directory="$root/state" . |
    mke2fs -q -t ext4 -L strongroom-state -U $state_number -m 1 -b 4096 -i 16384 -J size=16 \
        -O 64bit,meta_bg,^resize_inode -E hash_seed=$state_number,root_owner=0:0 -d - "$parts/state"
for part in root state; do e2fsck -fn "$parts/$part" > "$parts/check" 2>&1 || { cat "$parts/check"; exit 1; }; done

rm -f "$image"
truncate -s $((4 + fat_mib + root_mib + state_mib))M "$image"
sector=2048
sfdisk --quiet "$image" << TABLE
label: dos
label-id: $disk_number
unit: sectors
$((4 * sector)),$((fat_mib * sector)),c,*
$(((4 + fat_mib) * sector)),$((root_mib * sector)),83
$(((4 + fat_mib + root_mib) * sector)),$((state_mib * sector)),83
TABLE
put() { dd if="$parts/$1" of="$image" bs=1M seek="$2" conv=notrunc,sparse status=none; }
put fat 4
put root $((4 + fat_mib))
put state $((4 + fat_mib + root_mib))
