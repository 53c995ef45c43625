#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs the selftests and the module defects_kunit on stock, on stock with the fixes in series/fixes, and on ours, in
# the same machines and configuration, and prints a table with the results of the tests in the file "list". The module
# tests defects that no ioctl reaches. TDX's functions run in user space.
#
#   rig/tests/defects/run.sh BASE

. "$(dirname "$0")/../scenario.sh"

[ $# = 1 ] || die "usage: rig/tests/defects/run.sh BASE"
base=$1
check_base "$base"
out=$build/$base

"$rig/machine/qemu/build.sh"
"$rig/kernel/selftests.sh" "$base"
rm -rf "$out/test"
mkdir -p "$out/test"
cp -r "$out/selftests" "$out/test/tests"

# in_machine FLAVOR NAME TESTS [OPTION...]: runs the tests; NAME is the scenario, or "usual".
in_machine() {
	local flavor=$1 name=$2 tests=$3
	shift 3
	"$rig/machine/boot.sh" --run "selftests $tests" --name "defects-$name" "$@" "$out/$flavor-run" "$out/test.cpio" \
		>"$out/defects-$flavor-$name.ktap"
}

# tdx FLAVOR: the functions of that tree's tdx.c that take and free a host key ID, where it charges them.
tdx() {
	local source=$home/$1/arch/x86/kvm/vmx/tdx.c dir=$out/defects-tdx
	grep -qs misc_cg "$source" || return 0
	rm -rf "$dir"
	mkdir -p "$dir"
	sed -n '/^static struct misc_cg_res \*tdx_misc_cg_res/p
		/^static int tdx_hkid_alloc/,/^}/p
		/^static inline void tdx_hkid_free/,/^}/p
		/^static int __tdx_td_init/,/^}/p' "$source" >"$dir/tdx_functions.h"
	gcc -O1 -Wall -Werror -Wno-unused-function -Wno-unused-variable -I"$dir" -o "$dir/tdx" \
		"$rig/tests/defects/tdx_refused.c"
	"$dir/tdx" >"$out/defects-$1-tdx.ktap" || true
}

rm -f "$out"/defects-*.ktap
mapfile -t scenarios < <(awk '/^[0-9]/ && $2 !~ /^(usual|tdx)$/ { print $2 }' "$rig/tests/defects/list" | sort -u)
for flavor in stock fixed ours; do
	"$rig/kernel/build.sh" "$base" "$flavor" run
	step "build the KUnit tests of known defects" "defects-$base-$flavor" tree_module "$flavor" run "$rig/tests/defects" \
		"$out/test" CFLAGS_defects_kunit.o="$([ "$flavor" = ours ] || echo -DSTOCK)"
	"$rig/machine/initrd.sh" "$out/test.cpio" "$rig/tests/in-machine" "$out/test"
	echo "run the tests on $flavor ... (logs: build/$base/$flavor-run)"
	in_machine "$flavor" usual "$(tr '\n' ' ' <"$out/selftests/usual")defects_kunit"
	for name in "${scenarios[@]}"; do
		! load_scenario "$name" "$base" || in_machine "$flavor" "$name" "${scenario[tests]}" "${machine_options[@]}"
	done
	tdx "$flavor"
done

# A defect may have several tests: one failure means that the defect is present.
awk -v base="$base" '
	FILENAME ~ /\/list$/ {
		for (i = 2; /^fixed / && i <= NF; i++)
			fixed[$i]
		if (!/^[0-9]/)
			next
		defects = $1
		test = $0
		sub(/^[0-9]+ /, "", test)
		defect[test] = $1
		if (!($1 in text)) {
			text[$1] = test
			sub(/^[^ ]+ /, "", text[$1])
		}
		next
	}
	/^ *(not )?ok [0-9]+ / {
		status = /^ *not ok/ ? "FAILS" : / # SKIP/ ? "skipped" : "passes"
		split(FILENAME, part, /-(stock|fixed|ours)-|\.ktap$/)
		flavor = FILENAME ~ /-stock-/ ? "stock" : FILENAME ~ /-fixed-/ ? "fixed" : "ours"
		ran[part[2]]
		sub(/^ *(not )?ok [0-9]+ (misc\.v[12]\.)?/, "")
		sub(/ # .*/, "")
		test = part[2] " " $0
		if (!(test in defect))
			next
		seen[test]
		n = defect[test]
		if (rank[status] > rank[result[n, flavor]])
			result[n, flavor] = status
	}
	BEGIN {
		rank["skipped"] = 1; rank["passes"] = 2; rank["FAILS"] = 3
	}
	END {
		for (test in defect) {
			split(test, part, " ")
			if (!(part[1] in ran))
				continue
			applies[defect[test]]
			if (!(test in seen)) {
				print "no such test: " test
				bad++
			}
		}
		printf "%6s  %-8s %-8s %-8s %s\n", "defect", "stock", "fixed", "ours", "test"
		for (n = 1; n <= defects; n++) {
			stock = n in applies ? result[n, "stock"] : "-"
			with_fixes = n in applies ? result[n, "fixed"] : "-"
			ours = n in applies ? result[n, "ours"] : "-"
			gsub(/_/, " ", text[n])
			printf "%6d  %-8s %-8s %-8s %s%s\n", n, stock, with_fixes, ours, text[n],
				n in applies ? "" : " (not in " base ")"
			bad += n in applies && (ours != "passes" || stock != "FAILS" ||
						with_fixes != (n in fixed ? "passes" : "FAILS"))
		}
		exit bad > 0
	}' "$rig/tests/defects/list" "$out"/defects-*.ktap ||
	die "each defect must be present in stock, absent in ours, and absent in \"fixed\" where the list says so"
