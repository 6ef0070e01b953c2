#!/bin/bash
# Makes a release of the commit that is checked out: the packages for PC and Pi, the Pi's image, the
# list of parts, notes, checksums and their signature, in target/release-VERSION. An hour the first
# time; needs root for the image.
#
#   scripts/release.sh [--no-image] [PACKAGE…]   with packages: takes these and builds none
#   scripts/release.sh --twice [arm64]    builds programs and package in two folders and compares
#
# STRONGROOM_SIGNING_KEY an SSH key to sign the checksums with; without it they are not signed
#
# It builds a copy of the commit, so that nothing that lies around gets in, and nothing of the
# folder, the machine or the day gets into the programs: `--twice` holds that.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
name=strongroom-$version
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

say() { printf 'release: %s\n' "$*"; }
fail() {
    printf 'release: error: %s\n' "$*" >&2
    exit 1
}

# Builds programs and package in a folder that holds a copy of the commit. Usage: build FOLDER ARCHITECTURE
build() {
    local folder=$1 architecture=$2 cargo sysroot places place flags=()
    mkdir -p "$folder"
    git archive HEAD | tar --extract --directory "$folder"
    cargo=${CARGO_HOME:-$HOME/.cargo}
    sysroot=$(rustc --print sysroot)
    (cd "$folder" && cargo fetch --quiet --locked)
    # What a panic names. The folder's name of a registry depends on where it is downloaded from.
    places=("$folder=." "$cargo=/cargo")
    places+=("$sysroot/lib/rustlib/src/rust=/rustc/$(rustc --version --verbose | sed -n 's/^commit-hash: //p')")
    for place in "$cargo"/registry/src/*; do
        places+=("$place=/registry")
    done
    for place in "${places[@]}"; do
        flags+=("--remap-path-prefix=$place")
    done
    (
        cd "$folder"
        export CARGO_TARGET_DIR=$folder/target
        CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && echo -n "${flags[*]}")
        export CARGO_ENCODED_RUSTFLAGS
        # Where OpenSSL would look for engines and modules, of which it is built with none: else
        # that is below the folder it was built in.
        export GNUMAKEFLAGS='ENGINESDIR=/nonexistent/engines MODULESDIR=/nonexistent/modules'
        unset RUSTFLAGS STRONGROOM_BUILT
        scripts/package.sh "$architecture"
    )
}

# Prints where the programs of a folder are. Usage: programs FOLDER ARCHITECTURE
programs() {
    local among=release
    [ "$2" = "$(dpkg --print-architecture)" ] || among=aarch64-unknown-linux-gnu/release
    printf '%s\n' "$1/target/$among/strongroom" "$1/target/$among/strongroom-rescue"
}

twice() {
    local architecture=${1:-$(dpkg --print-architecture)} work=$target/release-twice first second file other
    first=$work/one
    second=$work/another-folder/of/another-length
    rm -rf "$work"
    mkdir -p "$work"
    for file in "$first" "$second"; do
        say "building in $file"
        build "$file" "$architecture" > "$work/log" 2>&1 || {
            tail -30 "$work/log" >&2
            fail "it does not build"
        }
    done
    for file in $(programs "$first" "$architecture") "$first"/target/debian/*.deb; do
        other=$second${file#"$first"}
        cmp "$file" "$other" || fail "built in two folders, $(basename "$file") is not the same"
        say "the same $(stat -c %s "$file") bytes: $(basename "$file"), $(sha256sum < "$file" | cut -c -16)"
    done
    for file in $(programs "$first" "$architecture"); do
        # What is searched for is found where it has to be: places of crates, under their new name.
        LC_ALL=C grep -aqF /registry/ "$file" || fail "the search for places in $file finds nothing"
        for other in "$first" "$PWD" "${CARGO_HOME:-$HOME/.cargo}"; do
            ! LC_ALL=C grep -aqF "$other" "$file" || fail "$(basename "$file") names $other"
        done
    done
    say "no program names a folder of this machine"
    rm -rf "$work"
}

# Prints what the changelog says of this version, or of what is not released yet.
notes() {
    local section
    section=$(awk -v wanted="## [$version]" '
        index($0, "## ") == 1 { inside = index($0, wanted) == 1; next } inside' CHANGELOG.md)
    if [ -z "$section" ]; then
        section=$(awk '/^## / { inside = $0 ~ /^## \[Unreleased\]/; next } inside' CHANGELOG.md)
        printf '# Strongroom %s, not released\n\n' "$version"
        printf 'CHANGELOG.md has no section for %s: this is what is not released yet.\n' "$version"
    else
        printf '# Strongroom %s\n' "$version"
    fi
    printf '%s\n' "$section"
    cat << NOTES

## To check what you downloaded

    ssh-keygen -Y verify -f allowed_signers -I strongroom -n strongroom-release \\
        -s SHA256SUMS.sig < SHA256SUMS
    sha256sum --check --ignore-missing SHA256SUMS

\`allowed_signers\` has the line \`strongroom\`, a space, and the public key of who released it.
NOTES
    [ "$1" = built ] || return 0
    cat << NOTES

Whoever builds commit $(git rev-parse HEAD) with \`scripts/release.sh\` and
$(rustc --version | sed 's/ (.*//') on the same Debian can compare the packages byte for byte.
NOTES
}

sign() {
    rm -f "$1.sig"
    if [ -n "${STRONGROOM_SIGNING_KEY:-}" ]; then
        ssh-keygen -q -Y sign -n strongroom-release -f "$STRONGROOM_SIGNING_KEY" "$1"
        say "signed: $(basename "$1").sig"
    else
        say "NOT SIGNED: set STRONGROOM_SIGNING_KEY before you give this to anybody"
    fi
}

release() {
    local image=$1 out=$target/release-$version work=$target/release-work architecture triple package made=built
    shift
    [ -z "$(git status --porcelain)" ] || say "what is changed and not committed is left out"
    rm -rf "$out" "$work"
    mkdir -p "$out"
    if [ $# -gt 0 ]; then
        made=taken
        for package in "$@"; do
            architecture=$(dpkg-deb --field "$package" Architecture)
            cp "$package" "$out/strongroom_$(dpkg-deb --field "$package" Version)_$architecture.deb"
        done
    fi
    for architecture in amd64 arm64; do
        if [ $made = built ]; then
            say "building for $architecture"
            build "$work/$architecture" $architecture
            cp "$work/$architecture"/target/debian/*.deb "$out/"
        fi
        ls "$out"/strongroom_"$version"-*_$architecture.deb > /dev/null ||
            fail "there is no package of version $version for $architecture"
        triple=x86_64-unknown-linux-gnu
        [ $architecture = amd64 ] || triple=aarch64-unknown-linux-gnu
        cargo tree --locked --package strongroom --edges normal,build --prefix none \
            --target $triple --format '{p} {l}' |
            python3 -B pi-image/parts.py crates "$name-$architecture" > "$out/$name-$architecture.cdx.json"
    done
    if [ "$image" = yes ]; then
        [ "$(id -u)" = 0 ] || fail "making the image needs root; without one: --no-image"
        pi-image/image.sh "$(echo "$out"/strongroom_*_arm64.deb)"
        cp "$target/image/$name"-*-arm64.img.zst "$target/image/$name"-*-arm64.{cdx,imager}.json "$out/"
    fi
    git archive --prefix="$name/" HEAD | gzip --no-name -9 > "$out/$name.tar.gz"
    notes $made > "$out/NOTES.md"
    (cd "$out" && find . -type f ! -name 'SHA256SUMS*' -printf '%P\n' | LC_ALL=C sort |
        xargs sha256sum > SHA256SUMS)
    sign "$out/SHA256SUMS"
    rm -rf "$work"
    ls -l "$out"
}

case "${1:-}" in
--twice) twice "${2:-}" ;;
--no-image)
    shift
    release no "$@"
    ;;
-*)
    echo "usage: $0 [--no-image] [PACKAGE…] | --twice [arm64]" >&2
    exit 2
    ;;
*) release yes "$@" ;;
esac
