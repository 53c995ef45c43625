#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Takes an edit of files that several patches of the controller share, such as misc.c, into these patches: each
# changed line goes to the patch that the old line comes from, an added one to that of the line above.
#
#   rig/series/update.sh BASE [FROM]       the edit is what differs from commit FROM (default HEAD), for which
#                                          "make series" works
#   rig/series/update.sh BASE --continue   after a conflict was resolved
#
# The edit becomes fixup commits in the git repository that write.sh makes of the patches at FROM, and git rebases
# them. What the patches are then is written to series/controller.

. "$(dirname "$0")/../kernel/tree.sh"

[ $# = 1 ] || [ $# = 2 ] || die "usage: rig/series/update.sh BASE [FROM | --continue]"
base=$1 from=${2:-HEAD}
check_base "$base"
need git patch python3
fetch_base "$base"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_EDITOR=true
export GIT_AUTHOR_NAME=rig GIT_AUTHOR_EMAIL=rig@localhost GIT_COMMITTER_NAME=rig GIT_COMMITTER_EMAIL=rig@localhost
old=$build/series/update-$base
repo=$old/build/series/$base/repo
order=$old/series/controller/order

in_repo() {
	git -C "$repo" "$@"
}

# What comes after the line "---" of each patch of FROM are the files that it shares with others.
shared() {
	grep -v '^#' "$order" | while read -r patch; do
		sed '1,/^---$/d' "$old/series/controller/$patch"
	done | sed -n 's,^+++ b/,,p' | sort -u
}

start() {
	rm -rf "$old"
	git clone --quiet --shared --no-checkout "$top" "$old"
	git -C "$old" checkout --quiet --detach "$from"
	env -u GIT_AUTHOR_NAME -u GIT_AUTHOR_EMAIL "$old/rig/series/write.sh" "$base"
	in_repo checkout --quiet controller
	overlay_files "$old/new"
	readarray -t files < <(shared)
	/usr/bin/python3 -B "$rig/series/fixups.py" "$repo" controller fixes-cgroup "$old/new" "${files[@]}"
}

conflict() {
	die "$(in_repo status --porcelain | sed -n 's/^\(UU\|AA\) //p' | xargs): the edit is in conflict with the patch \"$(in_repo log -1 \
		--format=%s REBASE_HEAD)\". Resolve it in ${repo#"$PWD"/}, git add it, then: make series-update FROM=--continue"
}

# The part of each patch that belongs to earlier patches' paths, as the patch has it now.
write_back() {
	local commits patch n=0 file part
	readarray -t commits < <(in_repo rev-list --reverse fixes-cgroup..controller)
	[ "${#commits[@]}" = "$(grep -cv '^#' "$order")" ] || die "$repo: branch controller has not a commit for each patch"
	grep -v '^#' "$order" | while read -r patch; do
		file=$top/series/controller/$patch
		if grep -q '^---$' "$file"; then
			readarray -t files < <(sed '1,/^---$/d' "$old/series/controller/$patch" | sed -n 's,^+++ b/,,p')
			part=$(in_repo diff --no-color --no-prefix "${commits[n]}~" "${commits[n]}" -- "${files[@]}" |
				sed -E '/^(diff --git|index) /d; s,^--- ,&a/,; s,^\+\+\+ ,&b/,; s,^(@@ [^@]* @@).*,\1,')
			printf '%s\n---\n%s\n' "$(sed '/^---$/,$d' "$file")" "$part" >"$file.new"
			mv "$file.new" "$file"
		fi
		n=$((n + 1))
	done
}

if [ "$from" = --continue ]; then
	[ -d "$repo" ] || die "no conflict of make series-update is left to continue"
	GIT_SEQUENCE_EDITOR=true in_repo rebase --continue >"$build/log/series-update.log" 2>&1 || conflict
else
	step "write the patches of $from, and the edit as fixups" series-update-start start
	GIT_SEQUENCE_EDITOR=true in_repo rebase --quiet --interactive --autosquash fixes-cgroup >"$build/log/series-update.log" 2>&1 || conflict
fi
write_back
rm -rf "$old"
"$rig/series/write.sh" "$base"
git -C "$top" diff --stat -- series
