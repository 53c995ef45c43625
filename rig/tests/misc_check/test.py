#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests tools/cgroup/misc_check.py on copies of a host, each of them changed. The file "recorded" has what the script
"record" has printed on that host.

The last line has the counts. What needs a kernel, for example --try, is tested in the Debian system.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
MISC_CHECK = os.path.join(HERE, '../../../tools/cgroup/misc_check.py')
CGROUP = '/sys/fs/cgroup'

REPORT = '''\
kernel      6.12.117
controller  misc, the new one: there is misc.max.effective in /tenants/b
hierarchy   v2, at /sys/fs/cgroup
capacity    sev 10, sev_es 5
CPU         AMD EPYC-Milan Processor: SEV on, SEV-ES on, SEV-SNP not shown; in a virtual machine
firmware    with SEV; its state cannot be read here
module      kvm_amd: lbrv on, npt on, nrips on, sev on, sev_es on, sev_snp off
boot        no UEFI
cgroup      /: sev 2 of 10, sev_es 0 of 5
cgroup      /tenants: sev 2 of 6, sev_es 0 of max
cgroup      /tenants/b: sev 0 of max, sev_es 0 of max
has VMs     /tenants/a: sev 2
            PID 120, sev-vm, in /tenants/a: 2 VMs, encrypted or not
note        cgroup2 is mounted without nsdelegate: root in a privileged container can raise its limit; to prevent \
that: mount -o remount,rw,nsdelegate /sys/fs/cgroup

SEV         a VM could be started: 4 left, by the numbers of /tenants
SEV-ES      a VM could be started: 5 left, by the numbers of /
SEV-SNP     no VM: this is a virtual machine, whose CPU shows no SEV-SNP
            -> start the VMs on the physical host, and run this there
'''


class MiscCheck(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.top = tmp.name + '/host'
        with open(os.path.join(HERE, 'recorded')) as f:
            next(f)  # its licence
            for line in f:
                path, _, target = line.rstrip('\n').partition(' -> ')
                if target:
                    os.makedirs(os.path.dirname(self.top + path), exist_ok=True)
                    os.symlink(target, self.top + path)
                elif line.endswith('/\n'):
                    os.makedirs(self.top + path, exist_ok=True)
                else:
                    self.write(*line.split(':', 1), how='a')

    def write(self, path, text, how='w'):
        os.makedirs(os.path.dirname(self.top + path), exist_ok=True)
        with open(self.top + path, how) as f:
            f.write(text)

    def replace(self, path, old, new):
        with open(self.top + path) as f:
            text = f.read()
        self.assertIn(old, text)
        self.write(path, text.replace(old, new))

    def remove(self, *paths):
        for path in paths:
            self.assertTrue(os.path.lexists(self.top + path), path)
            subprocess.run(['rm', '-r', self.top + path], check=True)

    def everywhere(self, function):
        for path, _, files in os.walk(self.top + CGROUP):
            function(path[len(self.top):], files)

    def run_it(self, cgroup, *args, status=0, err=''):
        args = [sys.executable, '-B', MISC_CHECK, '--root', self.top, *args]
        if cgroup is not None:
            args.append(CGROUP + cgroup)
        p = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)
        self.assertEqual(p.returncode, status, p.stdout + p.stderr)
        self.assertIn(err, p.stderr)
        self.assertEqual(p.stderr != '', err != '', p.stderr)
        return p.stdout

    def lines(self, *args, **kwargs):
        return self.run_it(*args, **kwargs).splitlines()

    def says(self, line, cgroup, *args, **kwargs):
        self.assertIn(line, self.lines(cgroup, *args, **kwargs))

    def verdict(self, kind, cgroup, *lines, status=1):
        """The lines about a kind of VM, alone and among the others'."""
        label = {'sev': 'SEV', 'sev_es': 'SEV-ES', 'sev_snp': 'SEV-SNP', 'tdx': 'TDX'}[kind]
        lines = ['%-11s %s' % (label if not i else '', x) for i, x in enumerate(lines)]
        out = self.lines(cgroup, '--vm', kind, status=status)
        self.assertEqual(out[out.index('') + 1:], lines)

    def test_report(self):
        out = self.lines('/tenants/b')
        self.assertRegex(out[7], r'^boot        no UEFI(; \d+ MB free in /boot)?$')
        out[7] = 'boot        no UEFI'
        self.assertEqual('\n'.join(out) + '\n', REPORT)

    def test_own_cgroup(self):
        self.write('/proc/self/cgroup', '0::/tenants/b\n')
        self.assertEqual(self.run_it(None), self.run_it('/tenants/b'))

    def test_mounts_in_mounts(self):
        self.write('/proc/self/mountinfo', '25 2 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n'
                   '26 2 0:22 /tenants /sys/fs/cgroup/tenants rw - cgroup2 cgroup rw\n')
        self.says('hierarchy   v2, at /sys/fs/cgroup/tenants, only a part: a cgroup namespace, or the mount of a part',
                  '/tenants/b', status=3)

    def test_mounted_with_nsdelegate(self):
        note = 'note        cgroup2 is mounted without nsdelegate'
        self.assertIn(note, self.run_it('/tenants/b'))
        self.write('/proc/self/mountinfo',
                   '25 2 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup rw,nsdelegate,memory_recursiveprot\n')
        self.assertNotIn(note, self.run_it('/tenants/b'))

    def test_json(self):
        out = json.loads(self.run_it('/tenants/b', '--json'))
        self.assertEqual(out['controller'], {
            'kind': 'new', 'by': 'there is misc.max.effective in /tenants/b'})
        self.assertEqual(out['hierarchy'], {'version': 2, 'mount': CGROUP, 'from_root': True})
        self.assertEqual(out['capacity'], {'sev': 10, 'sev_es': 5})
        self.assertEqual([x['cgroup'] for x in out['levels']], ['/', '/tenants', '/tenants/b'])
        self.assertEqual(out['holders'], {
            'cgroups': [{'cgroup': '/tenants/a', 'own': {'sev': 2}}],
            'processes': [{'pid': 120, 'command': 'sev-vm', 'vms': 2, 'cgroup': '/tenants/a'}],
            'unreadable': {'cgroups': 0, 'processes': 0}})
        self.assertEqual({k: v['possible'] for k, v in out['vms'].items()},
                         {'sev': True, 'sev_es': True, 'sev_snp': False, 'tdx': False})
        self.assertEqual(out['vms']['sev'], {
            'resource': 'sev', 'left': 4, 'where': '/tenants', 'possible': True, 'tried': None,
            'problems': [], 'unknown': []})

    def test_limit_of_the_cgroup(self):
        self.verdict('sev', '/tenants/a', 'no VM: the limit of /tenants/a is 2, and 2 in use',
                     '-> echo sev 3 > /sys/fs/cgroup/tenants/a/misc.max')
        self.verdict('sev_es', '/tenants/a', 'no VM: the limit of /tenants/a is 0, and 0 in use',
                     '-> echo sev_es 1 > /sys/fs/cgroup/tenants/a/misc.max')
        self.run_it('/tenants/a', status=1)

    def test_limit_above(self):
        self.write(CGROUP + '/tenants/misc.max', 'sev 1\nsev_es max\n')
        self.verdict('sev', '/tenants/b', 'no VM: the limit of /tenants is 1, and 2 in use',
                     '-> echo sev 3 > /sys/fs/cgroup/tenants/misc.max')

    def test_one_left(self):
        self.write(CGROUP + '/tenants/misc.max', 'sev 3\nsev_es max\n')
        self.verdict('sev', '/tenants/b', 'a VM could be started: 1 left, by the numbers of /tenants', status=0)

    def test_capacity_exhausted(self):
        self.write(CGROUP + '/misc.current', 'sev 10\nsev_es 0\n')
        self.verdict('sev', '/tenants/b', 'no VM: all 10 of the host are in use',
                     '-> wait for VMs to end, or end some: see "has VMs"')
        self.says('has VMs     /: sev 8', '/tenants/b')

    def test_older_kernel(self):
        def older(path, files):
            for name in {'misc.max.effective', 'misc.capacity'} & set(files):
                if path != CGROUP:
                    self.remove(path + '/' + name)
        self.everywhere(older)
        self.says('controller  misc, the older one: there is no misc.max.effective beside misc.max in /tenants/b',
                  '/tenants/b')
        self.verdict('sev', '/tenants/b', 'a VM could be started: 4 left, by the numbers of /tenants', status=0)

    def test_kernel_whose_root_has_no_usage(self):
        """As in 6.1: the children's usage is known, that of processes in the root itself is not."""
        self.remove(CGROUP + '/misc.current')
        self.says('cgroup      /: sev at least 2 of 10, sev_es at least 0 of 5', '/tenants/b', status=3)
        self.verdict('sev', '/tenants/b', 'not known: what the processes in the root cgroup itself use: it has no '
                     'misc.current on this kernel', 'try it: misc_check.py --try --vm sev', status=3)
        self.write(CGROUP + '/tenants/misc.current', 'sev 10\nsev_es 0\n')
        self.write(CGROUP + '/tenants/misc.max', 'sev max\nsev_es max\n')
        self.verdict('sev', '/tenants/b', 'no VM: all 10 of the host are in use',
                     '-> wait for VMs to end, or end some: see "has VMs"')

    def test_cgroup_that_goes_away_meanwhile(self):
        self.remove(CGROUP + '/tenants/b/misc.max')
        self.says('cgroup      /tenants/b: sev 0 of ?, sev_es 0 of ?', '/tenants/b')

    def test_nobody_has_it_enabled(self):
        """Only the kernel's symbols tell which controller it is."""
        self.remove(CGROUP + '/tenants')
        self.write(CGROUP + '/cgroup.subtree_control', '\n')
        self.says('controller  misc, the new one: the kernel has misc_cg_res_register()', '')
        self.write('/proc/kallsyms', '0000000000000000 T misc_cg_set_capacity\n0000000000000000 T misc_cg_try_charge\n')
        self.says('controller  misc, the older one: the kernel has misc_cg_set_capacity(), and no '
                  'misc_cg_res_register()', '')
        self.write('/proc/kallsyms', '')
        self.says('controller  misc, not known which: a cgroup other than the root with misc enabled would tell', '')
        self.verdict('sev', '', 'a VM could be started: 8 left, by the numbers of /', status=0)

    def test_not_enabled(self):
        out = self.lines('/tenants/b/vm')
        self.assertIn('cgroup      /tenants/b/vm: misc is not enabled', out)
        self.assertIn('note        misc is not enabled in /tenants/b/vm: it can have no limit of its own, its VMs count '
                      'for /tenants/b; to enable it: echo +misc > /sys/fs/cgroup/tenants/b/cgroup.subtree_control', out)
        self.verdict('sev', '/tenants/b/vm', 'a VM could be started: 4 left, by the numbers of /tenants', status=0)

    def test_not_enabled_anywhere(self):
        def off(path, files):
            self.write(path + '/cgroup.subtree_control', '\n')
            if path != CGROUP:
                self.write(path + '/cgroup.controllers', '\n')
                self.remove(*(path + '/' + x for x in files if x.startswith('misc.')))
        self.everywhere(off)
        self.says('note        misc is not enabled in /tenants/b: it can have no limit of its own, its VMs count for /; '
                  'to enable it: echo +misc > /sys/fs/cgroup/cgroup.subtree_control && '
                  'echo +misc > /sys/fs/cgroup/tenants/cgroup.subtree_control', '/tenants/b')

    def test_processes_go_into_children(self):
        self.says('note        /tenants has controllers enabled for its children: processes go into one of them',
                  '/tenants')

    def test_invalid_cgroup(self):
        self.write(CGROUP + '/tenants/b/cgroup.type', 'domain invalid\n')
        self.verdict('sev', '/tenants/b', 'no VM: /tenants/b takes no processes: its type is "domain invalid"',
                     '-> use another cgroup')

    def namespace(self, cgroup):
        os.rename(self.top + CGROUP + cgroup, self.top + '/inside')
        self.remove(CGROUP)
        os.rename(self.top + '/inside', self.top + CGROUP)
        self.remove('/proc/120')

    def test_container(self):
        """In a cgroup namespace, nothing above can be read; where the limit inside is reached, that is sure."""
        self.namespace('/tenants/b')
        self.says('hierarchy   v2, at /sys/fs/cgroup, only a part: a cgroup namespace, or the mount of a part', '',
                  status=3)
        self.assertNotIn('nsdelegate', self.run_it('', status=3))
        self.says('capacity    sev 10, sev_es 5', '', status=3)
        self.verdict('sev', '', 'not known: the limits and the usage above /, which cannot be read from here',
                     'try it: misc_check.py --try --vm sev', status=3)
        self.remove(CGROUP + '/misc.capacity', CGROUP + '/misc.max.effective')
        self.says('controller  misc, the older one: there is no misc.max.effective beside misc.max in /', '', status=3)
        self.says('capacity    not known', '', status=3)

    def test_container_with_a_limit(self):
        self.namespace('/tenants/a')
        self.verdict('sev', '', 'no VM: the limit of / is 2, and 2 in use',
                     '-> have it raised, from outside of this container or mount')

    def test_container_without_misc(self):
        self.namespace('/tenants/b/vm')
        self.says('note        misc is not enabled in /: it can have no limit of its own; it would have to be enabled '
                  'from outside', '', status=3)

    def v1(self):
        self.write('/proc/self/mountinfo', '25 2 0:22 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw\n'
                   '26 2 0:23 / /sys/fs/cgroup/misc rw - cgroup cgroup rw,misc\n')
        self.write('/proc/self/cgroup', '5:misc:/tenants/b\n0::/\n')
        os.rename(self.top + CGROUP, self.top + '/sys/fs/v1')
        os.makedirs(self.top + CGROUP + '/unified/somewhere')
        self.write(CGROUP + '/unified/cgroup.controllers', 'cpu\n')
        os.rename(self.top + '/sys/fs/v1', self.top + CGROUP + '/misc')
        self.everywhere(lambda path, files: self.remove(*(path + '/' + x for x in files if x.startswith('cgroup.'))))

    def test_v1(self):
        self.v1()
        out = self.run_it(None)
        self.assertEqual(out, self.run_it('/misc/tenants/b'))
        for line in ('hierarchy   v1, at /sys/fs/cgroup/misc',
                     'cgroup      /tenants: sev 2 of 6, sev_es 0 of max',
                     'note        misc is on cgroup v1: limits of v2 cgroups do not exist, and no VM counts for them',
                     'SEV         a VM could be started: 4 left, by the numbers of /tenants'):
            self.assertIn(line + '\n', out)
        self.run_it('/unified/somewhere', status=2, err='not a cgroup of the v1 hierarchy that has misc')

    def test_v1_elsewhere(self):
        self.v1()
        self.write('/proc/self/mountinfo', '25 2 0:22 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw\n')
        self.says('hierarchy   v1, not mounted here', None, status=3)
        self.says('SEV         not known: limits and usage: the misc controller is on a v1 hierarchy, which is not '
                  'mounted here', None, status=3)

    def test_no_controller(self):
        self.everywhere(lambda path, files: self.remove(*(path + '/' + x for x in files if x.startswith('misc.'))))
        self.everywhere(lambda path, files: self.write(path + '/cgroup.controllers', 'cpu\n'))
        self.write('/proc/kallsyms', '0000000000000000 T kvm_init\n')
        self.write('/proc/cgroups', 'cpu\t0\t7\t1\n')
        self.says('controller  none: this kernel has no misc controller (CONFIG_CGROUP_MISC)', '/tenants/b', status=3)
        self.says('SEV         not known: how many ASIDs are in use: there is no misc controller', '/tenants/b',
                  status=3)
        self.write('/proc/cmdline', 'quiet cgroup_disable=memory,misc\n')
        self.says('controller  none: the kernel was started with cgroup_disable=misc', '/tenants/b', status=3)

    def no_sev(self, flags='fpu svm'):
        self.write('/proc/cpuinfo', 'vendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\nflags\t\t: %s\n\n' % flags)
        for name in ('sev', 'sev_es', 'sev_snp'):
            self.write('/sys/module/kvm_amd/parameters/' + name, 'N\n')

    def cpu(self, path, offset, data):
        """A register of a CPU: of a device, the offset is its number."""
        os.makedirs(self.top + '/dev/cpu/0', exist_ok=True)
        fd = os.open(self.top + '/dev/cpu/0/' + path, os.O_RDWR | os.O_CREAT)
        os.pwrite(fd, data, offset)
        os.close(fd)

    def test_cpu_shows_no_sev(self):
        self.no_sev()
        self.verdict('sev', '/tenants/b', 'no VM: the CPU does not show SEV: it has none, or the BIOS has not switched '
                     'it on', '-> modprobe -a cpuid msr, and run this again as root, to see which')
        self.run_it('/tenants/b', status=1)

    def test_cpu_has_no_sev(self):
        self.no_sev()
        self.cpu('cpuid', 0x80000000, struct.pack('<4I', 0x8000001e, 0, 0, 0))
        self.verdict('sev', '/tenants/b', 'no VM: the CPU has no SEV', '-> use a host with a newer AMD EPYC')

    def test_bios_without_encryption(self):
        self.no_sev()
        self.cpu('cpuid', 0x80000000, struct.pack('<4I', 0x80000020, 0, 0, 0))
        self.cpu('cpuid', 0x8000001f, struct.pack('<4I', 0xb, 0, 509, 100))
        self.says('CPU         AMD EPYC: SEV not shown, SEV-ES not shown, SEV-SNP not shown; ASIDs 1 to 509, for SEV from '
                  '100 on', '/tenants/b', status=1)
        self.cpu('msr', 0xc0010010, struct.pack('<Q', 0))
        self.verdict('sev', '/tenants/b', 'no VM: the CPU has SEV, but the BIOS has not switched memory encryption on',
                     '-> set SMEE (Secure Memory Encryption) to enabled in the BIOS')
        self.verdict('sev_snp', '/tenants/b', 'no VM: the CPU has no SEV-SNP', '-> use a host with a newer AMD EPYC')
        self.cpu('msr', 0xc0010010, struct.pack('<Q', 1 << 23))
        self.cpu('msr', 0xc0010015, struct.pack('<Q', 0))
        self.verdict('sev', '/tenants/b', 'no VM: the CPU has SEV, but the BIOS has not locked SMM, which SEV needs',
                     '-> set SMM lock in the BIOS, or update the BIOS')

    def test_snp_not_usable(self):
        self.replace('/proc/cpuinfo', ' hypervisor', '')
        self.assertTrue(self.lines('/tenants/b', '--vm', 'sev_snp', status=1)[-2].startswith(
            'SEV-SNP     no VM: the kernel has found SEV-SNP unusable, or the BIOS has not switched it on'))

    def test_switched_off(self):
        self.replace('/sys/module/kvm_amd/parameters/sev_es', 'Y', 'N')
        for word in ('kvm_amd.sev_es=0', 'kvm-amd.sev_es=off'):
            self.write('/proc/cmdline', 'quiet %s kvm.x=1\n' % word)
            self.says("SEV-ES      no VM: SEV-ES is switched off by %s on the kernel's command line" % word, '/tenants/b')
        self.write('/proc/cmdline', 'quiet\n')
        self.write('/etc/modprobe.d/kvm.conf', '# options kvm_amd sev=0\noptions kvm_amd nested=0 sev_es=N\n')
        self.verdict('sev_es', '/tenants/b', 'no VM: SEV-ES is switched off by sev_es=N in /etc/modprobe.d/kvm.conf',
                     '-> remove that, then, while no VM runs: modprobe -r kvm_amd && modprobe kvm_amd')
        self.write('/etc/modprobe.d/kvm.conf', '')
        self.write('/etc/modprobe.d/kvm.conf.old', 'options kvm_amd sev_es=0\n')

    def test_mmio_caching(self):
        problem = 'no VM: SEV-ES needs the parameter mmio_caching of kvm, which is off'
        again = ', then, while no VM runs: modprobe -r kvm_amd kvm && modprobe kvm_amd'
        self.replace('/sys/module/kvm_amd/parameters/sev_es', 'Y', 'N')
        self.replace('/sys/module/kvm/parameters/mmio_caching', 'Y', 'N')
        self.verdict('sev_es', '/tenants/b', problem, '-> use another host: KVM has switched it off for this CPU')
        self.write('/etc/modprobe.d/kvm.conf', 'options kvm mmio_caching=0\n')
        self.verdict('sev_es', '/tenants/b', problem,
                     '-> remove mmio_caching=0 in /etc/modprobe.d/kvm.conf' + again)

    def test_sev_es_without_sev(self):
        """The reason is that of SEV, also where nobody asked about SEV."""
        for name in ('sev', 'sev_es'):
            self.replace('/sys/module/kvm_amd/parameters/' + name, 'Y', 'N')
        self.write('/proc/cmdline', 'kvm_amd.sev=0\n')
        self.verdict('sev_es', '/tenants/b', "no VM: SEV is switched off by kvm_amd.sev=0 on the kernel's command line",
                     '-> remove that, then, while no VM runs: modprobe -r kvm_amd && modprobe kvm_amd')

    def test_needs_npt(self):
        self.replace('/sys/module/kvm_amd/parameters/sev', 'Y', 'N')
        self.replace('/sys/module/kvm_amd/parameters/npt', 'Y', 'N')
        self.says('SEV         no VM: SEV needs npt, and kvm_amd has it off', '/tenants/b', '--vm', 'sev', status=1)

    def test_failed_firmware(self):
        for name in ('sev', 'sev_es'):
            self.write('/sys/module/kvm_amd/parameters/' + name, 'N\n')
        self.says('SEV         no VM: kvm_amd has switched SEV off, which it does if the firmware fails', '/tenants/b',
                  status=1)
        self.remove('/sys/class/misc/sev')
        self.says('SEV         no VM: no firmware of the PSP with SEV was found', '/tenants/b', status=1)

    def test_firmware_later(self):
        self.write('/sys/module/ccp/parameters/psp_init_on_probe', 'N\n')
        self.verdict('sev', '/tenants/b', 'not known: whether the firmware works: the first VM initializes it',
                     'try it: misc_check.py --try --vm sev', status=3)
        self.says('firmware    with SEV; its state cannot be read here; it is initialized by the first VM '
                  '(psp_init_on_probe=0)', '/tenants/b', status=3)

    def test_module(self):
        for name in ('sev', 'sev_es', 'sev_snp'):
            self.remove('/sys/module/kvm_amd/parameters/' + name)
        self.verdict('sev', '/tenants/b', 'no VM: this kernel has no SEV', '-> use one with CONFIG_KVM_AMD_SEV=y')
        self.remove('/sys/module/kvm_amd')
        self.verdict('sev', '/tenants/b', 'no VM: kvm_amd is not loaded', '-> modprobe kvm_amd')
        self.replace('/proc/cpuinfo', ' svm', '')
        self.verdict('sev', '/tenants/b', 'no VM: the BIOS has switched virtualization off',
                     '-> enable SVM (AMD-V) in the BIOS')

    def test_no_snp_in_the_kernel(self):
        self.remove('/sys/module/kvm_amd/parameters/sev_snp')
        self.verdict('sev_snp', '/tenants/b', 'no VM: this kernel has no SEV-SNP for hosts', '-> use Linux 6.11 or later')

    def test_no_device(self):
        self.remove('/dev/kvm')
        self.says('            /dev/kvm: No such file or directory', '/tenants/b', status=1)
        self.says('SEV         no VM: /dev/kvm: No such file or directory', '/tenants/b', status=1)

    def test_ranges_of_asids(self):
        self.write(CGROUP + '/misc.capacity', 'sev_es 15\n')
        self.verdict('sev', '', 'no VM: all ASIDs are for SEV-ES and SEV-SNP',
                     '-> lower "SEV-ES ASID space limit" in the BIOS')
        self.write(CGROUP + '/misc.capacity', 'sev 15\n')
        self.verdict('sev_es', '', 'no VM: no ASIDs are for SEV-ES and SEV-SNP',
                     '-> raise "SEV-ES ASID space limit" in the BIOS')

    def test_snp(self):
        self.write('/sys/module/kvm_amd/parameters/sev_snp', 'Y\n')
        self.verdict('sev_snp', '/tenants/b', 'a VM could be started: 5 left, by the numbers of /', status=0)

    def test_ciphertext_hiding_without_snp(self):
        """KVM ignores the parameter."""
        self.write('/sys/module/kvm_amd/parameters/sev_snp', 'N\n')
        self.write('/sys/module/kvm_amd/parameters/ciphertext_hiding_asids', '5\n')
        self.verdict('sev_es', '/tenants/b', 'a VM could be started: 5 left, by the numbers of /', status=0)

    def test_ciphertext_hiding(self):
        self.write('/sys/module/kvm_amd/parameters/sev_snp', 'Y\n')
        self.write('/sys/module/kvm_amd/parameters/ciphertext_hiding_asids', '3\n')
        self.says('note        of the ASIDs that are counted as sev_es, SEV-SNP has 3, and SEV-ES 2: VMs of one kind can be '
                  'refused while ASIDs for the other are left', '/tenants/b')
        self.verdict('sev_es', '/tenants/b', 'a VM could be started: 5 left, by the numbers of /', status=0)
        self.write('/sys/module/kvm_amd/parameters/ciphertext_hiding_asids', '5\n')
        self.verdict('sev_es', '/tenants/b', 'no VM: all ASIDs that SEV-ES could have are for SEV-SNP',
                     '-> load kvm_amd with a lower ciphertext_hiding_asids than 5')
        self.verdict('sev_snp', '/tenants/b', 'a VM could be started: 5 left, by the numbers of /', status=0)

    def test_firmware_without_sev_es(self):
        """A copy of a host has no KVM to ask: the answer is given here."""
        script = ('import runpy, sys, fcntl; fcntl.ioctl = lambda *_: 1 | 1 << 2 | 1 << 4; '
                  'sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name="__main__")')
        p = subprocess.run([sys.executable, '-B', '-c', script, MISC_CHECK, '--root', self.top, '--vm', 'sev_es',
                            CGROUP + '/tenants/b'], stdout=subprocess.PIPE, text=True)
        self.assertIn('SEV-ES      no VM: KVM does not support SEV-ES VMs here, probably because the firmware does not '
                      'together with SEV-SNP\n            -> start SEV-SNP VMs instead, or boot with sev=nosnp\n', p.stdout)
        self.assertEqual(p.returncode, 1)

    def intel(self):
        self.write('/proc/cpuinfo', 'vendor_id\t: GenuineIntel\nmodel name\t: Xeon\nflags\t\t: vmx tdx_host_platform\n')
        self.remove('/sys/module/kvm_amd')
        self.write('/sys/module/kvm_intel/parameters/tdx', 'Y\n')
        self.write(CGROUP + '/misc.capacity', 'tdx 31\n')
        self.write(CGROUP + '/misc.current', 'tdx 1\n')

    def test_tdx(self):
        self.intel()
        out = self.lines('')
        self.assertIn('CPU         Xeon: no SEV; TDX for hosts', out)
        self.assertEqual(out[-1], 'TDX         a VM could be started: 30 left, by the numbers of /')
        self.assertNotIn('SEV-SNP', '\n'.join(out))
        self.verdict('sev', '', 'no VM: the CPU has no SEV, only CPUs of AMD have (this is GenuineIntel)',
                     '-> use a host with AMD EPYC')
        self.write('/sys/module/kvm_intel/parameters/tdx', 'N\n')
        self.says('TDX         no VM: kvm_intel has TDX off', '', status=1)
        self.remove('/sys/module/kvm_intel/parameters/tdx')
        self.says('TDX         no VM: this kernel has no TDX for hosts', '', status=1)

    def test_what_an_installer_wants_to_know(self):
        self.write('/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c', '\6\0\0\0\1')
        os.makedirs(self.top + '/var/lib/dkms/zfs')
        os.makedirs(self.top + '/boot')
        self.assertRegex(self.run_it('/tenants/b'), r'(?m)^boot        Secure Boot on: a kernel must be signed to start; '
                         r'\d+ MB free in /boot; DKMS modules, which need the headers of a new kernel: zfs$')
        self.write('/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c', '\6\0\0\0\0')
        self.assertRegex(self.run_it('/tenants/b'), r'(?m)^boot        Secure Boot off; ')
        self.remove('/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c')
        self.assertRegex(self.run_it('/tenants/b'), r'(?m)^boot        Secure Boot not known: see mokutil --sb-state; ')
        self.write('/sys/firmware/efi/efivars/BootCurrent-8be4df61-93ca-11d2-aa0d-00e098032b8c', '\6\0\0\0\0\0')
        self.assertRegex(self.run_it('/tenants/b'), r'(?m)^boot        Secure Boot off; ')

    def test_names(self):
        """Whoever makes a cgroup or a process does not write on our terminal, nor what is pasted."""
        name = 'a b\033[2J\n;reboot'
        os.rename(self.top + CGROUP + '/tenants/a', self.top + CGROUP + '/tenants/' + name)
        self.write('/proc/120/comm', '\033[1m\n')
        out = self.run_it('/tenants/' + name, status=1)
        self.assertIn("-> echo sev 3 > $'/sys/fs/cgroup/tenants/a\\x20b\\x1b[2J\\x0a;reboot/misc.max'\n", out)
        self.assertIn("PID 120, $'\\x1b[1m', in", out)
        self.assertNotIn('\033', out)
        out = json.loads(self.run_it('/tenants/' + name, '--json', status=1))
        self.assertEqual(out['levels'][-1]['cgroup'], "$'/tenants/a\\x20b\\x1b[2J\\x0a;reboot'")
        os.rename(self.top + CGROUP + '/tenants/' + name, self.top + CGROUP + '/tenants/;reboot')
        self.assertIn("-> echo sev 3 > '/sys/fs/cgroup/tenants/;reboot/misc.max'\n",
                      self.run_it('/tenants/;reboot', status=1))

    def test_bad_arguments(self):
        self.run_it('/nowhere', status=2, err='/sys/fs/cgroup/nowhere: no such cgroup')
        self.run_it('/../../class', status=2, err='/sys/class: not a cgroup of a v2 hierarchy')
        self.assertEqual(self.run_it('/tenants/b'), self.run_it('/tenants/./b/'))
        self.run_it('', '--try', status=2, err='--try needs --vm with sev, sev_es or sev_snp')
        self.run_it('', '--try', '--vm', 'tdx', status=2, err='--try needs --vm')
        self.run_it('', '--try', '--vm', 'sev', status=2, err='--try is not for a copy')
        self.run_it('', '--vm', 'x', status=2, err='invalid choice')
        self.run_it(None, '', status=2, err='the name of the cgroup is empty')
        self.top += '/none'
        self.run_it('', status=2, err='/none: no such folder')

    def test_output_that_cannot_be_written(self):
        with open('/dev/full', 'w') as full:
            p = subprocess.run([sys.executable, '-B', MISC_CHECK, '--root', self.top, CGROUP], stdout=full,
                               stderr=subprocess.PIPE, text=True)
        self.assertIn('error: standard output: No space left on device\n', p.stderr)
        self.assertEqual(p.returncode, 2)

    def test_this_host(self):
        """Whatever it is, there is an answer."""
        for args in ([], ['--json']):
            p = subprocess.run([sys.executable, '-B', MISC_CHECK, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
            self.assertIn(p.returncode, (0, 1, 3))
            self.assertEqual(p.stderr, '')
            self.assertTrue(not args or json.loads(p.stdout)['vms'])


if __name__ == '__main__':
    result = unittest.main(argv=[sys.argv[0]], exit=False, verbosity=0).result
    bad = len(result.failures) + len(result.errors)
    print('%d passed, %d failed, %d skipped' % (
        result.testsRun - bad - len(result.skipped), bad, len(result.skipped)))
    sys.exit(bad > 0)
