#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds a copy of the KUnit tree with a mistake in it, and runs the tests, in short form.
#
#   mutant.sh TREE
#
# Exits with 0 if nothing notices, 1 if something does (the last line says what), 2 if it does not compile;
# 3 if there is no telling.

. "$(dirname "$0")/lib.sh"

tree=$1 obj=obj-kunit-uml
export CCACHE_DISABLE=1

make -C "$tree" ARCH=um O="$obj" CC="ccache gcc" linux >"$tree/build.log" 2>&1 || {
	grep -qE '^[^ ]+:[0-9]+:[0-9]+: error: |modpost: |undefined reference' "$tree/build.log" && exit 2
	tail -n 1 "$tree/build.log"
	exit 3
}
log=$tree/$obj/test.log
rm -f "$log"
cd "$tree"
rc=0
/usr/bin/python3 -B tools/testing/kunit/kunit.py exec --build_dir="$obj" --timeout=90 \
	--kernel_args misc.kunit_steps=20000 --kernel_args misc.kunit_ms=50 >run.log 2>&1 || rc=$?
grep -aq '^Linux version ' "$log" || {
	tail -n 1 run.log
	exit 3
}
splats=$("$rig/splats.sh" "$log" 2>/dev/null) || rc=1
[ "$rc" != 0 ] || exit 0
grep -am 1 -oE '^ +not ok .*' "$log" | sed 's/.*not ok [0-9]* //' || head -n 1 <<<"${splats:-the kernel did not finish}"
exit 1
