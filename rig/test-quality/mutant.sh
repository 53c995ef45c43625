#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds a copy of the KUnit tree that has mistakes in it, and tests one of them; for mutants.py.
#
#   rig/test-quality/mutant.sh TREE build     prints what the compiler says; fails if it does not compile
#   rig/test-quality/mutant.sh TREE run N     the tests, in short form, with the Nth mistake. Exits with 0 if no test
#                            fails, 1 if one fails (the last line names it), 3 if the result is unknown.

. "$(dirname "$0")/../lib.sh"

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

# earlyprintk shows a crash before there is a console. The run ends with the first
# test that fails, or when it is silent for so long that it hangs, however busy this machine is.
cd "$tree"
log=$(mktemp)
set -m
"$obj/linux" mem=1G console=tty kunit_shutdown=halt kunit.enable=1 kunit.autorun=1 misc_kunit.steps=20000 \
	misc_kunit.ms=50 "misc.mutant=$3" earlyprintk </dev/null >"$log" 2>&1 &
pid=$!
set +m
trap 'kill -KILL -- "-$pid" 2>/dev/null || true; wait "$pid" || true; rm -f "$log"' EXIT
trap 'exit 3' INT TERM HUP
size=0 since=$SECONDS
while kill -0 "$pid" 2>/dev/null && ! grep -aqE '^ +not ok ' "$log"; do
	sleep 0.2
	now=$(stat -c %s "$log")
	[ "$now" = "$size" ] || size=$now since=$SECONDS
	[ $((SECONDS - since)) -lt 60 ] || break
done
grep -aq '^Linux version ' "$log" || {
	tail -n 1 "$log"
	exit 3
}
if failed=$(grep -am 1 -oE '^ +not ok .*' "$log"); then
	echo "${failed#*not ok [0-9]* }"
elif ! splats=$("$rig/tests/splats.sh" "$log" 2>/dev/null); then
	head -n 1 <<<"$splats"
elif ! grep -aq 'reboot: System halted' "$log"; then
	echo "the kernel did not finish"
else
	exit 0
fi
exit 1
