# SPDX-License-Identifier: GPL-2.0
"""Makes small mistakes in C source, one at a time, and runs a command on each.

  mutants.py EQUIVALENT ONLY LOG COMMAND WORKER... -- FILE...

Every mutant of the FILEs (paths in the current folder) is written to WORKER/FILE in one of the WORKER
folders, COMMAND is run with WORKER as its argument, and the file is put back.  COMMAND exits with 0 if
nothing noticed the mistake, 1 if something did, 2 if the mutant does not compile; the last line that it
prints says what noticed it.  Any other status ends it all, and so does a COMMAND that finds something
wrong with what has no mistake in it.  ONLY, if not empty, picks the mutants whose name contains it.

EQUIVALENT names the mutants that change nothing anybody could notice, with the reason (see reasons.py).
"""

import concurrent.futures
import pathlib
import queue
import re
import subprocess
import sys
import time

import reasons

TYPES = r"(?:static |const |unsigned |struct \w+ |enum \w+ |u64|u32|bool|int|long|char|size_t|ssize_t|DEFINE_\w+)"
ERRORS = {"EBUSY": "ENOSPC", "ENOSPC": "EBUSY", "ENODEV": "EINVAL", "EINVAL": "ENODEV",
          "ENOMEM": "EINVAL", "EEXIST": "EINVAL"}
# Things of the same type that stand for each other's opposite.
SWAPPED = {"src": "dst", "dst": "src", "to": "from", "from": "to", "a": "b", "b": "a",
           "by": "counter", "end": "NULL"}

# What is found, what becomes of it. Comments, strings and preprocessor lines are out of reach.
REPLACED = [
    (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "),
    (r" == ", " != "), (r" != ", " == "),
    (r" \+ ", " - "), (r"(?<=\w) - (?=\w)", " + "), (r" \+= ", " -= "), (r" -= ", " += "),
    (r"\+\+", "--"), (r" && ", " || "), (r" \|\| ", " && "), (r"!(?=[\w(])", ""),
    (r"(?<=[\w)]) & (?=[\w(])", " | "),
    (r"\bmin\(", "max("), (r"\bmax\(", "min("),
    (r"\btrue\b", "false"), (r"\bfalse\b", "true"),
    (r"(?<![\w.])0(?![\w.])", "1"), (r"(?<![\w.(])1(?![\w.])", "2"),
    (r"\bMISC_CG_UNLIMITED\b", "(MISC_CG_UNLIMITED - 1)"),
    (r"\bMISC_CG_(RES_MAX|NAME_LEN)\b", r"(MISC_CG_\1 - 1)"),
    (r"\bNULL\b", "(void *)16"),
    (r" \? ([^:?]+) : ([^;:?]+?)(?=[;,)])", r" ? \2 : \1"),
    # One "!" alone is taken away above.
    (r"\bif \((?!![^&|]*\)(?: \{)?$)(.+)\)(?= \{$|$)", r"if (!(\1))"),
    (r"\breturn (?!0;|NULL;|false;|-)(.+);", "return 0;"),
]


def mask(text):
    """The text with comments, strings and preprocessor lines blanked, of the same length."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    text = re.sub(r"/\*.*?\*/", blank, text, flags=re.S)
    text = re.sub(r'"(?:\\.|[^"\\\n])*"', blank, text)
    text = re.sub(r"'(?:\\.|[^'\\\n])+'", blank, text)
    return re.sub(r"^#.*(?:\\\n.*)*", blank, text, flags=re.M)


def bodies(masked):
    """(name, start, end) of what is in braces at top level and has a name: functions, tables."""
    for match in re.finditer(r"^\{|^[^\s#].*[{]$", masked, re.M):
        end = masked.find("\n}", match.start())
        head = masked[masked.rfind("\n\n", 0, match.start()) + 1:match.end()]
        name = re.search(r"(\w+)\(", head) or re.search(r"(\w+)(?:\[\])? = \{", head)
        if name and end > 0 and not re.match(r"\s*(struct|enum) \w+ \{", head):
            yield name.group(1), match.end(), end


class Mutant:
    def __init__(self, path, text, function, start, end, new):
        self.path = path
        self.text = text[:start] + new + text[end:]
        self.line = text.count("\n", 0, start) + 1
        first = text.rfind("\n", 0, start) + 1
        last = text.find("\n", end)
        self.old = " ".join(text[first:last].split())
        self.new = " ".join((text[first:start] + new + text[end:last]).split()) or "nothing"
        self.name = f"{function}: {self.old} -> {self.new}"


def statements(masked, start, end):
    """(start, end) of each statement that can be left out."""
    for match in re.finditer(r"^\t+(?=[^\s}])([^;{}]*;)$", masked[start:end], re.M):
        text = match.group(1)
        # Of "if (...)" and a statement on lines of their own, the statement.
        begin = match.start(1)
        while True:
            head = re.match(r"(?:if|for|while|for_each_set_bit|list_for_each_entry) \(|else\n\t+|(?:case \w+|default):\n\t+", text)
            if not head:
                break
            skip = head.end()
            if head.group().endswith("("):
                depth = 1
                while depth:
                    depth += {"(": 1, ")": -1}.get(text[skip], 0)
                    skip += 1
                skip += len(text[skip:]) - len(text[skip:].lstrip())
            begin += skip
            text = text[skip:]
            if not text:
                break
        if not text or re.match(TYPES, text) or text == ";":
            continue
        if re.match(r"return\b.+|lockdep_assert_held|spin_(un)?lock|mutex_(un)?lock", text, re.S):
            continue
        yield start + begin, start + begin + len(text)


def locks(masked, start, end):
    """(start, end) of a lock and of all the unlocks until the next lock of the same kind."""
    body = masked[start:end]
    taken = list(re.finditer(r"\b(spin|mutex|rcu_read)_lock\w*\([^;]*\);", body))
    for n, lock in enumerate(taken):
        until = taken[n + 1].start() if n + 1 < len(taken) else len(body)
        undone = re.finditer(rf"\b{lock.group(1)}_unlock\w*\([^;]*\);", body[lock.end():until])
        yield [(start + lock.start(), start + lock.end())] + \
            [(start + lock.end() + u.start(), start + lock.end() + u.end()) for u in undone]


def mutants_of(path):
    text = pathlib.Path(path).read_text()
    masked = mask(text)
    for function, start, end in bodies(masked):
        for found, new in REPLACED:
            for match in re.finditer(found, masked[start:end], re.M):
                at, to = start + match.start(), start + match.end()
                real = re.sub(found, new, text[at:to], flags=re.M) if "\\" in new else new
                if text[at:to] != real:
                    yield Mutant(path, text, function, at, to, real)
        for match in re.finditer(r"-(E[A-Z]+)\b", masked[start:end]):
            if match.group(1) in ERRORS:
                yield Mutant(path, text, function, start + match.start(1), start + match.end(1),
                             ERRORS[match.group(1)])
        for match in re.finditer(r"(?<![\w.>&])(\w+)(?=->|[,)])", masked[start:end]):
            if match.group(1) in SWAPPED:
                yield Mutant(path, text, function, start + match.start(1), start + match.end(1),
                             SWAPPED[match.group(1)])
        for at, to in statements(masked, start, end):
            yield Mutant(path, text, function, at, to, ";")
        for places in locks(masked, start, end):
            # Without the lock; with it, but where an interrupt could take it too.
            for found, new in [(r".*", ";"), (r"_irq(?:save|restore)?\(([^;]*?)(?:, flags)?\)", r"(\1)")]:
                first, *rest = [(at, to, re.sub(found, new, text[at:to], count=1, flags=re.S))
                                for at, to in places]
                if first[2] == text[first[0]:first[1]]:
                    continue
                changed = text
                for at, to, new_text in reversed(rest):
                    changed = changed[:at] + new_text + changed[to:]
                yield Mutant(path, changed, function, *first)


def all_mutants(paths):
    """Every mutant once, by source line; those of the same name are numbered."""
    seen, names = set(), {}
    for path in paths:
        for mutant in sorted(mutants_of(path), key=lambda m: m.line):
            if mutant.text in seen:
                continue
            seen.add(mutant.text)
            names[mutant.name] = names.get(mutant.name, 0) + 1
            if names[mutant.name] > 1:
                mutant.name += f" ({names[mutant.name]})"
            yield mutant


def main():
    path, only, log, command = sys.argv[1:5]
    split = sys.argv.index("--")
    workers, files = sys.argv[5:split], sys.argv[split + 1:]
    argued = reasons.read(path)
    every = list(all_mutants(files))
    unknown = [name for name in argued if name not in {m.name for m in every}]
    if unknown:
        sys.exit(f"error: {path}: there is no mutant: {unknown[0]}")
    chosen = [m for m in every if only in m.name]
    if not chosen:
        sys.exit(f"error: ONLY={only}: no mutant has that in its name")
    for worker in workers:
        done = subprocess.run([command, worker], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"error: {command} {worker}: finds something wrong before there is: {done.stdout.strip()}")

    idle = queue.Queue()
    for worker in workers:
        idle.put(worker)

    def run(mutant):
        worker = idle.get()
        file = pathlib.Path(worker, mutant.path)
        original = file.read_text()
        try:
            # Never through a link that others share.
            file.unlink()
            file.write_text(mutant.text)
            done = subprocess.run([command, worker], capture_output=True, text=True, check=False)
            return done.returncode, (done.stdout.strip() or "nothing").splitlines()[-1]
        finally:
            file.unlink()
            file.write_text(original)
            idle.put(worker)

    start, done, killed, equivalent, invalid, survived, wrong = time.time(), 0, 0, 0, 0, [], []
    with concurrent.futures.ThreadPoolExecutor(len(workers)) as pool, open(log, "w") as out:
        jobs = {pool.submit(run, mutant): mutant for mutant in chosen}
        try:
            for job in concurrent.futures.as_completed(jobs):
                mutant, (status, by) = jobs[job], job.result()
                done += 1
                if status == 2:
                    invalid += 1
                    what = "does not compile"
                    if mutant.name in argued:
                        wrong.append(mutant)
                elif status == 1:
                    killed += 1
                    what = "killed: " + by
                    if mutant.name in argued:
                        wrong.append(mutant)
                elif status != 0:
                    raise RuntimeError(f"{mutant.name}: {by}")
                elif mutant.name in argued:
                    equivalent += 1
                    what = "equivalent"
                else:
                    survived.append(mutant)
                    what = "SURVIVED"
                out.write(f"{mutant.path}:{mutant.line}: {mutant.name}: {what}\n")
                out.flush()
                if what == "SURVIVED" or done % 10 == 0:
                    left = (time.time() - start) / done * (len(chosen) - done) / 60
                    print(f"  {done} of {len(chosen)}, {killed} killed, about {left:.0f} minutes left"
                          + (f"; survived: {mutant.name}" if what == "SURVIVED" else ""), flush=True)
        except (KeyboardInterrupt, RuntimeError) as error:
            pool.shutdown(cancel_futures=True)
            sys.exit(f"error: stopped: {error or 'interrupted'}")

    print(f"{invalid} that do not compile are not counted; each mutant and what noticed it: {log}")
    for mutant in sorted(survived, key=lambda m: (m.path, m.line)):
        print(f"survived: {mutant.path}:{mutant.line}: {mutant.name}")
    for mutant in wrong:
        print(f"argued equivalent, but noticed: {mutant.name}")
    print(f"mutants: {len(chosen) - invalid} generated, {killed} killed, "
          f"{equivalent} argued equivalent, {len(survived)} survived")
    sys.exit(1 if survived or wrong else 0)


if __name__ == "__main__":
    main()
