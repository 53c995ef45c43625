# SPDX-License-Identifier: GPL-2.0
"""Goes through all states that CPUs can reach which run the functions of protocol.py, whatever the order of their
steps, and checks each state and each step."""

import dis
import inspect
import pathlib
import types

PROTOCOL = pathlib.Path(__file__).with_name("protocol.py").read_text(encoding="utf-8")
IDLE = 0
NONE = -1


class Failure(Exception):
    """A state or a step that must not be."""


def load(text, world):
    """The protocol as a module, for the cgroups of this world."""
    module = types.ModuleType("protocol")
    exec(compile(text, "protocol.py", "exec"), module.__dict__)  # pylint: disable=exec-used
    module.PARENT, module.PLACES = world.parents, world.places
    for function in vars(module).values():
        if inspect.isgeneratorfunction(function):
            # How far a "for" is, is not among the variables: see Search.local().
            assert not any(i.opname == "FOR_ITER" for i in dis.get_instructions(function)), function
    return module


class Local:
    """How far a CPU is in a function: the results of its steps so far, and its next step."""

    def __init__(self, function, args, results, step, locked):
        self.function, self.args, self.results, self.step, self.locked = function, args, results, step, locked
        self.after = {}         # by the result of the next step: what advance() has returned
        self.outcomes = {}      # by the value of the credit: what access() has returned


class Search:
    """
    A state is a tuple of
      tree    what the lock guards, as of the last time that it was free
      words   the credit of each cgroup
      held    how many charges there are of each kind; a kind is a cgroup and an amount
      peaks   the highest usage of each cgroup so far
      seen    while a CPU reads a usage: each value that this has had since the CPU took the lock, as bits of a number
      cpus    for each CPU: how far it is (the number of a Local), and the kind of the charge that it is about to
              release or move

    If the world has "cpus", these are all, and each access is a step.

    Otherwise there is any number of CPUs, and only one that has the lock is listed.  Of a CPU without the lock others
    see only an exchange that succeeds.  So this exchange, or taking the lock, is one step with all that the CPU does
    before: a read() may return what was there long ago, so it may as well be done now; and an exchange that fails
    returns what is there now, as a read() may that is done later.
    """

    def __init__(self, world, text=PROTOCOL):
        self.world = world
        self.protocol = p = load(text, world)
        self.kinds = [(cg, amount) for cg in world.charged for amount in world.amounts]
        self.kind_of = {kind: i for i, kind in enumerate(self.kinds)}
        self.locals, self.numbers, self.usages = [None], {}, {}
        self.starts = list(self.all_starts())
        # What a read() without the lock may return besides the present value.  The first two are enough if that comes
        # down to this: the function takes the lock, or its exchange fails.
        self.old = [p.CLOSED, world.most()]
        if world.cpus:
            self.old += [frozen + n for frozen in (0, p.FROZEN) for n in range(world.most() + 1)]
        self.before, self.state, self.nr_steps = {}, None, 0

    # How a function goes on

    def local(self, function, args, results=()):
        """The number of a Local. If a function is at the same place with the same variables, it is the same one."""
        generator = function(*args)
        locked = False
        try:
            step = generator.send(None)
            for result in results:
                locked = locked or step[0] == "lock"
                step = generator.send(result)
        except StopIteration:
            return IDLE
        key, frame = [], generator
        while frame is not None:
            variables = [(name, value.value() if isinstance(value, self.protocol.Tree) else value)
                         for name, value in frame.gi_frame.f_locals.items()]
            key.append((frame.gi_code, frame.gi_frame.f_lasti, tuple(sorted(variables))))
            frame = frame.gi_yieldfrom
        number = self.numbers.setdefault(tuple(key), len(self.locals))
        if number == len(self.locals):
            self.locals.append(Local(function, args, results, step, locked))
        return number

    def advance(self, number, result):
        """How far a function is after its next step, which has this result."""
        local = self.locals[number]
        if result not in local.after:
            local.after[result] = self.local(local.function, local.args, local.results + (result,))
        return local.after[result]

    def all_starts(self):
        """What an idle CPU may do, and the kind of the charge that it does that with."""
        p, world = self.protocol, self.world
        for kind, (cg, amount) in enumerate(self.kinds):
            yield self.local(p.charge, (cg, amount)), NONE
            yield self.local(p.release, (cg, amount)), kind
            for to in world.charged:
                if to != cg:
                    yield self.local(p.move, (cg, to, amount)), kind
        for cg in world.read:
            yield self.local(p.read_usage, (cg,)), NONE
        for cg, limits in world.limits.items():
            for limit in limits:
                yield self.local(p.set_max, (cg, limit)), NONE

    # The checks

    def usage(self, held):
        """What charges hold in each cgroup and its descendants."""
        if held not in self.usages:
            self.usages[held] = tuple(sum(
                n * amount for n, (pos, amount) in zip(held, self.kinds) if self.protocol.is_below(pos, cg))
                for cg in range(len(self.world.parents)))
        return self.usages[held]

    def check(self, state):
        """What must be so while nobody has the lock."""
        p = self.protocol
        (usages, limits, tree_peaks, places, _), words, held, peaks, _, _ = state
        for cg, (name, usage, limit, tree_peak, peak, used) in enumerate(zip(
                self.world.names, usages, limits, tree_peaks, peaks, self.usage(held))):
            below = [pos for pos in places if p.is_below(pos, cg)]
            credit = sum(words[pos] & p.S64_MAX for pos in below)
            if usage - credit != used:
                raise Failure(f"{name}: usage {usage} without credit {credit} is not {used}, which charges hold")
            if usage > tree_peak:
                raise Failure(f"{name}: usage with credit is {usage}, above the peak {tree_peak}")
            if tree_peak != peak:
                raise Failure(f"{name}: the peak is {tree_peak}, the highest usage was {peak}")
            if below and usage > limit:
                raise Failure(f"{name}: credit is open, but usage {usage} is above the max {limit}")
            if (cg in places) != (words[cg] != p.CLOSED):
                raise Failure(f"{name}: its credit is {words[cg]}, cgroups with places are {places}")
        if len(places) > p.PLACES:
            raise Failure(f"{len(places)} places are in use")

    def happens(self, state, cpu, now):
        """The state after what a CPU does, as seen from outside. Fails if that must not be."""
        p, names = self.protocol, self.world.names
        tree, words, held, peaks, seen, cpus = state
        usage, limits = self.usage(held), tree[1]
        what = now[0]
        if what == "read":
            _, top, value = now
            if value < 0 or not seen >> value & 1:
                raise Failure(f"{names[top]}: usage is read as {value}, which it never was meanwhile")
            return state

        if what in ("charge", "move", "refuse"):
            cg, amount = now[-2:]
            stop = p.common_ancestor(*now[1:3]) if what == "move" else now[1] if what == "refuse" else None
            fits = all(usage[pos] + amount <= limits[pos] for pos in p.path(cg, stop))
            if fits == (what == "refuse"):
                raise Failure(f"{names[cg]}: what {'fits is refused' if fits else 'does not fit is granted'}")
        number, kind = cpus[cpu]
        changed = list(held)
        if what in ("release", "move"):
            changed[kind] -= 1
        if what in ("charge", "move"):
            changed[self.kind_of[now[-2:]]] += 1
        held = tuple(changed)
        usage = self.usage(held)
        if seen:
            reader = next(local for local in (self.locals[n] for n, _ in cpus) if local and local.locked)
            seen |= 1 << usage[reader.args[0]]
        return tree, words, held, tuple(map(max, peaks, usage)), seen, self.with_cpu(cpus, cpu, number, NONE)

    # The steps

    def first(self):
        """The state in which all begins."""
        world, n = self.world, len(self.world.parents)
        limits = tuple(world.limits[cg][0] if cg in world.limits else world.most() for cg in range(n))
        tree = (0,) * n, limits, (0,) * n, (), 0
        return (tree, (self.protocol.CLOSED,) * n, (0,) * len(self.kinds), (0,) * n, 0,
                ((IDLE, NONE),) * world.cpus)

    @staticmethod
    def with_cpu(cpus, cpu, number, kind):
        return cpus[:cpu] + ((number, kind),) + cpus[cpu + 1:]

    def after(self, state, cpu, number):
        """The state after the step that has brought a CPU there. It does not matter which CPU is which."""
        self.nr_steps += 1
        cpus = state[5]
        if self.world.cpus:
            cpus = tuple(sorted(self.with_cpu(cpus, cpu, number, cpus[cpu][1])))
        elif number == IDLE:
            cpus = cpus[:cpu] + cpus[cpu + 1:]
        else:
            cpus = self.with_cpu(cpus, cpu, number, cpus[cpu][1])
        return state[:5] + (cpus,)

    def steps(self, state):
        """Each step that is possible: how far which CPU is before it, what it does, and the state afterwards."""
        cpus, held = state[5], state[2]
        free = not any(number and self.locals[number].locked for number, _ in cpus)
        if free:
            self.check(state)
        cpu = len(cpus)
        for i, (number, _) in enumerate(cpus):
            if number:
                yield from self.step(state, i, free)
            else:
                cpu = i
        if cpu < len(cpus) or not self.world.cpus:
            for number, kind in self.starts:
                if kind == NONE or held[kind] > sum(other == kind for _, other in cpus):
                    yield from self.step(state[:5] + (self.with_cpu(cpus, cpu, number, kind),), cpu, free)

    def step(self, state, cpu, free):
        """The next step of one CPU."""
        number = state[5][cpu][0]
        local = self.locals[number]
        what, *args = local.step
        if what == "lock":
            if free:
                yield local, what, self.lock(state, cpu, number)
        elif what == "unlock":
            yield local, what, self.unlock(state, cpu, number)
        elif what == "either":
            for result in (False, True):
                yield local, what, self.after(state, cpu, self.advance(number, result))
        else:
            cg, word = args[0], state[1][args[0]]
            if word not in local.outcomes:
                local.outcomes[word] = list(self.access(number, word))
            for after, value, now in local.outcomes[word]:
                new = state
                if value != word:
                    new = (state[0], state[1][:cg] + (value,) + state[1][cg + 1:]) + state[2:]
                if now:
                    new = self.happens(new, cpu, now)
                if self.world.cpus or local.locked:
                    yield local, what, self.after(new, cpu, after)
                elif value != word or now:
                    yield local, "without the lock", self.after(new, cpu, after)
                elif free:
                    yield local, "lock", self.lock(new, cpu, after)

    def access(self, number, word):
        """An access to credit: how far the CPU is afterwards, the new credit, and what happens."""
        local = self.locals[number]
        what, _, *args = local.step
        results, value, now = {word}, word, None
        if what == "read":
            results = results if local.locked else {word, *self.old}
        elif what == "freeze":
            value |= self.protocol.FROZEN
        elif what == "exchange":
            value, = args
        elif what == "store":
            (value, now), results = args, {None}
        elif word == args[0]:
            _, value, now = args
        for after in {self.advance(number, result) for result in results}:
            if self.world.cpus or local.locked or value != word or now or self.locals[after].step[0] == "lock":
                yield after, value, now
            else:
                yield from self.access(after, word)

    def lock(self, state, cpu, number):
        local = self.locals[number]
        tree, words, held, peaks, seen, cpus = state
        if local.function == self.protocol.read_usage:
            seen = 1 << self.usage(held)[local.args[0]]
        return self.after((tree, words, held, peaks, seen, cpus), cpu, self.advance(number, tree))

    def unlock(self, state, cpu, number):
        _, tree, now, thawed = self.locals[number].step
        for cg in thawed:
            if state[1][cg] < 0 and state[1][cg] != self.protocol.CLOSED:
                raise Failure(f"{self.world.names[cg]}: credit is left frozen")
        state = (tree,) + state[1:]
        if now:
            state = self.happens(state, cpu, now)
        return self.after(state[:4] + (0,) + state[5:], cpu, self.advance(number, None))

    # The search

    def run(self):
        """Goes through all states, the nearest first."""
        self.before = {self.first(): None}
        states = list(self.before)
        for self.state in states:
            for _, _, state in self.steps(self.state):
                if state not in self.before:
                    self.before[state] = self.state
                    states.append(state)

    def way(self):
        """The shortest way to the state where run() has failed: each step, and the state afterwards."""
        states = [self.state]
        while self.before[states[-1]]:
            states.append(self.before[states[-1]])
        states.reverse()
        for state, following in zip(states, states[1:]):
            local, what, _ = next(step for step in self.steps(state) if step[2] == following)
            (usage, limits, peaks, places, _), words, held, _, _, _ = following
            credit = ["closed" if word == self.protocol.CLOSED else
                      f"{'frozen ' if word < 0 else ''}{word & self.protocol.S64_MAX}" for word in words]
            yield f"{local.function.__name__}{local.args}: {what}".ljust(34) + (
                f"charges {self.usage(held)} credit ({', '.join(credit)}) "
                f"usage {usage} max {limits} peak {peaks} places {places}")
