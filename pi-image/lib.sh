# shellcheck shell=bash
# What the scripts of this folder share: where things lie, the builder, other people's programs.
# Sourced from the project's folder.

target=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")
image_work=$target/pi-image
builder=$image_work/builder

say() { printf 'image: %s\n' "$*" >&2; }
fail() {
    printf 'image: error: %s\n' "$*" >&2
    exit 1
}

# Debian's mirror: the environment's, or the one of this machine's own sources.
mirror() {
    local found=${STRONGROOM_MIRROR:-}
    # shellcheck disable=SC2016
    [ -n "$found" ] || found=$(apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' \
        2> /dev/null | head -1)
    found=${found:-http://deb.debian.org/debian}
    echo "${found%/}"
}

security_mirror() {
    echo "${STRONGROOM_SECURITY_MIRROR:-$(mirror)-security}"
}

# Runs a command in the builder, seen by nobody else: the mounts are gone with the last process.
# The work folder is /build there.
in_builder() {
    # shellcheck disable=SC2016
    unshare --mount --pid --fork --kill-child --propagation private bash -euc '
        builder=$1 work=$2
        shift 2
        mount -t proc proc "$builder/proc"
        mount -t sysfs sys "$builder/sys"
        mount --rbind /dev "$builder/dev"
        mkdir -p "$builder/build"
        mount --bind "$work" "$builder/build"
        exec chroot "$builder" env -i HOME=/root LC_ALL=C.UTF-8 \
            PATH=/usr/sbin:/usr/bin:/sbin:/bin SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
            DEBIAN_FRONTEND=noninteractive "$@"' sh "$builder" "$image_work" "$@"
}

# Lets this kernel start programs of the Pi, by the builder's emulator, until the caller ends.
start_foreign() {
    local folder=/proc/sys/fs/binfmt_misc
    [ -e $folder/register ] || mount -t binfmt_misc binfmt_misc $folder
    # Debian's own entry, or ours of a run that is under way.
    [ ! -e $folder/qemu-aarch64 ] || return 0
    foreign=strongroom-aarch64-$$
    # The first bytes of an ELF file for aarch64, a mask over them, the emulator; F: opened now, so
    # that it is found in every root.
    printf '%s' ":$foreign:M::"'\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:'"$builder/usr/bin/qemu-aarch64:FP" \
        > $folder/register
}

end_foreign() {
    [ -z "${foreign:-}" ] || echo -1 > "/proc/sys/fs/binfmt_misc/$foreign"
    foreign=
}
