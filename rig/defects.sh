#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs the tests on stock and on ours, in the same machine and configuration, and prints what those that
# rig/defects/tests lists have come to. What no ioctl reaches is tested by the module in rig/defects.
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

# The KUnit tests, as a module of that kernel.
module() {
	local flavor=$1 dir
	tree_prepare "$base" "$flavor"
	dir=$tree/obj-run/defects
	mkdir -p "$dir"
	cp "$rig"/defects/* "$dir/"
	tree_make "$tree" O=obj-run M="$dir" CFLAGS_defects_kunit.o="$([ "$flavor" = ours ] || echo -DSTOCK)" modules
	cp "$dir/defects_kunit.ko" "$out/test/"
}

for flavor in stock ours; do
	"$rig/kernel.sh" "$base" "$flavor" run
	step "build the KUnit tests of known defects" "defects-$base-$flavor" module "$flavor"
	"$rig/initrd.sh" "$out/test.cpio" "$out/test"
	echo "run the tests on $flavor ... (logs: build/$base/$flavor-run)"
	{
		"$rig/machine.sh" --run selftests --name defects "$out/$flavor-run" "$out/test.cpio"
		"$rig/machine.sh" --run "selftests kvm:sev_misc_cg_test defects" --name no-platform --no-platform \
			"$out/$flavor-run" "$out/test.cpio"
	} >"$out/defects-$flavor.ktap"
done

# A defect has several tests, and each of them runs twice: what fails once is there.
awk '
	FILENAME ~ /tests$/ {
		n = $1
		if (/^[0-9]/ && sub(/^[0-9]+ /, "")) {
			defect[$0] = n
			if (!(n in text))
				text[n] = $0
			defects = n
		}
		next
	}
	/^ *(not )?ok [0-9]+ / {
		status = /^ *not ok/ ? "FAILS" : / # SKIP/ ? "skipped" : "passes"
		flavor = FILENAME ~ /-stock\.ktap$/ ? "stock" : "ours"
		sub(/^ *(not )?ok [0-9]+ (misc\.v[12]\.)?/, "")
		sub(/ # .*/, "")
		if (!($0 in defect))
			next
		seen[$0]
		n = defect[$0]
		if (rank[status] > rank[result[n, flavor]])
			result[n, flavor] = status
	}
	BEGIN {
		rank["skipped"] = 1; rank["passes"] = 2; rank["FAILS"] = 3
	}
	END {
		printf "%6s  %-8s %-8s %s\n", "defect", "stock", "ours", "test"
		for (n = 1; n <= defects; n++) {
			stock = result[n, "stock"]
			ours = result[n, "ours"]
			gsub(/_/, " ", text[n])
			printf "%6d  %-8s %-8s %s\n", n, stock, ours, text[n]
			bad += ours != "passes" || stock != "FAILS"
		}
		for (name in defect) {
			if (name in seen)
				continue
			print "no such test: " name
			bad++
		}
		exit bad > 0
	}' "$rig/defects/tests" "$out/defects-stock.ktap" "$out/defects-ours.ktap" ||
	die "a defect is not shown on stock, or is there in ours"
