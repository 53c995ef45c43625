#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Makes the disk image of a Debian system for the test machine: systemd, container runtimes, QEMU and other programs
# that use cgroups, unchanged from Debian, and the files in machine/debian.
#
#   rig/machine/debian.sh          makes the image, unless it exists
#   rig/machine/debian.sh --path   prints the image's path, whether it exists or not
#
# The path contains a hash of this script and of machine/debian. The test machine never writes to the image.

. "$(dirname "$0")/../lib.sh"

suite=trixie
packages=(
	systemd-sysv udev kmod dbus procps
	podman crun runc conmon busybox-static
	uidmap libpam-systemd dbus-user-session
	qemu-system-x86 ovmf
	libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients
	lxc systemd-container containerd docker.io docker-cli incus
	cgroup-tools stress-ng prometheus-node-exporter btop python3
)
# No graphics in the machine: stress-ng's GPU libraries are larger than the rest.
exclude=(/usr/share/{doc,man,info,locale,lintian}/'*' '*/libLLVM*' '*/libgallium*' '*/libz3.so*')
# Units that are not needed and slow down the boot.
mask=(getty@tty1.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
	e2scrub_reap.service fstrim.timer systemd-timesyncd.service podman-auto-update.timer
	podman-auto-update.service podman-restart.service podman.socket podman-clean-transient.service
	prometheus-node-exporter.service libvirt-guests.service logrotate.timer
	lxc.service lxc-net.service
	systemd-pcrphase.service systemd-hwdb-update.service
	systemd-journal-catalog-update.service systemd-update-done.service ldconfig.service)
# Daemons that are started by the scripts which test them.
disable=(containerd.service docker.service docker.socket lxcfs.service
	incus.service incus.socket incus-startup.service incus-user.service incus-user.socket)

hash=$(cd "$rig/machine" && hash_of debian.sh debian)
image=$cache/debian/$hash.img

case ${1-} in
--path)
	echo "$image"
	exit
	;;
'') ;;
*) die "usage: rig/machine/debian.sh [--path]" ;;
esac
[ ! -f "$image" ] || exit 0

uri=$(mirror)
[ -n "$uri" ] || die "no Debian mirror: 'apt-get indextargets' lists no archive labelled Debian"
need mmdebstrap e2fsprogs debian-archive-keyring
room_for 4
exclusive debian
[ ! -f "$image" ] || exit 0

root=$cache/debian/root
mkdir -p "$cache/debian"
# Left by a run that was killed, and owned by root.
[ ! -e "$root" ] || as_root "remove an unfinished Debian system" debian-clean rm -rf "$root"

# hook COMMAND...: adds a command that runs after the installation; its $1 is the new root folder.
hooks=()
hook() {
	hooks+=(--customize-hook="$*")
}
hook "cp -r --no-preserve=ownership $(printf %q "$rig/machine/debian")/. \"\$1\""
hook "chroot \"\$1\" systemctl mask ${mask[*]}"
hook "chroot \"\$1\" systemctl disable ${disable[*]}"
# Skip the units that systemd runs only at the first boot or after an update.
hook "echo 5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e >\"\$1/etc/machine-id\""
hook "echo debian >\"\$1/etc/hostname\"; mkdir -p \"\$1/rig\" \"\$1/usr/lib/modules\"; touch \"\$1/etc/.updated\" \"\$1/var/.updated\""

# In a mount namespace: mmdebstrap's mounts end with it, even if it is killed.
as_root "make a Debian system ($suite; some minutes)" debian \
	unshare --mount mmdebstrap --mode=root --variant=minbase \
	--include="${packages[*]}" "${exclude[@]/#/--dpkgopt=path-exclude=}" "${hooks[@]}" "$suite" "$root" \
	"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main"
touch "$image.tmp"
as_root "write the disk image" debian-disk /sbin/mke2fs -q -F -t ext4 -O ^has_journal -d "$root" "$image.tmp" 3G
as_root "remove the folder it was made from" debian-clean rm -rf "$root"
sync "$image.tmp"
mv "$image.tmp" "$image"
