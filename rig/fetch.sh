#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Downloads sources from Debian and unpacks them into the cache.
#
#   rig/fetch.sh linux BASE      $cache/BASE/source: the pristine kernel tree
#   rig/fetch.sh linux ksrc      $cache/ksrc/HASH/source: a copy of the user's tree, KSRC
#   rig/fetch.sh config BASE     $cache/BASE/config-amd64: Debian's configuration of that kernel
#   rig/fetch.sh qemu            $cache/qemu/source: QEMU with Debian's patches
#   rig/fetch.sh sparse          $cache/sparse/source: from sid, as older versions cannot parse newer kernels
#   rig/fetch.sh busybox         $cache/busybox/bin/busybox: static
#   rig/fetch.sh promtool        $cache/promtool/bin/promtool: Prometheus' checker of metrics and alerts
#   rig/fetch.sh cross PREFIX    $cache/cross/PREFIX: gcc and binutils for aarch64-linux-gnu or s390x-linux-gnu
#
# The packages of the last three are only unpacked: one would remove another busybox, one start Prometheus, and a cross
# compiler would remove gcc-multilib, which 32-bit UML needs.
# Directories are built under a temporary name and renamed when complete; only the copy of KSRC is updated in place.

. "$(dirname "$0")/kernel/tree.sh"

# apt_suite SUITE apt-get|apt-cache ARGS...: runs apt for SUITE, with sources and package lists in the cache: nothing
# in /etc has to change for a suite that this host does not use.
apt_suite() {
	local dir=$cache/apt/$1 suite=$1 command=$2 uri
	shift 2
	uri=$(mirror)
	[ -n "$uri" ] || die "no Debian mirror: 'apt-get indextargets' lists no archive labelled Debian"
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	printf '%s [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
		deb "$uri" "$suite" deb-src "$uri" "$suite" >"$dir/sources.list"
	"$command" -o APT::Update::Error-Mode=any -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::State::Lists="$dir/lists" -o Dir::Cache="$dir/cache" "$@"
}

# suite_of VERSION: sets $apt, which runs apt for the suite that has the kernel of that version, and $suite, its name.
# The LTS kernel is in the suites that hosts use, the newest kernel only in backports.
suite_of() {
	apt=()
	if [ "$1" = 6.12 ]; then
		suite="this machine's suites"
		update_lists
	else
		suite=trixie-backports
		apt=(apt_suite "$suite")
		step "read the package lists of $suite" "apt-$suite" "${apt[@]}" apt-get update
	fi
}

config() {
	local base=$1 version suite apt package tmp
	check_base "$base"
	[ ! -f "$home/config-amd64" ] || return 0
	fetch_base "$base"
	need xz-utils debian-archive-keyring
	exclusive "fetch-config-$base"
	[ ! -f "$home/config-amd64" ] || return 0
	version=$(base_version | cut -d . -f 1-2)
	package=linux-config-$version
	suite_of "$version"
	[ -n "$("${apt[@]}" apt-cache search --names-only "^$package\$")" ] ||
		die "CONFIG_FILE=debian: there is no $package in $suite: name a configuration, for example CONFIG_FILE=running"
	tmp=$(mktemp -d "$home/config.XXXXXX")
	cd "$tmp"
	step "fetch $package" "fetch-config-$base" "${apt[@]}" apt-get download "$package"
	dpkg-deb --fsys-tarfile ./*.deb | tar -x --wildcards --to-stdout './usr/src/*/config.amd64_none_amd64.xz' | xz -d >config
	mv config "$home/config-amd64"
	rm -r "$tmp"
}

linux() {
	local base=$1 tmp suite apt
	check_base "$base"
	[ "$base" != ksrc ] || { user_tree; return; }
	[ -d "$home/source" ] && return
	need xz-utils debian-archive-keyring
	room_for 6
	exclusive "fetch-linux-$base"
	[ -d "$home/source" ] && return
	suite_of "$base"
	[ -n "$("${apt[@]}" apt-cache search --names-only "^linux-source-$base\$")" ] ||
		die "BASE=$base: no linux-source-$base in $suite, only: $("${apt[@]}" apt-cache search --names-only \
			'^linux-source-[0-9.]+$' | sed 's/^linux-source-//; s/ .*//' | sort -V | xargs); 6.12 is in Debian 13 and" \
			"in the security suite of Debian 12, newer ones in trixie-backports"
	rm -rf "$home"/tmp.*
	tmp=$home/tmp.$$
	mkdir -p "$tmp"
	cd "$tmp"
	step "fetch linux-source-$base" "fetch-linux-$base" "${apt[@]}" apt-get download "linux-source-$base"
	step "unpack linux-source-$base" "unpack-linux-$base" unpack_linux
	sync -f source
	mv source "$home/source"
	rm -rf "$tmp"
}

unpack_linux() {
	dpkg-deb --fsys-tarfile ./*.deb | tar -x --wildcards --strip-components=3 './usr/src/*.tar.xz'
	mkdir source
	tar -xf ./*.tar.xz -C source --strip-components=1
}

# Copies the user's tree. First removes copies whose original is gone or that were unused for a month.
user_tree() {
	local path old
	need rsync make
	for path in "$cache"/ksrc/*/path; do
		[ -f "$path" ] || continue
		old=${path%/path}
		if [ ! -d "$(cat "$path")" ] || [ -n "$(find "$path" -mtime +30)" ]; then
			flock -n "$cache/lock/tree-${old##*/}-ours" flock -n "$cache/lock/tree-${old##*/}-deb" rm -rf "$old" || true
		fi
	done
	[ -d "$home" ] || room_for 8
	exclusive "fetch-${home##*/}"
	mkdir -p "$home/source"
	realpath "$KSRC" >"$home/path"
	step "copy $KSRC" fetch-ksrc copy_user_tree
}

# built TREE: whether a kernel was configured or built in TREE itself.
built() {
	compgen -G "$1/.config" || compgen -G "$1/include/generated" || compgen -G "$1/arch/*/include/generated"
}

# Copies the files of the user's tree, committed or not, without build output: kbuild refuses a separate folder of
# objects if the tree itself was built. Most output is excluded by name; folders of objects are found by their link
# "source". "make mrproper" removes the rest from the copy; $products lists these files, which later copies exclude.
copy_user_tree() {
	local from products=$home/products
	from=$(cat "$home/path")
	touch "$products"
	find "$from" -mindepth 2 -maxdepth 4 -type l -name source -printf '/%P\n' | sed 's|source$||' >"$home/objects"
	# Compare by content and set the time of the copy: make then rebuilds even if an older file replaced a newer one.
	rsync -rlpc --delete --exclude={/.git,'/vmlinux*','*.o','*.ko','*.a','.*.cmd'} \
		--exclude-from="$home/objects" --exclude-from="$products" \
		--out-format=%n "$from/" "$home/source/" >"$home/changed"
	built "$home/source" || { [ -s "$home/changed" ] && built "$from"; } || return 0
	cd "$home/source"
	find . | sort >"$home/before"
	make ARCH=x86 mrproper
	make ARCH=um mrproper
	find . | sort | comm -23 "$home/before" - | sed 's/^\.//' >>"$products"
}

debian_source() {
	local suite=$1 name=$2 tmp=$cache/$2/tmp.$$
	[ -d "$cache/$name/source" ] && return
	need dpkg-dev debian-archive-keyring
	room_for 6
	exclusive "fetch-$name"
	[ -d "$cache/$name/source" ] && return
	rm -rf "$cache/$name"/tmp.*
	mkdir -p "$tmp"
	cd "$tmp"
	step "read the package lists of $suite" "apt-$suite" apt_suite "$suite" apt-get update
	step "fetch $name's source" "fetch-$name" apt_suite "$suite" apt-get --download-only source "$name"
	step "unpack $name's source" "unpack-$name" dpkg-source --extract ./*.dsc source
	sync -f source
	mv source "$cache/$name/source"
	rm -rf "$tmp"
}

# program NAME PACKAGE: a program from a package of Debian, without installing the package.
program() {
	local name=$1 package=$2 tmp=$cache/$1.tmp
	[ -d "$cache/$name" ] && return
	exclusive "fetch-$name"
	[ -d "$cache/$name" ] && return
	rm -rf "$tmp"
	mkdir -p "$tmp"
	cd "$tmp"
	update_lists
	step "fetch $name" "fetch-$name" apt-get download "$package"
	# busybox is in bin, since Debian 13 in usr/bin.
	dpkg-deb --fsys-tarfile ./*.deb | tar -x --wildcards --transform='s,.*/bin/,bin/,' "./*bin/$name"
	rm ./*.deb
	sync -f "$tmp"
	mv "$tmp" "$cache/$name"
}

# cross PREFIX: gcc-PREFIX and cpp-PREFIX are links to the version that they depend on, for example gcc-12-PREFIX.
cross() {
	local prefix=$1 dir=$cache/cross/$1 tmp=$cache/cross/$1.tmp packages deb
	[ -d "$dir" ] && return
	# The libraries that they are linked with are those of the native ones.
	need gcc
	exclusive "fetch-cross-$prefix"
	[ -d "$dir" ] && return
	room_for 1
	rm -rf "$tmp"
	mkdir -p "$tmp"
	cd "$tmp"
	update_lists
	packages=("gcc-$prefix" "cpp-$prefix" "binutils-$prefix")
	readarray -t -O 3 packages < <(apt-cache depends "gcc-$prefix" "cpp-$prefix" |
		sed -nE 's/.* Depends: ((gcc|cpp)-[0-9]+-.*)/\1/p' | sort -u)
	step "fetch gcc for $prefix" "fetch-cross-$prefix" apt-get download "${packages[@]}"
	for deb in ./*.deb; do
		dpkg-deb --extract "$deb" .
	done
	rm ./*.deb
	sync -f "$tmp"
	mv "$tmp" "$dir"
}

case ${1-} in
linux) linux "$2" ;;
config) config "$2" ;;
qemu) debian_source bookworm qemu ;;
sparse) debian_source sid sparse ;;
busybox) program busybox busybox-static ;;
promtool) program promtool prometheus ;;
cross) cross "$2" ;;
*) die "usage: rig/fetch.sh linux BASE | config BASE | qemu | sparse | busybox | promtool | cross PREFIX" ;;
esac
