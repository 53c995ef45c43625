#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Installs our kselftests of one base, and the kernel's own that use the same interfaces, with "make install" of
# kselftest.
#
#   rig/kernel/selftests.sh BASE
#
# The result is build/BASE/selftests, a kselftest tree with its run_kselftest.sh, and the file "usual" with the tests
# for a machine without a scenario. The programs are static and stripped. They run unchanged on stock kernels, too.

. "$(dirname "$0")/tree.sh"

[ $# = 1 ] || die "usage: rig/kernel/selftests.sh BASE"
base=$1
check_base "$base"
out=$build/$base/selftests

need ccache gcc libc6-dev make rsync patch xz-utils binutils

tree_prepare "$base" ours
obj=$tree/obj-selftests
x86=$(dirname "$(base_path tools/testing/selftests/kvm/x86/sev_misc_cg_test.c)")
x86=${x86##*/}
kvm_tests=(sev_misc_cg_test sev_init2_tests sev_migrate_tests)
usual=(cgroup:test_misc cgroup:test_misc_lifetime "${kvm_tests[@]/#/kvm:}")
# sev_smoke_test executes a guest of each kind of VM. The emulated platform can execute SEV guests only, so the test is
# for the scenario sev-es-off.
kvm_tests+=(sev_smoke_test)
tests=("${usual[@]}" kvm:sev_smoke_test)

headers() {
	tree_make "$tree" O=obj-selftests headers
}

install_all() {
	local t
	# Of KVM's many tests, only those that we run.
	tree_make "$tree/tools/testing/selftests" O="$obj" TARGETS="cgroup kvm" FORCE_TARGETS=1 USERLDFLAGS=-static \
		"TEST_GEN_PROGS_$x86=${kvm_tests[*]/#/$x86/}" INSTALL_PATH="$obj/install" -j"$(nproc)" install
	rm -rf "$out"
	mkdir -p "$out"
	cp -r "$obj/install/run_kselftest.sh" "$obj/install/kselftest" "$out"
	for t in "${tests[@]}"; do
		grep -xF "$t" "$obj/install/kselftest-list.txt" >>"$out/kselftest-list.txt"
		install -D -s -t "$out/${t%:*}" "$obj/install/${t/:/\/}"
	done
	printf '%s\n' "${usual[@]}" >"$out/usual"
}

step "install the $base kernel's headers" "headers-$base" headers
step "install the $base selftests (a minute the first time)" "selftests-$base" install_all
