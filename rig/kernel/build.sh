#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds a kernel of one base.
#
#   rig/kernel/build.sh BASE ours|stock|fixed CONFIG
#
# The sources and objects are in the cache, so that a fresh clone starts warm; clones take turns
# there. What this clone got of them is in build/BASE/FLAVOR-CONFIG: bzImage and modules.cpio.

. "$(dirname "$0")/tree.sh"

[ $# = 3 ] || die "usage: rig/kernel/build.sh BASE ours|stock|fixed CONFIG"
base=$1 flavor=$2 config=$3
out=$build/$base/$flavor-$config

check_base "$base"
configs="run debug kcsan clients"
case " $configs " in
*" $config "*) ;;
*) die "CONFIG=$config: unknown configuration; there are: $configs" ;;
esac
fragments=("$rig/kernel/configs/run.config")
[ "$config" = run ] || fragments+=("$rig/kernel/configs/$config.config")

need ccache flex bison bc cpio rsync patch xz-utils zstd kmod libelf-dev libssl-dev gcc make

tree_prepare "$base" "$flavor"
obj=$tree/obj-$config
[ ! -e "$obj/building" ] || rm -rf "$obj"
mkdir -p "$obj" "$out"

# Into a file of its own, so that only a configuration that differs makes the build look again.
configure() {
	local missing
	cat "${fragments[@]}" >"$obj/fragments"
	kmake KCONFIG_CONFIG=.config.new KCONFIG_ALLCONFIG="$obj/fragments" allnoconfig
	# Stock does not know our options; ours must have taken every one but a name that is not used any more.
	if [ "$flavor" = ours ]; then
		missing=$(grep -E '^CONFIG_' "$obj/fragments" | grep -vx CONFIG_PROC_SYSCTL=y | awk -F= '{ last[$1] = $0 } END { for (k in last) print last[k] }' |
			grep -vxFf "$obj/.config.new" || true)
		[ -z "$missing" ] || { echo "not taken by Kconfig:"; echo "$missing"; return 1; }
	fi
	cmp -s "$obj/.config.new" "$obj/.config" || cp "$obj/.config.new" "$obj/.config"
}

# An object that was being written when all of this was killed looks whole to make.
compile() {
	local rc=0
	touch "$obj/building"
	kmake bzImage modules || rc=$?
	rm "$obj/building"
	return "$rc"
}

kmake() {
	tree_make "$tree" O="obj-$config" -j"$(nproc)" "$@"
}

modules() {
	local root=$obj/modules
	rm -rf "$root"
	kmake INSTALL_MOD_PATH="$root" INSTALL_MOD_STRIP=1 modules_install
	rm -f "$root"/lib/modules/*/build
	(cd "$root" && find lib/modules | cpio --quiet -o -H newc -R 0:0) >"$out/modules.cpio"
}

step "configure the $flavor $base kernel ($config)" "config-$base-$flavor-$config" configure
step "build the $flavor $base kernel ($config; about 10 minutes the first time)" \
	"build-$base-$flavor-$config" compile
step "install its modules" "modules-$base-$flavor-$config" modules
cp "$obj/arch/x86/boot/bzImage" "$out/bzImage"
cp "$obj/.config" "$out/config"
