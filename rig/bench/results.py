# SPDX-License-Identifier: GPL-2.0
"""
Prints a table of the benchmarks' results: medians over all rounds, the ratio of
ours to stock, and the lowest and highest ratio of a round.

    results.py FOLDER       FOLDER has ours.N.log and stock.N.log
"""
import pathlib
import re
import statistics
import sys

LINE = re.compile(r"bench: (\w\S*) (\d+) (\d+) (\d+) (\d+\.\d+)")

seen = {}
for log in sorted(pathlib.Path(sys.argv[1]).glob("*.log")):
    flavor, number, _ = log.name.split(".")
    for case, *sizes, value in LINE.findall(log.read_text(errors="replace")):
        row = seen.setdefault((case, *map(int, sizes)), {"ours": {}, "stock": {}})
        row[flavor][number] = float(value)

print("case", "depth", "threads", "names", "ours_ns", "stock_ns",
      "ratio", "ratio_min", "ratio_max", sep="\t")
for key, row in seen.items():
    medians = {flavor: statistics.median(values.values()) if values else None
               for flavor, values in row.items()}
    ratios = [row["ours"][n] / row["stock"][n]
              for n in row["ours"] if row["stock"].get(n)]
    numbers = [medians["ours"], medians["stock"]]
    if ratios:
        numbers += [numbers[0] / numbers[1], min(ratios), max(ratios)]
    else:
        numbers += [None] * 3
    print(*key, *("-" if n is None else f"{n:.{1 if i < 2 else 2}f}"
                  for i, n in enumerate(numbers)), sep="\t")
