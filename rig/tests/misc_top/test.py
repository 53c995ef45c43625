#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests tools/cgroup/misc_top.py on files that "grep -r '' --include='misc.*' | sort" recorded in the test machine.

The last line has the counts. poll() needs a kernel: rig/tests/clients/operator tests it in the Debian system.
"""
import importlib.util
import json
import os
import select
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
MISC_TOP = os.path.join(HERE, '../../../tools/cgroup/misc_top.py')

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
# An older kernel: misc.capacity is in the root cgroup only; there is no misc.max.effective and no alloc_fail; a
# resource without a driver has no limits.
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


def row(output, cgroup, resource='sev'):
    rows = [r for r in json.loads(output)['rows'] if (r['cgroup'], r['resource']) == (cgroup, resource)]
    assert len(rows) == 1, output
    return rows[0]


class MiscTop(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.top = self.tmp.name
        with open(os.path.join(HERE, 'recorded')) as f:
            next(f)  # skip the licence
            for line in f:
                path, text = line.split(':', 1)
                path = os.path.join(self.top, path)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, 'a') as out:
                    out.write(text)

    def tearDown(self):
        self.tmp.cleanup()

    def write(self, path, text):
        with open(os.path.join(self.top, path), 'w') as f:
            f.write(text)

    def start(self, *args):
        return subprocess.Popen([sys.executable, '-B', MISC_TOP, *args],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_it(self, *args, top=None, status=0):
        p = self.start(top or self.top, *args)
        out, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, status, err)
        self.assertEqual(status == 0, err == '', err)
        return out if status == 0 else err

    def table(self, **kwargs):
        time, _, table = self.run_it('--once', **kwargs).partition('\n')
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

    def test_limit_without_a_driver(self):
        out = self.run_it('--once', '--json')
        self.assertEqual(row(out, '/tenants/idle', 'tdx'), {
            'resource': 'tdx', 'cgroup': '/tenants/idle', 'usage': 0, 'max': 4, 'effective': None, 'peak': None,
            'refused': None, 'local': None, 'failed': None})
        self.assertEqual([r for r in json.loads(out)['rows'] if r['resource'] == 'tdx'], [row(out, '/tenants/idle', 'tdx')])

    def test_usage_without_a_driver(self):
        """A driver was unloaded with charges outstanding: usage, but no capacity and no limits."""
        for path, _, files in os.walk(self.top):
            for name in set(files) & {'misc.capacity', 'misc.max', 'misc.max.effective'}:
                self.write(os.path.join(path, name), '')
        self.assertEqual(row(self.run_it('--once', '--json'), '/tenants/b')['usage'], 2)

    def test_order_is_the_kernels(self):
        """Resources are in the kernel's order, also tdx, which only the limits of one cgroup have."""
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

    def test_names_write_nothing_on_the_terminal(self):
        os.rename(self.top + '/tenants/a', self.top + '/tenants/\033[2J\udcff')
        self.assertIn(' /tenants/?[2J?\n', self.table())

    def test_json(self):
        out = self.run_it('--once', '--json')
        self.assertEqual(out.count('\n'), 1)
        self.assertEqual(set(json.loads(out)), {'time', 'rows'})
        self.assertEqual(row(out, '/tenants/b', 'sev_es'), {
            'resource': 'sev_es', 'cgroup': '/tenants/b', 'usage': 5, 'max': 9, 'effective': 5, 'peak': 5,
            'refused': 0, 'local': 0, 'failed': 1})
        self.assertEqual(row(out, '/tenants/a/vm')['max'], 'max')
        self.assertIsNone(row(out, '/')['max'])

    def test_refresh(self):
        p = self.start('--json', '-i', '0.1', self.top)
        try:
            first = p.stdout.readline()
            self.assertEqual(row(first, '/tenants/b')['usage'], 2)
            # poll() reports no changes of files on a disk: the events files are read only once.
            self.write('tenants/b/misc.events', 'sev.max 7\nsev_es.max 0\n')
            self.write('tenants/b/misc.current', 'sev 1\nsev_es 5\n')
            for _ in range(50):
                line = p.stdout.readline()
                if row(line, '/tenants/b')['usage'] == 1:
                    break
            self.assertEqual(row(line, '/tenants/b')['usage'], 1)
            self.assertEqual(row(line, '/tenants/b')['refused'], 0)
        finally:
            p.kill()
            p.communicate()

    def test_refusals_are_read_when_poll_says_so(self):
        spec = importlib.util.spec_from_file_location('misc_top', MISC_TOP)
        misc_top = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(misc_top)
        events = misc_top.Events()
        misc_top.scan(self.top, events)
        changed = os.path.join(self.top, 'tenants/b/misc.events')
        gone = os.path.join(self.top, 'tenants/a/vm/misc.events')

        class Poll:
            def poll(self, _):
                return [(events.files[p], select.POLLPRI | select.POLLERR) for p in (changed, gone)]

            def unregister(self, _):
                pass

        self.write('tenants/a/misc.events', 'sev.max 8\nsev_es.max 0\n')
        self.write('tenants/b/misc.events', 'sev.max 7\nsev_es.max 0\n')
        # The events file of a removed cgroup cannot be read any more: here, the descriptor is that of a folder.
        fd = os.open(self.top, os.O_RDONLY)
        os.dup2(fd, events.files[gone])
        os.close(fd)
        events.poll = Poll()
        events.wait(1)
        self.assertNotIn(gone, events.files)
        rows = {r['cgroup']: r for r in misc_top.scan(self.top, misc_top.Events()) if r['resource'] == 'sev'}
        self.assertEqual(rows['/tenants/b']['refused'], 7)
        self.assertEqual(events.read(changed)['sev.max'], 7)
        self.assertEqual(events.read(os.path.join(self.top, 'tenants/a/misc.events'))['sev.max'], 1)
        events.only(set())
        self.assertEqual(events.files, {})

    def test_no_controller(self):
        os.remove(self.top + '/misc.current')
        err = self.run_it('--once', top=self.top, status=1)
        self.assertEqual(err, 'misc_top.py: error: %s: no cgroup with the misc controller enabled '
                         '(there is no misc.current)\n' % self.top)

    def test_bad_interval(self):
        for word in ('0', '-1', 'x', 'nan', 'inf'):
            err = self.run_it('-i' + word, status=2)
            self.assertIn('%s: not a number of seconds, above 0 and below a million' % word, err)


if __name__ == '__main__':
    result = unittest.main(argv=[sys.argv[0]], exit=False, verbosity=0).result
    bad = len(result.failures) + len(result.errors)
    print('%d passed, %d failed, %d skipped' % (
        result.testsRun - bad - len(result.skipped), bad, len(result.skipped)))
    sys.exit(bad > 0)
