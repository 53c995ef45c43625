#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Writes the three series that lead from a base to this clone's tree, each with its cover letter:
#
#   rig/series/write.sh BASE      build/series/BASE/{fixes-kvm,fixes-cgroup,controller}/000N-*.patch, and
#                                 build/series/BASE/repo, a git repository with a branch for each
#
# The fixes (series/fixes/kvm, series/fixes/cgroup) apply to the base, the controller (series/controller) on top of
# both. In each folder "order" lists the patches and "cover" is the cover letter. A line of a message that applies
# from a base on begins with the name of the base: "7.3: TDX ...".
#
# The file of a fix has its message and, after a line "---", its diff; after a line "--- 7.3" the diff for bases from
# 7.3 on. "B: 7.3" says that older bases do not need it.
#
# The file of a patch of the controller has its paths, as F: lines, then its message; so has a fix that adds files. Each
# path in this repository belongs to one patch. If a later patch changes the file again, the later patch's file has that
# change as a diff, after a line "---": this script reverts all these diffs, and applies each one again with its patch.
#
# The patches have no Signed-off-by line. The person who sends a series adds it, with "git rebase --signoff" in the
# repository.

. "$(dirname "$0")/../kernel/tree.sh"

[ $# = 1 ] || die "usage: rig/series/write.sh BASE"
base=$1
check_base "$base"
out=$build/series/$base
work=$build/series/work-$base

need git patch rsync
fetch_base "$base"
# One run at a time in this clone.
exclusive "write-$(sha256sum <<<"$work" | cut -c 1-16)"

# Ignore git's settings. The author, unless set in the environment, and the date are those of the last commit, so that
# the same tree gives the same patches.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
author=$(git -C "$top" log -1 --format='%an%n%ae%n%aD') || die "$top: there is no git commit; the series is from the author of the last one"
{ read -r name && read -r email && read -r GIT_AUTHOR_DATE; } <<<"$author"
: "${GIT_AUTHOR_NAME:=$name}" "${GIT_AUTHOR_EMAIL:=$email}"
export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_AUTHOR_DATE
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE

# The branches and changed files of the repository that the last run has left.
state() {
	git -C "$out/repo" for-each-ref --format='%(objectname) %(refname)'
	git -C "$out/repo" status --porcelain
}
[ ! -f "$out/repo/.git/written" ] || [ "$(state)" = "$(cat "$out/repo/.git/written")" ] ||
	die "${out#"$PWD"/}/repo was changed after it was written: move it away, or remove it"

# order_errors SERIES: what is wrong in series/SERIES/order. A patch may need earlier optional patches only.
order_errors() {
	(cd "$top/series/$1" && for file in *; do echo "file $file"; done && echo end && cat order) | awk '
		!end && $1 == "file" { is[$2]; next }
		!end { end = 1; next }
		/^#/ { next }
		NF == 0 { print "there is an empty line"; next }
		!($1 in is) { print "there is no " $1 }
		$1 in at { print $1 " is listed twice" }
		NF > 1 && $2 != "optional" { print $1 ": " $2 " must be \"optional\"" }
		{ for (i = 3; i <= NF; i++) if (!($i in optional)) print $1 ": " $i " is no earlier optional patch" }
		{ at[$1]; if ($2 == "optional") optional[$1] }
		END {
			for (f in is) if (f != "order" && f != "cover" && !(f in at)) print f " is not listed"
			if (!("cover" in is)) print "there is no cover"
		}' | paste -s -d ,
}
for series in fixes/kvm fixes/cgroup controller; do
	errors=$(order_errors "$series") || die "series/$series: there is no order"
	[ -z "$errors" ] || die "series/$series/order: $errors"
done
readarray -t patches < <(patches controller)
readarray -t fixes < <(patches fixes/kvm && patches fixes/cgroup)

version=$(base_version)
since=$(since "$version")

# lines FILE: the lines of FILE that are valid for this base.
lines() {
	sed -E "s/^($since): //; /^[0-9.]+: /d" "$1"
}

message() {
	lines "$1" | sed -E '1,/^$/d; /^---( [0-9.]+)?$/,$d' | cat -s
}

# parts FILE: the paths of earlier patches that the diff in FILE changes.
parts() {
	patch_diff "$1" | sed -n 's,^+++ b/,,p'
}

# paths FILE: the paths that belong to the patch.
paths() {
	lines "$1" | sed -n '/^$/,$d; s/^F:[ \t]*//p' | while read -r f; do
		awk -v f="$f" '$0 == f || f ~ "/$" && index($0, f) == 1 { n++; print } END { exit !n }' "$work/list" ||
			die "${1#"$top"/}: F: $f: there is no such path"
	done
}

rm -rf "$work"
mkdir -p "$work/repo" "$build/log"
overlay_files "$work/final"
find "$work/final" -type d -empty -delete
cp -r "$work/final" "$work/tree"
(cd "$work/final" && find . -type f | sed 's,^./,,' | sort) >"$work/list"

for p in "${fixes[@]}" "${patches[@]}"; do
	paths "$p" | sed "s,\$, ${p#"$top"/},"
done | sort >"$work/owners"
twice=$(awk '{ n[$1]++; who[$1] = who[$1] " " $2 } END { for (f in n) if (n[f] > 1) print f " is in" who[f] }' "$work/owners" |
	paste -s -d ,)
[ -z "$twice" ] || die "each path must belong to only one patch of the series: $twice"
nobodys=$(cut -d ' ' -f 1 "$work/owners" | comm -13 - "$work/list" | xargs)
[ -z "$nobodys" ] || die "each path must belong to a patch of the series: no file in series/ lists $nobodys"

# What patch says about the first failure.
reason() {
	grep -m 1 -E 'FAILED|malformed|No file' "$build/log/series.log" || tail -n 1 "$build/log/series.log"
}

# put -R|-N FILE: reverts (-R) or applies (-N) the diff in FILE.
put() {
	patch_diff "$2" | (cd "$work/tree" && patch --quiet --no-backup-if-mismatch --fuzz=0 -p1 "$1") >"$build/log/series.log" 2>&1 ||
		die "${2#"$top"/}: its diff of $(parts "$2" | xargs) does not apply and must be updated: $(reason)"
}
for ((i = ${#patches[@]} - 1; i >= 0; i--)); do
	put -R "${patches[i]}"
done

in_repo() {
	git -C "$work/repo" "$@"
}
in_repo init --quiet --initial-branch=controller
in_repo config core.abbrev 12
{
	for fix in "${fixes[@]}"; do
		patch_diff "$fix" | sed -n 's,^--- a/,,p'
	done
	cat "$work/list"
} | sort -u | while read -r f; do
	[ ! -f "$home/source/$f" ] || echo "$f"
done | (cd "$home/source" && xargs cp --parents --target-directory="$work/repo")
in_repo add --all
in_repo commit --quiet --message="Linux $version"
in_repo tag base

done=$work/done
: >"$done"
# commit PATCH PATH...: with these paths as they are in work/tree.
commit() {
	local p=$1
	shift
	paths "$p" >>"$done"
	(cd "$work/tree" && { paths "$p"; printf '%s\n' "$@"; } | xargs -r cp --parents --target-directory="$work/repo")
	in_repo add --all
	message "$p" | in_repo commit --quiet --cleanup=verbatim --file=-
}
for p in "${fixes[@]}"; do
	patch_diff "$p" | patch --quiet --no-backup-if-mismatch --fuzz=0 -d "$work/repo" -p1 >"$build/log/series.log" 2>&1 ||
		die "${p#"$top"/} does not apply: $(reason)"
	commit "$p"
	in_repo branch --force "fixes-$(basename "$(dirname "$p")")"
done
for p in "${patches[@]}"; do
	put -N "$p"
	readarray -t changed < <(parts "$p")
	commit "$p" "${changed[@]}"
	early=$(parts "$p" | sort | comm -23 - <(sort "$done"))
	[ -z "$early" ] || die "${p#"$top"/} has a part of $early, which belongs to a later patch"
done
diff -r --exclude=.git "$work/repo" "$work/final" || die "the series does not lead to this clone's tree"

# What "git format-patch --base" writes: the patches after the base that a series needs. The base is a source package
# of Debian and no commit of the kernel's repository, so it is named by its version; base-commit would name a commit
# that nobody has.
prerequisites() {
	in_repo log --reverse --patch "base..$1" | in_repo patch-id --stable | sed 's/^/prerequisite-patch-id: /; s/ [^ ]*$//'
}

# series NAME FOLDER FROM ON: the patches of branch NAME after FROM, which apply ON.
series() {
	in_repo config "branch.$1.description" "$(message "$top/series/$2/cover")

The series applies to $4.

base: Linux $version
$([ "$1" != controller ] || prerequisites "$3")"
	in_repo format-patch --quiet --output-directory "$work/out/$1" --cover-letter --cover-from-description=subject \
		--no-signature --zero-commit --stat=72 "$3..$1"
	echo "$(in_repo rev-list --count "$3..$1") patches and a cover letter are in ${out#"$PWD"/}/$1"
}
series fixes-kvm fixes/kvm base "Linux $version"
series fixes-cgroup fixes/cgroup fixes-kvm "Linux $version"
series controller controller fixes-cgroup "Linux $version with the fixes for KVM and cgroup"
rm -rf "$out"
mv "$work/out" "$out"
mv "$work/repo" "$out/repo"
state >"$work/written"
mv "$work/written" "$out/repo/.git/written"
rm -rf "$work"
echo "as branches of a git repository they are in ${out#"$PWD"/}/repo"
