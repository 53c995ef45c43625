#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Applies the three series as a maintainer does, with git am on a pristine base. After each patch that changes more
# than Documentation, MAINTAINERS and tools, builds the configurations that the patch could break:
#
#   rig/series/check.sh BASE
#
#   small configurations   CGROUP_MISC=y and =n, each with KVM_AMD=y and =m; UML with 64 and with 32 bits
#   big configurations     defconfig, with KVM added, and allmodconfig, with gcc and with clang: only the objects of
#                          the files that the series has added or changed so far
#
# At the end, runs the KUnit tests on the UML kernels, and VMs on the kernel without the controller. The git
# repository, with the base as its first commit, and all objects stay in the cache: the next run builds only changes.

. "$(dirname "$0")/../kernel/tree.sh"

[ $# = 1 ] || die "usage: rig/series/check.sh BASE"
base=$1
check_base "$base"
tree=$home/series
kunitconfig=$top/kernel/cgroup/tests/.kunitconfig

need ccache flex bison bc cpio git rsync patch xz-utils zstd kmod libelf-dev libssl-dev gcc gcc-multilib make python3
"$rig/series/write.sh" "$base"
exclusive "series-$base"
room_for 8

# Debian's default clang or, if that is too old for this base, the oldest one that is new enough.
min=$("$home/source/scripts/min-tool-version.sh" llvm)
clang=$({ apt-cache depends clang; apt-cache search --names-only '^clang-[0-9]+$' | sort -V; } |
	sed -n 's/.*\<clang-\([0-9]*\)\>.*/\1/p' | awk -v min="${min%%.*}" '$1 >= min && !n++')
[ -n "$clang" ] || die "$base needs clang $min or later, which this host's suites do not have"
need "clang-$clang" "lld-$clang" "llvm-$clang"

export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_COMMITTER_NAME=rig GIT_COMMITTER_EMAIL=rig@localhost

in_tree() {
	git -C "$tree" "$@"
}

# The files are hard links to the pristine ones: git replaces files and never writes into them, and must ignore the
# ctime, which changes with every link. bigFileThreshold=1 puts all files into one pack.
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

# build NAME TARGET FRAGMENT... -- GOAL...: makes each GOAL in obj-NAME, configured by TARGET and the fragments.
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
	# After a build that was killed, an object may be incomplete, which make cannot detect: remove all.
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
			build "misc-$misc-kvm-$kvm" allnoconfig "$rig/kernel/configs/run.config" \
				<(printf 'CONFIG_%s\n' "CGROUP_MISC=$misc" "KVM=$kvm" "KVM_AMD=$kvm") -- vmlinux modules
		done
	done
	build uml allnoconfig "$kunitconfig" -- linux
	build uml-i386 allnoconfig "$kunitconfig" "$rig/kernel/configs/kunit-uml-i386.config" -- linux
	readarray -t objects < <(in_tree diff --name-only base -- ':!kernel/cgroup/tests' | compiled_objects)
	for compiler in gcc clang; do
		build "defconfig-$compiler" defconfig "$rig"/kernel/configs/{run,tdx}.config -- "${objects[@]}"
		build "allmodconfig-$compiler" allmodconfig -- "${objects[@]}"
	done
}

take() {
	in_tree am --quiet --whitespace=error-all "$p"
	new_options=0
	[ "$n" != 1 ] && [ -z "$(in_tree diff --name-only HEAD~ -- '*Kconfig*')" ] || new_options=1
	[ -z "$(in_tree diff --name-only HEAD~ -- ':!Documentation' ':!MAINTAINERS' ':!tools')" ] || after_patch
}

# Puts the kernel without the controller, after the last patch, and an initramfs with the selftests into $out.
no_controller() {
	tree_make "$tree" O=obj-misc-n-kvm-y LOCALVERSION= -j"$(nproc)" bzImage
	mkdir -p "$out/test"
	cp "$tree/obj-misc-n-kvm-y/arch/x86/boot/bzImage" "$out/"
	cpio --quiet -o -H newc </dev/null >"$out/modules.cpio"
	cp -r "$build/$base/selftests" "$out/test/tests"
	"$rig/machine/initrd.sh" "$out/initrd.cpio" "$rig/tests/guest" "$out/test"
}

kunit() {
	cd "$tree"
	# Newer kernels that are configured by allnoconfig run the tests at boot only with autorun=1.
	/usr/bin/python3 -B tools/testing/kunit/kunit.py exec --raw_output --build_dir="obj-$uml" --timeout=3600 \
		--kernel_args=kunit.autorun=1 || true
	cp "obj-$uml/test.log" "$results"
}

[ -d "$tree" ] || step "make a git repository of $base (once)" "series-init-$base" init
step "return to the pristine $base" "series-start-$base" start
patches=()
for series in fixes-kvm fixes-cgroup controller; do
	for p in "$build/series/$base/$series"/*.patch; do
		[[ $p = */0000-* ]] || patches+=("$p")
	done
done
n=0
for p in "${patches[@]}"; do
	n=$((n + 1))
	subject=$(git mailinfo /dev/null /dev/null <"$p" | sed -n 's/^Subject: //p')
	step "patch $n of ${#patches[@]}: $subject" "series-check-$base-$n" take
done

variants=(uml)
! runs_i386 || variants+=(uml-i386)
for uml in "${variants[@]}"; do
	results=$build/series/$uml-$base.log
	step "run the KUnit tests ($uml)" "series-check-$base-kunit" kunit
	"$rig/tests/verdict.sh" "$base" "$results" "$results"
done

"$rig/machine/qemu/build.sh"
"$rig/kernel/selftests.sh" "$base"
out=$build/series/no-controller-$base
rm -rf "$out"
step "prepare the kernel without the controller for the test machine" "series-check-$base-no-controller" no_controller
echo "create VMs without the controller ... (logs: ${out#"$PWD"/}/no-controller)"
"$rig/machine/boot.sh" --run no-controller "$out" "$out/initrd.cpio"
"$rig/tests/splats.sh" "$out/no-controller/kernel.log"
