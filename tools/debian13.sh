#!/usr/bin/env bash
# Builds this tree and runs its unit tests in a chroot of Debian 13 (GCC 14, Boost 1.83).
#
# The chroot is kept in build/debian13, so that a second run is quick. It needs root, for chroot,
# and debootstrap, which it installs. MUSTER_DEBIAN_MIRROR names another mirror than the one this
# machine uses.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

((EUID == 0)) || {
    echo "debian13 needs root, for chroot: sudo ./dev test debian13" >&2
    exit 1
}

# The first archive this machine's apt knows.
mirror_of_this_machine() {
    local first
    # One of the two is mostly missing, which is no failure.
    first=$({
        sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/*.sources
        sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\).*/\2/p' /etc/apt/sources.list
    } 2>/dev/null | grep -m1 -v security || true)
    printf '%s' "${first:-http://deb.debian.org/debian}"
}

command -v debootstrap >/dev/null || {
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends debootstrap
}

chroot_folder=$PWD/build/debian13
mirror=${MUSTER_DEBIAN_MIRROR:-$(mirror_of_this_machine)}
if [[ ! -e $chroot_folder/etc/debian_version ]]; then
    mkdir -p "$chroot_folder"
    debootstrap --variant=minbase --include=ca-certificates trixie "$chroot_folder" "$mirror"
fi
cp /etc/resolv.conf /etc/hosts "$chroot_folder/etc/"
# What lets apt reach the archive from here (a proxy, say) lets it do so from there.
cp /etc/apt/apt.conf.d/*proxy* "$chroot_folder/etc/apt/apt.conf.d/" 2>/dev/null || true
cp -r /usr/local/share/ca-certificates/. "$chroot_folder/usr/local/share/ca-certificates/" \
    2>/dev/null || true

mounted=()
unmount() {
    local folder
    for folder in "${mounted[@]}"; do
        umount "$folder"
    done
}
trap unmount EXIT
mkdir -p "$chroot_folder/muster/build"
mount -t proc proc "$chroot_folder/proc" && mounted+=("$chroot_folder/proc")

# The tree as it stands, with changes that are not committed, without what was built.
git ls-files -co --exclude-standard -z | tar --null -T - --ignore-failed-read -c 2>/dev/null |
    tar -x -C "$chroot_folder/muster"

chroot "$chroot_folder" /usr/bin/env -i \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 NO_COLOR=1 \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
    bash -c 'update-ca-certificates >/dev/null 2>&1; cd /muster && ./dev test unit'
