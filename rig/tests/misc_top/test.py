#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests tools/cgroup/misc_top.py on what "grep -r '' --include='misc.*' | sort" has recorded in the test machine.

The last line has the counts. What needs a kernel, for example poll(), is tested in the Debian system.
"""
import errno
import importlib.util
import json
import os
import pty
import re
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
from unittest import mock

from prometheus_client.openmetrics import parser

HERE = os.path.dirname(os.path.abspath(__file__))
MISC_TOP = os.path.join(HERE, '../../../tools/cgroup/misc_top.py')
ALERTS = os.path.join(HERE, '../../../tools/cgroup/misc_alerts.yml')
PROMTOOL = os.environ.get('PROMTOOL', 'promtool')

TABLE = '''\
RESOURCE USAGE MAX EFFECTIVE PEAK REFUSED LOCAL FAILED CGROUP
sev          5   -        10    5       -     -      - /
sev          5   8         8    5       1     0      0 /tenants
sev          3   3         3    3       1     1      0 /tenants/a
sev          3 max         3    3       0     0      1 /tenants/a/vm
sev          2 max         8    2       0     0      0 /tenants/b
sev_es       5   -         5    5       -     -      - /
sev_es       5 max         5    5       0     0      0 /tenants
sev_es       5   9         5    5       0     0      1 /tenants/b
sev_es       0   1         1    0       0     0      0 /tenants/a
tdx          0   4         -    -       -     -      - /tenants/idle
'''
# As on a kernel that has the capacity in the root cgroup only, no effective limits, no alloc_fail, and takes
# no limit of what has no driver.
OLDER = '''\
RESOURCE USAGE MAX EFFECTIVE PEAK REFUSED LOCAL FAILED CGROUP
sev          5   -        10    5       -     -      - /
sev          5   8         -    5       1     0      - /tenants
sev          3   3         -    3       1     1      - /tenants/a
sev          3 max         -    3       0     0      - /tenants/a/vm
sev          2 max         -    2       0     0      - /tenants/b
sev_es       5   -         5    5       -     -      - /
sev_es       5 max         -    5       0     0      - /tenants
sev_es       5   9         -    5       0     0      - /tenants/b
sev_es       0   1         -    0       0     0      - /tenants/a
'''


# What --openmetrics has of one cgroup that has everything.
METRICS = '''\
misc_cgroup_usage{cgroup="/tenants/b",resource="sev_es"} 5
misc_cgroup_max{cgroup="/tenants/b",resource="sev_es"} 9
misc_cgroup_max_effective{cgroup="/tenants/b",resource="sev_es"} 5
misc_cgroup_peak{cgroup="/tenants/b",resource="sev_es"} 5
misc_cgroup_populated{cgroup="/tenants/b",resource="sev_es"} 1
misc_cgroup_refusals_total{cgroup="/tenants/b",resource="sev_es"} 0
misc_cgroup_refusals_local_total{cgroup="/tenants/b",resource="sev_es"} 0
misc_cgroup_alloc_fail_total{cgroup="/tenants/b",resource="sev_es"} 1
'''
# Names as the kernel takes them, and how they are shown.
NAMES = {
    b'plain': 'plain',
    b'machine-qemu\\x2d1.scope': 'machine-qemu\\x2d1.scope',
    b'quote"\'': 'quote"\'',
    'm\u00fcll'.encode(): 'm\u00fcll',
    b'two words': "$'/two\\x20words'",
    b'\033[2J': "$'/\\x1b[2J'",
    b'tab\t\r\\\'': "$'/tab\\x09\\x0d\\\\\\''",
    b'\xff\xfe': "$'/\\xff\\xfe'",
    'right\u202eto left'.encode(): "$'/right\\xe2\\x80\\xaeto\\x20left'",
}


def load():
    spec = importlib.util.spec_from_file_location('misc_top', MISC_TOP)
    misc_top = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(misc_top)
    return misc_top


def samples(text):
    """What a strict reader of both OpenMetrics and the older text format gets: {(name, cgroup, resource): value}."""
    assert text.endswith('\n# EOF\n'), text[-100:]
    found, kinds, family = {}, {}, None
    for line in text.split('\n')[:-2]:
        m = re.fullmatch(r'# (TYPE|HELP) ([a-z_]+) (.+)', line)
        if m:
            assert m[1] == 'HELP' or m[2] not in kinds, line
            assert m[1] == 'TYPE' or m[2] == family, line
            if m[1] == 'TYPE':
                family = m[2]
                kinds[family] = m[3]
                assert m[3] in ('gauge', 'counter') and not family.endswith('_total')
            continue
        m = re.fullmatch(r'([a-z_]+)(?:\{cgroup="((?:[^"\\]|\\[\\"n])*)",resource="([a-z_]+)"\})? ([0-9]+)', line)
        assert m and m[1] == family + '_total' * (kinds[family] == 'counter'), line
        cgroup = m[2] and re.sub(r'\\(.)', lambda c: '\n' if c[1] == 'n' else c[1], m[2])
        assert (m[1], cgroup, m[3]) not in found, line
        found[m[1], cgroup, m[3]] = int(m[4])
    assert found == {(x.name, x.labels.get('cgroup'), x.labels.get('resource')): x.value
                     for family in parser.text_string_to_metric_families(text) for x in family.samples}
    return found


def row(output, cgroup, resource='sev'):
    rows = [r for r in json.loads(output)['rows'] if (r['cgroup'], r['resource']) == (cgroup, resource)]
    assert len(rows) == 1, output
    return rows[0]


class MiscTop(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.mkdtemp()
        # shutil.rmtree() has its limits, too.
        self.addCleanup(subprocess.run, ['rm', '-rf', self.tmp], check=True)
        self.top = self.tmp + '/cgroup'
        with open(os.path.join(HERE, 'recorded')) as f:
            next(f)  # its licence
            for line in f:
                path, text = line.split(':', 1)
                path = os.path.join(self.top, path)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, 'a') as out:
                    out.write(text)

    def write(self, path, text):
        with open(os.path.join(self.top, path), 'w') as f:
            f.write(text)

    def start(self, *args, descriptors=None, env=None):
        limit = descriptors and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors)))
        return subprocess.Popen([sys.executable, '-B', MISC_TOP, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                encoding='utf-8', preexec_fn=limit, env=env)

    def run_it(self, *args, top=None, status=0, both=False, **kwargs):
        p = self.start(top or self.top, *args, **kwargs)
        out, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, status, err)
        self.assertEqual(status == 0, err == '', err)
        return (out, err) if both else out if status == 0 else err

    def table(self, **kwargs):
        return self.untimed(self.run_it('--once', **kwargs))

    def untimed(self, out):
        time, _, table = out.partition('\n')
        self.assertRegex(time, r'^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$')
        self.assertTrue(table.endswith('\n\n'))
        return table[:-1]

    def test_table(self):
        self.assertEqual(self.table(), TABLE)

    def test_older_kernel(self):
        for path, _, files in os.walk(self.top):
            if path != self.top:
                os.remove(os.path.join(path, 'misc.max.effective'))
                os.remove(os.path.join(path, 'misc.capacity'))
                with open(os.path.join(path, 'misc.events.local')) as f:
                    lines = f.readlines()
                self.write(os.path.join(path, 'misc.events.local'), ''.join(x for x in lines if '.max ' in x))
        self.write('tenants/idle/misc.max', 'sev max\nsev_es max\n')
        self.assertEqual(self.table(), OLDER)

    def test_kernel_whose_root_has_no_usage(self):
        """As in 6.1."""
        os.remove(os.path.join(self.top, 'misc.current'))
        self.assertEqual(self.table(), ''.join(x for x in TABLE.splitlines(True) if not x.endswith(' /\n')))

    def test_limit_without_a_driver(self):
        out = self.run_it('--once', '--json')
        self.assertEqual(row(out, '/tenants/idle', 'tdx'), {
            'resource': 'tdx', 'cgroup': '/tenants/idle', 'usage': 0, 'max': 4, 'effective': None, 'peak': None,
            'refused': None, 'local': None, 'failed': None, 'own': 0, 'populated': None})
        self.assertEqual([r for r in json.loads(out)['rows'] if r['resource'] == 'tdx'],
                         [row(out, '/tenants/idle', 'tdx')])

    def test_usage_without_a_driver(self):
        """As after unloading one with charges outstanding: no capacity, no limit."""
        for path, _, files in os.walk(self.top):
            for name in set(files) & {'misc.capacity', 'misc.max', 'misc.max.effective'}:
                self.write(os.path.join(path, name), '')
        self.assertEqual(row(self.run_it('--once', '--json'), '/tenants/b')['usage'], 2)

    def test_order_is_the_kernels(self):
        """Also of a name that only the limits of some cgroups have."""
        self.write('misc.current', 'sev 5\nsev_es 5\nwidget 7\n')
        self.write('tenants/misc.current', 'sev 5\nsev_es 5\nwidget 7\n')
        self.write('tenants/misc.max', 'sev 8\nsev_es max\ntdx 3\nwidget 9\n')
        rows = json.loads(self.run_it('--once', '--json'))['rows']
        self.assertEqual(list(dict.fromkeys(r['resource'] for r in rows)), ['sev', 'sev_es', 'tdx', 'widget'])

    def test_subtree(self):
        self.assertEqual([line.split() for line in self.table(top=self.top + '/tenants/a/').splitlines()][1:], [
            ['sev', '3', '3', '3', '3', '1', '1', '0', '/'],
            ['sev', '3', 'max', '3', '3', '0', '0', '1', '/vm'],
            ['sev_es', '0', '1', '1', '0', '0', '0', '0', '/']])

    def test_where_the_controller_is_off(self):
        os.mkdir(self.top + '/system.slice')
        os.mkdir(self.top + '/system.slice/a.service')
        self.write('system.slice/cgroup.procs', '')
        self.assertEqual(self.table(), TABLE)

    def copy(self, path, name):
        """A cgroup as /tenants/b, which has everything, at that path with that name in bytes."""
        path = os.path.join(os.fsencode(self.top), os.fsencode(path), name)
        shutil.copytree(os.fsencode(self.top + '/tenants/b'), path)
        return path

    def test_names(self):
        for name in NAMES:
            self.copy('', name)
        shown = {'/' + x if x[0] != '$' else x for x in NAMES.values()}
        # A locale that has no UTF-8 changes nothing.
        for env in (None, {'LC_ALL': 'C', 'PYTHONCOERCECLOCALE': '0', 'PYTHONUTF8': '0'}):
            lines = self.run_it('--once', env=env).splitlines()[2:-1]
            self.assertEqual({x.split(' ')[-1] for x in lines if '/tenants' not in x} - {'/'}, shown)
            out = self.run_it('--once', '--json', env=env)
            self.assertEqual({r['cgroup'] for r in json.loads(out)['rows']} - {'/'},
                             shown | {'/tenants' + x for x in ('', '/a', '/a/vm', '/b', '/idle')})
            cgroups = {x[1] for x in samples(self.run_it('--openmetrics', env=env))}
            self.assertLessEqual(shown, cgroups)

    def test_every_byte_in_a_name(self):
        """Never two names the same; bash reads what is quoted."""
        names = [bytes([b, c]) for b in range(1, 256) for c in (b'a\\') if b not in b'/\n']
        for name in names + [b'x\xc3', b'\xa9x', b'\xc3\xa9', b"$'", b"$'\\xff'"]:
            self.copy('tenants', name)
        out = samples(self.run_it('--openmetrics'))
        shown = [x[1] for x in out if x[0] == 'misc_cgroup_max' and x[1] != '/tenants/b']
        self.assertEqual(len(set(shown)), len(names) + 5 + len(('/tenants', '/tenants/a', '/tenants/idle')))
        quoted = [x for x in shown if x.startswith('$')]
        script = ''.join("printf '%s\\0' " + x + '\n' for x in quoted)
        said = subprocess.run(['bash', '-c', script], env={'LC_ALL': 'C'}, stdout=subprocess.PIPE, check=True).stdout
        self.assertGreater(len(quoted), 100)
        for path in said.split(b'\0')[:-1]:
            self.assertTrue(os.path.isdir(os.fsencode(self.top) + path), path)
        for path in set(shown) - set(quoted):
            self.assertTrue(os.path.isdir(os.fsencode(self.top) + path.encode()), path)

    def test_names_on_a_terminal(self):
        self.copy('tenants', b'\033[2J')
        screen = self.on_terminal(lines=100)
        self.assertIn("$'/tenants/\\x1b[2J'", screen)
        self.assertEqual(screen.count('\033'), 2)

    def test_once_on_a_terminal(self):
        """Nothing is cleared, nothing is cut."""
        for i in range(50):
            self.copy('tenants', b'%d' % i)
        screen = self.on_terminal('--once', lines=10)
        self.assertNotIn('\033', screen)
        self.assertEqual(screen.replace('\r', '').count('\n'), self.run_it('--once').count('\n'))

    def on_terminal(self, *args, lines):
        """What is on a terminal of that height after the first refresh."""
        pid, fd = pty.fork()
        if pid == 0:
            os.environ.update({'LINES': str(lines), 'COLUMNS': '200'})
            os.execv(sys.executable, [sys.executable, '-B', MISC_TOP, '--interval', '1000', *args, self.top])
        screen = ''
        try:
            while not screen.endswith('\r\n\r\n'):
                screen += os.read(fd, 4096).decode()
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            os.close(fd)
        return screen

    def test_terminal_is_too_small(self):
        for i in range(50):
            self.copy('tenants', b'%d' % i)
        for i in range(20):
            self.unreadable('tenants/%d' % i)
        lines = self.on_terminal(lines=33).split('\r\n')
        self.assertEqual(len(lines), 33)
        self.assertRegex(lines[-10], r'^\.\.\. and \d+ more$')
        self.assertEqual(lines[-9], '20 cgroups could not be read, nor perhaps what is below')
        self.assertEqual(lines[-3:], ['... and 15 more', '', ''])

    def unreadable(self, path):
        """Nobody can read a link to itself; root could what has no permissions."""
        path = os.path.join(self.top, path, 'misc.peak')
        os.remove(path)
        os.symlink('misc.peak', path)

    def test_unreadable(self):
        self.unreadable('tenants/b')
        self.unreadable('off')
        why = os.strerror(errno.ELOOP)
        said = ('misc_top.py: 2 cgroups could not be read, nor perhaps what is below\n'
                'misc_top.py: /off could not be read: %s\n'
                'misc_top.py: /tenants/b could not be read: %s\n' % (why, why))
        out, err = self.run_it('--once', status=3, both=True)
        self.assertEqual(self.untimed(out), ''.join(x for x in TABLE.splitlines(True) if '/tenants/b' not in x))
        self.assertEqual(err, said)
        out, err = self.run_it('--once', '--json', status=3, both=True)
        self.assertEqual(json.loads(out)['unreadable'], [{'cgroup': '/off', 'error': why},
                                                         {'cgroup': '/tenants/b', 'error': why}])
        self.assertEqual(err, said)
        out, err = self.run_it('--openmetrics', status=3, both=True)
        self.assertEqual(samples(out)['misc_cgroup_unreadable', None, None], 2)
        self.assertNotIn('/tenants/b', out)
        self.assertEqual(err, said)
        screen = self.on_terminal(lines=100).replace('\r\n', '\n')
        self.assertTrue(screen.endswith('\n' + said.replace('misc_top.py: ', '') + '\n'), screen)

    def test_all_was_read(self):
        self.assertEqual(json.loads(self.run_it('--once', '--json'))['unreadable'], [])
        self.assertEqual(samples(self.run_it('--openmetrics'))['misc_cgroup_unreadable', None, None], 0)

    def scan(self, name, error):
        """With that error where a name is opened."""
        misc_top = load()
        really = os.open

        def fails(path, *args, **kwargs):
            if path == name:
                raise OSError(error, os.strerror(error))
            return really(path, *args, **kwargs)

        with mock.patch.object(os, 'open', fails):
            return misc_top.Scan(self.top)

    def test_only_gone_is_silent(self):
        for error in (errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.EIO):
            # If a folder cannot be opened, its children are not read. If a file cannot, they are.
            scan = self.scan('a', error)
            self.assertEqual(scan.unreadable, {'/tenants/a': os.strerror(error)})
            self.assertNotIn('/tenants/a/vm', [r['cgroup'] for r in scan.rows])
            scan = self.scan('misc.max.effective', error)
            self.assertEqual(set(scan.unreadable), {'/tenants' + x for x in ('', '/a', '/a/vm', '/b', '/idle')})
        for error in (errno.ENOENT, errno.ENODEV):
            scan = self.scan('a', error)
            self.assertEqual(scan.unreadable, {})
            self.assertNotIn('/tenants/a', [r['cgroup'] for r in scan.rows])
            self.assertIn('/tenants/b', [r['cgroup'] for r in scan.rows])

    def test_children_that_cannot_be_listed(self):
        misc_top = load()
        here = os.stat(self.top + '/tenants/a')
        really = os.scandir

        def fails(fd):
            if os.path.samestat(os.fstat(fd), here):
                raise OSError(errno.EMFILE, 'too many')
            return really(fd)

        with mock.patch.object(os, 'scandir', fails):
            scan = misc_top.Scan(self.top)
        self.assertEqual(scan.unreadable, {'/tenants/a': 'too many'})
        self.assertIn('/tenants/a', [r['cgroup'] for r in scan.rows])

    def test_what_is_below_an_unreadable_one(self):
        self.unreadable('tenants/a')
        out, _ = self.run_it('--once', '--json', status=3, both=True)
        self.assertEqual(row(out, '/tenants/a/vm')['usage'], 3)

    def test_not_what_the_kernel_writes(self):
        self.write('tenants/b/misc.events', 'sev.max many\n')
        self.assertIn('/tenants/b could not be read: misc.events is not what the kernel writes\n',
                      self.run_it('--once', status=3))
        self.write('tenants/b/misc.events', 'sev.max 0\n')
        self.write('tenants/b/misc.current', 'sev max\n')
        self.assertIn('misc.current is not what the kernel writes\n', self.run_it('--once', status=3))
        self.write('misc.current', '\0\xff')
        self.assertEqual(self.run_it('--once', status=1),
                         'misc_top.py: error: %s: misc.current is not what the kernel writes\n' % self.top)

    def test_removed_while_it_is_read(self):
        """No row with half of its files."""
        for file in ('misc.max', 'misc.peak', 'misc.events', 'misc.events.local', 'misc.max.effective',
                     'cgroup.events'):
            misc_top = load()
            path = self.copy('tenants', b'c')
            here = os.stat(path)
            really = misc_top.read

            def removed(cgroup, name):
                if name == file and os.path.samestat(os.fstat(cgroup), here):
                    shutil.rmtree(path)
                return really(cgroup, name)

            with mock.patch.object(misc_top, 'read', removed):
                scan = misc_top.Scan(self.top)
            self.assertFalse(os.path.exists(path))
            self.assertNotIn('/tenants/c', [r['cgroup'] for r in scan.rows])
            self.assertEqual(scan.unreadable, {})

    def test_made_and_removed_all_the_time(self):
        end = threading.Event()

        def change():
            while not end.is_set():
                for name in (b'x', b'y', b'z'):
                    self.copy('tenants/a', name)
                    self.copy(b'tenants/a/' + name, b'below')
                for name in (b'x', b'y', b'z'):
                    shutil.rmtree(os.fsencode(self.top) + b'/tenants/a/' + name)

        thread = threading.Thread(target=change)
        thread.start()
        try:
            for _ in range(20):
                out = self.run_it('--once', '--json')
                self.assertEqual(row(out, '/tenants/b')['usage'], 2)
                samples(self.run_it('--openmetrics'))
        finally:
            end.set()
            thread.join()

    def test_few_descriptors(self):
        for i in range(100):
            self.copy('tenants', b'vm%d' % i)
        out = self.run_it('--once', '--json', descriptors=16)
        self.assertEqual(len({r['cgroup'] for r in json.loads(out)['rows'] if 'vm' in r['cgroup']}), 101)
        p = self.start('--json', '-i', '0.1', self.top, descriptors=64)
        try:
            for _ in range(3):
                self.assertEqual(json.loads(p.stdout.readline())['unreadable'], [])
        finally:
            p.kill()
            p.communicate()

    def deep(self, name, levels, usage):
        here = os.open(self.top + '/tenants/b', os.O_RDONLY)
        for _ in range(levels):
            os.mkdir(name, dir_fd=here)
            below = os.open(name, os.O_RDONLY, dir_fd=here)
            with open(os.open('misc.current', os.O_WRONLY | os.O_CREAT, dir_fd=below), 'w') as f:
                f.write('sev %d\n' % usage)
            os.close(here)
            here = below
        os.close(here)

    def measured(self, *args, **kwargs):
        """Output, MiB of memory, seconds of CPU time."""
        p = self.start('--once', *args, self.top, **kwargs)
        out = p.stdout.read()
        _, p.returncode, usage = os.wait4(p.pid, 0)
        self.assertEqual((p.returncode, p.communicate()[1]), (0, ''))
        return out, usage.ru_maxrss // 1024, usage.ru_utime + usage.ru_stime

    def test_deep(self):
        """Beyond the limit of recursion, and of a path: 11,000 characters."""
        self.deep('a' * 9, 1100, 2)
        out = self.run_it('--once', '--json', descriptors=32)
        self.assertEqual(json.loads(out)['unreadable'], [])
        self.assertEqual(row(out, '/tenants/b' + '/aaaaaaaaa' * 1100)['own'], 2)
        self.assertEqual(row(out, '/tenants/b' + '/aaaaaaaaa' * 1099)['own'], 0)
        self.assertEqual(row(out, '/tenants/a/vm')['usage'], 3)

    def test_deep_and_long(self):
        """Nobody makes others' memory full of names."""
        self.deep('a' * 255, 2000, 0)
        out, memory, _ = self.measured()
        self.assertEqual(self.untimed(out), TABLE)
        self.assertLess(memory, 100)

    def test_10000_cgroups(self):
        """In folders made of links to the same files."""
        files = os.listdir(self.top + '/tenants/b')
        source = os.open(self.top + '/tenants/b', os.O_RDONLY)
        for i in range(100):
            for j in range(100):
                path = '%s/%d' % (self.top, i) + '/%d' % j * (j > 0)
                os.mkdir(path)
                folder = os.open(path, os.O_RDONLY)
                for name in files:
                    os.link(name, name, src_dir_fd=source, dst_dir_fd=folder)
                os.close(folder)
        os.close(source)
        # Everything has a row, more than on any machine.
        out, memory, seconds = self.measured(descriptors=64)
        self.assertEqual(len(out.splitlines()), 20000 + len(TABLE.splitlines()) + 2)
        self.assertLess(memory, 100)
        # A second on an idle machine; twice that where others run, too.
        self.assertLess(seconds, 2)

    def test_json(self):
        out = self.run_it('--once', '--json')
        self.assertEqual(out.count('\n'), 1)
        self.assertEqual(set(json.loads(out)), {'time', 'rows', 'unreadable'})
        self.assertEqual(row(out, '/tenants/b', 'sev_es'), {
            'resource': 'sev_es', 'cgroup': '/tenants/b', 'usage': 5, 'max': 9, 'effective': 5, 'peak': 5,
            'refused': 0, 'local': 0, 'failed': 1, 'own': 5, 'populated': None})
        self.assertEqual(row(out, '/tenants/a/vm')['max'], 'max')
        self.assertIsNone(row(out, '/')['max'])

    def test_own(self):
        """What is in use, and in none of the children."""
        self.write('misc.current', 'sev 7\nsev_es 5\n')
        out = self.run_it('--once', '--json')
        self.assertEqual([row(out, x)['own'] for x in ('/', '/tenants', '/tenants/a', '/tenants/a/vm', '/tenants/b')],
                         [2, 0, 0, 3, 2])
        # Somebody has released it between two readings.
        self.write('misc.current', 'sev 4\nsev_es 5\n')
        self.assertEqual(row(self.run_it('--once', '--json'), '/')['own'], 0)

    def test_openmetrics(self):
        self.write('tenants/b/cgroup.events', 'populated 1\nfrozen 0\n')
        out = self.run_it('--openmetrics')
        found = samples(out)
        self.assertEqual(''.join(x for x in out.splitlines(True) if '/tenants/b",resource="sev_es"' in x), METRICS)
        # The root has the capacity, and no limit. No limit, or none yet, is nothing.
        self.assertEqual({x: found[x] for x in found if x[1] == '/'}, {
            ('misc_cgroup_capacity', '/', 'sev'): 10, ('misc_cgroup_capacity', '/', 'sev_es'): 5,
            ('misc_cgroup_usage', '/', 'sev'): 5, ('misc_cgroup_usage', '/', 'sev_es'): 5,
            ('misc_cgroup_peak', '/', 'sev'): 5, ('misc_cgroup_peak', '/', 'sev_es'): 5})
        self.assertNotIn(('misc_cgroup_max', '/tenants/a/vm', 'sev'), found)
        self.assertEqual([x[0] for x in found if x[2] == 'tdx'], ['misc_cgroup_usage', 'misc_cgroup_max'])
        self.assertEqual(found['misc_cgroup_refusals_local_total', '/tenants/a', 'sev'], 1)
        # Of a cgroup below, the effective limit is its own, and not the capacity.
        found = samples(self.run_it('--openmetrics', top=self.top + '/tenants/a'))
        self.assertEqual(found['misc_cgroup_max_effective', '/', 'sev'], 3)
        self.assertEqual(found['misc_cgroup_capacity', '/', 'sev'], 10)

    def test_openmetrics_of_an_unused_host(self):
        """The capacity is told all the same."""
        for name in ('current', 'peak'):
            self.write('misc.' + name, 'sev 0\nsev_es 0\n')
        for name in ('tenants', 'off'):
            shutil.rmtree(os.path.join(self.top, name))
        self.assertEqual(samples(self.run_it('--openmetrics')), {
            ('misc_cgroup_capacity', '/', 'sev'): 10, ('misc_cgroup_capacity', '/', 'sev_es'): 5,
            ('misc_cgroup_unreadable', None, None): 0})

    def test_textfile_collector(self):
        """Prometheus' own parser of the older format finds one thing only: counters have no type there."""
        self.copy('', b'"quote\\\xff')
        p = subprocess.run([PROMTOOL, 'check', 'metrics'], input=self.run_it('--openmetrics'), encoding='utf-8',
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(p.stdout, ''.join('misc_cgroup_%s_total no help text\n' % x for x in (
            'alloc_fail', 'refusals_local', 'refusals')))

    def test_alerts(self):
        """The alerts use metrics that exist, and pass Prometheus' own tests."""
        with open(ALERTS) as f:
            used = set(re.findall(r'misc_cgroup_[a-z_]*', re.sub('#.*', '', f.read())))
        self.write('tenants/b/cgroup.events', 'populated 1\n')
        self.assertLessEqual(used, {x[0] for x in samples(self.run_it('--openmetrics'))})
        self.assertGreater(len(used), 3)
        for command in (['check', 'rules', ALERTS], ['test', 'rules', os.path.join(HERE, 'alerts.yml')]):
            p = subprocess.run([PROMTOOL, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.assertEqual(p.returncode, 0, p.stdout)

    def process(self, pid, command, cgroup, links, task=''):
        """A process as /proc shows it."""
        folder = os.path.join(self.tmp, 'proc', str(pid))
        for name in ('fd', task or 'task/%d' % pid, os.path.join(task, 'fd')):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        for i, link in enumerate(['/dev/null', '/dev/kvm', *links]) if not task or links else ():
            os.symlink(link, os.path.join(folder, task, 'fd', str(i)))
        with open(os.path.join(folder, 'comm'), 'w') as f:
            f.write(command + '\n')
        with open(os.path.join(folder, 'cgroup'), 'w') as f:
            f.write('0::%s\n' % cgroup if cgroup[0] == '/' else cgroup)

    def owners(self, *args, mounts=None, **kwargs):
        os.makedirs(self.tmp + '/proc/self', exist_ok=True)
        os.makedirs(self.tmp + '/proc/sys', exist_ok=True)
        with open(self.tmp + '/proc/self/mountinfo', 'w') as f:
            f.write(''.join('%d 1 0:%d %s %s rw - cgroup2 cgroup rw\n' % (i, i, root, mount.replace(' ', '\\040'))
                            for i, (root, mount) in enumerate(mounts or [('/', '/'), ('/', self.top)])))
        return self.run_it('--once', '--owners', '--proc', self.tmp + '/proc', *args, **kwargs)

    def test_owners(self):
        vm = 'anon_inode:kvm-vm'
        self.process(20, 'qemu', '/tenants/b', [vm, 'anon_inode:kvm-vcpu:0', vm])
        self.process(3, 'CPU 0/KVM', '/tenants/b/no/misc', [vm])
        self.process(40, 'other', '/tenants/b', ['/anon_inode:kvm-vm', '/srv/kvm-vm', 'socket:[7]'])
        self.process(50, 'moved', '/elsewhere', [vm])
        self.process(60, '$(m', '/tenants/b', ['anon_inode:[kvm-gmem]'])
        # As /proc shows a process whose main thread has ended.
        self.process(70, 'thread', '/tenants/a/vm', [vm], task='task/71')
        # One that ends meanwhile.
        os.makedirs(self.tmp + '/proc/80')
        out = self.owners()
        self.assertTrue(self.untimed(out).startswith(TABLE + '\n'))
        self.assertEqual(self.untimed(out)[len(TABLE) + 1:], '''\
Usage of their own, and processes with VMs open there or below:
/tenants/a/vm: sev 3; 1 VM found, 2 unexplained
  PID 70, thread, in /tenants/a/vm: 1 VM
/tenants/b: sev 2, sev_es 5; 3 VMs found, 4 unexplained
  PID 3, $'CPU\\x200/KVM', in /tenants/b/no/misc: 1 VM
  PID 20, qemu, in /tenants/b: 2 VMs
  PID 60, $'$(m', in /tenants/b: vCPUs or memory of a VM
Processes elsewhere with VMs open:
  PID 50, moved, in /elsewhere: 1 VM
6 unexplained; VMs found beyond the usage where they are: 1
5 held by no process that shows a VM: see --help
''')
        owners = json.loads(self.owners('--json'))['owners']
        self.assertEqual(owners['cgroups'][0], {
            'cgroup': '/tenants/a/vm', 'own': {'sev': 3}, 'vms': 1, 'unexplained': 2, 'processes': [
                {'pid': 70, 'command': 'thread', 'cgroup': '/tenants/a/vm', 'vms': 1}]})
        self.assertEqual(owners['elsewhere'], [{'pid': 50, 'command': 'moved', 'cgroup': '/elsewhere', 'vms': 1}])
        self.assertEqual((owners['spare'], owners['unreadable']), (1, []))

    def test_owners_that_explain_everything(self):
        self.process(1, 'a', '/tenants/a/vm', ['anon_inode:kvm-vm'] * 4)
        self.process(2, 'b', '/tenants/b', ['anon_inode:kvm-vm'] * 7)
        out = self.owners()
        self.assertIn('/tenants/a/vm: sev 3; 4 VMs found, 0 unexplained\n', out)
        self.assertTrue(out.endswith(', b, in /tenants/b: 7 VMs\n\n'), out)
        self.assertEqual(json.loads(self.owners('--json'))['owners']['spare'], 1)

    def test_owners_below_one_with_usage(self):
        """A process counts at the closest cgroup upwards that has usage of its own."""
        self.write('tenants/misc.current', 'sev 6\nsev_es 5\n')
        self.process(1, 'a', '/tenants/a', ['anon_inode:kvm-vm'])
        self.process(2, 'b', '/tenants/b', ['anon_inode:kvm-vm'])
        out = self.owners()
        self.assertIn('/tenants: sev 1; 1 VM found, 0 unexplained\n  PID 1, a, in /tenants/a: 1 VM\n', out)
        self.assertIn('/tenants/b: sev 2, sev_es 5; 1 VM found, 6 unexplained\n  PID 2, b,', out)

    def test_owners_whose_cgroup_has_another_path(self):
        vm = ['anon_inode:kvm-vm']
        self.process(1, 'in', '/slice/tenants/b/x', vm)
        self.process(2, 'out', '/slice/tenants/bx', vm)
        self.process(3, 'out', '/tenants/b', vm)
        self.process(4, 'in', '9:cpu,misc:/slice/tenants/b\n0::/tenants\n', vm)
        self.process(5, 'in', '9:cpu:/tenants\n0::/slice/tenants/b\n', vm)
        mounts = [('/', '/'), ('/other', self.top), ('/slice', self.top), ('/deeper', self.top + '/tenants/b/c')]
        top = self.top + '/tenants/'
        for again in (False, True):
            if again:
                # By a link, and with a blank in the mount's path.
                os.rename(self.top, self.tmp + '/a b')
                os.symlink(self.tmp + '/a b', self.top)
                mounts = [('/slice', self.tmp + '/a b'), ('/', '/')]
            owners = json.loads(self.owners('--json', mounts=mounts, top=top))['owners']
            self.assertEqual({p['pid'] for c in owners['cgroups'] for p in c['processes']}, {1, 4, 5})
            self.assertEqual({p['pid'] for p in owners['elsewhere']}, {2, 3})
            self.assertEqual([c['cgroup'] for c in owners['cgroups']], ['/a/vm', '/b'])

    def test_owners_outside_of_the_namespace(self):
        self.write('misc.current', 'sev 6\nsev_es 5\n')
        self.process(1, 'out', '/../x', ['anon_inode:kvm-vm'])
        self.process(2, 'out', '/..', ['anon_inode:kvm-vm'])
        self.process(3, 'in', '/..x', ['anon_inode:kvm-vm'])
        owners = json.loads(self.owners('--json'))['owners']
        self.assertEqual([p['pid'] for p in owners['elsewhere']], [1, 2])

    def test_unreadable_processes(self):
        for pid in range(1, 13):
            os.makedirs(self.tmp + '/proc/%d' % pid)
            os.symlink('fd', self.tmp + '/proc/%d/fd' % pid)
        out, err = self.owners(status=3, both=True)
        self.assertEqual(err, 'misc_top.py: 12 of the processes could not be read: '
                         'PID 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...\n')
        self.assertIn('10 held by no process that shows a VM and could be read: see', out)
        self.assertEqual(json.loads(self.owners('--json', status=3, both=True)[0])['owners']['unreadable'],
                         list(range(1, 13)))

    def test_no_proc(self):
        self.assertEqual(self.run_it('--owners', '--once', '--proc', '/nowhere', status=1),
                         'misc_top.py: error: /nowhere: No such file or directory\n')

    def test_refresh(self):
        p = self.start('--json', '-i', '0.1', self.top)
        try:
            first = p.stdout.readline()
            self.assertEqual(row(first, '/tenants/b')['usage'], 2)
            self.write('tenants/b/misc.events', 'sev.max 7\nsev_es.max 0\n')
            self.write('tenants/b/misc.current', 'sev 1\nsev_es 5\n')
            for _ in range(50):
                line = p.stdout.readline()
                if row(line, '/tenants/b')['usage'] == 1:
                    break
            self.assertEqual(row(line, '/tenants/b')['usage'], 1)
            self.assertEqual(row(line, '/tenants/b')['refused'], 7)
            shutil.rmtree(self.top)
            self.assertEqual(p.stderr.read(), 'misc_top.py: error: %s: No such file or directory\n' % self.top)
            self.assertEqual(p.wait(), 1)
        finally:
            p.kill()
            p.communicate()

    def test_watch(self):
        """One file of each cgroup, the same at the next scan, no longer than the cgroup is there."""
        misc_top = load()
        watch = misc_top.Watch()
        os.remove(self.top + '/tenants/b/misc.events.local')
        misc_top.Scan(self.top, watch)

        def files():
            return {os.readlink('/proc/self/fd/%d' % fd).replace(self.top, '') for fd in watch.files.values()}

        events = {'/tenants/a/vm', '/tenants/a', '/tenants/idle', '/tenants', '/off'}
        expected = {x + '/misc.events.local' for x in events} | {'/tenants/b/misc.events'}
        self.assertEqual(files(), expected)
        before = dict(watch.files)
        shutil.rmtree(self.top + '/tenants/a/vm')
        misc_top.Scan(self.top, watch)
        self.assertEqual(files(), expected - {'/tenants/a/vm/misc.events.local'})
        self.assertLess(set(watch.files.items()), set(before.items()))
        misc_top.WATCHED = 2
        watch = misc_top.Watch()
        misc_top.Scan(self.top, watch)
        self.assertEqual(len(watch.files), 2)

    def test_watch_reads_what_has_changed(self):
        """Or poll() would say so again and again; what cannot be read is closed, and opened again."""
        misc_top = load()
        watch = misc_top.Watch()
        misc_top.Scan(self.top, watch)
        changed, gone = list(watch.files)[:2]
        read, slept = [], []
        really = os.pread

        def pread(fd, *args):
            read.append(fd)
            if fd == watch.files[gone]:
                raise OSError(errno.ENODEV, '')
            return really(fd, *args)

        ready = [(watch.files[x], select.POLLPRI | select.POLLERR) for x in (changed, gone)]
        watch.poll = mock.Mock(poll=mock.Mock(return_value=ready))
        with mock.patch.object(os, 'pread', pread), mock.patch.object(misc_top.time, 'sleep', slept.append):
            watch.wait(7, 0.5)
        self.assertEqual(watch.poll.poll.mock_calls, [mock.call(7000), mock.call(0)])
        self.assertEqual(slept, [0.5])
        self.assertEqual(set(read), {fd for fd, _ in ready})
        self.assertNotIn(gone, watch.files)
        misc_top.Scan(self.top, watch)
        self.assertIn(gone, watch.files)
        watch.poll.poll.return_value = []
        with mock.patch.object(misc_top.time, 'sleep', slept.append):
            watch.wait(7, 0.5)
        self.assertEqual(slept, [0.5])

    def test_no_controller(self):
        os.remove(self.top + '/misc.current')
        os.remove(self.top + '/misc.capacity')
        for how in ('--once', '--openmetrics', '--interval=1'):
            err = self.run_it(how, top=self.top, status=1)
            self.assertEqual(err, 'misc_top.py: error: %s: no cgroup with the misc controller enabled '
                             '(there is no misc.current)\n' % self.top)

    def test_no_cgroup(self):
        for path, error in (('/nowhere', errno.ENOENT), (MISC_TOP, errno.ENOTDIR)):
            out, err = self.run_it('--openmetrics', top=path, status=1, both=True)
            self.assertEqual(err, 'misc_top.py: error: %s: %s\n' % (path, os.strerror(error)))
            self.assertEqual(out, '')

    def test_output_that_cannot_be_written(self):
        for how in ('--once', '--json', '--openmetrics'):
            with open('/dev/full', 'w') as full:
                p = subprocess.run([sys.executable, '-B', MISC_TOP, how, self.top], stdout=full, stderr=subprocess.PIPE,
                                   text=True)
            self.assertEqual(p.stderr, 'misc_top.py: error: standard output: No space left on device\n')
            self.assertEqual(p.returncode, 1)

    def test_bad_options(self):
        for word in ('0', '-1', 'x', 'nan', 'inf'):
            err = self.run_it('-i' + word, status=2)
            self.assertIn('%s: not a number of seconds, above 0 and below a million' % word, err)
        self.assertIn('not allowed with', self.run_it('--json', '--openmetrics', status=2))
        self.assertIn('--owners is not for --openmetrics', self.run_it('--owners', '--openmetrics', status=2))


if __name__ == '__main__':
    result = unittest.main(argv=[sys.argv[0]], exit=False, verbosity=0).result
    bad = len(result.failures) + len(result.errors)
    print('%d passed, %d failed, %d skipped' % (
        result.testsRun - bad - len(result.skipped), bad, len(result.skipped)))
    sys.exit(bad > 0)
