#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs the tests of "make test": those of misc_top.py and misc_check.py; KUnit on UML, with much credit and with little,
# and on 32 bits; calls in an interrupt, which lockdep has to report; KUnit on a big-endian machine; then, on the debug
# kernel in the test machine, KUnit again, allocations that fail, the selftests, and launches of SEV-SNP VMs; then the
# scenarios. A splat in a kernel's log is a failure like any other. The last line has the counts.
#
#   rig/tests/all.sh BASE
#
# ALL=1 from the environment: on more architectures, and in every scenario, not only the quick ones.

. "$(dirname "$0")/scenario.sh"

[ $# = 1 ] || die "usage: rig/tests/all.sh BASE"
base=$1
check_base "$base"
out=$build/$base
kernel=$out/ours-debug
passed=0 failed=0 skipped=0

# count COMMAND...: runs COMMAND and adds the counts in its last line.
count() {
	local p f s
	"$@" | tee "$out/count" || true
	read -r p f s < <(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$out/count") ||
		exit 1
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	rm "$out/count"
}

# in_machine NAME TESTS [OPTION...]: runs TESTS (see in-machine/selftests) in the machine; OPTIONs are for boot.sh.
in_machine() {
	local name=$1 tests=$2
	shift 2
	echo "run $tests in the test machine ... (logs: build/$base/ours-debug/$name)"
	{
		"$rig/machine/boot.sh" --run "selftests $tests" --name "$name" --limit 1800 "$@" "$kernel" "$out/test.cpio" ||
			printf '\nnot ok 0 the machine\n'
	} | tee "$out/$name.ktap" | grep --line-buffered -E '^(# running|ok|not ok)'
	"$rig/tests/verdict.sh" "$base" "$out/$name.ktap" "$kernel/$name/kernel.log"
}

# kunit_at_boot NAME: counts the KUnit tests that ran at the boot of run NAME, before the first process: on four
# CPUs, and with checks that UML does not have.
kunit_at_boot() {
	local log=$kernel/$1/kernel.log
	sed '/ Run \/init as init process/q' "$log" >"$out/$1-kunit.log"
	"$rig/tests/verdict.sh" "$base" "$out/$1-kunit.log" "$out/$1-kunit.log"
}

# in_scenario NAME: runs its tests. A test that is skipped because it does not apply there is not counted.
in_scenario() {
	local name=$1 p f s skips skip="^ +ok [0-9]+ .* # SKIP (${scenario[skips]})\$"
	echo "$name: $(sed -n '2s/^# //p' "$rig/tests/scenarios/$name")"
	in_machine "$name" "${scenario[tests]}" "${machine_options[@]}" | tee "$out/scenario" |
		grep --line-buffered -vE '\[SKIPPED\]|^[0-9]+ passed, ' || true
	read -r p f s < <(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' \
		"$out/scenario") || return
	rm "$out/scenario"
	grep -E '# SKIP' "$out/$name.ktap" | grep -vE "$skip" || true
	skips=$(grep -cE "$skip" "$out/$name.ktap" || true)
	echo "$skips tests do not apply there"
	echo "$p passed, $f failed, $((s - skips)) skipped"
}

mkdir -p "$out"
need python3 python3-prometheus-client
"$rig/fetch.sh" promtool
echo "misc_top.py, on what was recorded ..."
PROMTOOL=$cache/promtool/bin/promtool count /usr/bin/python3 -B "$rig/tests/misc_top/test.py"
echo "misc_check.py, on copies of hosts ..."
count /usr/bin/python3 -B "$rig/tests/misc_check/test.py"
fetch_base "$base"
"$rig/machine/qemu/build.sh"
variants=(uml uml-lock uml-interrupt)
# 32 bits. Where UML has only one CPU, four CPUs take another kernel.
! runs_i386 || variants+=(uml-i386)
[[ ${variants[*]} = *i386* ]] && { uml_has_smp || [ "${ALL-}" != 1 ]; } || variants+=(smp-i386)
variants+=(s390x)
[ "${ALL-}" != 1 ] || variants+=(arm64)
for variant in "${variants[@]}"; do
	count "$rig/tests/kunit.sh" "$base" "$variant"
done
"$rig/kernel/build.sh" "$base" ours debug
"$rig/kernel/selftests.sh" "$base"
rm -rf "$out/test"
mkdir -p "$out/test"
cp -r "$out/selftests" "$out/test/tests"
kunit=''
# On bases with ciphertext hiding, which splits the ASIDs of sev_es.
if grep -q sev_count_es_asids "$home/ours/arch/x86/kvm/svm/svm.h"; then
	kunit=misc_cg_sev_es_kunit
	step "build $kunit" "$kunit-$base" tree_module ours debug "$rig/tests/sev-es-capacity" "$out/test"
fi
snp=''
if grep -qs KVM_X86_SNP_VM "$home/ours/arch/x86/kvm/svm/sev.c"; then
	snp='snp-launch'
	step "build psp_kunit" "psp_kunit-$base" tree_module ours debug "$rig/tests/psp" "$out/test"
fi
"$rig/machine/initrd.sh" "$out/test.cpio" "$rig/tests/in-machine" "$out/test"
# The first VM comes before the selftests: it loads kvm_amd.
count in_machine selftests "faults first-vm $(tr '\n' ' ' <"$out/selftests/usual")$snp $kunit leaks" \
	--append "kvm=later kunit.enable=1 kunit.autorun=1 kunit.filter_glob=misc_cg* misc_kunit.steps=20000"
echo "KUnit, while that machine booted ..."
count kunit_at_boot selftests
for file in "$rig"/tests/scenarios/*; do
	name=${file##*/}
	if load_scenario "$name" "$base" && { [ -n "${scenario[quick]-}" ] || [ "${ALL-}" = 1 ]; }; then
		count in_scenario "$name"
	fi
done

[ "$skipped" = 0 ] || echo "error: this machine has everything: no test may be skipped here" >&2
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$skipped" = 0 ] && [ "$passed" -gt 0 ]
