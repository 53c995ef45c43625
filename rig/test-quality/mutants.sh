#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Makes small mistakes in the controller, one at a time, and runs the KUnit tests on UML against each.
#
#   rig/test-quality/mutants.sh BASE [ONLY]
#
# ONLY: only mutants whose name contains ONLY. build/BASE/mutants.log has the test that detected each mutant.

. "$(dirname "$0")/../kernel/tree.sh"

[ $# = 1 ] || [ $# = 2 ] || die "usage: rig/test-quality/mutants.sh BASE [ONLY]"
base=$1 only=${2:-}
check_base "$base"
files=(kernel/cgroup/misc.c kernel/cgroup/misc-credit.c kernel/cgroup/misc-internal.h include/linux/misc_cgroup.h)

# The tests must pass without mistakes first: a test that fails anyway would fail with each mutant.
"$rig/tests/kunit.sh" "$base" uml

copy() {
	find "$tree" -mindepth 1 -maxdepth 1 ! -name 'obj-*' -exec cp -al -t "$copy" {} +
	cp -a "$tree/obj-kunit-uml" "$copy/"
}

tree_prepare "$base" ours
room_for 4
copy=$(mktemp -d "$home/mutants.XXXXXX")
trap 'rm -rf "$copy"' EXIT
trap 'exit 130' INT TERM HUP
step "copy the tree" "mutants-copy-$base" copy
release "tree-${home##*/}-ours"

cd "$top"
# In a process group of its own, which ends when we are interrupted, as in a step.
set -m
/usr/bin/python3 -B "$rig/test-quality/mutants.py" "$rig/test-quality/mutants.accepted" "$only" "$build/$base/mutants.log" \
	"$copy" $(($(nproc) * 2)) "$rig/test-quality/mutant.sh" "$copy" -- "${files[@]}" </dev/null &
pid=$!
set +m
trap 'kill -- "-$pid"; wait "$pid" || true; exit 130' INT TERM HUP
wait "$pid"
