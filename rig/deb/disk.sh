#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Makes the disk image of a Debian 13 host: UEFI, GRUB, Debian's kernel with an initramfs, and the files in deb/disk.
#
#   rig/deb/disk.sh          makes the image, unless it exists
#   rig/deb/disk.sh --path   prints the image's path, whether it exists or not
#
# The path contains a hash of this script and of deb/disk. The first boot has to install GRUB (deb/check/1-first).

. "$(dirname "$0")/../lib.sh"

suite=trixie
# acpi-call-dkms: a small module that DKMS builds on the host, with gcc, for each kernel whose headers are installed.
packages=(linux-image-amd64 linux-headers-amd64 grub-efi-amd64 initramfs-tools zstd systemd-sysv udev dbus kmod procps
	python3 gcc acpi-call-dkms)
# Of the kernel, as in boot.sh.
options='console=ttyS1 panic=-1 log_buf_len=4M no_timer_check tsc=nowatchdog'
root_id=5e5e5e5e-0000-4000-8000-000000000001
esp_id=5E5E-0001
# In units of 1 MiB: the table, the EFI system partition, the root file system, the copy of the table.
esp_size=64 root_size=3072

hash=$(cd "$rig/deb" && hash_of disk.sh disk)
image=$cache/debian/host-$hash.img

case ${1-} in
--path)
	echo "$image"
	exit
	;;
'') ;;
*) die "usage: rig/deb/disk.sh [--path]" ;;
esac
[ ! -f "$image" ] || exit 0

uri=$(mirror)
[ -n "$uri" ] || die "no Debian mirror: 'apt-get indextargets' lists no archive labelled Debian"
need mmdebstrap e2fsprogs dosfstools mtools fdisk debian-archive-keyring
room_for 8
exclusive debian-host
[ ! -f "$image" ] || exit 0

root=$cache/debian/host-root
mkdir -p "$cache/debian"
[ ! -e "$root" ] || as_root "remove an unfinished Debian system" deb-disk-clean rm -rf "$root"

hooks=()
hook() {
	hooks+=(--customize-hook="$*")
}
hook "cp -r --no-preserve=ownership $(printf %q "$rig/deb/disk")/. \"\$1\""
hook "sed -i 's/@ROOT@/$root_id/; s/@OPTIONS@/$options/' \"\$1/boot/grub/grub.cfg\" \"\$1/etc/default/grub.d/rig.cfg\""
hook "printf '%s\n' 'UUID=$root_id / ext4 errors=remount-ro 0 1' 'UUID=$esp_id /boot/efi vfat umask=0077 0 1' >\"\$1/etc/fstab\""
hook "echo host >\"\$1/etc/hostname\"; mkdir -p \"\$1/boot/efi\""
# GRUB as it is on removable media: it finds the root file system by its UUID.
hook "printf '%s\n' 'search.fs_uuid $root_id root' 'set prefix=(\$root)/boot/grub' >\"\$1/boot/early.cfg\""
hook "chroot \"\$1\" grub-mkimage -O x86_64-efi -o /boot/BOOTX64.EFI -p /boot/grub -c /boot/early.cfg \
	part_gpt ext2 search search_fs_uuid normal configfile linux boot echo"

as_root "make a Debian system with GRUB ($suite; some minutes)" deb-disk \
	unshare --mount mmdebstrap --mode=root --variant=minbase --include="${packages[*]}" "${hooks[@]}" "$suite" "$root" \
	"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main"

# parts: the file systems are made of folders and copied to their places, which takes no loop devices.
parts() {
	local tmp=$image.parts
	mkdir -p "$tmp"
	truncate -s "${esp_size}M" "$tmp/esp"
	mkfs.vfat -i "${esp_id/-/}" "$tmp/esp"
	mmd -i "$tmp/esp" ::/EFI ::/EFI/BOOT
	mcopy -i "$tmp/esp" "$root/boot/BOOTX64.EFI" ::/EFI/BOOT/BOOTX64.EFI
	rm "$root/boot/BOOTX64.EFI" "$root/boot/early.cfg"
	truncate -s "${root_size}M" "$tmp/root"
	mke2fs -q -F -t ext4 -U "$root_id" -d "$root" "$tmp/root"
	truncate -s "$((esp_size + root_size + 2))M" "$image.tmp"
	sfdisk -q "$image.tmp" <<-END
		label: gpt
		start=1MiB, size=${esp_size}MiB, type=uefi
		size=${root_size}MiB, type=linux
	END
	dd if="$tmp/esp" of="$image.tmp" bs=1M seek=1 conv=notrunc,sparse
	dd if="$tmp/root" of="$image.tmp" bs=1M seek="$((esp_size + 1))" conv=notrunc,sparse
	rm -r "$tmp" "$root"
}
export PATH=$PATH:/sbin:/usr/sbin
export -f parts
export image root esp_id esp_size root_id root_size
as_root "write the disk image" deb-disk-image bash -ec parts
sync "$image.tmp"
mv "$image.tmp" "$image"
