# SPDX-License-Identifier: GPL-2.0
"""Goes through all that CPUs can do to each other without the lock, in misc-credit.c, for a few small trees of cgroups.

    credit.py [MUTATION]

protocol.py has the code that this is about, search.py runs it in all orders and checks, at each step, that

  - what is granted fits at this moment, and what is refused does not
  - the usage that is read is the usage at some moment of the reading
  - usage with credit is not above the peak, and each peak was reached by charges
  - nothing is lost: usage without credit is what charges hold
  - credit is open only in as many cgroups as there are places, and only while usage is within each max
  - who reads or uses credit does not leave it frozen

Then each mutation in mutations.py makes a mistake in protocol.py, which must be found.  MUTATION: only those with this
in their name, with the shortest way to what is wrong then: each step and, afterwards, what charges hold in each cgroup,
the credit of each cgroup, and what the lock guards, as of the last time that it was free.
"""

import dataclasses
import sys
import time

import mutations
import search


@dataclasses.dataclass
class World:
    """A tree of cgroups, by their numbers. 0 is the root."""
    name: str
    parents: tuple
    charged: tuple          # the cgroups that are charged
    read: tuple             # those whose usage is read
    limits: dict            # those whose max is set; to which values, the first is there from the beginning
    places: int
    amounts: tuple = (1,)   # of charges
    cpus: int = 0           # 0: any number; see search.py

    def most(self):
        return self.limits[0][0]

    @property
    def names(self):
        return ["the root", *(f"cgroup {cg}" for cg in range(1, len(self.parents)))]


def two_leaves(name, places, **other):
    return World(name, (None, 0, 0), (1, 2), (0, 1), {0: (2, 1, 0), 1: (2, 1)}, places, **other)


WORLDS = [
    two_leaves("two leaves, 1 place", 1),
    two_leaves("two leaves, 2 places", 2),
    World("a parent and its child, 2 places", (None, 0, 1), (1, 2), (0, 1), {0: (2, 1), 1: (2, 1), 2: (1, 0)}, 2),
    World("two leaves below a parent, 2 places", (None, 0, 1, 1), (2, 3), (0, 1), {0: (2, 1), 1: (2, 1)}, 2),
    World("two leaves, amounts 1 and 2, 2 places", (None, 0, 0), (1, 2), (0,), {0: (3, 1)}, 2, amounts=(1, 2)),
    World("three leaves, 2 places", (None, 0, 0, 0), (1, 2, 3), (0,), {0: (2,)}, 2),
    World("three leaves, 3 places", (None, 0, 0, 0), (1, 2, 3), (0,), {0: (2,)}, 3),
    two_leaves("two leaves, 1 place; each access of two CPUs is a step", 1, cpus=2),
    two_leaves("two leaves, 2 places; each access of two CPUs is a step", 2, cpus=2),
]


def explore(world, text):
    """The search, and what it has found wrong."""
    found = search.Search(world, text)
    try:
        found.run()
    except (search.Failure, found.protocol.Invalid) as error:
        return found, str(error)
    return found, ""


def check_protocol():
    print("    states      steps  seconds  configuration")
    total = 0
    good = True
    for world in WORLDS:
        start = time.process_time()
        found, wrong = explore(world, search.PROTOCOL)
        total += len(found.before)
        print(f"{len(found.before):10}{found.nr_steps:11}{time.process_time() - start:9.1f}  {world.name}", flush=True)
        if wrong:
            good = False
            print(*found.way(), f"WRONG: {wrong}", sep="\n")
    return good, f"{len(WORLDS)} configurations with {total} states" + ("" if good else ", WRONG")


def check_mutations(only):
    chosen = [mutation for mutation in mutations.MUTATIONS if not only or only in mutation.name]
    found = 0
    print("    states  mutation: what is wrong then")
    for mutation in chosen:
        times = search.PROTOCOL.count(mutation.right)
        if times != 1:
            sys.exit(f"error: {mutation.name}: this is in protocol.py {times} times, not once:\n{mutation.right}")
        text = search.PROTOCOL.replace(mutation.right, mutation.wrong)
        for world in (world for world in WORLDS if not world.cpus):
            result, wrong = explore(world, text)
            if wrong:
                break
        if wrong:
            found += 1
        else:
            wrong = "NOT FOUND"
        print(f"{len(result.before):10}  {mutation.name}: {wrong} [{world.name}]", flush=True)
        if only and wrong:
            print(*result.way(), sep="\n")
    return found == len(chosen), f"{found} of {len(chosen)} mutations found"


def main():
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    results = [] if only else [check_protocol()]
    results.append(check_mutations(only))
    print(", ".join(text for _, text in results))
    return 0 if all(good for good, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
