#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs the tests named "defect N: ..." on stock and on ours, in the same machine and configuration,
# and prints what each of them came to.
#
#   defects.sh BASE

. "$(dirname "$0")/tree.sh"

[ $# = 1 ] || die "usage: defects.sh BASE"
base=$1
check_base "$base"
out=$build/$base

"$rig/qemu/build.sh"
"$rig/selftests.sh" "$base"
rm -rf "$out/test"
mkdir -p "$out/test"
cp -r "$out/selftests" "$out/test/tests"
"$rig/initrd.sh" "$out/test.cpio" "$out/test"
for flavor in stock ours; do
	"$rig/kernel.sh" "$base" "$flavor" run
	echo "run the tests on $flavor ... (logs: build/$base/$flavor-run)"
	for run in "selftests" "no-platform --no-platform"; do
		# shellcheck disable=SC2086 # two words
		"$rig/machine.sh" --run $run "$out/$flavor-run" "$out/test.cpio"
	done >"$out/defects-$flavor.ktap"
done

# Several tests of one defect are one line: it is there if any of them fails.
awk '
	match($0, /^ *(not )?ok [0-9]+ .*defect[ _][0-9]+/) {
		status = /^ *not ok/ ? "FAILS" : / # SKIP/ ? "skipped" : "passes"
		name = $0
		sub(/^.*defect[ _]/, "", name)
		n = name + 0
		sub(/^[0-9]+[: _]*/, "", name)
		reason = name
		if (sub(/^.* # SKIP */, "", reason))
			why[n] = reason
		sub(/ #.*/, "", name)
		gsub(/_/, " ", name)
		if (!(n in text))
			text[n] = name
		flavor = FILENAME ~ /stock/ ? "stock" : "ours"
		if (result[n, flavor] != "FAILS")
			result[n, flavor] = status
		last = n > last ? n : last
	}
	END {
		printf "%6s  %-8s %-8s %s\n", "defect", "stock", "ours", "test"
		for (n = 1; n <= last; n++) {
			if (!(n in text))
				continue
			printf "%6d  %-8s %-8s %s%s\n", n, result[n, "stock"], result[n, "ours"], text[n],
				n in why ? " (" why[n] ")" : ""
			bad += result[n, "ours"] != "passes" || result[n, "stock"] == "passes"
		}
		exit bad > 0
	}' "$out/defects-stock.ktap" "$out/defects-ours.ktap" ||
	die "a defect is not shown on stock, or is there in ours"
