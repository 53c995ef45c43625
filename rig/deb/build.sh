#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds Debian packages of our kernel, by the kernel's own bindeb-pkg, and misc-cgroup-tools.
#
#   rig/deb/build.sh BASE [FOLDER]      {linux-image,linux-headers,misc-cgroup-tools}*.deb and their .changes go to
#                                       FOLDER (default: build/deb/BASE)
#
# From the environment:
#
#   CONFIG_FILE   the configuration: "debian" (default; Debian's of the base), "running" (this host's), or a file
#   LOCALMODS     a file with what lsmod has printed on a host: only the modules in it are built, without debug information
#   SUFFIX        what is added to the version (default: +misc1)

. "$(dirname "$0")/../kernel/tree.sh"

[ $# = 1 ] || [ $# = 2 ] || die "usage: rig/deb/build.sh BASE [FOLDER]"
base=$1
out=${2:-$build/deb/$base}
config=${CONFIG_FILE:-debian} suffix=${SUFFIX:-+misc1}

# readable WHAT FILE [MORE]
readable() {
	[[ -f $2 && -r $2 ]] || die "$1: no such file, or not readable${3-}"
}

check_base "$base"
# With a minus, GRUB of Debian 12 would sort the kernel before Debian's of the same number.
[[ $suffix =~ ^\+[a-z0-9.]+$ ]] || die "SUFFIX=$suffix: not a plus and then letters a-z, digits and dots"
mods=
if [ -n "${LOCALMODS-}" ]; then
	readable "LOCALMODS=$LOCALMODS" "$LOCALMODS"
	mods=$(realpath -- "$LOCALMODS")
	grep -q '^Module  *Size' "$mods" || die "LOCALMODS=$LOCALMODS: not what lsmod prints: the first line is not \"Module Size Used by\""
fi
case $config in
debian) ;;
running)
	given=/boot/config-$(uname -r)
	[ -r "$given" ] || given=/proc/config.gz
	[ -r "$given" ] || die "CONFIG_FILE=running: there is neither /boot/config-$(uname -r) nor /proc/config.gz"
	;;
*)
	readable "CONFIG_FILE=$config" "$config" '; it can also be "debian" or "running"'
	given=$(realpath -- "$config")
	;;
esac

# Debug information of a whole distribution kernel is what takes most of the room.
takes='many hours' room=40
[ -z "$mods" ] || takes='an hour' room=8
[ -e "$home/deb/obj-deb/vmlinux.o" ] || room_for "$room"

need ccache flex bison bc cpio rsync patch xz-utils zstd kmod libelf-dev libdw-dev libssl-dev openssl build-essential \
	perl python3 debhelper dwarves git
if [ "$config" = debian ]; then
	fetch_base "$base"
	"$rig/fetch.sh" config "$base"
	given=$home/config-amd64
fi

tree_prepare "$base" deb
obj=$tree/obj-deb
[ ! -e "$obj/building" ] || rm -rf "$obj"
mkdir -p "$obj" "$out"
# The new configuration is made in a folder of its own: kbuild checks everything again if .config is written.
new_name='obj-deb-config'
new=$tree/$new_name

kmake() {
	tree_make "$tree" LOCALVERSION= O="$1" -j"$(nproc)" "${@:2}"
}

# has OPTION...: whether one of them is set in the new configuration.
has() {
	grep -qE "^CONFIG_($(IFS='|'; echo "$*"))=[ym]\$" "$new/.config"
}

set_option() {
	"$tree/scripts/config" --file "$new/.config" "$@"
}

# What a host of encrypted VMs needs, an option before those that depend on it; misc_check reads CPUID and MSRs.
# Either of y and m will do.
needed=(MODULES=y BLK_DEV_INITRD=y DEVTMPFS=y CGROUPS=y CGROUP_MISC=y HIGH_RES_TIMERS=y PCI=y IOMMU_SUPPORT=y
	AMD_IOMMU=y VIRTUALIZATION=y KVM=m KVM_AMD=m CRYPTO=y CRYPTO_HW=y CRYPTO_DEV_CCP=y CRYPTO_DEV_CCP_DD=m CRYPTO_DEV_SP_PSP=y
	KVM_AMD_SEV=y X86_CPUID=m X86_MSR=m)

cannot() {
	echo "CONFIG_FILE=$config${mods:+, LOCALMODS=$LOCALMODS}: a kernel of it cannot run a host of encrypted VMs: $*"
}

configure() {
	local option missing=()
	rm -rf "$new"
	mkdir "$new"
	case $(head -c 2 "$given" | od -An -tx1) in
	*'1f 8b'*) gzip -dc "$given" ;;
	*) cat "$given" ;;
	esac >"$new/.config"
	grep -q '^CONFIG_X86_64=y' "$new/.config" || { cannot "it is not of a 64-bit x86 kernel"; return 1; }
	# Debian's build has its own certificates; without them the build fails. With LOCALMODS, BTF goes, too.
	set_option --set-str LOCALVERSION "$suffix" --disable LOCALVERSION_AUTO --set-str BUILD_SALT '' \
		--set-str SYSTEM_TRUSTED_KEYS '' --set-str SYSTEM_REVOCATION_KEYS ''
	if has MODULE_SIG; then set_option --enable MODULE_SIG_ALL --set-str MODULE_SIG_KEY certs/signing_key.pem; fi
	[ -z "$mods" ] || set_option --enable DEBUG_INFO_NONE --disable DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT \
		--disable DEBUG_INFO_DWARF4 --disable DEBUG_INFO_DWARF5
	kmake "$new_name" olddefconfig
	if [ -n "$mods" ]; then
		# localmodconfig would run the file if it were executable.
		install -m 644 "$mods" "$new/lsmod"
		{ yes '' || true; } | LSMOD=$new/lsmod kmake "$new_name" localmodconfig
	fi
	: >"$new/set"
	for option in "${needed[@]}"; do
		has "${option%=*}" || missing+=("$option")
	done
	for option in "${missing[@]}"; do
		set_option --set-val "${option%=*}" "${option#*=}"
	done
	# An option that is built in cannot use one that is a module.
	if grep -q '^CONFIG_KVM_AMD=y' "$new/.config"; then set_option --enable CRYPTO_DEV_CCP_DD --enable KVM_AMD_SEV; fi
	kmake "$new_name" olddefconfig
	for option in "${missing[@]}"; do
		grep "^CONFIG_${option%=*}=" "$new/.config" >>"$new/set" || { cannot "CONFIG_${option%=*} cannot be set"; return 1; }
	done
	for option in "${needed[@]}"; do
		has "${option%=*}" || { cannot "CONFIG_${option%=*} cannot be set"; return 1; }
	done
	has BLK_DEV_NVME SATA_AHCI VIRTIO_BLK BLK_DEV_SD MMC_BLOCK || { cannot "it has no driver of disks"; return 1; }
	has EXT4_FS XFS_FS BTRFS_FS || { cannot "it has none of ext4, xfs and btrfs"; return 1; }
	cmp -s "$new/.config" "$obj/.config" || cp "$new/.config" "$obj/.config"
}

# The last packages of this script, from a run that was killed.
clean() {
	rm -f "$tree"/linux-*.{deb,changes,buildinfo}
}

# linux-libc-dev would replace Debian's. debhelper takes DH_INTERNAL_OPTIONS for options of every command. The time is
# in the version because apt does not install a version that it has. An interrupted make removes what it was writing:
# only if make was killed, the objects are made anew.
package() {
	local rc=0
	trap : INT TERM HUP
	touch "$obj/building"
	DH_INTERNAL_OPTIONS=-Nlinux-libc-dev DEB_BUILD_PROFILES=pkg.linux-upstream.nokerneldbg \
		kmake obj-deb V=0 KDEB_PKGVERSION="$release-$(date -u +%Y%m%d%H%M)" KDEB_CHANGELOG_DIST=unstable bindeb-pkg || rc=$?
	rm "$obj/building"
	return "$rc"
}

step "configure the kernel (CONFIG_FILE=$config${mods:+, LOCALMODS=$LOCALMODS})" "deb-config-$base" configure
if [ -s "$new/set" ]; then
	echo "not in ${mods:+LOCALMODS or }the configuration, and set: $(paste -s -d ' ' "$new/set")"
fi
"$rig/deb/tools.sh" "$out"
release=$(base_version)$suffix
export DEBFULLNAME=${DEBFULLNAME:-$(git -C "$top" log -1 --format=%an)} DEBEMAIL=${DEBEMAIL:-$(git -C "$top" log -1 --format=%ae)}
clean
step "build the packages of Linux $release ($takes on two cores)" "deb-build-$base" package
rm -f "$out"/linux-*.{deb,changes,buildinfo} "$out"/config-*
mv "$tree"/linux-*.{deb,changes,buildinfo} "$out/"
# A tree of the user's may add to the release, in a file localversion*.
release=$(cat "$obj/include/config/kernel.release")
cp "$obj/.config" "$out/config-$release"

echo
echo "the packages are in ${out#"$PWD"/}; on the host:"
echo "  apt install ./linux-image-${release}_*.deb ./linux-headers-${release}_*.deb ./misc-cgroup-tools_*.deb"
echo "DKMS modules need the headers. The kernel is not signed: with Secure Boot it does not start until it is signed"
echo "by a key of the host; see \"Installing and Going Back\" in Documentation/admin-guide/misc-cgroup.rst."
