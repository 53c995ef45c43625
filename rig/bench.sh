#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Times the controller and stock's on UML, where a kernel runs natively, one after the other in several
# rounds.
#
#   bench.sh BASE
#
# What is timed is in rig/bench. In build/bench/BASE: results.tsv, the plots, and each kernel's log.

. "$(dirname "$0")/tree.sh"

[ $# = 1 ] || die "usage: bench.sh BASE"
base=$1 rounds=9
check_base "$base"
out=$build/bench/$base

need ccache flex bison bc rsync patch gcc make python3 cpio gnuplot-nox bsdextrautils

# On every CPU that there is, where UML can have several.
configs=("$rig/kernel/bench.config")
cpus=1 arguments=()
fetch_base "$base"
if uml_has_smp; then
	configs+=("$rig/kernel/bench-smp.config")
	cpus=$(nproc)
	[ "$cpus" -le 64 ] || cpus=64
	arguments=("ncpus=$cpus" seccomp=on)
fi

rm -rf "$out"
mkdir -p "$out/userspace"

# Without the definition stock has no resource on UML.
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
	gcc -O2 -Wall -Werror -static "${define[@]}" -o "$root/init" "$rig/bench/init.c"
	cp "$obj/bench/bench.ko" "$root/"
	cp "$obj/linux" "$out/linux-$flavor"
	userspace "$flavor"
	(cd "$root" && printf '%s\n' init bench.ko | cpio --quiet -o -H newc -R 0:0) >"$out/$flavor.cpio"
}

# The same misc.c in user space, with the headers that it asks for; those that user space has come first.
userspace() {
	local headers=$out/headers-$1 h
	mkdir -p "$headers"/{linux,trace/events}
	{ sed -nE 's,^#include <((linux|trace)/.*)>,\1,p' "$tree/kernel/cgroup/misc.c"; echo linux/types.h; } |
		while read -r h; do echo '#include "shim.h"' >"$headers/$h"; done
	cp "$tree/include/linux/misc_cgroup.h" "$headers/linux/"
	gcc -O2 -fno-strict-aliasing -w "${define[@]}" -I"$rig/bench" -idirafter "$headers" \
		-DMISC_C="\"$tree/kernel/cgroup/misc.c\"" -o "$out/userspace-$1" "$rig/bench/userspace.c"
}

# A UML of several CPUs has been seen to hang in its idle loop. What has been timed until then does not
# count, and is kept beside what does.
once() {
	local flavor=$1 log=$out/$1.$2.log tries
	for tries in 1 2 3; do
		timeout --kill-after=5 600 "$out/linux-$flavor" mem=2G initrd="$out/$flavor.cpio" printk.devkmsg=on \
			uml_dir="$out/uml" "${arguments[@]}" </dev/null >"$log" 2>&1 || true
		if grep -q 'bench: done' "$log"; then
			"$out/userspace-$flavor" >"$out/userspace/$flavor.$2.log"
			return
		fi
		if grep -E 'bench: FAILED|BUG:|WARNING:|Oops' "$log"; then
			return 1
		fi
		echo "try $tries of $flavor did not come to its end: $(tail -n 1 "$log")"
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
step "time charges on $cpus CPUs, $rounds rounds" "bench-run-$base" measure
release bench
table() {
	/usr/bin/python3 -B "$rig/bench/results.py" "$1" >"$1/results.tsv"
	column -t -s "$(printf '\t')" "$1/results.tsv"
}
table "$out"
[ ${#arguments[@]} -gt 0 ] || echo "UML has one CPU in $base, for which a kernel's atomic instructions are not locked."
echo
echo "In user space, with the locked instructions that an x86 kernel has. What takes the lock, all but pair_own,"
echo "is without cli and sti, and has pushf and popf instead, twice (two_pushf_popf):"
table "$out/userspace"
(cd "$out" && gnuplot -e "threads=$cpus" "$rig/bench/plots.gp")
echo "the tables and the plots are in ${out#"$PWD"/}"
