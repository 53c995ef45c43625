#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Times ours and stock, alternating in several rounds: as kernels on UML, which runs natively, and with misc.c alone in
# user space, with the instructions of an x86 kernel. In user space also "lock": ours without credit, the last state of
# the series before the patch that adds credit.
#
#   rig/bench/run.sh BASE
#
# Results: results.tsv and the logs, of UML in build/bench/BASE, of user space in its folder userspace/.

. "$(dirname "$0")/../kernel/tree.sh"

[ $# = 1 ] || die "usage: rig/bench/run.sh BASE"
base=$1 rounds=9
check_base "$base"
out=$build/bench/$base

need ccache flex bison bc rsync patch gcc make python3 cpio libc6-dev bsdextrautils

# UML gets two CPUs if the host has two and UML supports SMP.
configs=("$rig/kernel/configs/bench.config")
arguments=()
fetch_base "$base"
if uml_has_smp && [ "$(nproc)" -gt 1 ]; then
	configs+=("$rig/kernel/configs/bench-smp.config")
	arguments=(ncpus=2 seccomp=on)
fi

rm -rf "$out"
mkdir -p "$out/userspace"

# CONFIG_KVM_AMD_SEV is defined so that stock has a resource on UML.
kmake() {
	tree_make "$tree" ARCH=um O=obj-bench KCFLAGS=-DCONFIG_KVM_AMD_SEV=1 -j"$(nproc)" "$@"
}

compile() {
	local flavor=$1 obj=$tree/obj-bench root=$out/$1 define=()
	[ "$flavor" = ours ] || define=(-DSTOCK)
	mkdir -p "$obj" "$root"
	cat "${configs[@]}" >"$obj/fragments"
	kmake KCONFIG_CONFIG=.config.new KCONFIG_ALLCONFIG="$obj/fragments" allnoconfig
	cmp -s "$obj/.config.new" "$obj/.config" || cp "$obj/.config.new" "$obj/.config"
	kmake linux modules
	rm -rf "$obj/bench"
	mkdir "$obj/bench"
	cp "$rig"/bench/{Makefile,bench.c} "$obj/bench/"
	kmake M="$obj/bench" CFLAGS_bench.o="${define[*]}" modules
	gcc -O2 -Wall -Werror -static -o "$root/init" "$rig/bench/init.c"
	cp "$obj/bench/bench.ko" "$root/"
	cp "$obj/linux" "$out/linux-$flavor"
	userspace "$flavor" "$tree"
	[ "$flavor" = stock ] || without_credit
	(cd "$root" && printf '%s\n' init bench.ko | cpio --quiet -o -H newc -R 0:0) >"$out/$flavor.cpio"
}

without_credit() {
	local repo=$build/series/$base/repo
	"$rig/series/write.sh" "$base"
	mkdir "$out/lock"
	git -C "$repo" archive "$(git -C "$repo" log -1 --format=%H --diff-filter=A controller -- kernel/cgroup/misc-credit.c)~" \
		kernel/cgroup include/linux/misc_cgroup.h | tar -x -C "$out/lock"
	userspace lock "$out/lock"
}

# userspace NAME SOURCE: compiles misc.c of SOURCE for user space. shim.h replaces the kernel headers that misc.c
# includes; user space's own headers come first.
userspace() {
	local headers=$out/headers-$1 source=$2 credit=() h
	[ ! -f "$source/kernel/cgroup/misc-credit.c" ] ||
		credit=(-DMISC_CREDIT_C="\"$source/kernel/cgroup/misc-credit.c\"")
	mkdir -p "$headers"/{linux,kunit,trace/events,api/linux}
	{ sed -nE 's,^#include <((linux|kunit|trace)/.*)>,\1,p' "$source"/kernel/cgroup/misc*.[ch]; echo linux/types.h; } |
		while read -r h; do echo '#include "shim.h"' >"$headers/$h"; done
	cp "$source/include/linux/misc_cgroup.h" "$headers/api/linux/"
	gcc -O2 -fno-strict-aliasing -Wall -Werror -Wno-unused-function -pthread "${define[@]}" "${credit[@]}" \
		-I"$rig/bench" -I"$headers/api" -idirafter "$headers" \
		-DMISC_C="\"$source/kernel/cgroup/misc.c\"" -o "$out/userspace-$1" "$rig/bench/userspace.c"
}

# UML with several CPUs sometimes hangs in its idle loop. The times of such a run do not count; its log is kept as
# FLAVOR.N.log.tryN.
once() {
	local flavor=$1 log=$out/$1.$2.log tries
	for tries in 1 2 3; do
		timeout --kill-after=5 600 "$out/linux-$flavor" mem=2G initrd="$out/$flavor.cpio" printk.devkmsg=on \
			uml_dir="$out/uml" "${arguments[@]}" </dev/null >"$log" 2>&1 || true
		if grep -q 'bench: done' "$log"; then
			"$out/userspace-$flavor" >"$out/userspace/$flavor.$2.log"
			[ "$flavor" = stock ] || "$out/userspace-lock" >"$out/userspace/lock.$2.log"
			return
		fi
		if grep -E 'bench: FAILED|BUG:|WARNING:|Oops' "$log"; then
			return 1
		fi
		echo "try $tries of $flavor did not finish: $(tail -n 1 "$log")"
		mv "$log" "$log.try$tries"
	done
	return 1
}

measure() {
	local i flavors=(stock ours)
	for ((i = 1; i <= rounds; i++)); do
		echo "round $i of $rounds"
		once "${flavors[i % 2]}" "$i"
		once "${flavors[(i + 1) % 2]}" "$i"
	done
}

for flavor in stock ours; do
	tree_prepare "$base" "$flavor"
	step "build the $flavor benchmark kernel of $base (about 3 minutes the first time)" \
		"bench-build-$base-$flavor" compile "$flavor"
	release "tree-${home##*/}-$flavor"
done
exclusive bench
step "time charges, $rounds rounds" "bench-run-$base" measure
release bench
table() {
	/usr/bin/python3 -B "$rig/bench/results.py" "$1" >"$1/results.tsv"
	column -t -s "$(printf '\t')" "$1/results.tsv"
}
table "$out"
[ ${#arguments[@]} -gt 0 ] || echo "UML has one CPU here: its kernel uses atomic instructions without lock prefixes."
echo
echo "In user space, with the locked instructions of an x86 kernel:"
table "$out/userspace"
echo "the tables are in ${out#"$PWD"/}"
