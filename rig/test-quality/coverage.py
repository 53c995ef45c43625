# SPDX-License-Identifier: GPL-2.0
"""Tells how much of a source file has run, from gcov's report in JSON on standard input.

  coverage.py SOURCE UNREACHED

Every line and branch of SOURCE that has not run is listed with the reason, which UNREACHED must have
under "FUNCTION: SOURCE LINE".  The last line says how much has run.
"""

import json
import pathlib
import sys

import reasons


def main():
    source, unreached = sys.argv[1:]
    text = pathlib.Path(source).read_text(encoding="utf-8").splitlines()
    report = json.load(sys.stdin)
    lines = [line for file in report["files"] if file["file"].endswith("/" + source)
             for line in file["lines"]]
    if not lines:
        sys.exit(f"error: gcov knows nothing of {source}")
    explained = reasons.read(unreached)

    # A function that was inlined has its lines more than once.
    ran, branches, function = {}, {}, {}
    for line in lines:
        number = line["line_number"]
        function[number] = line.get("function_name", "")
        ran[number] = ran.get(number, 0) + line["count"]
        taken = [branch["count"] for branch in line["branches"]]
        known = branches.setdefault(number, [])
        if len(known) == len(taken):
            branches[number] = [a + b for a, b in zip(known, taken)]
        else:
            known += taken

    missing = set()
    for number in sorted(ran):
        dead = sum(not taken for taken in branches[number])
        if ran[number] and not dead:
            continue
        name = f"{function[number]}: {text[number - 1].strip()}"
        missing.add(name)
        what = f"{dead} of {len(branches[number])} branches" if ran[number] else "not reached"
        print(f"{source}:{number}: {name}: {what}: {explained.get(name, 'NO REASON')}")
    for name in explained:
        if name not in missing:
            print(f"{unreached}: reached, or not there: {name}")

    every = [taken for number in ran for taken in branches[number]]
    print(f"coverage: {100 * sum(map(bool, ran.values())) / len(ran):.1f}% of lines, "
          f"{100 * sum(map(bool, every)) / len(every):.1f}% of branches")
    if missing != set(explained):
        sys.exit("error: what is not reached and what has a reason are not the same")


if __name__ == "__main__":
    main()
