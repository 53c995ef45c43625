# SPDX-License-Identifier: GPL-2.0
"""
Prints a table of the benchmarks' results: medians over all rounds; the ratio of
ours to stock, with the lowest and highest of a round; and the ratio of ours to
"lock", ours without credit, where that was measured.

    results.py FOLDER       FOLDER has ours.N.log, stock.N.log and perhaps lock.N.log
"""
import pathlib
import re
import statistics
import sys

FLAVORS = ("ours", "stock", "lock")
LINE = re.compile(r"bench: (\w\S*) (\d+) (\d+) (\d+) (\d+\.\d+)")


def ratios(row, other):
    """Of all rounds."""
    return [row["ours"][n] / row[other][n] for n in row["ours"] if row[other].get(n)]


def main():
    seen = {}
    for log in sorted(pathlib.Path(sys.argv[1]).glob("*.log")):
        flavor, number, _ = log.name.split(".")
        for case, *sizes, value in LINE.findall(log.read_text(errors="replace")):
            row = seen.setdefault((case, *map(int, sizes)), {f: {} for f in FLAVORS})
            row[flavor][number] = float(value)

    print("case", "depth", "threads", "names", "ours_ns", "stock_ns", "ratio", "ratio_min", "ratio_max", "lock_ns",
          "ratio_lock", sep="\t")
    for key, row in seen.items():
        ours, stock, lock = (statistics.median(row[f].values()) if row[f] else None for f in FLAVORS)
        to_stock = ratios(row, "stock")
        numbers = [(ours, 1), (stock, 1),
                   (ours / stock if to_stock else None, 2),
                   (min(to_stock, default=None), 2), (max(to_stock, default=None), 2),
                   (lock, 1), (ours / lock if ratios(row, "lock") else None, 2)]
        print(*key, *("-" if n is None else f"{n:.{digits}f}" for n, digits in numbers), sep="\t")


if __name__ == "__main__":
    main()
