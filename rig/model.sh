#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Has spin search all that can happen in rig/model/credit.pml, and then, in each way in which the model
# says that it can be broken, until it finds what is wrong.

. "$(dirname "$0")/lib.sh"

model=$rig/model/credit.pml
work=$build/model
need spin gcc libc6-dev
rm -rf "$work"
mkdir -p "$work"

number() {
	awk -v name="$1" '$1 == "#define" && $2 == name { print $3 }' "$model"
}

# search CASE BREAK: all states; of what is broken, as many as it takes.
search() {
	local case
	case=$(number "$1")
	cd "$work"
	spin -DCASE="$case" -DBREAK="$(number "$2")" -a "$model"
	gcc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=8000 -o pan pan.c
	./pan -m100000
}

states=0 broken=0 found=0
for case in READ LIMIT UNREGISTER FREE; do
	step "search the model ($case)" "model-$case" search "$case" NOTHING
	log=$build/log/model-$case.log
	grep -q 'errors: 0$' "$log" || die "the model is violated: $(grep -m 1 '^pan:1: ' "$log" || tail -n 1 "$log"), see $log"
	grep -qE 'Search not completed|max search depth too small' "$log" && die "not all of the model was searched, see $log"
	states=$((states + $(awk '/states, stored/ { print $1 }' "$log")))
done
while read -r name case; do
	broken=$((broken + 1))
	step "search it broken ($name)" "model-$name" search "$case" "$name"
	if grep -q '^pan:1: ' "$build/log/model-$name.log"; then
		found=$((found + 1))
	else
		echo "nothing is found wrong with $name, see $build/log/model-$name.log" >&2
	fi
done < <(sed -nE 's,^#define ([A-Z_]+)\s+[0-9]+\s+/\* (READ|LIMIT|UNREGISTER|FREE): .*,\1 \2,p' "$model")
echo "model: $states states, no violation; $broken mutations, $found found"
[ "$found" = "$broken" ]
