#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds a copy of the KUnit tree that has mistakes in it, and tests one of them; for mutants.py.
#
#   mutant.sh TREE build     prints what the compiler says; fails if it does not compile
#   mutant.sh TREE run N     the tests, in short form, with the Nth mistake. Exits with 0 if nothing
#                            notices, 1 if something does (the last line says what), 3 if there is no telling.

. "$(dirname "$0")/lib.sh"

tree=$1 obj=obj-kunit-uml
export CCACHE_DISABLE=1

case $2 in
build)
	for target in kernel/cgroup/ linux; do
		make -C "$tree" ARCH=um O="$obj" CC="ccache gcc" -k "$target" 2>&1
	done
	exit ;;
run) ;;
esac

# The log is left where the kernel is. With earlyprintk, also one that dies before it has a console says so.
cd "$tree"
dir=$(mktemp -d obj-run.XXXXXX)
trap 'rm -rf "$dir"' EXIT
ln "$obj/linux" "$dir/linux"
rc=0
/usr/bin/python3 -B tools/testing/kunit/kunit.py exec --build_dir="$dir" --timeout=90 \
	--kernel_args misc.kunit_steps=20000 --kernel_args misc.kunit_ms=50 \
	--kernel_args "misc.mutant=$3" --kernel_args earlyprintk >"$dir/kunit.log" 2>&1 || rc=$?
log=$dir/test.log
grep -aq '^Linux version ' "$log" || {
	tail -n 1 "$dir/kunit.log"
	exit 3
}
splats=$("$rig/splats.sh" "$log" 2>/dev/null) || rc=1
[ "$rc" != 0 ] || exit 0
grep -am 1 -oE '^ +not ok .*' "$log" | sed 's/.*not ok [0-9]* //' || head -n 1 <<<"${splats:-the kernel did not finish}"
exit 1
