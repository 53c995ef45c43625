# SPDX-License-Identifier: GPL-2.0
"""Leaves a patch out of a series.

  without.py REPO SINCE BRANCH COMMIT

Changes the files in REPO, where BRANCH is checked out, to what SINCE..BRANCH without COMMIT leads to.  git needs the
lines around a change to be those that it knows, and stops where two patches change neighbouring lines.  Here a line is
looked up by the line that it comes from, and what a later patch changes in the lines of COMMIT alone goes with them.
"""

import difflib
import pathlib
import subprocess
import sys


def git(repo, *args):
    return subprocess.run(["git", "-C", repo, *args], check=True, stdout=subprocess.PIPE, text=True).stdout


def opcodes(old, new):
    return difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


class Conflict(Exception):
    pass


def replay(text, place, old, new):
    """Make in TEXT the change from OLD to NEW.  PLACE says where the lines of OLD are in TEXT, None: they are not.
    Return the new TEXT and the places of the lines of NEW."""
    edits, places = [], [None] * len(new)
    for kind, first, last, to, end in opcodes(old, new):
        if kind == "equal":
            continue
        there = place[first:last]
        if there and all(at is None for at in there):
            continue
        if there:
            if there != list(range(there[0] or 0, (there[0] or 0) + len(there))):
                raise Conflict("".join(old[first:last]))
            start, stop = there[0], there[-1] + 1
        elif first and place[first - 1] is not None:
            start = stop = place[first - 1] + 1
        elif first < len(place) and place[first] is not None:
            start = stop = place[first]
        else:
            continue
        edits.append((start, stop, to, end))
    result, done, moved = [], 0, {}
    for start, stop, to, end in sorted(edits):
        for at in range(done, start):
            moved[at] = len(result) + at - done
        result += text[done:start]
        places[to:end] = range(len(result), len(result) + end - to)
        result += new[to:end]
        done = stop
    for at in range(done, len(text)):
        moved[at] = len(result) + at - done
    result += text[done:]
    for kind, first, last, to, _ in opcodes(old, new):
        if kind == "equal":
            places[to:to + last - first] = [moved.get(at) for at in place[first:last]]
    return result, places


def without(versions):
    """The last of VERSIONS of a file, without what the second one has changed in the first one."""
    text, place = versions[0], [None] * len(versions[1])
    for kind, first, last, to, _ in opcodes(versions[0], versions[1]):
        if kind == "equal":
            place[to:to + last - first] = range(first, last)
    for old, new in zip(versions[1:], versions[2:]):
        text, place = replay(text, place, old, new)
    return text


def main():
    repo, since, branch, commit = sys.argv[1:]
    commits = git(repo, "rev-list", "--reverse", f"{since}..{branch}").split()
    later = commits[commits.index(commit) + 1:]
    for line in git(repo, "diff-tree", "--no-commit-id", "--name-status", "-r", commit).splitlines():
        kind, file = line.split("\t")
        if kind == "A":
            pathlib.Path(repo, file).unlink()
            continue
        versions = [git(repo, "show", f"{at}:{file}").splitlines(keepends=True)
                    for at in [f"{commit}~", commit, *later]]
        try:
            pathlib.Path(repo, file).write_text("".join(without(versions)), encoding="utf-8")
        except Conflict as lines:
            sys.exit(f"error: {file}: a later patch changes lines of this patch together with others:\n{lines}")


if __name__ == "__main__":
    main()
