#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0

r"""Check whether this host can start an encrypted VM in a cgroup.

Says which misc controller the kernel has, what the host has of its resources,
what CPU, firmware and modules say of SEV, SEV-ES, SEV-SNP and TDX, which limits
there are from the root cgroup down to the cgroup, and who has VMs.  Then there
is one line for each kind of VM: whether one could be started, and if not, what
stands in the way and what to do about it.

Without --try it changes nothing.  It needs Python's standard library only, and
works with any kernel.  Root sees more than other users: the firmware's state,
and other users' processes.  If a CPU shows no SEV, "modprobe -a cpuid msr" lets
root see whether the CPU has none or the BIOS has switched it off.

--try creates a VM of each kind that --vm names, in the cgroup, and removes it
again.  That is the only sure answer where the limits above the cgroup cannot be
read, as in a container, or where the first VM initializes the firmware.  It
takes an ASID for a moment, and is counted if it is refused.

Exit status:
  0  a VM of one of the kinds could be started
  1  none could: the lines say why
  2  wrong arguments, or no such cgroup
  3  nothing stands in the way of what can be seen, but not all can be seen
"""

import argparse
import errno
import fcntl
import json
import os
import re
import shlex
import signal
import struct
import sys

KINDS = {'sev': 'SEV', 'sev_es': 'SEV-ES', 'sev_snp': 'SEV-SNP', 'tdx': 'TDX'}
# What KVM charges for a VM of a kind.
RESOURCE = {'sev': 'sev', 'sev_es': 'sev_es', 'sev_snp': 'sev_es', 'tdx': 'tdx'}
GONE = (errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.ENOTDIR)
# States of the firmware, in its answer to PLATFORM_STATUS.
STATES = ('not initialized', 'initialized', 'working')

CPUID_ENCRYPTION = 0x8000001f
CPUID_BITS = {'sev': 1, 'sev_es': 3, 'sev_snp': 4}
MSR_SYSCFG, SYSCFG_ENCRYPT = 0xc0010010, 1 << 23
MSR_HWCR, HWCR_SMMLOCK = 0xc0010015, 1
SEV_ISSUE_CMD = 0xc0105300
KVM_CREATE_VM = 0xae01
KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES = 0xae03, 235
KVM_MEMORY_ENCRYPT_OP = 0xc008aeba
VM_TYPES = {'sev': 2, 'sev_es': 3, 'sev_snp': 4}
# The command that gives a VM its ASID.  Before Linux 6.10, VMs had no type, but a command for
# each kind.
KVM_SEV_INIT2, OLDER_INIT = 22, {'sev': 0, 'sev_es': 1}


def quoted(name):
    """A name that somebody else has chosen, as text that bash reads."""
    text = os.fsencode(name).decode(errors='surrogateescape')
    if text.isprintable() and ' ' not in text and not text.startswith('$'):
        return text
    return "$'%s'" % ''.join(
        '\\' + c if c in "\\'" else c if c.isprintable() and c != ' ' else
        ''.join('\\x%02x' % b for b in c.encode(errors='surrogateescape'))
        for c in text)


def in_shell(path):
    text = quoted(path)
    return text if text.startswith('$') else shlex.quote(text)


def plural(number, word):
    return '%d %s%s' % (number, word, '' if number == 1 else 's')


def names_and_numbers(values):
    return ', '.join('%s %s' % x for x in values.items()) or 'nothing'


class Host:
    """The host's files; those of a copy below @root, if that is not ''."""

    def __init__(self, root):
        self.root = root.rstrip('/')

    def at(self, path):
        return self.root + path

    def bytes(self, path, size=1 << 20, offset=None):
        """Of a file's start, or at an offset; None if it cannot be read."""
        try:
            fd = os.open(self.at(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            if offset is not None:
                return os.pread(fd, size, offset)
            data = b''
            while len(data) < size:
                more = os.read(fd, size - len(data))
                if not more:
                    break
                data += more
            return data
        except OSError:
            return None
        finally:
            os.close(fd)

    def text(self, path):
        data = self.bytes(path)
        return None if data is None else os.fsdecode(data.strip(b'\n'))

    def words(self, path):
        return (self.text(path) or '').split()

    def list(self, path):
        try:
            return sorted(os.listdir(self.at(path)))
        except OSError:
            return []

    def exists(self, path):
        return os.path.lexists(self.at(path))

    def values(self, path):
        """The lines "name value" of a cgroup's file; None if it cannot be read."""
        text = self.text(path)
        if text is None:
            return None
        try:
            return {name: 'max' if value == 'max' else int(value)
                    for name, value in map(str.split, text.splitlines())}
        except ValueError:
            return None


def unescaped(field):
    """Of mountinfo, which writes a blank as \\040."""
    return os.fsdecode(re.sub(
        rb'\\(\d{3})', lambda m: bytes([int(m[1], 8)]), os.fsencode(field)))


class Hierarchy:
    """Where the cgroups with the misc controller are mounted."""

    def __init__(self, host, folder):
        self.host = host
        # Of the hierarchy, and the cgroup in it; None if it is not mounted here.
        self.version = self.mount = self.folder = None
        # Whether the topmost cgroup that can be seen is the root: not in a cgroup
        # namespace, or where a part is mounted.
        self.from_root = False
        self.options = ''       # of cgroup2
        self.outside = None     # a folder that is not in the hierarchy
        mounts = {1: {}, 2: {}}
        # The last mount at the same place hides the others.
        for line in (host.text('/proc/self/mountinfo') or '').splitlines():
            fields, _, kind = line.partition(' - ')
            fields, kind = fields.split(), kind.split()
            root, mount = map(unescaped, fields[3:5])
            if kind[0] == 'cgroup2':
                mounts[2][mount] = root
                self.options = kind[-1]
            elif kind[0] == 'cgroup' and 'misc' in kind[-1].split(','):
                mounts[1][mount] = root
        own = {}
        for line in (host.text('/proc/self/cgroup') or '').splitlines():
            number, controllers, path = line.split(':', 2)
            if 'misc' in controllers.split(','):
                own[1] = path
            elif number == '0':
                own[2] = path
        self.on_v1 = bool(mounts[1]) or 1 in own
        if self.on_v1 and not mounts[1]:
            return
        version = 1 if self.on_v1 else 2
        mounts = mounts[version]
        if folder is None:
            # Of its own, one below a mount that shows it.
            for mount, root in mounts.items():
                rest = os.path.relpath(own.get(version, '/..'), root)
                if not (rest + '/').startswith('../'):
                    self.mount, folder = mount, os.path.normpath(os.path.join(mount, rest))
            if folder is None:
                return
        else:
            # With a copy, "/sys/fs/cgroup/a" is a folder of the copy.
            # normpath() keeps two slashes at the start.
            folder = os.path.normpath(folder if host.root else os.path.realpath(folder))
            folder = '/' + folder.lstrip('/')
            inside = [m for m in mounts if os.path.commonpath([m, folder]) == m]
            if not inside:
                self.outside = folder
                return
            self.mount = max(inside, key=len)
        self.version = version
        self.folder = folder
        self.from_root = (not host.exists(self.mount + '/misc.max') if version == 1
                          else not host.exists(self.mount + '/cgroup.type'))

    def path(self, folder):
        rest = os.path.relpath(folder, self.mount)
        return '/' if rest == '.' else '/' + rest

    def levels(self):
        """The folders from the topmost one that can be seen to the cgroup."""
        folder, found = self.folder, []
        while True:
            found.insert(0, folder)
            if folder == self.mount:
                return found
            folder = os.path.dirname(folder)


def level_of(host, hierarchy, folder):
    """What one cgroup says of the controller."""
    current = host.values(folder + '/misc.current')
    capacity = host.values(folder + '/misc.capacity')
    # The root cgroup of older kernels, such as 6.1, has no misc.current.
    at_least = current is None and capacity is not None
    if at_least:
        current = {}
        for name in host.list(folder):
            for key, value in (host.values('%s/%s/misc.current' % (folder, name)) or {}).items():
                current[key] = current.get(key, 0) + value
    return {
        'cgroup': hierarchy.path(folder),
        'misc': current is not None,
        'current': current or {},
        # Whether it is only that of the children: its own processes may have more.
        'at_least': at_least,
        'max': host.values(folder + '/misc.max'),
        'effective': host.values(folder + '/misc.max.effective'),
        'capacity': capacity,
        'can_enable': 'misc' in host.words(folder + '/cgroup.controllers'),
        'enables': 'misc' in host.words(folder + '/cgroup.subtree_control'),
        'type': host.text(folder + '/cgroup.type'),
    }


def controller_of(host, levels):
    """Which controller this is, and what tells."""
    for level in reversed(levels):
        if level['effective'] is not None:
            return 'new', 'there is misc.max.effective in ' + quoted(level['cgroup'])
    for level in reversed(levels):
        if level['max'] is not None:
            return 'older', 'there is no misc.max.effective beside misc.max in ' + quoted(
                level['cgroup'])
    symbols = host.bytes('/proc/kallsyms', 1 << 26)
    if symbols:
        names = set(re.findall(rb' (misc_cg_[a-z_]+)', symbols))
        if b'misc_cg_res_register' in names:
            return 'new', 'the kernel has misc_cg_res_register()'
        if names & {b'misc_cg_set_capacity', b'misc_cg_try_charge'}:
            return 'older', 'the kernel has misc_cg_set_capacity(), and no misc_cg_res_register()'
    if 'misc' in disabled_controllers(host):
        return 'none', 'the kernel was started with cgroup_disable=misc'
    if (any(level['misc'] or level['can_enable'] for level in levels)
            or re.search('^misc\\b', host.text('/proc/cgroups') or '', re.MULTILINE)):
        return 'unknown', 'a cgroup other than the root with misc enabled would tell'
    return 'none', 'this kernel has no misc controller (CONFIG_CGROUP_MISC)'


def disabled_controllers(host):
    return [name for word in host.words('/proc/cmdline') if word.startswith('cgroup_disable=')
            for name in word.partition('=')[2].split(',')]


def cpu_of(host):
    fields = {}
    for line in (host.text('/proc/cpuinfo') or '').splitlines():
        key, _, value = line.partition(':')
        if not key.strip():
            break
        fields[key.strip()] = value.strip()
    flags = fields.get('flags', '').split()
    cpu = {
        'vendor': fields.get('vendor_id'), 'model': fields.get('model name'),
        'virtual': 'hypervisor' in flags, 'svm': 'svm' in flags,
        'tdx': 'tdx_host_platform' in flags,
        # What the CPU has, and has been allowed; None: not known.
        'cpuid': None, 'memory_encryption': None, 'smm_lock': None,
        'max_asid': None, 'min_sev_asid': None,
    }
    for kind in CPUID_BITS:
        cpu[kind] = kind in flags
    if cpu['vendor'] not in ('AuthenticAMD', 'HygonGenuine'):
        return cpu
    most = host.bytes('/dev/cpu/0/cpuid', 16, 0x80000000)
    if most and len(most) == 16:
        bits = highest = 0
        if struct.unpack('<4I', most)[0] >= CPUID_ENCRYPTION:
            bits, _, highest, lowest = struct.unpack(
                '<4I', host.bytes('/dev/cpu/0/cpuid', 16, CPUID_ENCRYPTION))
            if highest:
                cpu['max_asid'], cpu['min_sev_asid'] = highest, lowest
        cpu['cpuid'] = [k for k, bit in CPUID_BITS.items() if bits >> bit & 1]
    for key, msr, bit in (('memory_encryption', MSR_SYSCFG, SYSCFG_ENCRYPT),
                          ('smm_lock', MSR_HWCR, HWCR_SMMLOCK)):
        value = host.bytes('/dev/cpu/0/msr', 8, msr)
        if value and len(value) == 8:
            cpu[key] = bool(struct.unpack('<Q', value)[0] & bit)
    return cpu


def firmware_of(host):
    """The PSP's, as far as its driver shows it."""
    firmware = {
        # In a container /dev/sev may be missing, although the driver is there.
        'device': host.exists('/sys/class/misc/sev') or host.exists('/dev/sev'),
        'driver': host.exists('/sys/module/ccp'),
        'init_on_probe': switch(host.text('/sys/module/ccp/parameters/psp_init_on_probe')),
        'api': None, 'build': None, 'state': None, 'es': None, 'guests': None,
    }
    try:
        fd = os.open(host.at('/dev/sev'), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return firmware
    try:
        # A query that changes nothing, also before the firmware is initialized.
        status = bytearray(12)
        pointer = buffer_address(status)
        fcntl.ioctl(fd, SEV_ISSUE_CMD, bytearray(struct.pack('<IQI', 1, pointer, 0)))
        major, minor, state, flags, build, guests = struct.unpack('<BBBIBI', status)
        firmware.update(
            api='%d.%d' % (major, minor), build=build, es=bool(flags & 1 << 8), guests=guests,
            state=STATES[state] if state < len(STATES) else 'state %d' % state)
    except OSError:
        pass
    finally:
        os.close(fd)
    return firmware


def buffer_address(data):
    import ctypes
    return ctypes.addressof((ctypes.c_char * len(data)).from_buffer(data))


def switch(text):
    """The value of a module's parameter that is on or off."""
    return {'Y': True, '1': True, 'N': False, '0': False}.get(text)


def switched_off_by(host, module, parameter):
    """Where a module's parameter is set to off."""
    def off(value):
        return value[:1] in ('0', 'n', 'N', 'f', 'F') or value[:2].lower() == 'of'

    names = (module, module.replace('_', '-'))
    for word in host.words('/proc/cmdline'):
        name, _, value = word.partition('=')
        if name in [n + '.' + parameter for n in names] and off(value):
            return "%s on the kernel's command line" % word
    for folder in ('/etc', '/run', '/usr/lib', '/lib'):
        for name in host.list(folder + '/modprobe.d'):
            path = '%s/modprobe.d/%s' % (folder, name)
            for line in (host.text(path) or '').splitlines() if name.endswith('.conf') else ():
                words = line.split()
                if words[:1] == ['options'] and words[1:2] and words[1] in names:
                    for word in words[2:]:
                        if word.startswith(parameter + '=') and off(word.partition('=')[2]):
                            return '%s in %s' % (word, path)
    return None


def kvm_of(host):
    kvm = {'device': None, 'kinds': None, 'loaded': {}, 'parameters': {}}
    for module in ('kvm', 'kvm_amd', 'kvm_intel'):
        folder = '/sys/module/' + module
        kvm['loaded'][module] = host.exists(folder)
        kvm['parameters'][module] = {
            name: switch(host.text('%s/parameters/%s' % (folder, name)))
            for name in host.list(folder + '/parameters')
            if name in ('sev', 'sev_es', 'sev_snp', 'npt', 'nrips', 'lbrv', 'tdx', 'mmio_caching')}
    # How many of the ASIDs of SEV-ES are for SEV-SNP only; 0: they share them.
    # Without SEV-SNP, KVM ignores the parameter.
    kvm['snp_asids'] = 0
    if kvm['parameters']['kvm_amd'].get('sev_snp'):
        kvm['snp_asids'] = int(host.text(
            '/sys/module/kvm_amd/parameters/ciphertext_hiding_asids') or 0)
    try:
        fd = os.open(host.at('/dev/kvm'), os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        kvm['device'] = error.strerror
        return kvm
    try:
        kvm['kinds'] = kinds_of(fd) or None
    except OSError:
        pass
    finally:
        os.close(fd)
    return kvm


def kinds_of(fd):
    """The kinds of SEV that KVM has VMs of; before Linux 6.10 KVM did not say."""
    types = fcntl.ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES)
    return [kind for kind, number in VM_TYPES.items() if types >> number & 1]


def boot_of(host):
    """What matters when another kernel is to be installed."""
    variables = '/sys/firmware/efi/efivars'
    secure_boot = 'SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c'
    variable = host.bytes(variables + '/' + secure_boot)
    # Firmware that cannot do it has no such variable.
    known = variable or secure_boot not in host.list(variables) != []
    boot = {'secure_boot': (variable or b'')[4:] == b'\1' if known else None,
            'efi': host.exists('/sys/firmware/efi'),
            'dkms': [n for n in host.list('/var/lib/dkms')
                     if os.path.isdir(host.at('/var/lib/dkms/' + n))],
            'free_bytes': None}
    try:
        there = os.statvfs(host.at('/boot'))
        boot['free_bytes'] = there.f_bavail * there.f_frsize
    except OSError:
        pass
    return boot


def holders_of(host, hierarchy):
    """The cgroups with usage that none of their children has, and who has VMs."""
    cgroups, unreadable = [], {'cgroups': 0, 'processes': 0}
    left = [hierarchy.mount] if hierarchy.version else []
    while left:
        folder = left.pop()
        current = host.values(folder + '/misc.current')
        if current is None and folder != hierarchy.mount:
            # Nor has any of its children the controller.
            continue
        try:
            with os.scandir(host.at(folder)) as entries:
                children = [os.path.join(folder, e.name) for e in entries
                            if e.is_dir(follow_symlinks=False)]
        except OSError as error:
            unreadable['cgroups'] += error.errno not in GONE
            continue
        own = {k: v for k, v in (current or {}).items() if v}
        for child in children if own else ():
            for name, value in (host.values(child + '/misc.current') or {}).items():
                if name in own:
                    own[name] -= value
        own = {k: v for k, v in own.items() if v > 0}
        if own:
            cgroups.append({'cgroup': hierarchy.path(folder), 'own': own})
        left += children
    processes = []
    for pid in sorted(int(x) for x in host.list('/proc') if x.isdigit()):
        folder = '/proc/%d' % pid
        try:
            vms = 0
            for fd in os.listdir(host.at(folder + '/fd')):
                try:
                    vms += os.readlink(host.at('%s/fd/%s' % (folder, fd))) == 'anon_inode:kvm-vm'
                except FileNotFoundError:
                    pass
            if vms:
                paths = {}
                for line in (host.text(folder + '/cgroup') or '').splitlines():
                    number, controllers, path = line.split(':', 2)
                    paths['misc' if 'misc' in controllers.split(',') else number] = path
                processes.append({
                    'pid': pid, 'command': host.text(folder + '/comm'), 'vms': vms,
                    'cgroup': paths.get('misc', paths.get('0'))})
        except OSError as error:
            unreadable['processes'] += error.errno not in GONE
    return {'cgroups': sorted(cgroups, key=lambda c: c['cgroup']), 'processes': processes,
            'unreadable': unreadable}


def switched_on(kind, facts):
    """Whether the driver says that it has that kind of VM."""
    module = 'kvm_intel' if kind == 'tdx' else 'kvm_amd'
    return facts['kvm']['parameters'][module].get(kind)


def why_not_in_cpu(kind, cpu):
    """Why a kind of SEV is not among the CPU's flags; what to do."""
    name = KINDS[kind]
    if cpu['vendor'] not in ('AuthenticAMD', 'HygonGenuine'):
        return ('the CPU has no %s, only CPUs of AMD have (this is %s)'
                % (name, cpu['vendor'] or 'of an unknown vendor'), 'use a host with AMD EPYC')
    if cpu['cpuid'] is not None and kind not in cpu['cpuid']:
        if cpu['virtual']:
            return ('this is a virtual machine, whose CPU has no ' + name,
                    'start the VMs on the physical host, and run this there')
        return 'the CPU has no ' + name, 'use a host with a newer AMD EPYC'
    if cpu['memory_encryption'] is False:
        return ('the CPU has %s, but the BIOS has not switched memory encryption on' % name,
                'set SMEE (Secure Memory Encryption) to enabled in the BIOS')
    if cpu['smm_lock'] is False and kind == 'sev':
        return ('the CPU has SEV, but the BIOS has not locked SMM, which SEV needs',
                'set SMM lock in the BIOS, or update the BIOS')
    if kind == 'sev_snp' and (cpu['sev'] or cpu['cpuid']) and not cpu['virtual']:
        return ('the kernel has found SEV-SNP unusable, or the BIOS has not switched it on',
                'set SEV-SNP, "SNP memory (RMP table) coverage" and IOMMU to enabled in the BIOS; '
                'start Linux 6.11 or later with neither iommu=off nor iommu=pt; '
                'see dmesg | grep -E "SEV-SNP|RMP|AMD-Vi"')
    if cpu['cpuid'] is not None:
        return ('the CPU has %s, but the BIOS or the kernel has switched it off' % name,
                'enable %s in the BIOS; see dmesg | grep -i sev' % name)
    if cpu['virtual']:
        return ('this is a virtual machine, whose CPU shows no ' + name,
                'start the VMs on the physical host, and run this there')
    return ('the CPU does not show %s: it has none, or the BIOS has not switched it on' % name,
            'modprobe -a cpuid msr, and run this again as root, to see which')


def why_not_in_kvm(host, kind, facts):
    """Why kvm_amd has a kind of SEV switched off; what to do."""
    name, cpu, kvm = KINDS[kind], facts['cpu'], facts['kvm']
    parameters = kvm['parameters']['kvm_amd']
    again = ', then, while no VM runs: modprobe -r kvm_amd && modprobe kvm_amd'
    by = switched_off_by(host, 'kvm_amd', kind)
    if by:
        return '%s is switched off by %s' % (name, by), 'remove that' + again
    for needed in ('npt', 'nrips'):
        if parameters.get(needed) is False:
            return ('%s needs %s, and kvm_amd has it off' % (name, needed),
                    'remove the parameter %s of kvm_amd' % needed + again)
    if not cpu[kind]:
        return why_not_in_cpu(kind, cpu)
    if kind != 'sev' and parameters.get('sev') is False:
        return why_not_in_kvm(host, 'sev', facts)
    if kind != 'sev' and kvm['parameters']['kvm'].get('mmio_caching') is False:
        by = switched_off_by(host, 'kvm', 'mmio_caching')
        return ('%s needs the parameter mmio_caching of kvm, which is off' % name,
                'remove %s, then, while no VM runs: modprobe -r kvm_amd kvm && modprobe kvm_amd'
                % by if by else 'use another host: KVM has switched it off for this CPU')
    if kind != 'sev' and parameters.get('lbrv') is False:
        return '%s needs lbrv, and kvm_amd has it off' % name, 'remove it' + again
    if kind != 'sev' and cpu['min_sev_asid'] == 1:
        return no_asids(kind)
    if not facts['firmware']['device']:
        return ('no firmware of the PSP with SEV was found',
                'load ccp, the driver (CONFIG_CRYPTO_DEV_SP_PSP); see dmesg | grep ccp; '
                'update the BIOS')
    return ('kvm_amd has switched %s off, which it does if the firmware fails' % name,
            'see dmesg | grep -Ei "ccp|sev"; update the firmware (amd_sev_*.sbin in '
            '/lib/firmware/amd)')


def no_asids(kind):
    if kind == 'sev':
        return ('all ASIDs are for SEV-ES and SEV-SNP',
                'lower "SEV-ES ASID space limit" in the BIOS')
    return ('no ASIDs are for SEV-ES and SEV-SNP',
            'raise "SEV-ES ASID space limit" in the BIOS')


def sev_es_asids(facts):
    """How many ASIDs SEV-ES and SEV-SNP have together; None if that is not known."""
    if facts['cpu']['min_sev_asid']:
        return facts['cpu']['min_sev_asid'] - 1
    return (facts['capacity'] or {}).get('sev_es')


def why_not_on_host(host, kind, facts):
    """What the host lacks for a kind of VM, as pairs of what and what to do."""
    cpu, kvm = facts['cpu'], facts['kvm']
    module = 'kvm_intel' if kind == 'tdx' else 'kvm_amd'
    parameters = kvm['parameters'][module]
    if switched_on(kind, facts):
        if kind == 'sev_es' and kvm['snp_asids'] and kvm['snp_asids'] == sev_es_asids(facts):
            yield ('all ASIDs that SEV-ES could have are for SEV-SNP',
                   'load kvm_amd with a lower ciphertext_hiding_asids than %d' % kvm['snp_asids'])
        elif kind == 'sev_es' and kvm['kinds'] and kind not in kvm['kinds']:
            yield ('KVM does not support SEV-ES VMs here, probably because the firmware does not '
                   'together with SEV-SNP',
                   'start SEV-SNP VMs instead, or boot with sev=nosnp')
        if kvm['device']:
            yield ('/dev/kvm: ' + kvm['device'],
                   'run this as a user who may open it (group kvm), '
                   'and in a container, give it the device')
        return
    if kind == 'tdx' and cpu['vendor'] != 'GenuineIntel':
        yield 'the CPU has no TDX, only CPUs of Intel have', 'use a host with a newer Intel Xeon'
        return
    if kvm['loaded'][module]:
        if kind in parameters:
            if kind == 'tdx':
                yield ('kvm_intel has TDX off',
                       'enable TDX in the BIOS, and load kvm_intel with tdx=1; see dmesg | grep -i '
                       'tdx')
            else:
                yield why_not_in_kvm(host, kind, facts)
        elif kind == 'tdx':
            yield 'this kernel has no TDX for hosts', 'use one with CONFIG_KVM_INTEL_TDX=y'
        elif kind == 'sev_snp' and 'sev' in parameters:
            yield 'this kernel has no SEV-SNP for hosts', 'use Linux 6.11 or later'
        else:
            yield 'this kernel has no SEV', 'use one with CONFIG_KVM_AMD_SEV=y'
        return
    if kind != 'tdx' and not cpu[kind]:
        yield why_not_in_cpu(kind, cpu)
        return
    if kind != 'tdx' and not cpu['svm']:
        yield 'the BIOS has switched virtualization off', 'enable SVM (AMD-V) in the BIOS'
        return
    yield module + ' is not loaded', 'modprobe ' + module


def why_not_in_cgroup(host, kind, facts, levels, hierarchy):
    """What the limits allow: how many VMs are left, the cgroup that decides that, problems, and
    what is not known.  The first two are None if nothing limits, or if that is not known."""
    name, problems, unknown = RESOURCE[kind], [], []
    if facts['controller']['kind'] == 'none':
        # Then nobody counts.
        return None, None, [], ['how many ASIDs are in use: there is no misc controller']
    if not levels:
        return None, None, [], [hierarchy_problem(hierarchy)]
    capacity = facts['capacity']
    if capacity is not None and not capacity.get(name) and switched_on(kind, facts):
        problems.append(no_asids(kind) if kind != 'tdx' else ('TDX has no keys', 'see dmesg'))
    left, where = None, None
    for level in levels:
        used = level['current'].get(name, 0)
        most = (level['max'] or {}).get(name, 'max')
        if level is levels[0] and hierarchy.from_root:
            most = (capacity or {}).get(name, 'max')
        if most == 'max':
            continue
        if left is None or max(0, most - used) < left:
            left, where = max(0, most - used), level
    if left == 0:
        folder = hierarchy.mount + where['cgroup'].rstrip('/')
        used = where['current'].get(name, 0)
        if where is levels[0] and hierarchy.from_root:
            problems.append((
                'all %d of the host are in use' % used,
                'wait for VMs to end, or end some: see "has VMs"'))
        else:
            path = folder + '/misc.max'
            remedy = 'echo %s %d > %s' % (name, used + 1, in_shell(path))
            if where is levels[0]:
                remedy = 'have it raised, from outside of this container or mount'
            elif not host.root and not os.access(path, os.W_OK):
                remedy = 'as somebody who may: ' + remedy
            problems.append(('the limit of %s is %d, and %d in use' % (
                quoted(where['cgroup']), where['max'][name], used), remedy))
    last = levels[-1]
    if (last['type'] or '').endswith('invalid'):
        problems.append(('%s takes no processes: its type is "%s"' % (
            quoted(last['cgroup']), last['type']), 'use another cgroup'))
    if not hierarchy.from_root:
        unknown.append('the limits and the usage above %s, which cannot be read from here'
                       % quoted(levels[0]['cgroup']))
    elif capacity is None and not problems:
        unknown.append('the capacity: misc.capacity of the root cgroup cannot be read')
    elif levels[0]['at_least']:
        unknown.append('what the processes in the root cgroup itself use: it has no '
                       'misc.current on this kernel')
    return left, where, problems, unknown


def hierarchy_problem(hierarchy):
    if hierarchy.on_v1:
        return ('limits and usage: the misc controller is on a v1 hierarchy, '
                'which is not mounted here')
    return 'limits and usage: the cgroup is in no mounted hierarchy'


MOVING = 'moving a process into the cgroup'


def try_it(host, kind, hierarchy, given):
    """Create a VM of a kind, in the cgroup if one is given.  None, or why it failed."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        said = b''
        try:
            step = MOVING
            if given:
                with open(host.at(hierarchy.folder + '/cgroup.procs'), 'w') as f:
                    f.write('0')
            step = 'opening /dev/kvm'
            kvm = os.open(host.at('/dev/kvm'), os.O_RDWR | os.O_CLOEXEC)
            step = 'creating a VM'
            typed = kind not in OLDER_INIT or kinds_of(kvm)
            vm = fcntl.ioctl(kvm, KVM_CREATE_VM, VM_TYPES[kind] if typed else 0)
            step = 'making it a %s VM' % KINDS[kind]
            init = bytearray(48)
            argument = bytearray(struct.pack(
                '<IxxxxQIi', KVM_SEV_INIT2 if typed else OLDER_INIT[kind],
                buffer_address(init) if typed else 0, 0, -1))
            fcntl.ioctl(vm, KVM_MEMORY_ENCRYPT_OP, argument)
        except OSError as error:
            said = ('%s failed: %s' % (step, error.strerror)).encode()
        except BaseException as error:
            said = repr(error).encode()
        os.write(writer, said)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, 'rb') as f:
        said = f.read().decode()
    os.waitpid(child, 0)
    return said or None


def verdict_of(host, kind, facts, levels, hierarchy, args):
    """Whether a VM could be started: True, False, or None if that is not known."""
    problems = list(why_not_on_host(host, kind, facts))
    left, where, more, unknown = why_not_in_cgroup(host, kind, facts, levels, hierarchy)
    problems += more
    firmware = facts['firmware']
    if kind != 'tdx' and not problems and firmware['state'] in (None, STATES[0]) and (
            firmware['init_on_probe'] is False or firmware['state']):
        unknown.append('whether the firmware works: the first VM initializes it')
    verdict = {
        'resource': RESOURCE[kind], 'left': left,
        'tried': None, 'possible': False if problems else None if unknown else True,
        'problems': [{'problem': p, 'remedy': r} for p, r in problems],
        'unknown': unknown, 'where': where and where['cgroup'],
    }
    if args.tried:
        failure = try_it(host, kind, hierarchy, args.cgroup)
        verdict['tried'] = failure or 'created'
        verdict['possible'] = failure is None
        if failure is None:
            verdict['problems'] = verdict['unknown'] = []
        elif not problems:
            verdict['problems'] = [{'problem': failure, 'remedy': remedy_of(failure)}]
    return verdict


def remedy_of(failure):
    step, _, error = failure.partition(' failed: ')
    if step == MOVING:
        return ('controllers are enabled for its children: name one of them'
                if error == os.strerror(errno.EBUSY) else
                'run this as a user who may write its cgroup.procs')
    return {
        os.strerror(errno.EBUSY): 'a limit above this cgroup, or the capacity, has refused it: '
                                  'see dmesg | grep "cgroup: misc:"',
        os.strerror(errno.EIO): 'the firmware fails: see dmesg | grep -Ei "ccp|sev"',
    }.get(error, 'see dmesg')


def notes_of(host, facts, levels, hierarchy):
    """What does not keep a VM from starting, but is good to know."""
    notes = []
    if facts['controller']['kind'] == 'none':
        return ['VMs can have no limits: ' + facts['controller']['by']]
    snp, together = facts['kvm']['snp_asids'], sev_es_asids(facts)
    if snp:
        notes.append('of the ASIDs that are counted as sev_es, SEV-SNP has %d, and SEV-ES %s: '
                     'VMs of one kind can be refused while ASIDs for the other are left' % (
                         snp, 'the others' if together is None else together - snp))
    if hierarchy.on_v1:
        notes.append('misc is on cgroup v1: limits of v2 cgroups do not exist, and no VM counts '
                     'for them')
    if not levels:
        return notes
    last = levels[-1]
    if not last['misc'] and hierarchy.version == 2:
        with_misc = [x for x in levels if x['misc']]
        text = 'misc is not enabled in %s: it can have no limit of its own' % quoted(
            last['cgroup'])
        if with_misc:
            text += ', its VMs count for ' + quoted(with_misc[-1]['cgroup'])
        missing = [x for x in levels[:-1] if not x['enables']]
        if levels[0]['can_enable']:
            text += '; to enable it: ' + ' && '.join(
                'echo +misc > ' + in_shell(
                    hierarchy.mount + x['cgroup'].rstrip('/') + '/cgroup.subtree_control')
                for x in missing)
        else:
            text += ('; it would have to be enabled from outside' if not hierarchy.from_root else
                     '; the root cgroup does not have it')
        notes.append(text)
    # The option holds for all mounts of cgroup2.  Only a mount on the host changes it.
    if hierarchy.version == 2 and hierarchy.from_root and 'nsdelegate' not in hierarchy.options:
        notes.append('cgroup2 is mounted without nsdelegate: root in a privileged container can raise '
                     'its limit; to prevent that: mount -o remount,%s,nsdelegate %s' % (
                         hierarchy.options, in_shell(hierarchy.mount)))
    if hierarchy.version == 2 and last['type'] == 'domain' and host.words(
            hierarchy.folder + '/cgroup.subtree_control'):
        notes.append('%s has controllers enabled for its children: processes go into one of them'
                     % quoted(last['cgroup']))
    return notes


def facts_of(host, folder):
    hierarchy = Hierarchy(host, folder)
    levels = []
    if hierarchy.version:
        levels = [level_of(host, hierarchy, x) for x in hierarchy.levels()]
    kind, by = controller_of(host, levels)
    capacity = next((x['capacity'] for x in reversed(levels) if x['capacity'] is not None), None)
    facts = {
        'kernel': host.text('/proc/sys/kernel/osrelease'),
        'controller': {'kind': kind, 'by': by},
        'hierarchy': {
            'version': hierarchy.version or (1 if hierarchy.on_v1 else None),
            'mount': hierarchy.mount,
            'from_root': hierarchy.from_root if hierarchy.version else None},
        'capacity': capacity, 'cpu': cpu_of(host), 'firmware': firmware_of(host),
        'kvm': kvm_of(host), 'boot': boot_of(host),
        'levels': levels, 'holders': holders_of(host, hierarchy),
    }
    facts['notes'] = notes_of(host, facts, levels, hierarchy)
    return facts, levels, hierarchy


def on_off(value):
    return '?' if value is None else 'on' if value else 'off'


def lines_of(facts, levels, hierarchy, verdicts):
    def line(what, text):
        return '%-11s %s' % (what, text)

    cpu, firmware, kvm = facts['cpu'], facts['firmware'], facts['kvm']
    controller = facts['controller']
    yield line('kernel', facts['kernel'] or '?')
    yield line('controller', {
        'new': 'misc, the new one: ', 'older': 'misc, the older one: ', 'none': 'none: ',
        'unknown': 'misc, not known which: '}[controller['kind']] + controller['by'])
    if hierarchy.version:
        yield line('hierarchy', 'v%d, at %s%s' % (
            hierarchy.version, quoted(hierarchy.mount),
            '' if hierarchy.from_root else
            ', only a part: a cgroup namespace, or the mount of a part'))
    else:
        yield line('hierarchy', ('v1' if hierarchy.on_v1 else 'none') + ', not mounted here')
    yield line('capacity', 'not known' if facts['capacity'] is None else
               names_and_numbers(facts['capacity']))
    text = '%s: ' % (cpu['model'] or '?')
    if cpu['vendor'] == 'GenuineIntel':
        text += 'no SEV; TDX %s' % ('for hosts' if cpu['tdx'] else 'not shown')
    else:
        text += ', '.join('%s %s' % (KINDS[k], 'on' if cpu[k] else 'not shown')
                          for k in CPUID_BITS)
    if cpu['max_asid']:
        text += '; ASIDs 1 to %d, for SEV from %d on' % (cpu['max_asid'], cpu['min_sev_asid'])
    yield line('CPU', text + ('; in a virtual machine' if cpu['virtual'] else ''))
    text = 'no firmware with SEV found' if not firmware['device'] else 'with SEV'
    if firmware['state']:
        text = 'SEV API %s build %d, %s%s, %s' % (
            firmware['api'], firmware['build'], firmware['state'],
            ' with SEV-ES' if firmware['es'] else '', plural(firmware['guests'], 'guest'))
    elif firmware['device']:
        text += '; only root may ask it more' if os.geteuid() else '; its state cannot be read here'
    yield line('firmware', text + (
        '; it is initialized by the first VM (psp_init_on_probe=0)'
        if firmware['init_on_probe'] is False else ''))
    texts = []
    for module in ('kvm_amd', 'kvm_intel'):
        if kvm['loaded'][module]:
            texts.append('%s: %s' % (module, ', '.join(
                '%s %s' % (name, on_off(value))
                for name, value in kvm['parameters'][module].items()) or 'without SEV'))
    yield line('module', '; '.join(texts) or 'neither kvm_amd nor kvm_intel is loaded')
    if kvm['device']:
        yield line('', '/dev/kvm: ' + kvm['device'])
    boot = facts['boot']
    yield line('boot', '; '.join(filter(None, [
        'no UEFI' if not boot['efi'] else
        'Secure Boot ' + {True: 'on: a kernel must be signed to start', False: 'off',
                          None: 'not known: see mokutil --sb-state'}[boot['secure_boot']],
        boot['free_bytes'] is not None and '%d MB free in /boot' % (boot['free_bytes'] >> 20),
        boot['dkms'] and 'DKMS modules, which need the headers of a new kernel: %s' % ', '.join(
            map(quoted, boot['dkms']))])))
    for level in levels:
        root = level is levels[0] and hierarchy.from_root
        names = list(level['current'])
        names += [n for n in level['max'] or {} if n not in names and level['max'][n] != 'max']
        limits = (facts['capacity'] if root else level['max']) or {}
        text = ', '.join('%s %s%d of %s' % (
            n, 'at least ' if level['at_least'] else '', level['current'].get(n, 0),
            limits.get(n, '?')) for n in names)
        yield line('cgroup', '%s: %s' % (quoted(level['cgroup']), (
            text or 'no resource') if level['misc'] else 'misc is not enabled'))
    for cgroup in facts['holders']['cgroups']:
        yield line('has VMs', '%s: %s' % (
            quoted(cgroup['cgroup']), names_and_numbers(cgroup['own'])))
    for process in facts['holders']['processes']:
        yield line('', 'PID %d, %s, in %s: %s, encrypted or not' % (
            process['pid'], quoted(process['command'] or '?'), quoted(process['cgroup'] or '?'),
            plural(process['vms'], 'VM')))
    for what, number in facts['holders']['unreadable'].items():
        if number:
            yield line('', '%d of the %s could not be read, and may have VMs%s' % (
                number, what, ': run this as root' if os.geteuid() else ''))
    for note in facts['notes']:
        yield line('note', note)
    yield ''
    for kind, verdict in verdicts.items():
        if verdict['possible']:
            text = 'a VM could be started'
            if verdict['tried']:
                text = 'a VM was created'
            elif verdict['where'] is not None:
                text += ': %d left, by the numbers of %s' % (
                    verdict['left'], quoted(verdict['where']))
        elif verdict['possible'] is None:
            text = 'not known: ' + '; '.join(verdict['unknown'])
        else:
            text = 'no VM: ' + verdict['problems'][0]['problem']
        yield line(KINDS[kind], text)
        if verdict['possible'] is None:
            yield line('', 'try it: %s --try --vm %s' % (os.path.basename(sys.argv[0]), kind))
        for i, problem in enumerate(verdict['problems']):
            if i:
                yield line('', 'and: ' + problem['problem'])
            yield line('', '-> ' + problem['remedy'])
        if verdict['tried'] not in (None, 'created', (verdict['problems'] or [{}])[0].get('problem')):
            yield line('', 'tried: ' + verdict['tried'])


def readable(value):
    if isinstance(value, dict):
        return {k: quoted(v) if k in ('cgroup', 'command', 'mount', 'where') and v is not None
                else readable(v) for k, v in value.items()}
    return [readable(v) for v in value] if isinstance(value, list) else value


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cgroup', nargs='?', help='folder of the cgroup, for example '
                        '/sys/fs/cgroup/tenant (default: the one this runs in)')
    parser.add_argument('--vm', action='append', choices=list(KINDS), metavar='KIND',
                        help='ask for this kind only: %s; can be repeated' % ', '.join(KINDS))
    parser.add_argument('--try', action='store_true', dest='tried',
                        help='create a VM of the kinds of --vm, and remove it again')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    parser.add_argument('--root', metavar='FOLDER',
                        help='examine the copy of a host\'s /proc, /sys, ... in FOLDER')
    args = parser.parse_args()
    if args.tried and (not args.vm or 'tdx' in args.vm):
        parser.error('--try needs --vm with sev, sev_es or sev_snp')
    if args.tried and args.root:
        parser.error('--try is not for a copy')
    # As of any program in a pipe.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.stdout.reconfigure(encoding='utf-8')

    if args.root is not None and not os.path.isdir(args.root):
        parser.error('--root %s: no such folder' % quoted(args.root))
    if args.cgroup == '':
        parser.error('the name of the cgroup is empty')
    host = Host(args.root or '')
    if args.cgroup and not os.path.isdir(
            host.at(os.path.join('/', args.cgroup)) if args.root else args.cgroup):
        parser.error('%s: no such cgroup' % quoted(args.cgroup))
    facts, levels, hierarchy = facts_of(host, args.cgroup)
    if hierarchy.outside:
        parser.error('%s: not a cgroup of %s' % (
            quoted(hierarchy.outside), 'the v1 hierarchy that has misc' if hierarchy.on_v1 else
            'a v2 hierarchy'))
    kinds = args.vm or list(KINDS)
    verdicts = {kind: verdict_of(host, kind, facts, levels, hierarchy, args)
                for kind in kinds}
    if args.json:
        facts['vms'] = verdicts
        text = json.dumps(readable(facts))
    else:
        other = 'tdx' if facts['cpu']['vendor'] != 'GenuineIntel' else 'sev'
        shown = {k: v for k, v in verdicts.items() if args.vm or not k.startswith(other)}
        text = '\n'.join(lines_of(facts, levels, hierarchy, shown))
    try:
        print(text, flush=True)
    except OSError as error:
        # Python tries to write the rest when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        parser.error('standard output: ' + error.strerror)
    found = [v['possible'] for v in verdicts.values()]
    return 0 if True in found else 3 if None in found else 1


if __name__ == '__main__':
    sys.exit(main())
