# SPDX-License-Identifier: GPL-2.0
"""Takes an edit of files that several patches share into these patches.

  update.py REPO SINCE BRANCH NEW BASES FOLDER PATCH...

REPO is a git repository with a commit in SINCE..BRANCH for each PATCH, and the tag "base" at the commit before the
fixes, NEW a folder with the tree as it shall be after the last one, FOLDER the folder of the PATCHes' files.  A PATCH's
file has, after a line "---", its diff of files that an earlier patch has added: these are the shared files.  After a
line "--- BASE" are diffs of files for that base and later ones; BASES are those that apply, as a regular expression.

A changed place is found in the file as each patch leaves it: it is changed there if all its old lines are there, one
after the other, or, if lines were only added, the line above them.  So it becomes part of the patch that the newest of
its old lines comes from.  If lines were replaced by as many others, each of them is a place.
"""

import difflib
import pathlib
import re
import subprocess
import sys
import tempfile


def git(repo, *args):
    return subprocess.run(["git", "-C", repo, *args], check=True, stdout=subprocess.PIPE, text=True).stdout


def opcodes(old, new):
    return difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


def updated(versions, new):
    """The versions of a file, each a list of lines, changed so that the last one is NEW."""
    changes = []
    for kind, first, last, new_first, new_last in opcodes(versions[-1], new):
        if kind == "replace" and last - first == new_last - new_first:
            changes += [(first + i, first + i + 1, new_first + i, new_first + i + 1) for i in range(last - first)]
        elif kind != "equal":
            changes.append((first, last, new_first, new_last))
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


def sections(text):
    """What is before the first diff, and the diffs: a list of the line "---" or "--- BASE" and a dict by file."""
    head, *rest = re.split(r"^(---(?: [0-9.]+)?)\n(?=--- a/)", text, flags=re.MULTILINE)
    return head, [(mark, dict(re.findall(r"^--- a/(\S+)\n((?:(?!--- a/).*\n)*)", diffs, re.MULTILINE)))
                  for mark, diffs in zip(rest[::2], rest[1::2])]


def leads_to(diff, before, after):
    """Whether DIFF, of one file, makes AFTER of BEFORE.  Its line numbers may be those of another base."""
    if not diff:
        return False
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "file")
        file.write_text("".join(before), encoding="utf-8")
        done = subprocess.run(["patch", "--quiet", "--fuzz=0", "--output=-", "--reject-file=-", str(file)],
                              input=f"--- a/file\n{diff}", capture_output=True, text=True, check=False)
    return not done.returncode and done.stdout == "".join(after)


def main():
    repo, since, branch, new, bases, folder, *patches = sys.argv[1:]
    commits = git(repo, "rev-list", "--reverse", f"{since}..{branch}").split()
    if len(commits) != len(patches):
        sys.exit(f"error: {repo} has {len(commits)} commits for {len(patches)} patches")
    files, shared = {}, {}
    for patch in patches:
        files[patch] = sections(pathlib.Path(folder, patch).read_text(encoding="utf-8"))
        # Of a file in several sections, the last one that applies is what the commit has.
        shared[patch] = {file: diffs for mark, diffs in files[patch][1]
                         if mark == "---" or re.fullmatch(f"--- ({bases})", mark) for file in diffs}

    for file in sorted({file for these in shared.values() for file in these}):
        # KVM's selftests for x86 are in another folder on older bases.
        path = file if pathlib.Path(new, file).exists() else file.replace("/kvm/x86/", "/kvm/x86_64/")
        # A file that a fix has added is there before the first patch.
        by_fix = git(repo, "log", "--format=%H", "--diff-filter=A", f"base..{since}", "--", path)
        added = -1 if by_fix else next(i for i, commit in enumerate(commits) if path in git(
            repo, "log", "--format=", "--name-only", "-1", commit).splitlines())
        versions = [git(repo, "show", f"{commit}:{path}").splitlines(keepends=True)
                    for commit in [since, *commits][added + 1:]]
        if not pathlib.Path(new, path).exists():
            sys.exit(f"error: {file} is gone: remove its diffs from {' '.join(p for p in patches if file in shared[p])}")
        wanted = pathlib.Path(new, path).read_text(encoding="utf-8").splitlines(keepends=True)
        versions = updated(versions, wanted)
        assert versions[-1] == wanted
        for patch, before, after in zip(patches[added + 1:], versions, versions[1:]):
            diff = "".join(difflib.unified_diff(before, after, f"a/{file}", f"b/{file}")).partition("\n")[2]
            diff = re.sub(r"^(@@ -\d+) (\+\d+) @@", r"\1 \2 @@", diff, flags=re.MULTILINE)
            diffs = shared[patch].get(file)
            if diffs is None and diff:
                if not files[patch][1] or files[patch][1][0][0] != "---":
                    files[patch][1].insert(0, ("---", {}))
                diffs = files[patch][1][0][1]
            if diff and not leads_to(diffs.get(file), before, after):
                diffs[file] = diff
            elif not diff and diffs:
                del diffs[file]
    for patch in patches:
        head, parts = files[patch]
        text = head + "".join(f"{mark}\n" + "".join(f"--- a/{file}\n{diff}" for file, diff in sorted(diffs.items()))
                              for mark, diffs in parts if diffs)
        pathlib.Path(folder, patch).write_text(text.rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
