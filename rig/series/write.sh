#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Writes the patches that lead from a base to this clone's tree, and their cover letter.
#
#   rig/series/write.sh BASE      build/series/BASE/000N-*.patch
#
# Input: series/cover is the cover letter, series/NN-NAME the Nth patch: its paths as F: lines, then its message. Each
# path belongs to one patch. If a later patch changes the path again, its file in series/ has that change as a diff
# after a line "---": the diff is reverted for the earlier patch and applied with the later one. A line that is valid
# only from a base on begins with that base: "7.3: TDX ...".

. "$(dirname "$0")/../kernel/tree.sh"

[ $# = 1 ] || die "usage: rig/series/write.sh BASE"
base=$1
check_base "$base"
out=$build/series/$base
work=$build/series/work-$base

need git patch rsync
fetch_base "$base"

# Ignore git's settings. The author, unless set in the environment, and the date are those of the last commit, so that
# the same tree gives the same patches.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
author=$(git -C "$top" log -1 --format='%an%n%ae%n%aD') || die "$top: there is no git commit; the series is signed by the author of the last one"
{ read -r name && read -r email && read -r GIT_AUTHOR_DATE; } <<<"$author"
: "${GIT_AUTHOR_NAME:=$name}" "${GIT_AUTHOR_EMAIL:=$email}"
export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_AUTHOR_DATE
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE

patches=("$top"/series/[0-9][0-9]-*)

version=$(base_version)
since=$(for b in $bases; do
	if printf '%s\n' "$b" "$version" | sort -C -V; then echo "$b"; fi
done | paste -s -d '|')

# lines FILE: the lines of FILE that are valid for this base.
lines() {
	sed -E "s/^($since): //; /^[0-9.]+: /d" "$1"
}

message() {
	lines "$1" | sed '1,/^$/d; /^---$/,$d'
}

# part FILE: the diff of paths that belong to earlier patches.
part() {
	sed '1,/^---$/d' "$1"
}

# parts FILE: the paths in that diff.
parts() {
	part "$1" | sed -n 's,^+++ b/,,p'
}

# paths FILE: the paths that belong to the patch.
paths() {
	lines "$1" | sed -n '/^$/,$d; s/^F:[ \t]*//p' | while read -r f; do
		awk -v f="$f" '$0 == f || f ~ "/$" && index($0, f) == 1' "$work/list"
	done
}

rm -rf "$work"
mkdir -p "$work/repo" "$build/log"
overlay_files "$work/final"
find "$work/final" -type d -empty -delete
cp -r "$work/final" "$work/tree"
(cd "$work/final" && find . -type f | sed 's,^./,,' | sort) >"$work/list"

for p in "${patches[@]}"; do
	paths "$p" | sed "s,\$, ${p#"$top"/},"
done | sort >"$work/owners"
twice=$(awk '{ n[$1]++; who[$1] = who[$1] " " $2 } END { for (f in n) if (n[f] > 1) print f " is in" who[f] }' "$work/owners" |
	paste -s -d ,)
[ -z "$twice" ] || die "each path must belong to only one patch of the series: $twice"
nobodys=$(cut -d ' ' -f 1 "$work/owners" | comm -13 - "$work/list" | xargs)
[ -z "$nobodys" ] || die "each path must belong to a patch of the series: no file in series/ lists $nobodys"

# put -R|-N FILE: reverts (-R) or applies (-N) the diff in FILE.
put() {
	part "$2" | (cd "$work/tree" && patch --quiet --no-backup-if-mismatch --fuzz=0 -p1 "$1") >"$build/log/series.log" 2>&1 ||
		die "${2#"$top"/}: its diff of $(parts "$2" | xargs) does not apply and must be updated: $(grep -m 1 -E 'FAILED|malformed|No file' "$build/log/series.log")"
}
for ((i = ${#patches[@]} - 1; i >= 0; i--)); do
	put -R "${patches[i]}"
done

in_repo() {
	git -C "$work/repo" "$@"
}
in_repo init --quiet --initial-branch=series
in_repo config core.abbrev 12
while read -r f; do
	[ ! -f "$home/source/$f" ] || echo "$f"
done <"$work/list" | (cd "$home/source" && xargs cp --parents --target-directory="$work/repo")
in_repo add --all
in_repo commit --quiet --message="Linux $version"
in_repo tag base

done=$work/done
: >"$done"
for p in "${patches[@]}"; do
	put -N "$p"
	paths "$p" >>"$done"
	early=$(parts "$p" | sort | comm -23 - <(sort "$done"))
	[ -z "$early" ] || die "${p#"$top"/} has a part of $early, which belongs to a later patch"
	(cd "$work/tree" && { paths "$p"; parts "$p"; } | xargs cp --parents --target-directory="$work/repo")
	in_repo add --all
	message "$p" | in_repo commit --quiet --signoff --cleanup=verbatim --file=-
done
diff -r --exclude=.git "$work/repo" "$work/final" || die "the series does not lead to this clone's tree"

in_repo config branch.series.description "$(message "$top/series/cover")

The series applies to Linux $version."
rm -rf "$out"
in_repo format-patch --quiet --output-directory "$out" --cover-letter --cover-from-description=subject \
	--no-signature --zero-commit --stat=100 base
rm -rf "$work"
echo "${#patches[@]} patches and a cover letter are in ${out#"$PWD"/}"
