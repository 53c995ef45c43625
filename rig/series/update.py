# SPDX-License-Identifier: GPL-2.0
"""Takes an edit of files that several patches share into these patches.

  update.py REPO SINCE BRANCH NEW FOLDER PATCH...

REPO is a git repository with a commit in SINCE..BRANCH for each PATCH, NEW a folder with the tree as it shall be
after the last one, FOLDER the folder of the PATCHes' files.  A PATCH's file has, after a line "---", its diff of files
that an earlier patch has added: these are the shared files.

A changed place is found in the file as each patch leaves it: it is changed there if all its old lines are there, one
after the other, or, if lines were only added, the line above them.  So it becomes part of the patch that the newest of
its old lines comes from.
"""

import difflib
import pathlib
import re
import subprocess
import sys


def git(repo, *args):
    return subprocess.run(["git", "-C", repo, *args], check=True, stdout=subprocess.PIPE, text=True).stdout


def opcodes(old, new):
    return difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


def updated(versions, new):
    """The versions of a file, each a list of lines, changed so that the last one is NEW."""
    changes = [change[1:] for change in opcodes(versions[-1], new) if change[0] != "equal"]
    place = list(range(len(versions[-1])))      # where the lines of the last version are in this one, or None
    results = []
    for this, following in zip(reversed(versions), [None, *reversed(versions[1:])]):
        if following is not None:
            earlier = [None] * len(following)
            for kind, first, last, to, _ in opcodes(following, this):
                if kind == "equal":
                    earlier[first:last] = range(to, to + last - first)
            place = [None if at is None else earlier[at] for at in place]
        text, end = [], 0
        for first, last, new_first, new_last in changes:
            if first < last:
                start, stop = place[first], place[first]
                if start is None or place[first:last] != list(range(start, start + last - first)):
                    continue
                stop = start + last - first
            else:
                above = place[first - 1] if first else -1
                if above is None:
                    continue
                start = stop = above + 1
            text += this[end:start] + new[new_first:new_last]
            end = stop
        results.append(text + this[end:])
    return results[::-1]


def main():
    repo, since, branch, new, folder, *patches = sys.argv[1:]
    commits = git(repo, "rev-list", "--reverse", f"{since}..{branch}").split()
    if len(commits) != len(patches):
        sys.exit(f"error: {repo} has {len(commits)} commits for {len(patches)} patches")
    files, shared = {}, {}
    for patch in patches:
        files[patch], _, diff = pathlib.Path(folder, patch).read_text(encoding="utf-8").partition("\n---\n")
        shared[patch] = re.findall(r"^\+\+\+ b/(.*)$", diff, re.MULTILINE)

    diffs = dict.fromkeys(patches, "")
    for file in sorted({file for these in shared.values() for file in these}):
        added = next(i for i, commit in enumerate(commits) if file in git(
            repo, "log", "--format=", "--name-only", "-1", commit).splitlines())
        versions = [git(repo, "show", f"{commit}:{file}").splitlines(keepends=True) for commit in commits[added:]]
        wanted = pathlib.Path(new, file).read_text(encoding="utf-8").splitlines(keepends=True)
        versions = updated(versions, wanted)
        assert versions[-1] == wanted
        for patch, before, after in zip(patches[added + 1:], versions, versions[1:]):
            diff = "".join(difflib.unified_diff(before, after, f"a/{file}", f"b/{file}"))
            diffs[patch] += re.sub(r"^(@@ -\d+) (\+\d+) @@", r"\1 \2 @@", diff, flags=re.MULTILINE)
    for patch in patches:
        text = files[patch] + (f"\n---\n{diffs[patch]}" if diffs[patch] else "")
        pathlib.Path(folder, patch).write_text(text.rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
