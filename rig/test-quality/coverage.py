# SPDX-License-Identifier: GPL-2.0
"""Tells how much of source files has run, from gcov's reports in JSON on standard input, one per line.

  coverage.py UNREACHED SOURCE...

Every line and branch of a SOURCE that has not run is listed with the reason, which UNREACHED must have
under "FUNCTION: SOURCE LINE".  The last lines say how much of each has run.
"""

import json
import pathlib
import sys

import reasons


class Source:
    """What has run of the file @path."""
    def __init__(self, path, reports):
        self.path = path
        # A function that was inlined has its lines more than once.
        self.ran, self.branches, self.function = {}, {}, {}
        for file in (file for report in reports for file in report["files"]):
            if not file["file"].endswith("/" + path):
                continue
            for line in file["lines"]:
                self.add(line["line_number"], line)
        if not self.ran:
            sys.exit(f"error: gcov knows nothing of {path}")

    def add(self, number, line):
        if line.get("function_name"):
            self.function[number] = line["function_name"]
        self.ran[number] = self.ran.get(number, 0) + line["count"]
        taken = [branch["count"] for branch in line["branches"]]
        known = self.branches.setdefault(number, [])
        if len(known) == len(taken):
            self.branches[number] = [a + b for a, b in zip(known, taken)]
        else:
            known += taken

    def missing(self):
        """(line number, name, what has not run) of each line of which something has not run."""
        text = pathlib.Path(self.path).read_text(encoding="utf-8").splitlines()
        for number in sorted(self.ran):
            branches = self.branches[number]
            dead = sum(not taken for taken in branches)
            if not self.ran[number] or dead:
                yield (number, f"{self.function.get(number, '')}: {text[number - 1].strip()}",
                       f"{dead} of {len(branches)} branches" if self.ran[number] else "not reached")

    def summary(self):
        every = [taken for number in self.ran for taken in self.branches[number]]
        return (f"coverage of {self.path}: {100 * sum(map(bool, self.ran.values())) / len(self.ran):.1f}% of lines, "
                f"{100 * sum(map(bool, every)) / max(len(every), 1):.1f}% of branches")


def main():
    unreached, *paths = sys.argv[1:]
    reports = [json.loads(line) for line in sys.stdin if line.strip()]
    sources = [Source(path, reports) for path in paths]
    explained = reasons.read(unreached)

    missing = set()
    for source in sources:
        for number, name, what in source.missing():
            missing.add(name)
            print(f"{source.path}:{number}: {name}: {what}: {explained.get(name, 'NO REASON')}")
    for name in explained:
        if name not in missing:
            print(f"{unreached}: reached, or not there: {name}")
    for source in sources:
        print(source.summary())
    if missing != set(explained):
        sys.exit("error: what is not reached and what has a reason are not the same")


if __name__ == "__main__":
    main()
