#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Makes small mistakes in the controller, one at a time, and runs the KUnit tests on UML against each.
#
#   mutants.sh BASE [ONLY]
#
# ONLY: those whose name has that in it. What noticed each is left in build/BASE/mutants.log.

. "$(dirname "$0")/tree.sh"

[ $# = 1 ] || [ $# = 2 ] || die "usage: mutants.sh BASE [ONLY]"
base=$1 only=${2:-}
check_base "$base"
files=(kernel/cgroup/misc.c include/linux/misc_cgroup.h)

# What the tests find in the original they would find in each mutant.
"$rig/kunit.sh" "$base" uml

workers=()
copy() {
	local w
	for w in "${workers[@]}"; do
		mkdir "$w"
		find "$tree" -mindepth 1 -maxdepth 1 ! -name 'obj-*' -exec cp -al -t "$w" {} +
		cp -a "$tree/obj-kunit-uml" "$w/"
	done
}

tree_prepare "$base" ours
room_for $((2 + 2 * $(nproc)))
copies=$(mktemp -d "$home/mutants.XXXXXX")
trap 'rm -rf "$copies"' EXIT
trap 'exit 130' INT TERM HUP
for ((i = 0; i < $(nproc); i++)); do workers+=("$copies/$i"); done
step "copy the tree, once for each CPU" "mutants-copy-$base" copy
release "tree-$base-ours"

cd "$top"
/usr/bin/python3 -B "$rig/mutants.py" "$rig/mutants-equivalent" "$only" "$build/$base/mutants.log" \
	"$rig/mutant.sh" "${workers[@]}" -- "${files[@]}"
