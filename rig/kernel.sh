#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds a kernel of one base.
#
#   kernel.sh BASE ours|stock CONFIG
#
# The sources and objects are in the cache, so that a fresh clone starts warm; clones take turns
# there. What this clone got of them is in build/BASE/FLAVOR-CONFIG: bzImage and modules.cpio.

. "$(dirname "$0")/tree.sh"

[ $# = 3 ] || die "usage: kernel.sh BASE ours|stock CONFIG"
base=$1 flavor=$2 config=$3
out=$build/$base/$flavor-$config

configs="run debug"
case " $configs " in
*" $config "*) ;;
*) die "CONFIG=$config: unknown configuration; there are: $configs" ;;
esac
fragments=("$rig/kernel/run.config")
[ "$config" = run ] || fragments+=("$rig/kernel/$config.config")

need ccache flex bison bc cpio rsync patch xz-utils zstd kmod libelf-dev libssl-dev gcc make

tree_prepare "$base" "$flavor"
obj=$tree/obj-$config
mkdir -p "$obj" "$out"

configure() {
	cat "${fragments[@]}" >"$obj/fragments"
	# Only a configuration that has changed may make the build look at everything again.
	cmp -s "$obj/fragments" "$obj/fragments.done" && [ -f "$obj/.config" ] && return
	kmake KCONFIG_ALLCONFIG="$obj/fragments" allnoconfig
	# Stock does not know our options; ours must have taken every one.
	if [ "$flavor" = ours ]; then
		local missing
		missing=$(grep -E '^CONFIG_' "$obj/fragments" | awk -F= '{ last[$1] = $0 } END { for (k in last) print last[k] }' |
			grep -vxFf "$obj/.config" || true)
		[ -z "$missing" ] || { echo "not taken by Kconfig:"; echo "$missing"; return 1; }
	fi
	cp "$obj/fragments" "$obj/fragments.done"
}

kmake() {
	tree_make "$tree" O="obj-$config" -j"$(nproc)" "$@"
}

modules() {
	local root=$obj/modules
	rm -rf "$root"
	kmake INSTALL_MOD_PATH="$root" INSTALL_MOD_STRIP=1 modules_install
	rm -f "$root"/lib/modules/*/build
	(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) >"$out/modules.cpio"
}

step "configure the $flavor $base kernel ($config)" "config-$base-$flavor-$config" configure
step "build the $flavor $base kernel ($config; about 10 minutes the first time)" \
	"build-$base-$flavor-$config" kmake bzImage modules
step "install its modules" "modules-$base-$flavor-$config" modules
cp "$obj/arch/x86/boot/bzImage" "$out/bzImage"
cp "$obj/.config" "$out/config"
