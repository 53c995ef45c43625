#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds one kernel: a base, a flavor and a configuration.
#
#   rig/kernel/build.sh BASE ours|stock|fixed CONFIG
#
# Sources and objects are in the cache, which all clones share: they take turns. The results, bzImage, modules.cpio
# and config, are copied to build/BASE/FLAVOR-CONFIG.

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

# Configures the kernel. A new .config makes kbuild check everything again, so it is replaced only if it differs.
configure() {
	local missing
	cat "${fragments[@]}" >"$obj/fragments"
	kmake KCONFIG_CONFIG=.config.new KCONFIG_ALLCONFIG="$obj/fragments" allnoconfig
	# In ours every option must be set, except PROC_SYSCTL, which newer kernels call SYSCTL. Stock lacks our options.
	if [ "$flavor" = ours ]; then
		missing=$(grep -E '^CONFIG_' "$obj/fragments" | grep -vx CONFIG_PROC_SYSCTL=y | awk -F= '{ last[$1] = $0 } END { for (k in last) print last[k] }' |
			grep -vxFf "$obj/.config.new" || true)
		[ -z "$missing" ] || { echo "not set by Kconfig:"; echo "$missing"; return 1; }
	fi
	cmp -s "$obj/.config.new" "$obj/.config" || cp "$obj/.config.new" "$obj/.config"
}

# Builds the kernel. The file "building" exists meanwhile: if it is left from a build that was killed, all objects are
# removed, because one may be incomplete, which make cannot detect.
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
lines=1950 step "build the $flavor $base kernel ($config; about 10 minutes the first time)" \
	"build-$base-$flavor-$config" compile
step "install the kernel's modules" "modules-$base-$flavor-$config" modules
cp "$obj/arch/x86/boot/bzImage" "$out/bzImage"
cp "$obj/.config" "$out/config"
