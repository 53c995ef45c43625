#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Checks what CPUs can do to each other where the controller takes no lock, mostly in misc-credit.c: credit.py goes
# through all orders of their steps; herd7 through all orders in which they may see each other's steps on the weakest
# machine that the kernel's memory model allows.
#
#   rig/tests/model/run.sh BASE
#
# Each file in litmus/ is a test in the kernel's format, of a result that must not be possible: herd7 goes through all
# executions that the memory model of the base (tools/memory-model) allows. If a line of it ends with "// weakened:
# OPERATION", the result must be possible with this operation instead. Lines that end with "// removed" are removed
# together, and it must be possible then.

. "$(dirname "$0")/../../kernel/tree.sh"

[ $# = 1 ] || die "usage: rig/tests/model/run.sh BASE"
base=$1
check_base "$base"
here=$rig/tests/model
herd=$cache/herd
out=$build/$base/litmus
failed=0

# A root folder with herd7 in it, from sid: older suites do not have it. It is only unpacked.
make_herd() {
	local uri valid
	[ ! -d "$herd" ] || return 0
	uri=$(mirror)
	[ -n "$uri" ] || die "no Debian mirror: 'apt-get indextargets' lists no archive labelled Debian"
	need mmdebstrap debian-archive-keyring
	room_for 1
	exclusive herd
	[ ! -d "$herd" ] || return 0
	# Left by a run that was killed, and owned by root.
	[ ! -e "$herd.tmp" ] || as_root "remove an unfinished folder" herd-clean rm -rf "$herd.tmp"
	# sid's lists expire after a week. The host says whether a mirror that is older will do.
	eval "$(apt-config shell valid Acquire::Check-Valid-Until)"
	as_root "unpack herd7 (sid)" herd mmdebstrap --mode=root --variant=extract --include=herdtools7 \
		--aptopt="Acquire::Check-Valid-Until \"${valid:-true}\"" \
		--dpkgopt=path-exclude='/usr/bin/*' --dpkgopt=path-include=/usr/bin/herd7 \
		--dpkgopt=path-exclude='/usr/share/doc/*' sid "$herd.tmp" \
		"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri sid main"
	mv "$herd.tmp" "$herd"
	release herd
}

# observe FILE: whether its result is possible: Never, Sometimes or Always.
observe() {
	local libraries=("$herd"/usr/lib/*-linux-gnu*/) loader=("$herd"/usr/lib*/ld-linux-*.so.*)
	(cd "$home/source/tools/memory-model" && "${loader[0]}" --library-path "${libraries[0]}" "$herd/usr/bin/herd7" \
		-set-libdir "$herd/usr/share/herdtools7/herd" -conf linux-kernel.cfg "$1") >"$out/herd.log" 2>&1 || true
	sed -n 's/^Observation [^ ]* \([A-Za-z]*\) .*/\1/p' "$out/herd.log" | grep . || {
		cat "$out/herd.log" >&2
		die "$1: herd7 has no result"
	}
}

# weaken TEST WHAT SCRIPT: the result must be possible once sed has changed the test.
weaken() {
	local result
	weakened=$((weakened + 1))
	sed -E "$3" "$1" >"$out/$weakened-${1##*/}"
	! cmp -s "$1" "$out/$weakened-${1##*/}" || die "$1: nothing is weakened: $2"
	result=$(observe "$out/$weakened-${1##*/}")
	printf '  %-12s%s\n' "$result" "$2"
	if [ "$result" = Never ]; then failed=1; else found=$((found + 1)); fi
}

litmus() {
	local test result line operation tests=0 found=0 weakened=0
	rm -rf "$out"
	mkdir -p "$out"
	for test in "$here"/litmus/*.litmus; do
		tests=$((tests + 1))
		result=$(observe "$test")
		[ "$result" = Never ] || failed=1
		printf '%-14s%s\n' "$result" "${test##*/}"
		while IFS=: read -r line operation; do
			weaken "$test" "if line $line has $operation()" \
				"$line s,[a-z_]+\((.*)\);.*,$operation(\1);,"
		done < <(sed -nE '/ weakened: /{=; s,.*// weakened: ,,p}' "$test" | paste -d : - -)
		! grep -q '// removed$' "$test" ||
			weaken "$test" "without $(sed -nE 's,^\s*(.* = )?([a-z_]+)\(.*// removed$,\2(),p' "$test" | paste -s -d ' ')" \
				'/\/\/ removed$/d'
	done
	echo "$tests litmus tests, $found of $weakened weakened orderings found"
	[ "$failed" = 0 ] || echo "error: each test must be Never, and no weakened one" >&2
}

need python3
fetch_base "$base"
make_herd
litmus
/usr/bin/python3 -B "$here/credit.py" || failed=1
exit "$failed"
