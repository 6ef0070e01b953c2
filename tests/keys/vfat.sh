#!/bin/sh
# Puts keys on a stick with a real vfat and writes to $BASE what lay on it before and after.
# Run by tests/keys/vfat.rs: as it is where the kernel has vfat, or as the init of a user-mode Linux.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

if [ $$ = 1 ]; then
    trap 'sync; echo o > /proc/sysrq-trigger; sleep 9' EXIT
    mount -t proc proc /proc
    mount -t sysfs sys /sys
    mountpoint -q /dev || mount -t devtmpfs dev /dev
    mount -t tmpfs tmp /run
    cd "$MODULES"
    # insmod, which not every machine has. finit_module(2)
    python3 - fat/fat.ko fat/vfat.ko nls/nls_cp437.ko nls/nls_iso8859-1.ko nls/nls_ascii.ko << 'PY'
import ctypes, sys
for name in sys.argv[1:]:
    with open(name, "rb") as module:
        ctypes.CDLL(None).syscall(313, module.fileno(), b"", 0)
PY
    work=/run/work
else
    work=$BASE/work
fi
exec > "$BASE/log" 2>&1
mkdir "$work" "$work/stick"

# Every file with a sum of its content.
look() { (cd "$work/stick" && find . -type f | sort | while read -r it; do sha256sum "$it"; done) > "$BASE/$1"; }
strongroom() { "$STRONGROOM" --config "$work/settings.toml" "$@"; }

mount -t vfat ${OPTIONS:+-o "$OPTIONS"} "$DEVICE" "$work/stick"
if [ $$ != 1 ]; then trap 'umount "$work/stick"' EXIT; fi
mkdir "$work/stick/spare"
echo "sand and sea" > "$work/stick/Holiday in May.txt"
echo "photo" > "$work/stick/IMG_0001.JPG"
echo "not a key" > "$work/stick/spare/other.txt"
look before
echo secret > "$work/password"
strongroom init --trial --jid vault@example.org --owner me@example.org --password-file "$work/password" \
    --data "$work/drive" --key "$work/stick" --system "$work/card" > /dev/null
look made
strongroom key add "$work/stick/spare" --trial
look added
# Over a file that is there.
printf 'a long passphrase\na long passphrase\n' | strongroom key passphrase set
look renewed
strongroom key list --with "$work/stick/spare" | grep "used just now" && echo "opened by it"
umount "$work/stick"
if [ $$ != 1 ]; then trap - EXIT; fi
echo done > "$BASE/done"
