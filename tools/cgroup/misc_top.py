#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0

"""Show who uses the resources of the misc cgroup controller.

One line for each cgroup and resource that has something to say:

  USAGE      what is in use, in the cgroup and below
  MAX        its own limit (misc.max)
  EFFECTIVE  the most that it could ever hold, by all limits and the capacity;
             of the root cgroup, the capacity
  PEAK       the most that ever was in use
  REFUSED    charges that its limit or one below refused (misc.events)
  LOCAL      charges that its own limit refused (misc.events.local)
  FAILED     charges made in this very cgroup that were refused anywhere
             (alloc_fail in misc.events.local)
  CGROUP     its path below the one that was asked for

"-" is what the cgroup or the kernel does not have.  A limit of a resource that
has no driver yet is shown with a usage of 0 and no EFFECTIVE: it holds as soon
as the driver is loaded.  The most used come first.
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
    """The lines "key value" as a dictionary, in their order."""
    values = {}
    for line in text.splitlines():
        key, value = line.split()
        values[key] = value if value == 'max' else int(value)
    return values


class Events:
    """The event files of all cgroups, read when poll() says that they changed."""

    def __init__(self):
        self.files = {}     # path of a file: its descriptor
        self.values = {}    # path of a file: what it said last
        self.poll = select.poll()

    def read(self, path):
        """What the file said last; opened, read and watched the first time."""
        if path not in self.files:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.files[path] = fd
            # Before the first reading, so that no change gets lost after it.
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
        # Whoever is refused in a loop does not keep us busy.
        time.sleep(0.1)
        ready = {fd for fd, _ in self.poll.poll(0)}
        for path in [p for p, fd in self.files.items() if fd in ready]:
            try:
                self.update(path)
            except OSError:
                # The cgroup is gone.
                self.forget(path)

    def only(self, cgroups):
        """Close the files of all other cgroups."""
        for path in [p for p in self.files if os.path.dirname(p) not in cgroups]:
            self.forget(path)


def read(cgroup, name):
    """A file's values; of one that the cgroup does not have, none."""
    try:
        with open(os.path.join(cgroup, name)) as f:
            return parse(f.read())
    except FileNotFoundError:
        return {}


def merge(order, names):
    """Insert names of the kernel's order into a list that has some of them."""
    position = len(order)
    for name in reversed(names):
        if name in order:
            position = order.index(name)
        else:
            order.insert(position, name)


def rows_of(cgroup, path, events):
    current = read(cgroup, 'misc.current')
    limits = read(cgroup, 'misc.max')
    # The root has no limit but the capacity.
    effective = read(cgroup, 'misc.max.effective' if limits else 'misc.capacity')
    peak = read(cgroup, 'misc.peak')
    counts = []
    for name in EVENTS:
        try:
            counts.append(events.read(os.path.join(cgroup, name)))
        except FileNotFoundError:
            counts.append({})
    below, local = counts

    # One that has no driver is in misc.max while a limit is set, and in
    # misc.current while some of it is in use.
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


def says_something(row):
    return any(row[c] not in (None, 0, 'max') for c in COLUMNS if c != 'effective')


def scan(top, events):
    rows = []
    order = []      # of the resources: the kernel's, which every file has
    cgroups = set()
    for cgroup, children, files in os.walk(top):
        if 'misc.current' not in files:
            # Nor is it in any of its children.
            children.clear()
            continue
        path = '' if cgroup == top else os.path.relpath(cgroup, top)
        try:
            new = list(rows_of(cgroup, '/' + path, events))
        except OSError:
            # It was removed meanwhile.
            continue
        rows += new
        merge(order, [r['resource'] for r in new])
        cgroups.add(cgroup)
    events.only(cgroups)
    rows.sort(key=lambda r: (order.index(r['resource']), -r['usage'], r['cgroup']))
    return list(filter(says_something, rows))


def printable(path):
    """Whoever may make a cgroup is not to write on our terminal."""
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
                        help='show this one and what is below (default: %(default)s)')
    parser.add_argument('--once', action='store_true', help='show it once, and end')
    parser.add_argument('--json', action='store_true',
                        help='as JSON, an object a line; null is what is "-" above')
    parser.add_argument('-i', '--interval', type=seconds, default=2, metavar='SECONDS',
                        help='refresh that often (default: %(default)s)')
    args = parser.parse_args()

    # As of any program in a pipe.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Two files for each cgroup.
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
