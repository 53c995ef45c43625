#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0

r"""Show who uses the resources of the misc cgroup controller.

One line for each cgroup and resource with a usage, a limit, a peak or refusals:

  USAGE      usage of the cgroup and its descendants together (misc.current)
  MAX        limit of the cgroup (misc.max)
  EFFECTIVE  the smallest of the capacity and the limits of the cgroup and all
             its ancestors (misc.max.effective); for the root, the capacity
  PEAK       highest usage so far (misc.peak)
  REFUSED    charges refused by the limits of the cgroup and its descendants
             (misc.events)
  LOCAL      charges refused by the limit of the cgroup (misc.events.local)
  FAILED     refused charges that were made in the cgroup itself, whichever
             limit refused or if the capacity did (alloc_fail in
             misc.events.local)
  CGROUP     path of the cgroup, below the cgroup in the argument

"-" stands for a value that the cgroup or the kernel does not have.  A limit of
a resource whose driver is not loaded is shown with a USAGE of 0 and no
EFFECTIVE: the limit holds as soon as the driver is loaded.  The lines of a
resource are sorted by usage, the highest first.

A path that has blanks, or bytes that are not printable characters in UTF-8, is
shown as bash would take it, $'/a\x20b'.  Any other is shown as it is.

The table is refreshed at every interval, and at once when a charge is refused
in one of the first 1000 cgroups (fewer if "ulimit -n" is below 1100).  What is
refused in other cgroups is shown at the next interval.

A cgroup that cannot be read is counted and named below the table, in
"unreadable" of --json, and on standard error with --once and --openmetrics.
The exit status of these two is then 3.

--json has null for "-", and "own": usage that none of the children has; and
"populated": 0 where no process is in the cgroup or below.

--openmetrics has what the table has; what is "-" or "max" there is missing.
The textfile collector of node_exporter reads it, too, but counters have no type
then: OpenMetrics and the older format differ in how they write that.

--owners shows, for each cgroup that has usage of its own, the processes in it
or below that have VMs open, each process once.  The kernel does not say where a
VM is charged: it is the cgroup in which it was created, which its process may
have left.  VMs that are not encrypted, and second descriptors of one VM, count
as VMs found; so at least what is "unexplained" is held elsewhere.  What no
process shows is held by descriptors in flight (SCM_RIGHTS) or in io_uring, by
mapped vCPUs, by guest_memfds, or by the firmware.  Run it as root, outside of
containers.  Documentation/admin-guide/misc-cgroup.rst says more ("Usage Does
Not Fall").

Kernels without misc.max.effective have "-" for FAILED and, but for the root
cgroup, EFFECTIVE.  They do not tell which cgroup was refused by the limit of
another one; the capacity's refusals count only if one cgroup uses all of it.
In older kernels, such as 6.1, the root cgroup has no usage, and no line here.
"""

import argparse
import errno
import functools
import json
import os
import re
import resource
import select
import shutil
import signal
import sys
import time

COLUMNS = ('usage', 'max', 'effective', 'peak', 'refused', 'local', 'failed')
PROGRAM = os.path.basename(sys.argv[0])
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
# What a read says of a cgroup that was removed, and of a process that has ended.
GONE = (errno.ENOENT, errno.ENODEV, errno.ESRCH)
INCOMPLETE = 3      # exit status: something could not be read
WATCHED = 1000      # cgroups
NOT_WATCHED = 100   # descriptors that are left for everything else


@functools.lru_cache(maxsize=4096)
def parse(text, limits):
    """The lines "key value" as a dictionary, in their order; not to be changed."""
    values = {}
    for line in text.splitlines():
        key, value = line.split()
        values[key.decode()] = 'max' if limits and value == b'max' else int(value)
    return values


def read(cgroup, name):
    """A file's values; of one that the cgroup does not have, None."""
    try:
        fd = os.open(name, FILE, dir_fd=cgroup)
    except FileNotFoundError:
        return None
    try:
        return parse(os.read(fd, 1 << 16), limits=name.startswith('misc.max'))
    except ValueError:
        raise OSError(errno.EINVAL, name + ' is not what the kernel writes') from None
    finally:
        os.close(fd)


class Watch:
    """Events files that are open, so that poll() tells when they change."""

    def __init__(self):
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.most = min(WATCHED, soft - NOT_WATCHED)
        self.files = {}     # inode number of a cgroup: descriptor of its file
        self.found = set()  # inode numbers of the cgroups of this scan
        self.poll = select.poll()

    def add(self, cgroup):
        key = os.fstat(cgroup).st_ino
        self.found.add(key)
        if key in self.files or len(self.files) >= self.most:
            return
        # Each refusal changes a misc.events.local.  Older kernels have none.
        for name in ('misc.events.local', 'misc.events'):
            try:
                fd = os.open(name, FILE, dir_fd=cgroup)
            except OSError:
                continue
            self.files[key] = fd
            self.poll.register(fd, select.POLLPRI)
            self.seen(key)
            return

    def seen(self, key):
        """Until the file is read, poll() reports the change again."""
        try:
            os.pread(self.files[key], 1 << 16, 0)
        except OSError:
            # The cgroup is gone.
            self.forget(key)

    def forget(self, key):
        fd = self.files.pop(key)
        self.poll.unregister(fd)
        os.close(fd)

    def end_of_scan(self):
        for key in self.files.keys() - self.found:
            self.forget(key)
        self.found.clear()

    def wait(self, seconds, pause):
        """Return a pause after something has changed, or after that many seconds."""
        if not self.poll.poll(seconds * 1000):
            return
        time.sleep(pause)
        ready = {fd for fd, _ in self.poll.poll(0)}
        for key in [k for k, fd in self.files.items() if fd in ready]:
            self.seen(key)


def merge(order, names):
    """Insert names of the kernel's order into a list that has some of them."""
    position = len(order)
    for name in reversed(names):
        if name in order:
            position = order.index(name)
        else:
            order.insert(position, name)


def rows_of(cgroup, order):
    """The rows of a cgroup; None if it does not have the controller."""
    current = read(cgroup, 'misc.current')
    if current is None:
        # In older kernels, such as 6.1, the root has only misc.capacity.
        return None if read(cgroup, 'misc.capacity') is None else []
    files = [read(cgroup, name) for name in
             ('misc.max', 'misc.peak', 'misc.events', 'misc.events.local')]
    limits, peak, below, local = [values or {} for values in files]

    # One that has no driver is in misc.max while a limit is set, and in
    # misc.current while some of it is in use.
    names = list(current)
    merge(names, list(limits))
    merge(order, names)
    rows = []
    for name in names:
        row = {
            'resource': name,
            'cgroup': None,
            'usage': current.get(name, 0),
            'max': limits.get(name),
            'effective': None,
            'peak': peak.get(name),
            'refused': below.get(name + '.max'),
            'local': local.get(name + '.max'),
            'failed': local.get(name + '.alloc_fail'),
            'own': current.get(name, 0),
            'populated': None,
        }
        if any(row[c] not in (None, 0, 'max') for c in COLUMNS):
            rows.append(row)
    if rows:
        # The root has no limit but the capacity.
        effective = read(cgroup, 'misc.capacity' if files[0] is None
                         else 'misc.max.effective') or {}
        events = read(cgroup, 'cgroup.events') or {}
        for row in rows:
            row['effective'] = effective.get(row['resource'])
            row['populated'] = events.get('populated')
    if rows or None in files:
        # A file that is not there may have gone together with the cgroup.
        os.stat('misc.current', dir_fd=cgroup)
    return rows


def children_of(cgroup):
    # Folders count as links, in most file systems.  Most cgroups have none, and
    # need no look at all of their files.
    if os.fstat(cgroup).st_nlink == 2:
        return []
    with os.scandir(cgroup) as entries:
        return [e.name for e in entries if e.is_dir(follow_symlinks=False)]


class Scan:
    """What the files of all cgroups say.

    A cgroup is opened by its name in the parent, and left by "..": that works
    at any depth, with a path of any length, and takes few descriptors.
    """

    def __init__(self, top, watch=None):
        self.watch = watch
        self.rows = []
        self.order = []         # of the resources: the kernel's, in every file
        self.unreadable = {}    # path of a cgroup: why
        self.names = []         # of the cgroup that is visited, and above
        self.here = os.open(top, FOLDER)
        try:
            self.walk()
            self.is_root = read(self.here, 'misc.max') is None
            self.capacity = read(self.here, 'misc.capacity') or {}
        finally:
            os.close(self.here)
        if watch:
            watch.end_of_scan()
        self.rows.sort(key=lambda r: (
            self.order.index(r['resource']), -r['usage'], r['cgroup']))

    def walk(self):
        # Of the cgroup that is open, and of each above it: the rows, and the
        # names of the children that are still to be visited.
        levels = [self.visit(self.here, ())]
        while levels:
            rows, children = levels[-1]
            if not children:
                levels.pop()
                if levels:
                    self.names.pop()
                    self.go(os.open('..', FOLDER, dir_fd=self.here))
                continue
            self.names.append(children.pop())
            try:
                child = os.open(self.names[-1], FOLDER, dir_fd=self.here)
            except OSError as error:
                self.missed(error)
                self.names.pop()
                continue
            level = self.visit(child, rows)
            if level[-1]:
                levels.append(level)
                self.go(child)
            else:
                os.close(child)
                self.names.pop()

    def path(self):
        # Not kept for each level: 2,000 long names are a gigabyte of paths.
        return '/' + '/'.join(self.names)

    def go(self, cgroup):
        os.close(self.here)
        self.here = cgroup

    def visit(self, cgroup, above):
        """The rows of a cgroup, and the names of its children."""
        rows = []
        try:
            if self.watch:
                # Before the reading, so that no change gets lost after it.
                self.watch.add(cgroup)
            rows = rows_of(cgroup, self.order)
            if rows is None:
                # Nor has any of its children the controller.
                if not self.names:
                    raise FileNotFoundError(
                        errno.ENOENT, 'no cgroup with the misc controller enabled '
                        '(there is no misc.current)')
                return [], []
            path = self.path() if rows else None
            for row in rows:
                row['cgroup'] = path
            self.rows += rows
            used = {row['resource']: row['usage'] for row in rows}
            for row in above:
                row['own'] = max(0, row['own'] - used.get(row['resource'], 0))
        except OSError as error:
            self.missed(error)
        try:
            return rows, children_of(cgroup)
        except OSError as error:
            self.missed(error)
            return rows, []

    def missed(self, error):
        if not self.names:
            raise error
        if error.errno not in GONE:
            self.unreadable[self.path()] = error.strerror


def proc_path(proc, top):
    """The path of a folder of cgroups, as /proc/PID/cgroup would have it."""
    def text(field):
        # A blank, for example, is \040 there.
        return os.fsdecode(
            re.sub(rb'\\\d{3}', lambda m: bytes([int(m[0][1:], 8)]), field))

    top = os.path.realpath(top)
    root, mount = '/', '/'
    with open(os.path.join(proc, 'self/mountinfo'), 'rb') as f:
        for line in f:
            new_root, new_mount = map(text, line.split()[3:5])
            # The last of those at the same place hides the others.
            if (os.path.commonpath([top, new_mount]) == new_mount
                    and len(new_mount) >= len(mount)):
                root, mount = new_root, new_mount
    rest = os.path.relpath(top, mount)
    return root if rest == '.' else os.path.join(root, rest)


def cgroup_of(process):
    """The path of its cgroup, in the hierarchy that has the misc controller."""
    with open(os.path.join(process, 'cgroup'), 'rb') as f:
        lines = [line.rstrip(b'\n').split(b':', 2) for line in f]
    paths = [x[2] for x in lines if b'misc' in x[1].split(b',')]
    paths += [x[2] for x in lines if x[0] == b'0']
    return os.fsdecode(paths[0])


def kvm_descriptors(process):
    """Of VMs, of their vCPUs, and of their memory (guest_memfd)."""
    tasks = ['.']
    for task in tasks:
        folder = os.path.join(process, task, 'fd')
        links = []
        for fd in os.listdir(folder):
            try:
                links.append(os.readlink(os.path.join(folder, fd)))
            except FileNotFoundError:
                pass
        if links:
            return [x for x in links if x.startswith('anon_inode:') and 'kvm-' in x]
        if task == '.':
            # The main thread may have ended before the others.
            tasks += ['task/' + t for t in os.listdir(os.path.join(process, 'task'))]
    return []


def processes_of(proc):
    """Those that have a VM open, and the IDs of those that could not be read."""
    found, unreadable = [], []
    for pid in sorted(map(int, filter(str.isdigit, os.listdir(proc)))):
        process = os.path.join(proc, str(pid))
        try:
            links = kvm_descriptors(process)
            if not links:
                continue
            with open(os.path.join(process, 'comm'), 'rb') as f:
                command = os.fsdecode(f.read().rstrip(b'\n'))
            found.append({'pid': pid, 'command': command, 'cgroup': cgroup_of(process),
                          'vms': links.count('anon_inode:kvm-vm')})
        except OSError as error:
            if error.errno not in GONE:
                unreadable.append(pid)
    return found, unreadable


def owners_of(scan, top, proc):
    """The cgroups with usage of their own, and who may hold it."""
    cgroups = {}
    for row in scan.rows:
        if row['own']:
            cgroup = cgroups.setdefault(row['cgroup'], {
                'cgroup': row['cgroup'], 'own': {}, 'vms': 0, 'processes': []})
            cgroup['own'][row['resource']] = row['own']
    found, unreadable = processes_of(proc)
    base = proc_path(proc, top).rstrip('/')
    elsewhere = []
    for process in found:
        path = ''
        if (process['cgroup'] + '/').startswith(base + '/'):
            path = process['cgroup'][len(base):] or '/'
        if (path + '/').startswith('/../'):
            # Not in this cgroup namespace.
            path = ''
        while path not in cgroups and path.strip('/'):
            path = os.path.dirname(path)
        if path in cgroups:
            cgroups[path]['processes'].append(process)
            cgroups[path]['vms'] += process['vms']
        else:
            elsewhere.append(process)
    spare = sum(p['vms'] for p in elsewhere)
    for cgroup in cgroups.values():
        more = cgroup['vms'] - sum(cgroup['own'].values())
        cgroup['unexplained'] = max(0, -more)
        spare += max(0, more)
    return {'cgroups': sorted(cgroups.values(), key=lambda c: c['cgroup']),
            'elsewhere': elsewhere, 'spare': spare, 'unreadable': unreadable}


def quoted(name):
    """A name for people and programs alike: text, and never two names the same.

    Whoever may make a cgroup is not to write on our terminal, nor to break
    the lines that others read.
    """
    text = os.fsencode(name).decode(errors='surrogateescape')
    if text.isprintable() and ' ' not in text and not text.startswith('$'):
        return text
    return "$'%s'" % ''.join(
        '\\' + c if c in "\\'" else c if c.isprintable() and c != ' ' else
        ''.join('\\x%02x' % b for b in c.encode(errors='surrogateescape'))
        for c in text)


def table(rows):
    heading = ['RESOURCE', *(c.upper() for c in COLUMNS), 'CGROUP']
    cells = [heading]
    cells += [[r['resource'], *('-' if r[c] is None else str(r[c]) for c in COLUMNS),
               quoted(r['cgroup'])] for r in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return [' '.join([row[0].ljust(widths[0]),
                      *(c.rjust(w) for c, w in zip(row[1:-1], widths[1:])), row[-1]])
            for row in cells]


def plural(number, word):
    return '%d %s%s' % (number, word, '' if number == 1 else 's')


def owners_table(owners):
    def lines_of(processes):
        return ['  PID %d, %s, in %s: %s' % (
            p['pid'], quoted(p['command']), quoted(p['cgroup']),
            plural(p['vms'], 'VM') if p['vms'] else 'vCPUs or memory of a VM')
                for p in processes]

    lines = ['', 'Usage of their own, and processes with VMs open there or below:']
    for cgroup in owners['cgroups']:
        own = ', '.join('%s %d' % x for x in cgroup['own'].items())
        lines.append('%s: %s; %s found, %d unexplained' % (
            quoted(cgroup['cgroup']), own, plural(cgroup['vms'], 'VM'),
            cgroup['unexplained']))
        lines += lines_of(cgroup['processes'])
    if owners['elsewhere']:
        lines.append('Processes elsewhere with VMs open:')
        lines += lines_of(owners['elsewhere'])
    unexplained = sum(c['unexplained'] for c in owners['cgroups'])
    if unexplained:
        lines.append('%d unexplained; VMs found beyond the usage where they are: %d' % (
            unexplained, owners['spare']))
    nobody = unexplained - owners['spare']
    if nobody > 0:
        lines.append('%d held by no process that shows a VM%s: see --help' % (
            nobody, ' and could be read' if owners['unreadable'] else ''))
    return lines


# The metric, without "misc_cgroup_", its type, the rows' field, what it means.
METRICS = (
    ('capacity', 'gauge', 'capacity', 'What the host has.'),
    ('usage', 'gauge', 'usage', 'Usage, here and below.'),
    ('max', 'gauge', 'max', 'The limit here.'),
    ('max_effective', 'gauge', 'effective', 'Smallest of all limits and the capacity.'),
    ('peak', 'gauge', 'peak', 'The highest usage so far.'),
    ('populated', 'gauge', 'populated', 'Whether there are processes, here or below.'),
    ('refusals', 'counter', 'refused', 'Refusals by the limit here or one below.'),
    ('refusals_local', 'counter', 'local', 'Refusals by the limit here.'),
    ('alloc_fail', 'counter', 'failed', 'Refusals of what was charged here.'),
)


def label(text):
    return '"%s"' % text.replace('\\', '\\\\').replace('"', '\\"').replace('\n', '\\n')


def openmetrics(scan):
    """What both OpenMetrics and the older text format of Prometheus can read.

    To the latter, counters have no type: OpenMetrics writes it without "_total".
    """
    rows = [dict(row, effective=None) if scan.is_root and row['cgroup'] == '/' else row
            for row in scan.rows]
    rows += [{'cgroup': '/', 'resource': name, 'capacity': value}
             for name, value in scan.capacity.items()]
    text = []
    for name, kind, field, meaning in METRICS:
        name = 'misc_cgroup_' + name
        samples = ['%s%s{cgroup=%s,resource=%s} %d' % (
            name, '_total' if kind == 'counter' else '', label(quoted(row['cgroup'])),
            label(row['resource']), row[field])
            for row in rows if row.get(field) not in (None, 'max')]
        if samples:
            text += ['# TYPE %s %s' % (name, kind), '# HELP %s %s' % (name, meaning)]
            text += samples
    return '\n'.join([
        *text, '# TYPE misc_cgroup_unreadable gauge',
        '# HELP misc_cgroup_unreadable Cgroups that could not be read.',
        'misc_cgroup_unreadable %d' % len(scan.unreadable), '# EOF'])


def incomplete(scan, owners):
    """What is missing, a line for each."""
    lines = ['%s could not be read: %s' % (quoted(path), why)
             for path, why in sorted(scan.unreadable.items())]
    if lines:
        lines.insert(0, '%s could not be read, nor perhaps what is below' % plural(
            len(lines), 'cgroup'))
    if owners and owners['unreadable']:
        pids = owners['unreadable']
        lines.append('%d of the processes could not be read: PID %s%s' % (
            len(pids), ', '.join(map(str, pids[:10])), ', ...' if pids[10:] else ''))
    return lines


def as_json(scan, owners):
    def readable(value):
        if isinstance(value, dict):
            return {k: quoted(v) if k in ('cgroup', 'command') else readable(v)
                    for k, v in value.items()}
        return [readable(v) for v in value] if isinstance(value, list) else value

    value = {'time': int(time.time()), 'rows': scan.rows,
             'unreadable': [{'cgroup': path, 'error': why}
                            for path, why in sorted(scan.unreadable.items())]}
    if owners:
        value['owners'] = owners
    return json.dumps(readable(value))


def cut(lines, most):
    return lines if len(lines) <= most else [
        *lines[:most - 1], '... and %d more' % (len(lines) - most + 1)]


def show(scan, owners, missing, screen):
    parts = [table(scan.rows), owners_table(owners) if owners else [], missing]
    if screen:
        print('\033[H\033[2J', end='')
        # What comes first may be cut more.
        height = max(12, shutil.get_terminal_size().lines - 3)
        for i, share in ((2, height // 4), (1, height // 2), (0, height)):
            parts[i] = cut(parts[i], share - sum(map(len, parts[i + 1:])))
    print(time.strftime('%F %T'))
    print('\n'.join(sum(parts, [])))
    print(flush=True)


def seconds(word):
    try:
        value = float(word)
    except ValueError:
        value = 0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(
            '%s: not a number of seconds, above 0 and below a million' % word)
    return value


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cgroup', nargs='?', default='/sys/fs/cgroup',
                        help='show this cgroup and its descendants (default: %(default)s)')
    parser.add_argument('--once', action='store_true', help='show the table once, and exit')
    how = parser.add_mutually_exclusive_group()
    how.add_argument('--json', action='store_true',
                     help='print JSON, one object per line')
    how.add_argument('--openmetrics', action='store_true',
                     help='once, as OpenMetrics text for Prometheus')
    parser.add_argument('--owners', action='store_true',
                        help='also show which processes have VMs open')
    parser.add_argument('--proc', default='/proc', metavar='FOLDER',
                        help='where procfs is mounted (default: %(default)s)')
    parser.add_argument('-i', '--interval', type=seconds, default=2, metavar='SECONDS',
                        help='time between refreshes (default: %(default)s)')
    args = parser.parse_args()
    if args.openmetrics and args.owners:
        parser.error('--owners is not for --openmetrics')
    args.once |= args.openmetrics
    return args


def fail(what, error):
    sys.exit('%s: error: %s: %s' % (PROGRAM, what, error.strerror))


def run(args):
    watch = None if args.once else Watch()
    while True:
        start = time.monotonic()
        reading = args.cgroup
        try:
            scan = Scan(args.cgroup, watch)
            reading = args.proc
            owners = owners_of(scan, args.cgroup, args.proc) if args.owners else None
        except OSError as error:
            fail(reading, error)
        missing = incomplete(scan, owners)
        if args.openmetrics:
            print(openmetrics(scan), flush=True)
        elif args.json:
            print(as_json(scan, owners), flush=True)
        else:
            show(scan, owners, [] if args.once else missing,
                 not args.once and sys.stdout.isatty())
        if args.once:
            for line in missing:
                print('%s: %s' % (PROGRAM, line), file=sys.stderr)
            return INCOMPLETE if missing else 0
        # Limit the load by a process whose charges are refused in a loop.
        watch.wait(args.interval, max(0.1, time.monotonic() - start))


def main():
    args = arguments()
    # As of any program in a pipe.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.stdout.reconfigure(encoding='utf-8')
    try:
        return run(args)
    except OSError as error:
        # Python tries to write the rest when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        fail('standard output', error)


if __name__ == '__main__':
    sys.exit(main())
