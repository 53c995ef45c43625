#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# The programs that operators use, unchanged, in the Debian system (see debian.sh) on a kernel of ours or of
# stock: runs what is in rig/clients, and prints what worked in a table.
#
#   clients.sh [--login] BASE ours|stock
#
# With --login a root prompt in that system instead; what is in rig/clients is in /rig there.

. "$(dirname "$0")/lib.sh"

login=
if [ "${1-}" = --login ]; then
	login=y
	shift
fi
[ $# = 2 ] || die "usage: clients.sh [--login] BASE ours|stock"
base=$1 flavor=$2
kernel=$build/$base/$flavor-clients
files=$build/$base/clients

"$rig/kernel.sh" "$base" "$flavor" clients
"$rig/qemu/build.sh"
"$rig/debian.sh"
need gcc libc6-dev linux-libc-dev e2fsprogs

rm -rf "$files"
mkdir -p "$files"
cp "$rig"/clients/* "$top/tools/cgroup/misc_top.py" "$files/"
gcc -O2 -Wall -Werror -static -o "$files/sev-vm" "$rig/guest/sev-vm.c"
truncate -s 16M "$files.img"
/sbin/mke2fs -q -F -t ext4 -O ^has_journal -d "$files" "$files.img"

machine=("$rig/machine.sh" --disk "$("$rig/debian.sh" --path)")
[ -z "$login" ] || exec "${machine[@]}" --name machine --shell "$kernel" "$files.img"

log=$kernel/clients
echo "run the clients in the test machine ... (logs: ${log#"$PWD"/})"
rc=0
"${machine[@]}" --run all --name clients --limit 3600 "$kernel" "$files.img" |
	{ grep --line-buffered -E '^(## |FAILED)' || true; } || rc=$?
"$rig/splats.sh" "$log/kernel.log" || rc=1
results=$(tr -d '\r' <"$log/console.log" | grep -P '^result\t') || die "no client has said anything; see $log"
{
	printf 'client\tversion\twhat was done\tverdict\n'
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
