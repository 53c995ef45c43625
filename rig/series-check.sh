#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Takes the series as a maintainer does: git am on a pristine base, and after each patch that touches
# more than pages and selftests a build of whatever it could break.
#
#   series-check.sh BASE
#
#   small configurations   CGROUP_MISC=y and =n, each with KVM_AMD=y and =m; UML with 64 and with 32 bits
#   big configurations     defconfig, with KVM added, and allmodconfig, with gcc and with clang: the
#                          objects of the files that the series has brought or changed so far
#
# At the end KUnit runs on what UML has been built, and KVM without the controller. The repository, with
# the base as its first commit, and all objects stay in the cache: a second run builds what differs.

. "$(dirname "$0")/tree.sh"

[ $# = 1 ] || die "usage: series-check.sh BASE"
base=$1
check_base "$base"
tree=$home/series
kunitconfig=$top/kernel/cgroup/tests/.kunitconfig

need ccache flex bison bc cpio git rsync patch xz-utils zstd kmod libelf-dev libssl-dev gcc gcc-multilib make python3
"$rig/series.sh" "$base"
exclusive "series-$base"
room_for 8

# Debian's own clang, or the first that is new enough for this base.
min=$("$home/source/scripts/min-tool-version.sh" llvm)
clang=$({ apt-cache depends clang; apt-cache search --names-only '^clang-[0-9]+$' | sort -V; } |
	sed -n 's/.*\<clang-\([0-9]*\)\>.*/\1/p' | awk -v min="${min%%.*}" '$1 >= min && !n++')
[ -n "$clang" ] || die "$base wants clang $min or later, and this machine's suites have none"
need "clang-$clang" "lld-$clang" "llvm-$clang"

export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_COMMITTER_NAME=rig GIT_COMMITTER_EMAIL=rig@localhost

in_tree() {
	git -C "$tree" "$@"
}

# The files are links to the pristine ones, whose ctime changes with every link; git replaces a file,
# and never writes into it. Each one "big": into one pack.
init() {
	rm -rf "$tree" "$tree.tmp"
	cp -al "$home/source" "$tree.tmp"
	git init --quiet --initial-branch=series "$tree.tmp"
	cd "$tree.tmp"
	git config core.trustctime false
	git config core.checkStat minimal
	git config core.bigFileThreshold 1
	git config core.compression 1
	echo '/obj-*' >.git/info/exclude
	git add --all --force
	GIT_AUTHOR_NAME=rig GIT_AUTHOR_EMAIL=rig@localhost git commit --quiet --message="Linux $(base_version)"
	git tag base
	sync -f .
	mv "$tree.tmp" "$tree"
}

start() {
	rm -rf "$tree/.git/rebase-apply" "$tree/.git/index.lock"
	in_tree reset --quiet --hard base
	in_tree clean --quiet --force -d
}

# build NAME TARGET FRAGMENT... -- WHAT...: WHAT, in obj-NAME, configured by TARGET.
build() {
	local name=$1 obj=$tree/obj-$1 target=$2 args=(O="obj-$1" LOCALVERSION= -j"$(nproc)") fragments=() rc=0
	[[ $name != uml* ]] || args+=(ARCH=um)
	[[ $name != *-i386 ]] || args+=(SUBARCH=i386)
	[[ $name != *-clang ]] || args+=(LLVM="-$clang" CC="ccache clang-$clang")
	shift 2
	while [ "$1" != -- ]; do
		fragments+=("$1")
		shift
	done
	shift
	echo "== $name: $*"
	# An object that was being written when all of this was killed looks whole to make.
	[ ! -e "$obj/building" ] || rm -rf "$obj"
	mkdir -p "$obj"
	if [ ! -e "$obj/.config" ] || [ "$new_options" = 1 ]; then
		cat /dev/null "${fragments[@]}" >"$obj/fragments"
		tree_make "$tree" "${args[@]}" KCONFIG_CONFIG=.config.new KCONFIG_ALLCONFIG="$obj/fragments" "$target"
		if [ "$target" = defconfig ]; then
			cat "$obj/fragments" >>"$obj/.config.new"
			tree_make "$tree" "${args[@]}" KCONFIG_CONFIG=.config.new olddefconfig
		fi
		cmp -s "$obj/.config.new" "$obj/.config" || cp "$obj/.config.new" "$obj/.config"
	fi
	touch "$obj/building"
	tree_make "$tree" "${args[@]}" "$@" || rc=$?
	rm "$obj/building"
	return "$rc"
}

after_patch() {
	local misc kvm compiler objects
	for misc in y n; do
		for kvm in y m; do
			build "misc-$misc-kvm-$kvm" allnoconfig "$rig/kernel/run.config" \
				<(printf 'CONFIG_%s\n' "CGROUP_MISC=$misc" "KVM=$kvm" "KVM_AMD=$kvm") -- vmlinux modules
		done
	done
	build uml allnoconfig "$kunitconfig" -- linux
	build uml-i386 allnoconfig "$kunitconfig" "$rig/kernel/kunit-uml-i386.config" -- linux
	readarray -t objects < <(in_tree diff --name-only base -- ':!kernel/cgroup/tests' | compiled_objects)
	for compiler in gcc clang; do
		build "defconfig-$compiler" defconfig "$rig"/kernel/{run,tdx}.config -- "${objects[@]}"
		build "allmodconfig-$compiler" allmodconfig -- "${objects[@]}"
	done
}

take() {
	in_tree am --quiet --whitespace=error-all "$p"
	new_options=0
	[ "$n" != 1 ] && [ -z "$(in_tree diff --name-only HEAD~ -- '*Kconfig*')" ] || new_options=1
	[ -z "$(in_tree diff --name-only HEAD~ -- ':!Documentation' ':!MAINTAINERS' ':!tools')" ] || after_patch
}

# What was built last without the controller, as a kernel for the test machine.
no_controller() {
	tree_make "$tree" O=obj-misc-n-kvm-y LOCALVERSION= -j"$(nproc)" bzImage
	mkdir -p "$out/test"
	cp "$tree/obj-misc-n-kvm-y/arch/x86/boot/bzImage" "$out/"
	cpio --quiet -o -H newc </dev/null >"$out/modules.cpio"
	cp -r "$build/$base/selftests" "$out/test/tests"
	"$rig/initrd.sh" "$out/initrd.cpio" "$out/test"
}

kunit() {
	cd "$tree"
	# Of itself a kernel of allnoconfig no longer runs them.
	/usr/bin/python3 -B tools/testing/kunit/kunit.py exec --build_dir="obj-$uml" --timeout=3600 \
		--kernel_args=kunit.autorun=1 || true
	cp "obj-$uml/test.log" "$results"
}

[ -d "$tree" ] || step "make a git repository of $base (once)" "series-init-$base" init
step "return to the pristine $base" "series-start-$base" start
patches=("$build/series/$base"/*.patch)
n=0
for p in "${patches[@]:1}"; do
	n=$((n + 1))
	subject=$(git mailinfo /dev/null /dev/null <"$p" | sed -n 's/^Subject: //p')
	step "patch $n of $((${#patches[@]} - 1)): $subject" "series-check-$base-$n" take
done

variants=(uml)
! runs_i386 || variants+=(uml-i386)
for uml in "${variants[@]}"; do
	results=$build/series/$uml-$base.log
	step "run the KUnit tests ($uml)" "series-check-$base-kunit" kunit
	"$rig/verdict.sh" "$base" "$results" "$results"
done

"$rig/qemu/build.sh"
"$rig/selftests.sh" "$base"
out=$build/series/no-controller-$base
rm -rf "$out"
step "make a kernel without the controller ready to boot" "series-check-$base-no-controller" no_controller
echo "create VMs without the controller ... (logs: ${out#"$PWD"/}/no-controller)"
"$rig/machine.sh" --run no-controller "$out" "$out/initrd.cpio"
"$rig/splats.sh" "$out/no-controller/kernel.log"
