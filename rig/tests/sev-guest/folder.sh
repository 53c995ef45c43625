#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Makes a folder for machine/initrd.sh with Debian's QEMU and OVMF, and a small Linux that they boot as an SEV guest
# inside the test machine.
#
#   rig/tests/sev-guest/folder.sh FOLDER BZIMAGE

. "$(dirname "$0")/../../lib.sh"

[ $# = 2 ] || die "usage: rig/tests/sev-guest/folder.sh FOLDER BZIMAGE"
folder=$1 kernel=$2
need qemu-system-x86 ovmf cpio
"$rig/fetch.sh" busybox

rm -rf "$folder"
mkdir -p "$folder/lib" "$folder/qemu"
qemu=/usr/bin/qemu-system-x86_64
cp "$qemu" /usr/share/ovmf/OVMF.fd "$folder/qemu/"
cp /usr/share/qemu/{kvmvapic.bin,linuxboot_dma.bin} "$folder/qemu/"
# All libraries of QEMU, and the dynamic loader, which starts QEMU in the machine.
ldd "$qemu" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' | xargs -I{} cp -L {} "$folder/lib/"
strip "$folder"/lib/* "$folder/qemu/qemu-system-x86_64" 2>/dev/null || true

root=$(mktemp -d "$build/inner.XXXXXX")
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/proc"
cp "$cache/busybox/bin/busybox" "$root/bin/"
ln -s busybox "$root/bin/sh"
cp "$rig/tests/sev-guest/sev-guest-init" "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) >"$folder/qemu/initrd"
cp "$kernel" "$folder/qemu/bzImage"
