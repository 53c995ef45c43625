# SPDX-License-Identifier: GPL-2.0
"""misc-credit.c, and what misc.c does around it, in the same words.

Each "yield" is one step of a CPU: an access to the credit of a cgroup, or the lock. Between two steps of one CPU
may come any steps of the others. What only the lock guards (class Tree) is read and changed between two steps.

    value = yield read(cg)                       atomic64_read()
    yield store(cg, value, now)                  atomic64_set_release()
    value = yield exchange(cg, value)            atomic64_xchg()
    value = yield freeze(cg)                     atomic64_fetch_or(MISC_CG_CREDIT_FROZEN)
    value = yield compare_exchange(cg, old, new, now)
                                                 atomic64_cmpxchg(): returns the value that it found
    tree = Tree((yield lock()))                  spin_lock()
    yield unlock(tree, now, thawed)              spin_unlock()
    value = yield either()                       False or True

"now" is what happens in this step as seen from outside: a charge is granted, refused, released or moved, or a usage
is read. search.py compares that with the charges and limits at this moment. For a compare_exchange() it happens if
that succeeds. "thawed": cgroups whose credit must not be left frozen.

search.py knows how far a function is by the place and its variables.  So there is no "for" around a "yield", and what
is computed before a "yield" and needed afterwards is in a variable.
"""

CLOSED = -1
FROZEN = -2**63
S64_MAX = 2**63 - 1

# Set by search.py:
PARENT = ()     # of each cgroup; cgroup 0 is the root, its parent is None
PLACES = 0      # MISC_CG_CREDIT_PLACES


class Invalid(Exception):
    """Something that no correct program does."""


def read(cg):
    return "read", cg


def store(cg, value, now=None):
    return "store", cg, value, now


def exchange(cg, value):
    return "exchange", cg, value


def freeze(cg):
    return "freeze", cg


def compare_exchange(cg, old, new, now):
    return "compare_exchange", cg, old, new, now


def lock():
    return ("lock",)


def unlock(tree, now=None, thawed=()):
    return "unlock", tree.value(), now, tuple(thawed)


def either():
    return ("either",)


def path(cg, stop):
    """The cgroup and its ancestors below stop (None: all)."""
    cgroups = []
    while cg != stop:
        cgroups.append(cg)
        cg = PARENT[cg]
    return cgroups


def is_below(cg, top):
    return top in path(cg, None)


def common_ancestor(a, b):
    return next(cg for cg in path(a, None) if is_below(b, cg))


class Tree:
    """What the lock guards."""

    def __init__(self, value):
        usage, limit, peak, places, self.next_place = value
        self.usage, self.max, self.peak, self.places = list(usage), list(limit), list(peak), list(places)

    def value(self):
        return tuple(self.usage), tuple(self.max), tuple(self.peak), tuple(self.places), self.next_place

    def place(self, i):
        if not 0 <= i < len(self.places):
            raise Invalid(f"place {i} of {len(self.places)} is used")
        return self.places[i]

    def places_below(self, top):
        return [cg for cg in self.places if is_below(cg, top)]

    def would_exceed(self, cg, amount):
        usage = self.usage[cg] + amount
        return usage > self.max[cg] or usage > self.peak[cg]

    def topmost_exceeded(self, cg, stop, amount):
        topmost = None
        for pos in path(cg, stop):
            if self.would_exceed(pos, amount):
                topmost = pos
        return topmost

    def usage_sub(self, cg, stop, amount):
        for pos in path(cg, stop):
            self.usage[pos] -= amount

    def usage_add(self, cg, stop, amount):
        """False: a max or a peak would be exceeded, and nothing is added."""
        for pos in path(cg, stop):
            if self.would_exceed(pos, amount):
                self.usage_sub(cg, pos, amount)
                return False
            self.usage[pos] += amount
        return True

    def find_refusing(self, cg, stop, amount):
        return next((pos for pos in path(cg, stop) if self.usage[pos] + amount > self.max[pos]), stop)

    def usage_add_slow(self, cg, stop, amount):
        """False: a max refuses."""
        if self.find_refusing(cg, stop, amount) != stop:
            return False
        for pos in path(cg, stop):
            self.usage[pos] += amount
            self.peak[pos] = max(self.peak[pos], self.usage[pos])
        return True


# misc-internal.h

def credit_take(cg, amount, now):
    credit = yield read(cg)
    while True:
        if credit < 0 or amount > credit:
            return False
        found = yield compare_exchange(cg, credit, credit - amount, now)
        if found == credit:
            return True
        credit = found


def credit_leave(cg, amount, now):
    credit = yield read(cg)
    while True:
        if credit < 0 or amount >= S64_MAX - credit:
            return False
        found = yield compare_exchange(cg, credit, credit + amount, now)
        if found == credit:
            return True
        credit = found


def credit_thaw(cg):
    credit = yield read(cg)
    if credit == CLOSED:
        return False
    if credit < 0:
        yield store(cg, credit & S64_MAX)
    return True


# misc-credit.c

def credit_close(tree, i):
    cg = tree.place(i)
    credit = (yield exchange(cg, CLOSED)) & S64_MAX
    last = tree.places.pop()
    if i < len(tree.places):
        tree.places[i] = last
    tree.usage_sub(cg, None, credit)


def credit_close_below(tree, top):
    i = len(tree.places)
    while tree.places_below(top):
        i -= 1
        if is_below(tree.place(i), top):
            yield from credit_close(tree, i)


def credit_make_room(tree, cg, stop, amount):
    top = tree.topmost_exceeded(cg, stop, amount)
    i = len(tree.places)
    while top is not None and tree.places_below(top):
        i -= 1
        if not is_below(tree.place(i), top):
            continue
        yield from credit_close(tree, i)
        if not tree.would_exceed(top, amount):
            top = tree.topmost_exceeded(cg, stop, amount)


def credit_find_place(tree):
    if len(tree.places) < PLACES:
        return True
    i = tree.next_place
    tree.next_place = (i + 1) % PLACES
    if (yield freeze(tree.place(i))) >= 0:
        return False
    yield from credit_close(tree, i)
    return True


def credit_open(tree, cg, amount, now):
    # How many releases took the lock since the last try: any number.
    if not (yield either()):
        return False
    if tree.topmost_exceeded(cg, None, 0) is not None:
        return False
    if not (yield from credit_find_place(tree)):
        return False
    tree.places.append(cg)
    yield store(cg, amount, now)
    return True


def credit_sum(tree, top):
    left = len(tree.places_below(top))
    i = len(tree.places)
    total = 0
    frozen = ()
    while left:
        i -= 1
        cg = tree.place(i)
        if not is_below(cg, top):
            continue
        left -= 1
        if left:
            credit = yield freeze(cg)
        else:
            credit = yield read(cg)
        total += credit & S64_MAX
        if left and credit >= 0:
            frozen += (cg,)
    i = 0
    while i < len(frozen):
        yield from credit_thaw(frozen[i])
        i += 1
    return total, frozen


# misc.c

def usage_add(tree, cg, stop, amount):
    """False: refused."""
    if tree.usage_add(cg, stop, amount):
        return True
    refusing = tree.find_refusing(cg, stop, amount)
    if refusing == stop or tree.places_below(refusing):
        yield from credit_make_room(tree, cg, stop, amount)
    return tree.usage_add_slow(cg, stop, amount)


def charge(cg, amount):
    now = "charge", cg, amount
    if (yield from credit_take(cg, amount, now)):
        return
    tree = Tree((yield lock()))
    if (yield from credit_thaw(cg)) and (yield from credit_take(cg, amount, now)):
        yield unlock(tree, None, [cg])
    elif (yield from usage_add(tree, cg, None, amount)):
        yield unlock(tree, now, [cg])
    else:
        yield unlock(tree, ("refuse", None, cg, amount))


def release(cg, amount):
    now = "release", cg, amount
    if (yield from credit_leave(cg, amount, now)):
        return
    tree = Tree((yield lock()))
    if (yield from credit_thaw(cg)):
        left = yield from credit_leave(cg, amount, now)
    else:
        left = yield from credit_open(tree, cg, amount, now)
    if left:
        yield unlock(tree, None, [cg])
    else:
        tree.usage_sub(cg, None, amount)
        yield unlock(tree, now, [cg])


def move(source, cg, amount):
    stop = common_ancestor(source, cg)
    tree = Tree((yield lock()))
    if (yield from usage_add(tree, cg, stop, amount)):
        tree.usage_sub(source, stop, amount)
        yield unlock(tree, ("move", source, cg, amount))
    else:
        yield unlock(tree, ("refuse", stop, cg, amount))


def read_usage(top):
    tree = Tree((yield lock()))
    credit, frozen = yield from credit_sum(tree, top)
    yield unlock(tree, ("read", top, tree.usage[top] - credit), frozen)


# misc.max, the capacity, unregistering; with the same max as before: removing a cgroup.
def set_max(cg, limit):
    tree = Tree((yield lock()))
    tree.max[cg] = limit
    yield from credit_close_below(tree, cg)
    yield unlock(tree)
