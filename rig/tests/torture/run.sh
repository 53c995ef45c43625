#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Tortures the controller in the test machine, on one debug kernel after the other: user space (see
# torture.c) and, in between, the KUnit tests that run many threads.
#
#   rig/tests/torture/run.sh BASE MINUTES
#
# MINUTES on each kernel. SEED from the environment begins the random choices.

. "$(dirname "$0")/../../kernel/tree.sh"

[ $# = 2 ] || die "usage: rig/tests/torture/run.sh BASE MINUTES"
base=$1 minutes=$2 seed=${SEED:-1}
check_base "$base"
[[ $minutes =~ ^[1-9][0-9]{0,3}$ ]] || die "MINUTES=$minutes: not a number from 1 to 9999"
[[ $seed =~ ^[1-9][0-9]{0,8}$ ]] || die "SEED=$seed: not a number from 1 to 999999999"
out=$build/$base
configs=(debug kcsan)

"$rig/machine/qemu/build.sh"
for config in "${configs[@]}"; do
	"$rig/kernel/build.sh" "$base" ours "$config"
done
"$rig/machine/initrd.sh" "$out/initrd.cpio" "$rig/tests/in-machine" "$rig/tests/torture"

for config in "${configs[@]}"; do
	dir=$out/ours-$config/torture
	echo "torture the $config kernel for $minutes minutes ... (logs: build/$base/ours-$config/torture)"
	"$rig/machine/boot.sh" --run "torture-run $((60 * minutes)) $seed" --name torture \
		--limit $((2 * 60 * minutes + 1200)) \
		--append "kunit.enable=1 kunit.autorun=1 kunit.filter_glob=misc_cg* misc_kunit.steps=20000" \
		"$out/ours-$config" "$out/initrd.cpio" || die "not clean; see $dir"
	"$rig/tests/splats.sh" "$dir/kernel.log"
	[ "$config" != debug ] || ! tail -n 1 "$dir/console.log" | grep -q ', 0 allocations failed' ||
		die "the debug kernel has made no allocation fail; see $dir"
	# The results of KUnit at boot, without those of the runs that torture.c starts.
	sed '/ Run \/init as init process/q' "$dir/kernel.log" >"$dir/kunit.log"
	"$rig/tests/verdict.sh" "$base" "$dir/kunit.log" "$dir/kunit.log"
	races=$(grep -c 'BUG: KCSAN: ' "$dir/kernel.log" || true)
	[ "$races" = 0 ] || echo "$races reports of data races in the rest of the kernel, without a function of ours"
done

# Each machine's last line counts what was done there.
for config in "${configs[@]}"; do
	tail -n 1 "$out/ours-$config/torture/console.log"
done | awk -F ', ' '
	{
		for (i = 2; i <= NF; i++) {
			sum[i] += $i
			what[i] = substr($i, index($i, " "))
		}
	}
	END {
		printf "torture: clean"
		for (i = 2; i <= NF; i++)
			printf ", %d%s", sum[i], what[i]
		printf "\n"
	}'
