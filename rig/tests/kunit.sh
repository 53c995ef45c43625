#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds a kernel of one base with the KUnit tests in it, and runs them.
#
#   rig/tests/kunit.sh BASE VARIANT
#
#   uml            the kernel as a process, with KASAN, on one CPU; every release leaves credit
#   uml-lock       the kernel of "uml" again; a release leaves credit as outside of tests, so nearly all
#                  charges and releases take the lock
#   uml-i386       as "uml", but with 32 bits, where a counter takes two words, without KASAN, and on four CPUs
#                  where UML can have them, which it cannot with KASAN
#   uml-interrupt  the kernel of "uml" again, with a provider that charges in an interrupt, where it must
#                  not: lockdep has to report that. It reports once per boot, so each case has a boot
#   uml-coverage   on one CPU and without checks; leaves gcov's report in build/BASE/coverage.json
#   smp-i386       32 bits and four CPUs, in QEMU: detects counters that are read in two steps
#   s390x, arm64   four CPUs of another architecture, in QEMU. s390x is big-endian; on arm64 an exchange is one
#                  instruction or a loop. QEMU may not show all orders of accesses that these allow: tests/model
#                  does.
#
# From the environment: STEPS, the number of steps of the random tests on UML, and SEED, the seed of their random
# numbers. The kernel's log, with the results in it, is left in build/BASE/kunit-VARIANT.log.

. "$(dirname "$0")/../kernel/tree.sh"

[ $# = 2 ] || die "usage: rig/tests/kunit.sh BASE VARIANT"
base=$1 variant=$2
check_base "$base"
results=$build/$base/kunit-$variant.log
steps=${STEPS:-1000000} seed=${SEED:-1} milliseconds=300
for n in STEPS="$steps" SEED="$seed"; do
	[[ ${n#*=} =~ ^[1-9][0-9]{0,8}$ ]] || die "$n: not a number from 1 to 999999999"
done

obj=obj-kunit-$variant
machine=() options=("CC=ccache gcc") configs=(kunit-checks "kunit-$variant") arguments=() cross='' without=''
case $variant in
uml) ;;
uml-lock)
	obj="obj-kunit-uml"
	configs=(kunit-checks kunit-uml)
	arguments=(misc_kunit.releases=64) ;;
uml-interrupt)
	obj="obj-kunit-uml"
	configs=(kunit-checks kunit-uml) ;;
uml-coverage)
	configs=("kunit-$variant")
	# Functions of our own count once, not wherever they are inlined.
	options+=(CFLAGS_misc.o=-fno-early-inlining CFLAGS_misc-credit.o=-fno-early-inlining)
	# gcc's libgcov has a mangle_path() too, and writes what it knows from a section that UML's linker
	# script does not list.
	options+=("KCPPFLAGS=-Dmangle_path=seq_mangle_path -D__fini_array_end='*(.fini_array.*)__fini_array_end'") ;;
uml-i386) options+=(SUBARCH=i386) ;;
smp-i386)
	configs=(kunit-checks kunit-qemu kunit-smp)
	machine=(--arch=i386 --qemu_args "-smp 4")
	# TCG is fifty times slower than UML, and its other CPUs only help where tests wait for time.
	steps=20000 milliseconds=1000 ;;
arm64 | s390x)
	configs=(kunit-checks kunit-qemu kunit-smp)
	cross=aarch64-linux-gnu machine=(--arch=arm64)
	# s390x has no frame pointers, and a WARNING there names its function without them.
	[ "$variant" = arm64 ] || cross=s390x-linux-gnu machine=(--arch=s390) without=CONFIG_FRAME_POINTER
	machine+=(--cross_compile="$cross-" --qemu_args "-smp 4")
	options=("CC=ccache $cross-gcc")
	steps=20000 milliseconds=1000 ;;
*) die "$variant: unknown variant; there are: uml uml-lock uml-i386 uml-interrupt uml-coverage smp-i386 arm64 s390x" ;;
esac

need ccache flex bison bc rsync patch gcc make python3
case $variant in
*-i386) need gcc-multilib ;;&
smp-*) need qemu-system-x86 ;;
arm64) need qemu-system-arm ;;
s390x)
	if ! command -v qemu-system-s390x >/dev/null; then
		update_lists
		# In Debian 12 it is in qemu-system-misc.
		need "$(apt-cache search --names-only '^qemu-system-s390x$' | cut -d ' ' -f 1)"
	fi ;;
esac
if [ -n "$cross" ]; then
	"$rig/fetch.sh" cross "$cross"
	export PATH=$cache/cross/$cross/usr/bin:$PATH LD_LIBRARY_PATH
	LD_LIBRARY_PATH=$cache/cross/$cross/usr/lib/$(uname -m)-linux-gnu
fi

tree_prepare "$base" ours
if [ "$variant" = uml-i386 ] && uml_has_smp; then
	configs+=(kunit-smp)
	arguments=(ncpus=4 seccomp=on)
fi
mkdir -p "$build/$base"

kunit() {
	cd "$tree"
	/usr/bin/python3 -B tools/testing/kunit/kunit.py "$@" --build_dir="$obj" "${machine[@]}"
}

compile() {
	local files=(kunit-small "${configs[@]}") tests=kernel/cgroup/tests/.kunitconfig
	files=("${files[@]/#/$rig/kernel/configs/}")
	if [ -n "$without" ]; then
		grep -v "^$without=" "$tree/$tests" >"$build/$base/kunit-$variant.config"
		tests=$build/$base/kunit-$variant.config
	fi
	files=("$tests" "${files[@]/%/.config}")
	kunit build "${files[@]/#/--kunitconfig=}" "${options[@]/#/--make_options=}" --jobs="$(nproc)"
}

run_qemu() {
	kunit exec --raw_output --timeout=3600 "${@/#/--kernel_args=}"
}

# verdict.sh reports tests that fail; here, only a kernel that does not start is a failure.
execute() {
	rm -f "$tree/$obj"/{test.log,kernel/cgroup/misc{,-credit}.gcda}
	arguments+=("misc_kunit.steps=$steps" "misc_kunit.seed=$seed" "misc_kunit.ms=$milliseconds")
	case $variant in
	uml*) run_uml "$tree/$obj" "${arguments[@]}" ;;
	# On a busy host an emulated CPU can stand still for longer than the kernel's default, 21 s.
	*) run_qemu "${arguments[@]}" rcupdate.rcu_cpu_stall_timeout=120 ;;
	esac || true
	as_printed <"$tree/$obj/test.log" >"$results"
	[ "$variant" != uml-coverage ] || (cd "$tree" && gcov --json-format --stdout --branch-probabilities \
		"$obj"/kernel/cgroup/misc{,-credit}.gcda >"$build/$base/coverage.json")
}

# in_interrupt CASE: boots the kernel; misc_locks_kunit.c makes the call CASE in an interrupt.
in_interrupt() {
	timeout 60 "$tree/$obj/linux" mem=1G console=tty kunit_shutdown=halt kunit.autorun=1 kunit.filter_glob=none \
		"misc_kunit.interrupt=$1" </dev/null >"$results" 2>&1 || true
}

interrupts() {
	local case passed=0 failed=0
	for case in release release_of_nothing charge_of_no_resource; do
		results=$build/$base/kunit-$variant-$case.log
		step "$case in an interrupt" "kunit-run-$base-$variant" in_interrupt "$case"
		if grep -A 10 "kunit: $case in an interrupt: 1" "$results" | grep -q 'WARNING: inconsistent lock state'; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
			echo "error: $case in an interrupt: lockdep has not reported it; see $results" >&2
		fi
	done
	echo "$passed passed, $failed failed, 0 skipped"
	[ "$failed" = 0 ]
}

step "build the KUnit kernel of $base ($variant; about 5 minutes the first time)" "kunit-build-$base-$variant" compile
if [ "$variant" = uml-interrupt ]; then
	interrupts
	exit
fi
rm -f "$results"
step "run the KUnit tests of $base ($variant)" "kunit-run-$base-$variant" execute
"$rig/tests/verdict.sh" "$base" "$results" "$results"
