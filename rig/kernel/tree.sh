# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The source trees of a base in the cache: stock; stock with the fixes in series/fixes ("fixed"); ours, which is stock
# plus this clone's files; and "deb", a second tree of ours: packages take hours to build, and other runs need not wait
# for that. The base "ksrc" is a copy of the user's tree; KSRC in the environment is its path.

. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

bases="6.12 7.3"

# CCACHE_DEPEND: without it ccache runs the preprocessor once more for every file, a quarter of the first build's time.
export CCACHE_DIR=$cache/ccache CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=5G CCACHE_DEPEND=1
# Reproducible builds: no time, user or host in the kernel.
export KBUILD_BUILD_TIMESTAMP=2025-01-01 KBUILD_BUILD_USER=rig KBUILD_BUILD_HOST=rig

# The folders and files of the repository that mirror the kernel tree.
mirrored=(arch Documentation include init kernel lib tools MAINTAINERS.patch)

# check_base BASE: exits if there is no such base; sets $home, the base's folder in the cache.
check_base() {
	local from f
	case " $bases " in
	*" $1 "*)
		home=$cache/$1
		return ;;
	esac
	{ [ "$1" = ksrc ] && [ -n "${KSRC-}" ]; } || die "BASE=$1: unknown base; there are: $bases"
	{ from=$(realpath -e -- "$KSRC" 2>/dev/null) && [ -d "$from" ]; } || die "KSRC=$KSRC: no such folder"
	for f in Makefile Kbuild kernel/cgroup/misc.c; do
		[ -f "$from/$f" ] || die "KSRC=$KSRC: not the source of Linux 5.13 or later: there is no $f"
	done
	home=$cache/ksrc/$(sha256sum <<<"$from" | cut -c 1-16)
}

# fetch_base BASE: makes the pristine source, $home/source. The user's tree is copied only once per run, so that a run
# uses one state of it.
fetch_base() {
	[ "${MISC_CGROUP_FETCHED-}" = "$home" ] || "$rig/fetch.sh" linux "$1"
	export MISC_CGROUP_FETCHED=$home
}

# base_path PATH: the path in this base of a file that newer kernels have renamed to PATH.
base_path() {
	local path=$1 kvm=tools/testing/selftests/kvm
	case $path in
	"$kvm/x86/"*) [ -d "$home/source/$kvm/x86" ] || path=$kvm/x86_64/${path#"$kvm/x86/"} ;;
	"$kvm/Makefile.kvm") [ -f "$home/source/$path" ] || path=$kvm/Makefile ;;
	esac
	echo "$path"
}

# UML can have several CPUs since 6.19.
uml_has_smp() {
	grep -q 'config UML_SUBARCH_SUPPORTS_SMP' "$home/source/arch/um/Kconfig"
}

# The objects that kbuild makes of the files on standard input.
compiled_objects() {
	sed -nE '/^tools\//d; s/\.c$/.o/p'
}

# The base's kernel version, from its Makefile.
base_version() {
	awk '$2 == "=" && /^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) / { v[$1] = $3 }
		END { print v["VERSION"] "." v["PATCHLEVEL"] "." v["SUBLEVEL"] v["EXTRAVERSION"] }' "$home/source/Makefile"
}

# edit PATH FILE VERSION: writes the base's PATH, with our patch applied, to FILE. Several patches are tried in this
# order: PATH.BASE.patch for bases up to VERSION, newest first; PATH.patch; PATH.BASE.patch for newer bases.
edit() {
	local path=$1 file=$2 version=$3 patches=() from b p why='' log=$build/log/overlay.log
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
		# Without PATH.patch, only some bases have the file.
		[ -f "$top/$path.patch" ] || return 0
		die "${KSRC:+KSRC=$KSRC, }Linux $version: there is no $path"
	fi
	for p in "${patches[@]}"; do
		patch --quiet --forward --fuzz=0 -r - -o "$file" "$from" "$p" >"$log" 2>&1 && return
	done
	# Apply them again, to report the first hunk of each that fails.
	for p in "${patches[@]}"; do
		patch --forward --fuzz=0 -r - -o "$file" "$from" "$p" >"$log" 2>&1 || true
		why+="; ${p##*/}: $(grep -m 1 -E 'FAILED|malformed|previously applied' "$log" || tail -n 1 "$log")"
	done
	die "${KSRC:+KSRC=$KSRC, }Linux $version: no patch of $path applies$why"
}

# overlay_files DIR: writes every file that this clone adds to the base or changes in it.
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

# since VERSION: the bases that are not newer, as a regular expression.
since() {
	local b
	for b in $bases; do
		if printf '%s\n' "$b" "$1" | sort -C -V; then echo "$b"; fi
	done | paste -s -d '|'
}

# patches SERIES: the files in series/SERIES for this base, in the order of the series. A line "B: 7.3" in a file means
# that older bases do not need the patch.
patches() {
	local patch folder=$top/series/$1 since
	since=$(since "$(base_version)")
	grep -v '^#' "$folder/order" | while read -r patch _; do
		[ -f "$folder/$patch" ] || die "series/$1/order: there is no $patch"
		if ! grep -q '^B:' "$folder/$patch" || grep -qE "^B:.*\<($since)\>" "$folder/$patch"; then
			echo "$folder/$patch"
		fi
	done
}

# patch_diff FILE: the diff in the file of a patch, after a line "---". After a line "--- BASE", diffs of files for BASE
# and later bases replace those of the same files.
patch_diff() {
	local since
	since=$(since "$(base_version)")
	awk -v since="^--- ($since)\$" -v kvm="$(base_path tools/testing/selftests/kvm/x86/)" '
		/^(---|\+\+\+) [ab]\// { sub("tools/testing/selftests/kvm/x86/", kvm) }
		/^---$/ || /^--- [0-9.]+$/ { wanted = /^---$/ || $0 ~ since; next }
		wanted && /^--- a\// { file = $2; if (!(file in diff)) files[++n] = file; diff[file] = "" }
		wanted { diff[file] = diff[file] $0 "\n" }
		END { for (i = 1; i <= n; i++) printf "%s", diff[files[i]] }' "$1"
}

# fixed_files DIR: the files of the base that the fixes change, with all fixes.
fixed_files() {
	local dir=$1 series fix f
	rm -rf "$dir"
	for series in kvm cgroup; do
		patches "fixes/$series" | while read -r fix; do
			patch_diff "$fix" | sed -n 's,^--- a/,,p' | while read -r f; do
				[ -f "$dir/$f" ] || install -D -m 644 "$home/source/$f" "$dir/$f"
			done
			patch_diff "$fix" | patch --quiet --forward --fuzz=0 --no-backup-if-mismatch -d "$dir" -p1 >"$build/log/fixes.log" 2>&1 ||
				die "${fix#"$top"/} does not apply: $(grep -m 1 -E 'FAILED|malformed|previously' "$build/log/fixes.log")"
		done
	done
}

# tree_prepare BASE FLAVOR: sets $tree, locks that tree until this process ends and updates it.
tree_prepare() {
	local base=$1 flavor=$2 list=/dev/null overlay f
	check_base "$base"
	fetch_base "$base"
	tree=$home/$flavor
	exclusive "tree-${home##*/}-$flavor"
	if [ ! -d "$tree" ]; then
		rm -rf "$tree.tmp"
		cp -al "$home/source" "$tree.tmp"
		mv "$tree.tmp" "$tree"
	fi
	case $flavor in
	stock) overlay='' ;;
	ours) overlay=$home/overlay ;;
	*) overlay=$home/overlay-$flavor ;;
	esac
	if [ -n "$overlay" ]; then
		list=$overlay.list
		touch "$list"
	fi
	[ "$base" != ksrc ] ||
		rsync -a --delete --exclude='/obj-*' --exclude-from=<(sed 's/^\.//' "$list") \
			"$home/source/" "$tree/" >/dev/null
	[ -n "$overlay" ] || return 0

	mkdir -p "$build/log"
	if [ "$flavor" = fixed ]; then fixed_files "$overlay"; else overlay_files "$overlay"; fi
	# Replace files, never write into them: they are hard links to the pristine source.
	(cd "$overlay" && find . -type f | sort) >"$list.new"
	comm -23 "$list" "$list.new" | while read -r f; do
		rm -f "$tree/$f"
		[ ! -f "$home/source/$f" ] || cp "$home/source/$f" "$tree/$f"
	done
	# If this run is interrupted, the list has every file of ours that may be in the tree.
	sort -u "$list" "$list.new" >"$list.tmp"
	mv "$list.tmp" "$list"
	rsync -rc --no-times "$overlay/" "$tree/"
	mv "$list.new" "$list"
}

# tree_module FLAVOR CONFIG FOLDER OUT [MAKE_ARGS...]: builds the modules in FOLDER, for a kernel of $base that is
# already built, and copies them to OUT.
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

# sparse_make: fetches sparse, unless it is there, and builds it.
sparse_make() {
	"$rig/fetch.sh" sparse
	exclusive sparse
	step "build sparse" sparse make -C "$cache/sparse/source" CC=gcc sparse
	release sparse
}

# run_uml OBJ ARGS...: runs the KUnit tests of the UML kernel in the folder OBJ, and leaves its log in OBJ/test.log. UML
# drops output if a pipe is full. kunit.py may be too slow on a busy machine, so UML writes to a file.
run_uml() {
	timeout 3600 "$1/linux" mem=1G console=tty kunit_shutdown=halt kunit.enable=1 "${@:2}" \
		</dev/null >"$1/test.log" 2>&1
}

# tree_make TREE ARGS...: runs make in TREE. Folders of objects are inside the tree: relative paths are then the same
# in stock and ours, and ccache shares objects between them.
tree_make() {
	local tree=$1
	shift
	make -C "$tree" CC="ccache gcc" "$@"
}
