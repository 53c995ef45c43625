#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Makes our initramfs: busybox, what is in rig/guest (programs compiled), and folders to add.
#
#   initrd.sh OUTPUT [FOLDER...]
#
# The contents of each FOLDER go into /rig in the guest, beside our scripts.

. "$(dirname "$0")/lib.sh"

[ $# -ge 1 ] || die "usage: initrd.sh OUTPUT [FOLDER...]"
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
cp "$rig/guest/init" "$root/init"
for f in "$rig"/guest/*; do
	case $f in
	*.h) ;;
	*.c) gcc -O2 -Wall -Werror -static -o "$root/rig/$(basename "$f" .c)" "$f" ;;
	*) cp "$f" "$root/rig/" ;;
	esac
done
for f; do cp -a "$f/." "$root/rig/"; done
mkdir -p "$(dirname "$output")"
(cd "$root" && find . | sort | cpio --quiet -o -H newc -R 0:0) >"$output.tmp"
mv "$output.tmp" "$output"
