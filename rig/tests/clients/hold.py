#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Create an SEV VM and hold it without a descriptor of the VM in /proc/PID/fd.

    hold.py mapping     a mapped vCPU; its descriptors are closed
    hold.py memory      a guest_memfd; all other descriptors are closed
    hold.py ring        a descriptor registered with io_uring, and closed
    hold.py socket      a descriptor sent over a unix socket, closed, not received
    hold.py thread      a descriptor, in a process whose main thread has ended
"""

import ctypes
import fcntl
import mmap
import os
import signal
import socket
import struct
import sys
import threading

KVM_CREATE_VM = 0xae01
KVM_GET_VCPU_MMAP_SIZE = 0xae04
KVM_CREATE_VCPU = 0xae41
KVM_MEMORY_ENCRYPT_OP = 0xc008aeba
KVM_CREATE_GUEST_MEMFD = 0xc040aed4
KVM_SEV_INIT = 0
SYS_EXIT = 60
SYS_IO_URING_SETUP = 425
SYS_IO_URING_REGISTER = 427
IORING_REGISTER_FILES = 2

libc = ctypes.CDLL(None, use_errno=True)


def syscall(*args):
    ret = libc.syscall(*args)
    if ret < 0:
        raise OSError(ctypes.get_errno(), 'system call %d' % args[0])
    return ret


def sev_vm(kvm):
    vm = fcntl.ioctl(kvm, KVM_CREATE_VM, 0)
    # struct kvm_sev_cmd
    command = bytearray(struct.pack('=IIQII', KVM_SEV_INIT, 0, 0, 0, 0))
    fcntl.ioctl(vm, KVM_MEMORY_ENCRYPT_OP, command)
    return vm


def mapping(kvm, vm):
    size = fcntl.ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE)
    vcpu = fcntl.ioctl(vm, KVM_CREATE_VCPU, 0)
    run = mmap.mmap(vcpu, size, trackfd=False)
    os.close(vcpu)
    os.close(vm)
    return run


def memory(kvm, vm):
    # struct kvm_create_guest_memfd
    wanted = bytearray(struct.pack('=8Q', mmap.PAGESIZE, *[0] * 7))
    memfd = fcntl.ioctl(vm, KVM_CREATE_GUEST_MEMFD, wanted)
    os.close(vm)
    return memfd


def ring(kvm, vm):
    # struct io_uring_params
    params = ctypes.create_string_buffer(120)
    uring = syscall(SYS_IO_URING_SETUP, 1, params)
    syscall(SYS_IO_URING_REGISTER, uring, IORING_REGISTER_FILES,
            (ctypes.c_int * 1)(vm), 1)
    os.close(vm)
    return uring


def in_flight(kvm, vm):
    sender, receiver = socket.socketpair()
    socket.send_fds(sender, [b'vm'], [vm])
    os.close(vm)
    return sender, receiver


def thread(kvm, vm):
    threading.Thread(target=signal.pause).start()
    print('holding', flush=True)
    syscall(SYS_EXIT, 0)


HOW = {'mapping': mapping, 'memory': memory, 'ring': ring,
       'socket': in_flight, 'thread': thread}


def main():
    kvm = os.open('/dev/kvm', os.O_RDWR | os.O_CLOEXEC)
    held = HOW[sys.argv[1]](kvm, sev_vm(kvm))
    print('holding', flush=True)
    signal.pause()
    return held


if __name__ == '__main__':
    main()
