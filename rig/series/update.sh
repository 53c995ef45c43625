#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Takes an edit of misc.c, or of another file that several patches of the controller share, into these patches: a
# changed line goes to the patch that the old line comes from, an added line to the patch of the line above.
#
#   rig/series/update.sh BASE [FROM]
#
# The edit is the difference from commit FROM (default HEAD), for which "make series" works.

. "$(dirname "$0")/../kernel/tree.sh"

[ $# = 1 ] || [ $# = 2 ] || die "usage: rig/series/update.sh BASE [FROM]"
base=$1 from=${2:-HEAD}
check_base "$base"
need git patch python3
fetch_base "$base"
old=$build/series/update-$base

# The patches at FROM, as a git repository.
start() {
	rm -rf "$old"
	git clone --quiet --shared --no-checkout "$top" "$old"
	git -C "$old" checkout --quiet --detach "$from"
	"$old/rig/series/write.sh" "$base"
	overlay_files "$old/new"
}

# The diffs in the patches' files, which this script replaces. Messages it leaves alone.
diffs() {
	(cd "$1/series/controller" && sed -s -n -E '/^---( [0-9.]+)?$/,$p' -- *)
}

step "write the patches of $from" series-update start
now=$(diffs "$top")
[ "$now" = "$(diffs "$old")" ] || [ "$now" = "$(cat "$build/series/updated" 2>/dev/null)" ] ||
	die "series/controller has other diffs than $from, which would be undone: commit them with the edit that they are part of"
readarray -t patches < <(patches controller | xargs -n 1 basename)
/usr/bin/python3 -B "$rig/series/update.py" "$old/build/series/$base/repo" fixes-cgroup controller "$old/new" \
	"$(since "$(base_version)")" "$top/series/controller" "${patches[@]}"
diffs "$top" >"$build/series/updated"
rm -rf "$old"
"$rig/series/write.sh" "$base"
git -C "$top" diff --stat -- series
