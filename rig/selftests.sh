#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds our kselftests of one base, and the kernel's own that use the same interfaces.
#
#   selftests.sh BASE
#
# Static and stripped in build/BASE/selftests. They run unchanged on stock kernels too.

. "$(dirname "$0")/tree.sh"

[ $# = 1 ] || die "usage: selftests.sh BASE"
base=$1
check_base "$base"
out=$build/$base/selftests

need ccache gcc libc6-dev make rsync patch xz-utils binutils

tree_prepare "$base" ours
obj=$tree/obj-selftests
x86=$(dirname "$(base_path tools/testing/selftests/kvm/x86/sev_misc_cg_test.c)")
x86=${x86##*/}
cgroup_tests=(test_misc)
# sev_smoke_test executes SEV-ES guests, which the emulated platform cannot.
kvm_tests=(sev_misc_cg_test sev_init2_tests sev_migrate_tests)

headers() {
	tree_make "$tree" O=obj-selftests headers
}

# selftests FOLDER TEST...
selftests() {
	local folder=$1
	shift
	mkdir -p "$obj/$folder"
	# The makefiles add to LDFLAGS; what stands on the command line they cannot add to.
	LDFLAGS=-static tree_make "$tree/tools/testing/selftests/$folder" \
		OUTPUT="$obj/$folder" INSTALL_HDR_PATH="$obj/usr" \
		KHDR_INCLUDES="-isystem $obj/usr/include" -j"$(nproc)" "${@/#/$obj/$folder/}"
}

build_all() {
	selftests cgroup "${cgroup_tests[@]}"
	selftests kvm "${kvm_tests[@]/#/$x86/}"
	rm -rf "$out"
	mkdir -p "$out"
	local t
	for t in "${cgroup_tests[@]/#/cgroup/}" "${kvm_tests[@]/#/kvm/$x86/}"; do
		strip -o "$out/${t##*/}" "$obj/$t"
	done
}

step "install the $base kernel's headers" "headers-$base" headers
step "build the $base selftests (a minute the first time)" "selftests-$base" build_all
