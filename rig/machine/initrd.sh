#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Makes the test machine's initramfs: busybox and, in /rig, the contents of machine/initramfs and of each FOLDER. C
# files at the top of these folders are compiled to programs.
#
#   rig/machine/initrd.sh OUTPUT [FOLDER...]

. "$(dirname "$0")/../lib.sh"

[ $# -ge 1 ] || die "usage: rig/machine/initrd.sh OUTPUT [FOLDER...]"
output=$1
shift
need cpio gcc libc6-dev linux-libc-dev
"$rig/fetch.sh" busybox

root=$(mktemp -d "$build/initrd.XXXXXX")
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
mkdir -p "$root"/{bin,dev,proc,sys,tmp,rig}
cp "$cache/busybox/bin/busybox" "$root/bin/"
ln -s busybox "$root/bin/sh"
cp "$rig/machine/initramfs/init" "$root/init"
for folder in "$rig/machine/initramfs" "$@"; do
	for f in "$folder"/*; do
		case $f in
		*.h) ;;
		*.c) gcc -O2 -Wall -Werror -static -I"$rig/machine/initramfs" -o "$root/rig/$(basename "$f" .c)" "$f" ;;
		*) cp -a "$f" "$root/rig/" ;;
		esac
	done
done
mkdir -p "$(dirname "$output")"
(cd "$root" && find . | sort | cpio --quiet -o -H newc -R 0:0) >"$output.tmp"
mv "$output.tmp" "$output"
