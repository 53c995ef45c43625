# SPDX-License-Identifier: GPL-2.0
"""Commits an edit as fixups of the commits that it changes.

  fixups.py REPO BRANCH SINCE NEW FILE...

REPO has BRANCH checked out; NEW is a folder with the FILEs as they shall be.  Each changed place becomes part of
a fixup of the newest commit in SINCE..BRANCH that one of its old lines comes from; a place without old lines goes
where the line above comes from.  What comes from before SINCE is the first commit's.
"""

import collections
import difflib
import pathlib
import subprocess
import sys


def main():
    repo, branch, since, new, *files = sys.argv[1:]

    def git(*args):
        return subprocess.run(["git", "-C", repo, *args], check=True, stdout=subprocess.PIPE, text=True).stdout

    commits = git("rev-list", f"{since}..{branch}").split()
    old, wanted, places = {}, {}, collections.defaultdict(list)
    for file in files:
        path = pathlib.Path(repo, file)
        old[file] = path.read_text(encoding="utf-8").splitlines(keepends=True)
        wanted[file] = pathlib.Path(new, file).read_text(encoding="utf-8").splitlines(keepends=True)
        blamed = [line.split()[0].lstrip("^") for line in
                  git("blame", "-s", "-l", "--abbrev=40", branch, "--", file).splitlines()]
        # A line of before SINCE is blamed on the last commit of the list, the oldest.
        blamed = [commits.index(name) if name in commits else len(commits) - 1 for name in blamed]
        matcher = difflib.SequenceMatcher(None, old[file], wanted[file], autojunk=False)
        for kind, first, last, *to in matcher.get_opcodes():
            if kind != "equal":
                newest = min(blamed[first:last] or blamed[max(first - 1, 0):first + 1])
                places[commits[newest]].append((file, first, last, *to))

    applied = set()
    for commit, these in places.items():
        applied.update(these)
        for file in {place[0] for place in these}:
            text, at = [], 0
            for _, first, last, new_first, new_last in sorted(p for p in applied if p[0] == file):
                text += old[file][at:first] + wanted[file][new_first:new_last]
                at = last
            text += old[file][at:]
            pathlib.Path(repo, file).write_text("".join(text), encoding="utf-8")
        git("commit", "--quiet", "--all", f"--fixup={commit}")


if __name__ == "__main__":
    main()
