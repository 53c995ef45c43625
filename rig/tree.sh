# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The two source trees of a base in the cache: stock, and ours with this clone's files laid over it.
# The base "ksrc" is the user's own tree, which KSRC from the environment names; the cache has a copy.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

bases="6.12 7.3"

export CCACHE_DIR=$cache/ccache CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=5G
# What is the same shall be built the same.
export KBUILD_BUILD_TIMESTAMP=2025-01-01 KBUILD_BUILD_USER=rig KBUILD_BUILD_HOST=rig

# The folders and files of the repository that mirror the kernel tree.
mirrored=(arch Documentation include init kernel lib tools MAINTAINERS.patch)

# check_base BASE: sets $home, where the cache has that base.
check_base() {
	local from
	case " $bases " in
	*" $1 "*)
		home=$cache/$1
		return ;;
	esac
	{ [ "$1" = ksrc ] && [ -n "${KSRC-}" ]; } || die "BASE=$1: unknown base; there are: $bases"
	{ from=$(realpath -e -- "$KSRC" 2>/dev/null) && [ -d "$from" ]; } || die "KSRC=$KSRC: no such folder"
	{ [ -f "$from/Kbuild" ] && [ -f "$from/kernel/cgroup/misc.c" ]; } ||
		die "KSRC=$KSRC: not the source of Linux 5.13 or later: there is no kernel/cgroup/misc.c"
	home=$cache/ksrc/$(sha256sum <<<"$from" | cut -c 1-16)
}

# fetch_base BASE: the pristine source. A tree of the user's is copied once in a run, as it is then.
fetch_base() {
	[ "${MISC_CGROUP_FETCHED-}" = "$home" ] || "$rig/fetch.sh" linux "$1"
	export MISC_CGROUP_FETCHED=$home
}

# Where a path of ours is in the base, for what has been renamed since.
base_path() {
	local path=$1 kvm=tools/testing/selftests/kvm
	case $path in
	"$kvm/x86/"*) [ -d "$home/source/$kvm/x86" ] || path=$kvm/x86_64/${path#"$kvm/x86/"} ;;
	"$kvm/Makefile.kvm") [ -f "$home/source/$path" ] || path=$kvm/Makefile ;;
	esac
	echo "$path"
}

# From 6.19 on, UML can have several CPUs.
uml_has_smp() {
	grep -q 'config UML_SUBARCH_SUPPORTS_SMP' "$home/source/arch/um/Kconfig"
}

# What the kernel's make compiles of the files on standard input.
compiled_objects() {
	sed -nE '/^tools\//d; s/\.c$/.o/p'
}

# The version of the base, as its Makefile has it.
base_version() {
	awk '$2 == "=" && /^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) / { v[$1] = $3 }
		END { print v["VERSION"] "." v["PATCHLEVEL"] "." v["SUBLEVEL"] v["EXTRAVERSION"] }' "$home/source/Makefile"
}

# edit PATH FILE VERSION: what our patch makes of the base's PATH. Where there are several, the one for
# the newest base that is not newer than VERSION is tried first, then the general one, then the others.
edit() {
	local path=$1 file=$2 version=$3 patches=() from b p log=$build/log/overlay.log
	from=$home/source/$(base_path "$path")
	[ ! -f "$top/$path.patch" ] || patches=("$top/$path.patch")
	for b in $bases; do
		p=$top/$path.$b.patch
		if [ ! -f "$p" ]; then
			continue
		elif printf '%s\n' "$b" "$version" | sort -C -V; then
			patches=("$p" "${patches[@]}")
		else
			patches+=("$p")
		fi
	done
	if [ ! -f "$from" ]; then
		# What only some bases have.
		[ -f "$top/$path.patch" ] || return 0
		die "${KSRC:+KSRC=$KSRC, }Linux $version: there is no $path"
	fi
	for p in "${patches[@]}"; do
		patch --quiet --forward --fuzz=0 -r - -o "$file" "$from" "$p" >"$log" 2>&1 && return
	done
	# Once more, for which hunk it is.
	patch --forward --fuzz=0 -r - -o "$file" "$from" "${patches[0]}" >"$log" 2>&1 || true
	die "${KSRC:+KSRC=$KSRC, }Linux $version: $path: ${patches[0]##*/} does not apply: $(grep -m 1 -E \
		'FAILED|malformed|previously applied' "$log" || tail -n 1 "$log")"
}

# overlay_files DIR: this clone's version of every file that it brings or changes in the base.
overlay_files() {
	local dir=$1 version f path
	version=$(base_version)
	rm -rf "$dir"
	(cd "$top" && find "${mirrored[@]}" -type f ! -name '*.swp' ! -name '*~' ! -name '*.orig' ! -name '*.rej') |
		sed -E "s/\.(${bases// /|})\.patch\$/.patch/" | sort -u | while read -r f; do
		path=$dir/$(base_path "${f%.patch}")
		mkdir -p "${path%/*}"
		case $f in
		*.patch) edit "${f%.patch}" "$path" "$version" ;;
		*) cp "$top/$f" "$path" ;;
		esac
	done
}

# tree_prepare BASE FLAVOR: sets $tree, up to date and locked until this process ends.
tree_prepare() {
	local base=$1 flavor=$2 list=/dev/null f
	check_base "$base"
	fetch_base "$base"
	tree=$home/$flavor
	exclusive "tree-${home##*/}-$flavor"
	if [ ! -d "$tree" ]; then
		rm -rf "$tree.tmp"
		cp -al "$home/source" "$tree.tmp"
		mv "$tree.tmp" "$tree"
	fi
	if [ "$flavor" = ours ]; then
		list=$home/overlay.list
		touch "$list"
	fi
	[ "$base" != ksrc ] ||
		rsync -a --delete --exclude='/obj-*' --exclude-from=<(sed 's/^\.//' "$list") \
			"$home/source/" "$tree/" >/dev/null
	[ "$flavor" = ours ] || return 0

	mkdir -p "$build/log"
	overlay_files "$home/overlay"
	# Copies, never writes through the hard links that the tree shares with the pristine source.
	(cd "$home/overlay" && find . -type f | sort) >"$list.new"
	comm -23 "$list" "$list.new" | while read -r f; do
		rm -f "$tree/$f"
		[ ! -f "$home/source/$f" ] || cp "$home/source/$f" "$tree/$f"
	done
	# Whatever happens from here on, the list has all that may be in the tree.
	sort -u "$list" "$list.new" >"$list.tmp"
	mv "$list.tmp" "$list"
	rsync -rc --no-times "$home/overlay/" "$tree/"
	mv "$list.new" "$list"
}

# tree_module FLAVOR CONFIG FOLDER OUT [MAKE_ARGS...]: the modules that FOLDER has the source of, for a kernel of
# $base that is built already, in OUT.
tree_module() {
	local flavor=$1 config=$2 from=$3 to=$4 dir
	shift 4
	tree_prepare "$base" "$flavor"
	dir=$tree/obj-$config/${from##*/}
	rm -rf "$dir"
	mkdir -p "$dir"
	cp "$from"/* "$dir/"
	tree_make "$tree" O="obj-$config" M="$dir" "$@" modules
	cp "$dir"/*.ko "$to/"
}

# tree_make TREE ARGS...: make in that tree. Objects go into a folder of the tree itself, so that the
# compiler sees the same relative paths in both and ccache serves one from the other.
tree_make() {
	local tree=$1
	shift
	make -C "$tree" CC="ccache gcc" "$@"
}
