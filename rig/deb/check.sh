#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Tries the packages on a Debian 13 host, a machine that boots through UEFI, GRUB and an initramfs: they are built with
# the modules that this host has loaded, installed, booted, used, and removed again. deb/check has a script for each
# boot, in the order of their numbers.
#
#   rig/deb/check.sh BASE

. "$(dirname "$0")/../lib.sh"

[ $# = 1 ] || die "usage: rig/deb/check.sh BASE"
base=$1
results=$build/deb/check
debs=$results/packages
files=$results/files

"$rig/machine/qemu/build.sh"
"$rig/deb/disk.sh"
need gcc libc6-dev linux-libc-dev e2fsprogs lintian
rm -rf "$results"
mkdir -p "$files"
image=$("$rig/deb/disk.sh" --path)
disk=$results/disk.qcow2

# boot SCRIPT: boots the host, which runs deb/check/SCRIPT.
boot() {
	local rc=0
	cp "$rig/deb/check/$1" "$files/run"
	rm -f "$files.img"
	truncate -s "$(($(du -s -BM "$files" | cut -d M -f 1) * 5 / 4 + 16))M" "$files.img"
	/sbin/mke2fs -q -F -t ext4 -O ^has_journal -L rig -d "$files" "$files.img"
	echo "boot the host, and run deb/check/$1 ... (logs: ${results#"$PWD"/}/$1)"
	"$rig/machine/boot.sh" --grub "$image" --keep "$disk" --name "$1" --limit 3000 "$results" "$files.img" >/dev/null || rc=$?
	# Leave out the lines with the control characters of GRUB's screen.
	tr -d '\r' <"$results/$1/console.log" | grep -aE '^(\+ |[ -~]+$)' | tail -n 60
	[ "$rc" = 0 ] || die "deb/check/$1 failed, see $results/$1"
	"$rig/tests/splats.sh" "$results/$1/kernel.log"
}

boot 1-first
tr -d '\r' <"$results/1-first/console.log" | sed -n 's/^lsmod: //p' >"$results/lsmod"
CONFIG_FILE=debian LOCALMODS=$results/lsmod "$rig/deb/build.sh" "$base" "$debs"
step "lintian" "deb-lintian" lintian --fail-on error "$debs"/misc-cgroup-tools_*.changes
cp "$debs"/linux-{image,headers}-*.deb "$debs"/misc-cgroup-tools_*.deb "$rig/tests/in-machine/main-job" "$files/"
for program in sev-vm in-cgroupns; do
	gcc -O2 -Wall -Werror -static -o "$files/$program" "$rig/machine/initramfs/$program.c"
done
basename "$debs"/config-* | sed 's/^config-//' >"$files/release"
for script in 2-install 3-ours 4-tried 5-back 6-gone; do
	boot "$script"
done
rm -f "$disk" "$files.img"
echo "the packages were installed, booted, used and removed: ok"
