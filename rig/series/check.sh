#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Applies the three series as a maintainer does, with git am on a pristine base. After each patch that changes more
# than Documentation, MAINTAINERS and tools, builds and tests what the patch could break:
#
#   rig/series/check.sh BASE
#
#   misc-y-kvm-m   the controller, KVM as a module: the kernel and its modules. Finds calls that are not exported
#   misc-n-kvm-y   without the controller, KVM built in: the kernel. Finds calls without a stub
#   checked        TDX, lockdep and the KUnit tests configured: the objects of the files that the series has added or
#                  changed so far, with W=1 and sparse, which must print nothing
#   clang          allmodconfig, with clang: the same objects
#   uml            UML with lockdep: before there are KUnit tests, the objects of kernel/cgroup, where no resource is
#                  configured; then the kernel, which runs the tests
#   uml-i386       UML with 32 bits: the objects of kernel/cgroup; after the last patch the kernel, which runs the tests
#
# Then the same for "checked" and "uml" without each of the patches that series/controller/order calls optional, and
# without those that need it. At the end, VMs on the kernel without the controller. The git repository, with the base
# as its first commit, and all objects stay in the cache: the next run builds only changes.

. "$(dirname "$0")/../kernel/tree.sh"

[ $# = 1 ] || die "usage: rig/series/check.sh BASE"
base=$1
check_base "$base"
tree=$home/series
kunitconfig=$top/kernel/cgroup/tests/.kunitconfig

need ccache flex bison bc cpio git rsync patch xz-utils zstd kmod libelf-dev libssl-dev gcc gcc-multilib make perl python3
sparse_make
exclusive "series-$base"
room_for 8
"$rig/series/write.sh" "$base"
# A copy, because "make series" meanwhile would replace the patches.
taken=$build/series/check-$base
rm -rf "$taken"
cp -r "$build/series/$base" "$taken"

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
	in_tree checkout --quiet --force -B series base
	in_tree clean --quiet --force -d
}

# build NAME TARGET FRAGMENT... -- GOAL...: makes each GOAL in obj-NAME, configured by TARGET and the fragments.
build() {
	local name=$1 obj=$tree/obj-$1 target=$2 args=(O="obj-$1" LOCALVERSION= -j"$(nproc)") fragments=() rc=0
	[[ $name != uml* ]] || args+=(ARCH=um)
	[[ $name != *-i386 ]] || args+=(SUBARCH=i386)
	[[ $name != clang ]] || args+=(LLVM="-$clang" CC="ccache clang-$clang")
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
		cmp -s "$obj/.config.new" "$obj/.config" || cp "$obj/.config.new" "$obj/.config"
	fi
	touch "$obj/building"
	if [ "$name" = checked ]; then
		tree_make "$tree" "${args[@]}" prepare modules_prepare
		# Only a compilation prints warnings.
		(cd "$obj" && rm -f "$@")
		tree_make "$tree" -s "${args[@]}" W=1 C=2 CHECK="$cache/sparse/source/sparse" "$@" >"$obj/output" 2>&1 || rc=$?
		cat "$obj/output"
		[ ! -s "$obj/output" ] || rc=1
	else
		tree_make "$tree" "${args[@]}" "$@" || rc=$?
	fi
	rm "$obj/building"
	return "$rc"
}

has_kunit() {
	[ -e "$tree/kernel/cgroup/tests" ]
}

# The objects that the series has changed so far.
objects() {
	in_tree diff --name-only base | compiled_objects
}

build_checked() {
	local objects
	readarray -t objects < <(objects)
	build checked allnoconfig "$rig"/kernel/configs/{run,tdx,kunit-checks}.config "$kunitconfig" -- "${objects[@]}"
}

# build_uml NAME FRAGMENT... -- GOAL
build_uml() {
	build "$1" allnoconfig "$kunitconfig" "$rig/kernel/configs/kunit-checks.config" "${@:2}"
}

after_patch() {
	local objects uml=kernel/cgroup/
	build misc-y-kvm-m allnoconfig "$rig/kernel/configs/run.config" \
		<(printf 'CONFIG_%s\n' CGROUP_MISC=y KVM=m KVM_AMD=m) -- vmlinux modules
	build misc-n-kvm-y allnoconfig "$rig/kernel/configs/run.config" \
		<(printf 'CONFIG_%s\n' CGROUP_MISC=n KVM=y KVM_AMD=y) -- vmlinux
	build_checked
	readarray -t objects < <(objects | grep -v '^kernel/cgroup/tests/')
	build clang allmodconfig -- "${objects[@]}"
	build_uml uml-i386 "$rig/kernel/configs/kunit-uml-i386.config" -- "$uml"
	! has_kunit || uml=linux
	build_uml uml -- "$uml"
}

take() {
	in_tree am --quiet --whitespace=error-all "$p"
	new_options=0
	[ "$n" != 1 ] && [ -z "$(in_tree diff --name-only HEAD~ -- '*Kconfig*')" ] || new_options=1
	! changes_kernel || after_patch
}

changes_kernel() {
	[ -n "$(in_tree diff --name-only HEAD~ -- ':!Documentation' ':!MAINTAINERS' ':!tools')" ]
}

# run_kunit NAME: runs the KUnit tests of obj-NAME.
run_kunit() {
	# Newer kernels that are configured by allnoconfig run the tests at boot only with autorun=1.
	run_uml "$tree/obj-$1" kunit.autorun=1 misc_kunit.steps=100000 || true
	as_printed <"$tree/obj-$1/test.log" >"$results"
}

# kunit NAME LOG
kunit() {
	results=$build/series/$1-$base.log
	step "run the KUnit tests ($1)" "$2-kunit" run_kunit "$1"
	"$rig/tests/verdict.sh" "$base" "$results" "$results"
}

# subject_of NAME: of a patch in series/controller.
subject_of() {
	awk 'body && NF { print; exit } /^$/ { body = 1 }' "$top/series/controller/$1"
}

# leave_out NAME...: the whole series without these patches, the last one first.
leave_out() {
	local name commit
	in_tree checkout --quiet --force --detach series
	for name; do
		commit=$(in_tree log --format=%H --fixed-strings --grep="$(subject_of "$name")" base..series)
		/usr/bin/python3 -B "$rig/series/without.py" "$tree" base HEAD "$commit"
		in_tree add --all
		GIT_AUTHOR_NAME=rig GIT_AUTHOR_EMAIL=rig@localhost in_tree commit --quiet --message="without: $name"
	done
	new_options=0
	build_checked
	build_uml uml -- linux
}

whole_i386() {
	new_options=0
	build_uml uml-i386 "$rig/kernel/configs/kunit-uml-i386.config" -- linux
}

# Puts the kernel without the controller, after the last patch, and an initramfs with the selftests into $out.
no_controller() {
	tree_make "$tree" O=obj-misc-n-kvm-y LOCALVERSION= -j"$(nproc)" bzImage
	mkdir -p "$out/test"
	cp "$tree/obj-misc-n-kvm-y/arch/x86/boot/bzImage" "$out/"
	cpio --quiet -o -H newc </dev/null >"$out/modules.cpio"
	cp -r "$build/$base/selftests" "$out/test/tests"
	"$rig/machine/initrd.sh" "$out/initrd.cpio" "$rig/tests/in-machine" "$out/test"
}

[ -d "$tree" ] || step "make a git repository of $base (once)" "series-init-$base" init
step "return to the pristine $base" "series-start-$base" start
patches=()
for series in fixes-kvm fixes-cgroup controller; do
	for p in "$taken/$series"/*.patch; do
		[[ $p = */0000-* ]] || patches+=("$p")
	done
done
n=0
for p in "${patches[@]}"; do
	n=$((n + 1))
	subject=$(git mailinfo /dev/null /dev/null <"$p" | sed -n 's/^Subject: //p')
	step "patch $n of ${#patches[@]}: $subject" "series-check-$base-$n" take
	if has_kunit && changes_kernel; then
		kunit uml "series-check-$base-$n"
	fi
done

if runs_i386; then
	step "build UML with 32 bits" "series-check-$base-i386" whole_i386
	kunit uml-i386 "series-check-$base-i386"
fi

for patch in $(patches controller); do
	name=${patch##*/}
	grep -q "^$name optional" "$top/series/controller/order" || continue
	readarray -t names < <(awk -v name="$name" '{ for (i = 3; i <= NF; i++) if ($i == name) print $1 }' \
		"$top/series/controller/order" | tac)
	names+=("$name")
	step "without ${names[*]}" "series-check-$base-without-$name" leave_out "${names[@]}"
	kunit uml "series-check-$base-without-$name"
done
step "return to the whole series" "series-start-$base" in_tree checkout --quiet --force series

"$rig/machine/qemu/build.sh"
"$rig/kernel/selftests.sh" "$base"
out=$build/series/no-controller-$base
rm -rf "$out"
step "prepare the kernel without the controller for the test machine" "series-check-$base-no-controller" no_controller
echo "create VMs without the controller ... (logs: ${out#"$PWD"/}/no-controller)"
"$rig/machine/boot.sh" --run no-controller "$out" "$out/initrd.cpio"
"$rig/tests/splats.sh" "$out/no-controller/kernel.log"
