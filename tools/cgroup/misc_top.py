#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0

"""Show who uses the resources of the misc cgroup controller.

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
The table is refreshed at every interval, and at once when a charge is refused.
"""

import argparse
import json
import os
import resource
import select
import shutil
import signal
import sys
import time

COLUMNS = ('usage', 'max', 'effective', 'peak', 'refused', 'local', 'failed')
EVENTS = ('misc.events', 'misc.events.local')


def parse(text):
    """Return the lines "key value" as a dictionary, in the order of the lines."""
    values = {}
    for line in text.splitlines():
        key, value = line.split()
        values[key] = value if value == 'max' else int(value)
    return values


class Events:
    """The events files of all cgroups, read again when poll() reports a change."""

    def __init__(self):
        self.files = {}     # path of a file: its descriptor
        self.values = {}    # path of a file: its values when it was read last
        self.poll = select.poll()

    def read(self, path):
        """Return the last values of a file; open, read and watch a new file."""
        if path not in self.files:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.files[path] = fd
            # Register before the first read, so that no change after it is lost.
            self.poll.register(fd, select.POLLPRI)
            self.update(path)
        return self.values[path]

    def update(self, path):
        text = os.pread(self.files[path], 1 << 16, 0).decode()
        self.values[path] = parse(text)

    def forget(self, path):
        fd = self.files.pop(path)
        self.values.pop(path, None)
        self.poll.unregister(fd)
        os.close(fd)

    def wait(self, seconds):
        """Return when something has changed, or after that many seconds."""
        if not self.poll.poll(seconds * 1000):
            return
        # A tenant that is refused in a loop must not keep this program busy.
        time.sleep(0.1)
        ready = {fd for fd, _ in self.poll.poll(0)}
        for path in [p for p, fd in self.files.items() if fd in ready]:
            try:
                self.update(path)
            except OSError:
                # The cgroup was removed.
                self.forget(path)

    def only(self, cgroups):
        """Close the files of all other cgroups."""
        for path in [p for p in self.files if os.path.dirname(p) not in cgroups]:
            self.forget(path)


def read(cgroup, name):
    """Return the values of a file, or {} if the cgroup does not have the file."""
    try:
        with open(os.path.join(cgroup, name)) as f:
            return parse(f.read())
    except FileNotFoundError:
        return {}


def merge(order, names):
    """Insert names, in the kernel's order, into a list that has some of them."""
    position = len(order)
    for name in reversed(names):
        if name in order:
            position = order.index(name)
        else:
            order.insert(position, name)


def rows_of(cgroup, path, events):
    current = read(cgroup, 'misc.current')
    limits = read(cgroup, 'misc.max')
    # The root cgroup has no misc.max: its limit is the capacity.
    effective = read(cgroup, 'misc.max.effective' if limits else 'misc.capacity')
    peak = read(cgroup, 'misc.peak')
    counts = []
    for name in EVENTS:
        try:
            counts.append(events.read(os.path.join(cgroup, name)))
        except FileNotFoundError:
            counts.append({})
    below, local = counts

    # A resource whose driver is not loaded is in misc.max while a limit is set,
    # and in misc.current while its usage is not 0.
    names = list(current)
    merge(names, list(limits))
    for name in names:
        yield {
            'resource': name,
            'cgroup': path,
            'usage': current.get(name, 0),
            'max': limits.get(name),
            'effective': effective.get(name),
            'peak': peak.get(name),
            'refused': below.get(name + '.max'),
            'local': local.get(name + '.max'),
            'failed': local.get(name + '.alloc_fail'),
        }


def matters(row):
    return any(row[c] not in (None, 0, 'max') for c in COLUMNS if c != 'effective')


def scan(top, events):
    rows = []
    order = []      # of the resources: as in the kernel's files
    cgroups = set()
    for cgroup, children, files in os.walk(top):
        if 'misc.current' not in files:
            # If misc is not enabled here, it is not enabled in any descendant.
            children.clear()
            continue
        path = '' if cgroup == top else os.path.relpath(cgroup, top)
        try:
            new = list(rows_of(cgroup, '/' + path, events))
        except OSError:
            # The cgroup was removed meanwhile.
            continue
        rows += new
        merge(order, [r['resource'] for r in new])
        cgroups.add(cgroup)
    events.only(cgroups)
    rows.sort(key=lambda r: (order.index(r['resource']), -r['usage'], r['cgroup']))
    return list(filter(matters, rows))


def printable(path):
    """Keep control characters in the names of cgroups off the terminal."""
    return ''.join(c if c.isprintable() else '?' for c in path)


def table(rows, lines):
    heading = ['RESOURCE', *(c.upper() for c in COLUMNS), 'CGROUP']
    cells = [[r['resource'], *('-' if r[c] is None else str(r[c]) for c in COLUMNS),
              printable(r['cgroup'])] for r in rows]
    widths = [max(len(row[i]) for row in [heading, *cells])
              for i in range(len(heading) - 1)]
    for row in [heading, *cells][:lines]:
        numbers = (c.rjust(w) for c, w in zip(row[1:-1], widths[1:]))
        print(row[0].ljust(widths[0]), *numbers, row[-1])
    if len(rows) >= lines:
        print('... and %d more' % (len(rows) + 1 - lines))


def show(rows, as_json):
    if as_json:
        print(json.dumps({'time': int(time.time()), 'rows': rows}), flush=True)
        return
    lines = len(rows) + 2
    if sys.stdout.isatty():
        print('\033[H\033[2J', end='')
        lines = shutil.get_terminal_size().lines - 3
    print(time.strftime('%F %T'))
    table(rows, lines)
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


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cgroup', nargs='?', default='/sys/fs/cgroup',
                        help='show this cgroup and its descendants (default: %(default)s)')
    parser.add_argument('--once', action='store_true', help='show the table once, and exit')
    parser.add_argument('--json', action='store_true',
                        help='print JSON, one object per line, with null for "-"')
    parser.add_argument('-i', '--interval', type=seconds, default=2, metavar='SECONDS',
                        help='time between refreshes (default: %(default)s)')
    args = parser.parse_args()

    # End silently when the reader of a pipe has ended, and on Ctrl-C.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Two files stay open for each cgroup.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    if not os.path.exists(os.path.join(args.cgroup, 'misc.current')):
        sys.exit('%s: error: %s: no cgroup with the misc controller enabled '
                 '(there is no misc.current)' % (parser.prog, args.cgroup))
    events = Events()
    while True:
        show(scan(args.cgroup, events), args.json)
        if args.once:
            break
        events.wait(args.interval)


if __name__ == '__main__':
    main()
