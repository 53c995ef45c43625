#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Times the calls that hold a resource's lock longest, by a tenant with 5,000 levels and 1,000 cgroups, and stock's
# walks, in the test machine: ours and stock alternate.
#
#   rig/bench/lock-hold/run.sh BASE
#
# tenant.c has the calls. The results are in build/lock-hold/BASE.

. "$(dirname "$0")/../../kernel/tree.sh"

[ $# = 1 ] || die "usage: rig/bench/lock-hold/run.sh BASE"
base=$1 rounds=5
check_base "$base"
out=$build/lock-hold/$base

"$rig/machine/qemu/build.sh"
rm -rf "$out"

prepare() {
	local flavor=$1 dir folder=$out/$1
	tree_prepare "$base" "$flavor"
	dir=$tree/obj-run/lock-hold
	rm -rf "$dir"
	mkdir -p "$dir" "$folder"
	cp "$rig"/bench/lock-hold/{Makefile,lock_hold.c} "$dir/"
	tree_make "$tree" O=obj-run M="$dir" CFLAGS_lock_hold.o="$([ "$flavor" = ours ] || echo -DSTOCK)" modules
	cp "$dir/lock_hold.ko" "$folder/"
	gcc -O2 -Wall -Werror -static -o "$folder/tenant" "$rig/bench/lock-hold/tenant.c"
	"$rig/machine/initrd.sh" "$out/$flavor.cpio" "$folder"
}

measure() {
	local i flavor
	for ((i = 1; i <= rounds; i++)); do
		for flavor in stock ours; do
			echo "round $i of $rounds: $flavor"
			"$rig/machine/boot.sh" --run tenant --name lock-hold --limit 1200 "$build/$base/$flavor-run" \
				"$out/$flavor.cpio" >"$out/$flavor.$i.log"
			"$rig/tests/splats.sh" "$build/$base/$flavor-run/lock-hold/kernel.log"
		done
	done
}

for flavor in stock ours; do
	"$rig/kernel/build.sh" "$base" "$flavor" run
	step "build the module that times calls" "lock-hold-$base-$flavor" prepare "$flavor"
done
step "time walks of 5,000 levels, $rounds rounds (about 5 minutes)" "lock-hold-$base" measure

# The table has the median of all rounds' medians and the longest call of all rounds, in microseconds.
awk '
	FNR == 1 { flavor = FILENAME ~ /\/ours\.[0-9]+\.log$/ ? "ours" : "stock" }
	$1 == "lock-hold:" {
		key = $3 " " $2
		if (!(key in seen))
			order[++cases] = key
		seen[key]
		n = ++rounds[key, flavor]
		for (i = n; i > 1 && value[key, flavor, i - 1] > $4; i--)
			value[key, flavor, i] = value[key, flavor, i - 1]
		value[key, flavor, i] = $4
		if ($5 > longest[key, flavor])
			longest[key, flavor] = $5
	}
	function median(key, flavor) {
		return value[key, flavor, int((rounds[key, flavor] + 1) / 2)] / 1000
	}
	function columns(key, flavor) {
		if (!((key, flavor) in rounds))
			return sprintf("%9s %9s", "-", "-")
		if (key ~ /^quiet / && key !~ / read_/ && median(key, flavor) > most[flavor]) {
			most[flavor] = median(key, flavor)
			which[flavor] = substr(key, 7)
		}
		return sprintf("%9.1f %9.1f", median(key, flavor), longest[key, flavor] / 1000)
	}
	BEGIN {
		printf "%-8s %-19s %19s  %19s  %s\n", "", "microseconds", "ours median longest", "stock median longest", "ratio"
	}
	END {
		for (i = 1; i <= cases; i++) {
			key = order[i]
			split(key, part, " ")
			ratio = "-"
			if ((key, "ours") in rounds && (key, "stock") in rounds)
				ratio = sprintf("%.2f", median(key, "ours") / median(key, "stock"))
			printf "%-8s %-19s %s  %s  %s\n", part[1], part[2], columns(key, "ours"), columns(key, "stock"), ratio
		}
		printf "Median of the call that holds the lock longest: %.1f microseconds (%s); of the longest walk of stock: %.1f (%s). Ratio %.2f.\n",
			most["ours"], which["ours"], most["stock"], which["stock"], most["ours"] / most["stock"]
	}' "$out"/*.log | tee "$out/results"
cat <<'END'
The time of a call is an upper bound of the time that it holds the lock; with readers it includes waiting for
the lock. Walks with the lock held: charge and release 1, refused_charge and refused_move 3, charge_new_peak 4,
move_new_peak 5. A read takes four locks one after the other, max.effective with a walk each. The machine is
emulated; the longest calls are those that the host interrupted.
END
