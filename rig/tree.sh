# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The two source trees of a base in the cache: stock, and ours with this clone's files laid over it.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

bases="6.12"

export CCACHE_DIR=$cache/ccache CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=5G
# What is the same shall be built the same.
export KBUILD_BUILD_TIMESTAMP=2025-01-01 KBUILD_BUILD_USER=rig KBUILD_BUILD_HOST=rig

# The folders and files of the repository that mirror the kernel tree.
mirrored=(arch Documentation include init kernel lib tools MAINTAINERS.patch)

check_base() {
	case " $bases " in
	*" $1 "*) ;;
	*) die "BASE=$1: unknown base; there are: $bases" ;;
	esac
}

# Where a path of ours is in the base, for directories that have been renamed since.
base_path() {
	case $1/$2 in
	6.12/tools/testing/selftests/kvm/x86/*)
		echo "tools/testing/selftests/kvm/x86_64/${2#tools/testing/selftests/kvm/x86/}" ;;
	*) echo "$2" ;;
	esac
}

# overlay_files BASE DIR: this clone's version of every file that it brings or changes.
overlay_files() {
	local base=$1 dir=$2 f path
	rm -rf "$dir"
	(cd "$top" && find "${mirrored[@]}" -type f ! -name '*.swp' ! -name '*~' ! -name '*.orig' ! -name '*.rej' | sort) | while read -r f; do
		case $f in
		*.patch)
			path=${f%.patch}
			for b in $bases; do
				# Another base's patch; or the general one where this base has its own.
				[[ $path != *".$b" || $b = "$base" ]] || continue 2
			done
			[ ! -f "$top/$path.$base.patch" ] || continue
			path=$(base_path "$base" "${path%".$base"}")
			mkdir -p "$dir/$(dirname "$path")"
			patch --quiet --no-backup-if-mismatch -o "$dir/$path" \
				"$cache/$base/source/$path" "$top/$f" >"$build/log/overlay.log" 2>&1 </dev/null ||
				die "$f does not apply to $path of $base: $(grep -m 1 -E 'FAILED|malformed' "$build/log/overlay.log" ||
					tail -n 1 "$build/log/overlay.log")" ;;
		*)
			path=$(base_path "$base" "$f")
			mkdir -p "$dir/$(dirname "$path")"
			cp "$top/$f" "$dir/$path" ;;
		esac
	done
}

# tree_prepare BASE FLAVOR: sets $tree, up to date and locked until this process ends.
tree_prepare() {
	local base=$1 flavor=$2 source=$cache/$1/source f
	check_base "$base"
	"$rig/fetch.sh" linux "$base"
	tree=$cache/$base/$flavor
	exclusive "tree-$base-$flavor"
	if [ ! -d "$tree" ]; then
		rm -rf "$tree.tmp"
		cp -al "$source" "$tree.tmp"
		mv "$tree.tmp" "$tree"
	fi
	[ "$flavor" = ours ] || return 0

	mkdir -p "$build/log"
	overlay_files "$base" "$cache/$base/overlay"
	# Copies, never writes through the hard links that the tree shares with the pristine source.
	local list=$cache/$base/overlay.list
	(cd "$cache/$base/overlay" && find . -type f | sort) >"$list.new"
	touch "$list"
	comm -23 "$list" "$list.new" | while read -r f; do
		rm -f "$tree/$f"
		[ ! -f "$source/$f" ] || cp "$source/$f" "$tree/$f"
	done
	# Whatever happens from here on, the list has all that may be in the tree.
	sort -u "$list" "$list.new" >"$list.tmp"
	mv "$list.tmp" "$list"
	rsync -rc --no-times "$cache/$base/overlay/" "$tree/"
	mv "$list.new" "$list"
}

# tree_make TREE ARGS...: make in that tree. Objects go into a folder of the tree itself, so that the
# compiler sees the same relative paths in both and ccache serves one from the other.
tree_make() {
	local tree=$1
	shift
	make -C "$tree" CC="ccache gcc" "$@"
}
