#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs the scripts in this folder in the Debian system (see machine/debian.sh), on our kernel or on stock. They test
# unchanged programs that operators use. Prints a table of the results.
#
#   rig/tests/clients/run.sh [--login] BASE ours|stock [SCRIPT...]
#
# The system is booted twice with the same disk: the first boot writes files that set limits during the second one. If
# scripts in this folder are named, only these run, and there is no first boot unless "boot" is one of them.
# --login starts a root prompt instead, with the scripts in /rig.

. "$(dirname "$0")/../../lib.sh"

login=
if [ "${1-}" = --login ]; then
	login=y
	shift
fi
[ $# -ge 2 ] || die "usage: rig/tests/clients/run.sh [--login] BASE ours|stock [SCRIPT...]"
base=$1 flavor=$2
shift 2
for script; do
	[ -f "$rig/tests/clients/$script" ] || die "ONLY=$script: there is no rig/tests/clients/$script"
done
kernel=$build/$base/$flavor-clients
files=$build/$base/clients

"$rig/kernel/build.sh" "$base" "$flavor" clients
"$rig/machine/qemu/build.sh"
"$rig/machine/debian.sh"
need gcc libc6-dev linux-libc-dev e2fsprogs cpio

rm -rf "$files"
mkdir -p "$files/modules"
find "$rig/tests/clients" -maxdepth 1 -type f ! -name ".*" ! -name run.sh -exec cp -t "$files" {} +
cp "$top"/tools/cgroup/misc_{top,check}.py "$files/"
gcc -O2 -Wall -Werror -static -o "$files/sev-vm" "$rig/machine/initramfs/sev-vm.c"
(cd "$files/modules" && cpio --quiet -id) <"$kernel/modules.cpio"
truncate -s 32M "$files.img"
/sbin/mke2fs -q -F -t ext4 -O ^has_journal -d "$files" "$files.img"

machine=("$rig/machine/boot.sh" --disk "$("$rig/machine/debian.sh" --path)")
[ -z "$login" ] || exec "${machine[@]}" --name machine --shell "$kernel" "$files.img"

log=$kernel/clients
disk=$kernel/clients.qcow2
rm -f "$disk"
trap 'rm -f "$disk"' EXIT
rc=0
# boot SCRIPT NAME: boots the system and runs SCRIPT; the logs are in the folder NAME.
boot() {
	"${machine[@]}" --keep "$disk" --run "$1" --name "$2" --limit 3600 "$kernel" "$files.img" |
		{ grep --line-buffered -E '^(## |FAILED)' || true; } || rc=$?
	"$rig/tests/splats.sh" "$kernel/$2/kernel.log" || rc=1
}

echo "run the clients in the test machine ... (logs: ${log#"$PWD"/})"
logs=("$log/console.log")
if [ $# = 0 ] || [[ " $* " = *" boot "* ]]; then
	boot 'boot first' clients-first-boot
	logs=("$kernel/clients-first-boot/console.log" "${logs[@]}")
fi
boot "all${*:+ $*}" clients
results=$(cat "${logs[@]}" | tr -d '\r' | grep -P '^result\t') ||
	die "no client has printed a result; see $log"
{
	printf 'client\tversion\tcase\tresult\n'
	cut -f 2- <<<"$results"
} | awk -F '\t' '
	{ for (i = 1; i <= 4; i++) if (length($i) > width[i]) width[i] = length($i); line[++n] = $0 }
	END {
		for (l = 1; l <= n; l++) {
			split(line[l], f, "\t")
			printf "%-*s  %-*s  %-*s  %s\n", width[1], f[1], width[2], f[2], width[3], f[3], f[4]
		}
	}'
exit "$rc"
