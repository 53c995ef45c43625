#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs the KUnit tests on User Mode Linux: the kernel of one base as a process.
#
#   kunit.sh BASE
#
# The kernel's log, with the results in it, is left in build/BASE/kunit.log.

. "$(dirname "$0")/tree.sh"

[ $# = 1 ] || die "usage: kunit.sh BASE"
base=$1
check_base "$base"
config=$rig/kernel/kunit.config
results=$build/$base/kunit.log

need ccache flex bison bc rsync patch gcc make python3

tree_prepare "$base" ours
mkdir -p "$build/$base"

kunit() {
	cd "$tree"
	/usr/bin/python3 -B tools/testing/kunit/kunit.py "$@" --build_dir=obj-kunit
}

compile() {
	kunit build --kunitconfig="$config" --make_options "CC=ccache gcc" --jobs="$(nproc)"
}

# That tests fail is for verdict.sh to say; only a kernel that does not start is a failure here.
execute() {
	rm -f "$tree/obj-kunit/test.log"
	kunit exec --timeout=300 || true
	cp "$tree/obj-kunit/test.log" "$results"
}

step "build the KUnit kernel of $base (about 5 minutes the first time)" "kunit-build-$base" compile
rm -f "$results"
step "run the KUnit tests of $base" "kunit-run-$base" execute
"$rig/verdict.sh" "$base" "$results" "$results"
