#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds the test machine's QEMU: Debian's source with the patches and psp.c in this folder, and only the devices
# that the test machine uses.
#
#   rig/machine/qemu/build.sh          builds QEMU, unless the binary exists
#   rig/machine/qemu/build.sh --path   prints the binary's path, whether it exists or not
#
# The path contains a hash of the patches, psp.c, devices.mak and the options, so that clones with different patches
# have different binaries.

. "$(dirname "$0")/../../lib.sh"

here=$rig/machine/qemu
options=(--target-list=x86_64-softmmu --enable-tcg --without-default-features --enable-fdt=system
	--without-default-devices --with-devices-x86_64=rig --disable-docs --disable-tools --disable-guest-agent
	--disable-debug-info --enable-trace-backends=nop --disable-werror --with-git-submodules=ignore)
hash=$(cat "$here"/*.patch "$here/psp.c" "$here/devices.mak" - <<<"${options[*]}" | sha256sum | cut -c 1-12)
binary=$cache/qemu/$hash/qemu-system-x86_64

case ${1-} in
--path)
	echo "$binary"
	exit
	;;
'') ;;
*) die "usage: rig/machine/qemu/build.sh [--path]" ;;
esac
# Test that the binary starts: one from another Debian release may lack libraries here.
! "$binary" --version >/dev/null 2>&1 || exit 0

"$rig/fetch.sh" qemu
need libglib2.0-dev libpixman-1-dev ninja-build meson python3-venv flex bison zlib1g-dev libfdt-dev \
	dpkg-dev gcc pkg-config patch
room_for 4
exclusive build-qemu
! "$binary" --version >/dev/null 2>&1 || exit 0

tree=$cache/qemu/$hash.build
rm -rf "$cache"/qemu/*.build
mkdir -p "$tree"
trap 'rm -rf "$tree"' EXIT

patched() {
	local p
	# A copy instead of hard links, as patch may write in place.
	cp -a "$cache/qemu/source/." "$tree"
	for p in "$here"/*.patch; do
		echo "${p##*/}"
		patch --no-backup-if-mismatch -d "$tree" -p1 <"$p" || return
	done
	cp "$here/psp.c" "$tree/hw/i386/"
	cp "$here/devices.mak" "$tree/configs/devices/x86_64-softmmu/rig.mak"
}

# QEMU's configure uses meson of the first python3 in PATH: that must be Debian's, which has meson installed.
configured() {
	cd "$tree"
	mkdir build
	cd build
	PATH=/usr/bin:/bin ../configure "${options[@]}"
}

compiled() {
	PATH=/usr/bin:/bin ninja -C "$tree/build" qemu-system-x86_64
	strip -o "$tree/qemu-system-x86_64" "$tree/build/qemu-system-x86_64"
}

step "patch QEMU" patch-qemu patched
step "configure QEMU" configure-qemu configured
step "build QEMU (about 2 minutes on two cores)" build-qemu compiled
mkdir -p "$(dirname "$binary")"
sync "$tree/qemu-system-x86_64"
mv "$tree/qemu-system-x86_64" "$binary"
