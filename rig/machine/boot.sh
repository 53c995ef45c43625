#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Boots the test machine: an emulated SEV host (see machine/qemu) under TCG.
#
#   rig/machine/boot.sh [options] KERNEL_FOLDER INITRD
#
#   KERNEL_FOLDER     contains bzImage and modules.cpio, from kernel/build.sh; the logs go to KERNEL_FOLDER/NAME
#   INITRD            the initramfs; from initrd.sh if a script, a command or a prompt is to run
#   --run "SCRIPT..." run /rig/SCRIPT in the machine. SCRIPT's output goes to standard output, the kernel's log to a
#                     file, and the exit status is SCRIPT's. Without --run, --command or --shell the console is on
#                     standard output.
#   --command COMMAND run a shell command line, like --run
#   --shell           start a prompt on this terminal
#   --limit SECONDS   the time in which the machine must power off (default 600)
#   --name NAME       name of the folder with the logs (default: SCRIPT, "command" or "boot")
#   --append WORDS    added to the kernel's command line
#   --cpu WORDS       CPU properties; they override the defaults
#   --psp WORDS       PSP properties, see qemu/psp.c
#   --disk IMAGE      boot the file system IMAGE (see debian.sh) through OVMF, with the kernel as an EFI stub. INITRD
#                     is then a file system, too, which is mounted on /rig. Neither file is written to.
#   --grub IMAGE      boot the disk IMAGE (see deb/disk.sh) through OVMF and its own boot loader. INITRD is a file system
#                     on a second disk, and KERNEL_FOLDER gets the logs only. The system runs a script as with --run.
#   --keep FILE       store the changes to the disk in FILE; the next boot with FILE has them

. "$(dirname "$0")/../lib.sh"

limit=600 script='' command='' name=boot shell='' psp=amd-psp cpu_more='' append='' disk='' keep='' grub=''
while [ $# -gt 2 ]; do
	case $1 in
	--run) script=$2 name=${2%% *}; shift 2 ;;
	--command) command=$2 script=command name=command; shift 2 ;;
	--limit) limit=$2; shift 2 ;;
	--name) name=$2; shift 2 ;;
	--shell) shell=y; shift ;;
	--append) append=$2; shift 2 ;;
	--disk) disk=$2; shift 2 ;;
	--grub) disk=$2 grub=y script=run name=run; shift 2 ;;
	--keep) keep=$2; shift 2 ;;
	--cpu) cpu_more=$2; shift 2 ;;
	--psp) psp=$psp,$2; shift 2 ;;
	*) die "rig/machine/boot.sh: $1: unknown option" ;;
	esac
done
[ $# = 2 ] || die "usage: rig/machine/boot.sh [options] KERNEL_FOLDER INITRD"
kernel=$1 initrd=$2
[[ $limit =~ ^[1-9][0-9]*$ ]] || die "LIMIT=$limit: not a number of seconds"
[[ -f $initrd && -r $initrd ]] || die "INITRD=$initrd: no such file, or not readable"
[ -n "$grub" ] || [ -f "$kernel/bzImage" ] || die "$kernel/bzImage is missing: build it with rig/kernel/build.sh"

need qemu-system-data seabios cpio
qemu=$("$rig/machine/qemu/build.sh" --path)

dir=$kernel/$name
mkdir -p "$kernel"
# QEMU inherits the lock.
exec {lock}>"$kernel/.$name.lock"
flock -n "$lock" || die "$dir: another machine of this name is running: wait for it, or choose another --name"
rm -rf "$dir"
mkdir -p "$dir"
console=$dir/console.log log=$dir/kernel.log
: >"$console"
: >"$log"
if [ -n "$disk" ]; then
	need ovmf
	boot=(-bios /usr/share/ovmf/OVMF.fd)
	root=file=${disk//,/,,},format=raw,snapshot=on
	if [ -n "$keep" ]; then
		need qemu-utils
		[ -f "$keep" ] || qemu-img create -q -f qcow2 -b "$disk" -F raw "$keep"
		root=file=${keep//,/,,},format=qcow2
	fi
	boot+=(-drive "$root,if=virtio" -drive "file=${initrd//,/,,},if=virtio,format=raw,snapshot=on")
	append="root=/dev/vda rw $append"
	# With snapshot=on, QEMU keeps the changes in a temporary file in TMPDIR.
	export TMPDIR=$dir
else
	# The kernel unpacks three archives: this one, with /lib and /rig/command; INITRD; the modules, without /lib
	# itself. The modules thus go into INITRD's /lib, which may be a link, or if it has none, into this one.
	mkdir "$dir"/{lib,rig}
	printf '#!/bin/sh\n%s\n' "$command" >"$dir/rig/command"
	chmod +x "$dir/rig/command"
	(cd "$dir" && printf '%s\n' lib rig rig/command | cpio --quiet -o -H newc -R 0:0) >"$dir/initrd"
	# shellcheck disable=SC2115 # $dir is never empty
	rm -r "$dir"/{lib,rig}
	cat "$initrd" >>"$dir/initrd"
	truncate -s %4 "$dir/initrd"
	cat "$kernel/modules.cpio" >>"$dir/initrd"
	boot=(-initrd "$dir/initrd")
fi

# ASIDs 6 to 15 are for SEV, 1 to 5 for SEV-ES: so few that tests can use all of them.
cpu=EPYC-Milan,+svm,+npt,+nrip-save,+decodeassists,+flushbyasid,+lbrv,phys-bits=48
# No warnings about features of that CPU model which TCG lacks.
cpu+=,check=off
cpu+=,sev-max-asid=15,sev-min-asid=6
# Linux enables SEV-SNP only where it sees no hypervisor.
cpu+=,sev-snp=on,hypervisor=off${cpu_more:+,$cpu_more}
# shellcheck disable=SC2054 # the commas are QEMU's
args=(-L /usr/share/seabios -L /usr/share/qemu
	-accel tcg,thread=multi -machine q35 -smp 4 -m 3072 -cpu "$cpu"
	-nodefaults -display none -no-reboot -device amd-iommu,intremap=off -device "$psp"
	"${boot[@]}")
[ -n "$grub" ] || args+=(-kernel "$kernel/bzImage")
# log_buf_len: newer kernels drop messages if the buffer is full because the serial console is slow.
# no_timer_check: on a busy host the timer interrupt may come too late for the kernel's check, which panics.
# tsc=nowatchdog: without it 7.3 can hang while it sets up the caches of all CPUs with stop_machine(). The watchdog of
# the TSC waits on CPU 0, with interrupts disabled, for another CPU, which waits for CPU 0. At that time the clock is
# jiffies, which CPU 0 advances: with its interrupts disabled, the watchdog's timeout never expires.
append="panic=-1 log_buf_len=4M no_timer_check tsc=nowatchdog $append"

if [ -n "$shell" ]; then
	echo "Ctrl-A x ends the machine; so does poweroff -f."
	trap 'rm -f "$dir/initrd"' EXIT
	"$qemu" "${args[@]}" -serial mon:stdio -append "console=ttyS0 quiet $append"
	exit
fi

if [ -n "$script" ]; then
	args+=(-serial stdio -serial "file:$log")
	[ -n "$grub" ] || args+=(-append "console=ttyS1 run=\"$script\" $append")
else
	log=$console
	args+=(-serial stdio -append "console=ttyS0 $append")
fi

# failed MESSAGE: prints the log's end, MESSAGE and the path of the log.
failed() {
	tail -n 20 "$log" | tr -d '\r' >&2
	die "$*; see $log"
}

# registers: prints where the CPUs are: the logs may be gone before somebody looks.
registers() {
	# A FIFO that is opened for both reading and writing does not wait for QEMU.
	echo 'info registers -a' 1<>"$dir/monitor.in"
	timeout 5 cat <>"$dir/monitor.out" >"$log.registers" || true
	grep -a '^RIP=' "$log.registers" | tr -d '\r' >&2 || true
}

mkfifo "$dir/stdio" "$dir"/monitor.{in,out}
args+=(-chardev "pipe,id=monitor,path=${dir//,/,,}/monitor" -mon chardev=monitor)
tee "$console" <"$dir/stdio" &
# This timeout ends the machine if this script was killed and cannot.
timeout --kill-after=5 $((limit + 60)) "$qemu" "${args[@]}" </dev/null >"$dir/stdio" 2>"$dir/qemu.log" &
machine=$!
trap 'kill $machine 2>/dev/null || true; rm -f "$dir/initrd" "$dir/stdio" "$dir"/monitor.{in,out}' EXIT
trap 'exit 130' INT TERM
begun=$SECONDS quiet=0 size=0 timed_out=
while kill -0 "$machine" 2>/dev/null; do
	sleep 0.2
	now=$(stat -c %s "$console")
	if [ "$now" != "$size" ]; then
		size=$now quiet=$SECONDS
	elif [ $((SECONDS - quiet)) -ge 60 ]; then
		quiet=$SECONDS
		echo "  $((SECONDS - begun))s of $limit: the machine is running, its kernel's log is $log" >&2
	fi
	if [ $((SECONDS - begun)) -ge "$limit" ]; then
		timed_out=y
		registers
		# The machine may have ended meanwhile.
		kill "$machine" 2>/dev/null || true
		break
	fi
done
rc=0
wait "$machine" || rc=$?
trap 'rm -f "$dir/initrd" "$dir/stdio" "$dir"/monitor.{in,out}' EXIT
wait
as_printed <"$log" >"$dir/log.tmp" && mv "$dir/log.tmp" "$log"

if [ -n "$timed_out" ]; then
	failed "the machine did not power off within $limit s"
elif grep -q 'Kernel panic - not syncing' "$log"; then
	failed "the kernel panicked: $(grep -m 1 -o 'Kernel panic - not syncing.*' "$log")"
elif [ "$rc" != 0 ]; then
	cat "$dir/qemu.log" >&2
	die "QEMU failed (exit status $rc); see $dir/qemu.log"
elif ! grep -qE 'reboot: (Power down|Restarting system)' "$log"; then
	failed "the machine reset itself"
elif [ -n "$script" ]; then
	rc=$(sed -n "s/.*rig: .* ended with status //p" "$log" | tail -n 1)
	[ -n "$rc" ] || failed "the machine stopped before $script ended"
	exit "$rc"
fi
