#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs every test: KUnit on UML, then the selftests on the debug kernel in the test machine. A splat
# in a kernel's log is a failure like any other. The last line counts them.
#
#   test.sh BASE

. "$(dirname "$0")/tree.sh"

[ $# = 1 ] || die "usage: test.sh BASE"
base=$1
check_base "$base"
out=$build/$base
kernel=$out/ours-debug
passed=0 failed=0 skipped=0

# count COMMAND...: runs it; its last line is what it counted.
count() {
	local p f s
	"$@" | tee "$out/count" || true
	read -r p f s < <(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$out/count") ||
		exit 1
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	rm "$out/count"
}

# in_machine NAME TESTS [OPTION...]: the selftests, or the named ones.
in_machine() {
	local name=$1 tests=$2
	shift 2
	echo "run the ${tests:-selftests} in the test machine ... (logs: build/$base/ours-debug/$name)"
	{
		"$rig/machine.sh" --run "selftests $tests" --name "$name" "$@" "$kernel" "$out/test.cpio" ||
			printf '\nnot ok 0 the machine\n'
	} | tee "$out/$name.ktap" | grep --line-buffered -E '^(# running|ok|not ok)'
	"$rig/verdict.sh" "$base" "$out/$name.ktap" "$kernel/$name/kernel.log"
}

mkdir -p "$out"
"$rig/qemu/build.sh"
for variant in uml uml-i386 smp-i386; do
	count "$rig/kunit.sh" "$base" "$variant"
done
"$rig/kernel.sh" "$base" ours debug
"$rig/selftests.sh" "$base"
rm -rf "$out/test"
mkdir -p "$out/test"
cp -r "$out/selftests" "$out/test/tests"
"$rig/initrd.sh" "$out/test.cpio" "$out/test"
count in_machine selftests ""
count in_machine no-platform sev_misc_cg_test --no-platform

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
