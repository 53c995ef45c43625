#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs all static checkers. Fails if any of them prints anything.
#
#   rig/series/lint.sh BASE
#
# smatch is missing, as Debian has no package of it.

# shellcheck disable=SC2317 # called by name

. "$(dirname "$0")/../kernel/tree.sh"

[ $# = 1 ] || die "usage: rig/series/lint.sh BASE"
base=$1
check_base "$base"

need ccache flex bison bc git rsync patch xz-utils libelf-dev libssl-dev gcc make perl python3 \
	coccinelle ocaml codespell shellcheck python3-sphinx python3-sphinx-rtd-theme python3-yaml
"$rig/series/write.sh" "$base"
sparse_make
tree_prepare "$base" ours
obj=$tree/obj-lint
failed=0

# lint WHAT NAME COMMAND...: COMMAND must succeed and print nothing.
lint() {
	local log=$build/log/lint-$base-$2.log
	(step "$1" "lint-$base-$2" "${@:3}") || failed=1
	[ ! -s "$log" ] || { cat "$log" >&2; failed=1; }
}

kmake() {
	tree_make "$tree" -s O=obj-lint CHECK="$cache/sparse/source/sparse" -j"$(nproc)" "$@"
}

in_overlay() {
	(cd "$home/overlay" && find . -path "./$1" -type f | sed 's,^./,,' | sort)
}

# FILE_PATH_CHANGES warns about every new file, in case MAINTAINERS lacks it: maintainers() below checks that.
# UNKNOWN_COMMIT_ID needs the kernel's history. ALLOC_WITH_SIZEOF suggests kzalloc_obj(), which 6.12 does not have. The
# lines with ids of prerequisite patches are removed: checkpatch.pl takes the ids for those of commits.
patches() {
	cd "$tree"
	rm -rf "$build/series/lint"
	mkdir "$build/series/lint"
	cp -r "$build/series/$base"/{fixes-kvm,fixes-cgroup,controller} "$build/series/lint/"
	sed -i '/^prerequisite-patch-id: /d' "$build/series/lint"/*/0000-*.patch
	scripts/checkpatch.pl --strict --quiet --no-summary --no-signoff --ignore FILE_PATH_CHANGES,ALLOC_WITH_SIZEOF,UNKNOWN_COMMIT_ID \
		"$build/series/lint"/*/*.patch
}

# A patch may add at most 400 lines to the kernel's code, not counting tests, to stay reviewable.
size() {
	local p
	for p in "$build/series/$base"/*/*.patch; do
		[[ $p != */0000-* ]] || continue
		git apply --numstat "$p" | awk -v p="${p#"$build/series/$base/"}" '!/\/(tests|selftests|test_[^\/]*)(\/|$)|\t(Documentation|tools)\// { n += $1 }
			END { if (n > 400) print p ": adds " n " lines" }'
	done
}

prepare() {
	mkdir -p "$obj"
	cat "$rig"/kernel/configs/{run,tdx,kunit-checks}.config "$top/kernel/cgroup/tests/.kunitconfig" >"$obj/fragments"
	kmake KCONFIG_CONFIG=.config.new KCONFIG_ALLCONFIG="$obj/fragments" allnoconfig
	cmp -s "$obj/.config.new" "$obj/.config" || cp "$obj/.config.new" "$obj/.config"
	kmake prepare modules_prepare
}

# Removes the objects first: only a compilation prints warnings.
objects() {
	local objects
	readarray -t objects < <(in_overlay '*.c' | compiled_objects)
	(cd "$obj" && rm -f "${objects[@]}")
	kmake W=1 C=2 "${objects[@]}"
}

# coccicheck's commands and spatch's messages about itself go to DEBUG_FILE.
semantic_patches() {
	rm -f "$obj/coccicheck.log"
	DEBUG_FILE=$obj/coccicheck.log kmake coccicheck MODE=report M="$home/overlay" |
		{ grep -vE '^$|^Please check for false positives|^When using "patch" mode|^warning: Skipping' || true; } |
		not_before_us "$home/overlay"
}

# not_before_us FOLDER: drops warnings that the pristine files in FOLDER cause, too. A warning with a quoted name is
# kept if the pristine file lacks that name (most warnings of htmldocs name pages in folders that are not built), any
# other warning if it is about a line of ours.
not_before_us() {
	local warning file line name
	while IFS= read -r warning; do
		IFS=: read -r file line _ <<<"${warning#"$1"/}"
		name=$(sed -n "s/.*'\\(.*\\)'.*/\\1/p" <<<"$warning")
		if [ -n "$name" ]; then
			grep -qsF -e "$name" "$home/source/$file" || echo "$warning"
		elif our_lines "$file" "$1/$file" | grep -qx "$line"; then
			echo "$warning"
		fi
	done
}

our_lines() {
	diff --new-file --unchanged-line-format= --old-line-format= --new-line-format='%dn
' "$home/source/$1" "$2" || true
}

kernel_doc() {
	cd "$top"
	git ls-files '*.[ch]' ':!rig' ':!tools' | xargs "$tree/scripts/kernel-doc" -none -Wall -Werror
}

# get_maintainer.pl must list the maintainer of most new files for every new file. Each new pattern in MAINTAINERS must
# match a file.
maintainers() {
	local f
	cd "$tree"
	in_overlay '*' | while read -r f; do
		[ ! -f "$home/source/$f" ] || continue
		{ echo nobody; scripts/get_maintainer.pl --no-git --no-git-fallback --no-l --no-rolestats -f "$f"; } |
			sed "s,\$,\t$f,"
	done | awk -F '\t' '
		{ file[$2]; if ($1 != "nobody") { n[$1]++; has[$1, $2] } }
		END {
			for (m in n) if (n[m] > n[most]) most = m
			for (f in file) if (!((most, f) in has)) print f ": no pattern in MAINTAINERS leads to " most
		}'
	{ diff "$home/source/MAINTAINERS" MAINTAINERS || true; } | sed -n 's/^> F:\t//p' | while read -r f; do
		compgen -G "$f" >/dev/null || echo "MAINTAINERS: $f: no such file"
	done
}

# The ignored words are names in QEMU and in the kernel.
spelling() {
	cd "$top"
	git ls-files -z | xargs -0 codespell --ignore-words-list=exept,extraversion,fro,inout,ot
}

shell() {
	cd "$top"
	git grep -lE '^#!.*\<(ba)?sh$|^# shellcheck shell=' | xargs shellcheck
}

# Builds the folders that have pages of ours, and drops the warnings about other pages. touch: Sphinx prints warnings
# only when it reads a page, that is after a change.
manual() {
	local pages
	readarray -t pages < <(in_overlay 'Documentation/*.rst')
	(cd "$tree" && touch "${pages[@]}")
	kmake htmldocs SPHINXDIRS="$(printf '%s\n' "${pages[@]}" | cut -d / -f 2 | sort -u | xargs)" 2>&1 |
		{ grep -F -f <(in_overlay '*') || true; } | not_before_us "$tree"
}

# Each command line in the manual must be in one of the clients' scripts, which run it.
recipes() {
	local line
	awk '/^  # / { on = 1 }
		on { sub(/^  (# )?/, ""); print; here = here ? $0 != "END" : /<< .?END/; on = here || /\\$/ }' \
		"$top/Documentation/admin-guide/misc-cgroup.rst" | while IFS= read -r line; do
		grep -qrxF -e "$line" "$rig/tests/clients" "$rig/deb/check" ||
			echo "no script in rig/tests/clients or rig/deb/check has the manual's line: $line"
	done
}

lint "checkpatch.pl --strict on every patch" checkpatch patches
lint "the size of every patch" size size
lint "spelling" codespell spelling
lint "shellcheck" shellcheck shell
lint "the manual's recipes" recipes recipes
lint "kernel-doc" kernel-doc kernel_doc
lint "get_maintainer.pl for every file" maintainers maintainers
step "configure a kernel to compile with" "lint-$base-prepare" prepare
lint "W=1 and sparse" objects objects
lint "coccicheck (some minutes)" coccicheck semantic_patches
lint "htmldocs (some minutes the first time)" htmldocs manual
exit "$failed"
