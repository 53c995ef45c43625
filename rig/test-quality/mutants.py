# SPDX-License-Identifier: GPL-2.0
"""Makes small mistakes in C source, one at a time, and tests which of them make a test fail.

  mutants.py EQUIVALENT ONLY LOG TREE JOBS COMMAND... -- FILE...

All mutants of the FILEs (paths in the current folder) are put into one kernel, since building one takes
longer than testing it: TREE/FILE gets a copy of each function for every mistake in it, and which copy runs
is chosen at boot.  Then "COMMAND build" compiles that; what does not compile is left out.  "COMMAND run N",
JOBS of them at a time, tests the kernel with the Nth mistake, or with none if N is 0, and exits with 0 if
no test failed, 1 if one did; the last line that it prints names the test.  Any other status ends the run,
and so does a failure without a mistake.  If ONLY is not empty, only mutants whose name contains it are made.

EQUIVALENT names the mutants whose mistake has no effect that a test could detect, with the reason (see
reasons.py).
"""

import concurrent.futures
import pathlib
import re
import subprocess
import sys
import time

import reasons

TYPES = r"(?:static |const |unsigned |struct \w+ |enum \w+ |u64|u32|bool|int|long|char|size_t|ssize_t|DEFINE_\w+)"
ERRORS = {"EBUSY": "ENOSPC", "ENOSPC": "EBUSY", "ENODEV": "EINVAL", "EINVAL": "ENODEV",
          "ENOMEM": "EINVAL", "EEXIST": "EINVAL"}
# Things of the same type that stand for each other's opposite.
SWAPPED = {"to": "from", "from": "to", "a": "b", "b": "a", "source": "cg", "cg": "refusing", "refusing": "cg",
           "log_cgroup": "cg", "stop": "NULL", "charged_path": "refusing_path", "refusing_path": "charged_path"}

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
    (r"\bMISC_CG_(RES_MAX|NAME_LEN|BATCH|LOG_PATH_MAX|LOG_BUF_SIZE)\b", r"(MISC_CG_\1 - 1)"),
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


class Function:
    """A function: text[start:open] is its head, text[open:end] its body, in braces."""
    def __init__(self, masked, body):
        self.open = body
        self.end = masked.find("\n}", body) + 2
        lines = masked[:body].rstrip("\n").split("\n")
        first = len(lines)
        while lines[first - 1].strip():
            first -= 1
        self.start = len("\n".join(lines[:first] + [""]))
        self.head = masked[self.start:body].strip()
        self.name = re.search(r"(\w+)\(", self.head).group(1)

    def copy(self, body, suffix):
        """It again, local, under another name; for whoever reads a stack the name is still to be seen."""
        head = re.sub(rf"\b{self.name}\(", f"{self.name}__{suffix}(", self.head, count=1)
        if not head.startswith("static "):
            head = "static " + head
        return f'{head} __asm__("{self.name}.{suffix}");\n{head}\n{body}\n'

    def dispatch(self, numbers):
        """The function, which calls the copy that was chosen."""
        arguments = re.search(r"\((.*)\)$", self.head, re.S).group(1)
        names = ", ".join(re.search(r"\w+$", a.strip()).group() for a in arguments.split(",") if a != "void")
        cases = "".join(f"\tcase {n}:\n\t\treturn {self.name}__{n}({names});\n" for n in numbers)
        return (f"{self.head}\n{{\n\tswitch (misc_cg_mutant) {{\n{cases}"
                f"\tdefault:\n\t\treturn {self.name}__0({names});\n\t}}\n}}")


def functions(masked):
    return [Function(masked, match.start()) for match in re.finditer(r"(?<=\)\n)\{$", masked, re.M)]


class Mutant:
    """@text, the file @path, with @new for what is from @start to @end; and with @others like that."""
    def __init__(self, path, text, function, start, end, new, others=()):
        self.path = path
        self.function = function.name
        shift = function.open
        self.body = text[function.open:function.end]
        for at, to, other in sorted([(start, end, new), *others], reverse=True):
            self.body = self.body[:at - shift] + other + self.body[to - shift:]
        self.line = text.count("\n", 0, start) + 1
        first = text.rfind("\n", 0, start) + 1
        last = text.find("\n", end)
        self.old = " ".join(text[first:last].split())
        self.new = " ".join((text[first:start] + new + text[end:last]).split()) or "nothing"
        self.name = f"{self.function}: {self.old} -> {self.new}"


def statements(masked, start, end):
    """(start, end) of each statement that can be left out."""
    for match in re.finditer(r"^\t+(?=[^\s}])((?:[^;{}]|\)\{[^;{}]*\})*;)$", masked[start:end], re.M):
        text = match.group(1)
        # Of "if (...)" and a statement on lines of their own, the statement.
        begin = match.start(1)
        while True:
            head = re.match(r"(?:if|for|while) \(|(?:list_for_each_entry|scoped_guard)\(|else\n\t+|(?:case \w+|default):\n\t+", text)
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
        if re.match(r"return\b.+|lockdep_assert_held|spin_(un)?lock|rcu_read_(un)?lock|guard\(", text, re.S):
            continue
        yield start + begin, start + begin + len(text)


def locks(masked, start, end):
    """[(start, end)] of a lock and of all the unlocks until the next lock of the same kind."""
    body = masked[start:end]
    for guard in re.finditer(r"\bguard\(\w+\)\([^;]*\);|\bscoped_guard\(\w+, [^)]*\)", body):
        yield [(start + guard.start(), start + guard.end())]
    taken = list(re.finditer(r"\b(spin|rcu_read)_lock\([^;]*\);", body))
    for n, lock in enumerate(taken):
        until = taken[n + 1].start() if n + 1 < len(taken) else len(body)
        undone = re.finditer(rf"\b{lock.group(1)}_unlock\([^;]*\);", body[lock.end():until])
        yield [(start + lock.start(), start + lock.end())] + \
            [(start + lock.end() + u.start(), start + lock.end() + u.end()) for u in undone]


def mutants_of(path):
    text = pathlib.Path(path).read_text()
    masked = mask(text)
    for function in functions(masked):
        start, end = function.open + 1, function.end - 2
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
            other = SWAPPED.get(match.group(1))
            if other == "NULL" or other and re.search(rf"\b{other}\b", masked[function.start:function.end]):
                yield Mutant(path, text, function, start + match.start(1), start + match.end(1),
                             other)
        for at, to in statements(masked, start, end):
            yield Mutant(path, text, function, at, to, ";")
        for places in locks(masked, start, end):
            # What a scoped_guard() is for stays, as the body of an if.
            first, *rest = [(at, to, ";" if text[to - 1] == ";" else "if (1)") for at, to in places]
            yield Mutant(path, text, function, *first, rest)


def all_mutants(paths):
    """Every mutant once, by source line; those of the same name are numbered."""
    seen, names = set(), {}
    for path in paths:
        for mutant in sorted(mutants_of(path), key=lambda m: m.line):
            if (mutant.function, mutant.body) in seen:
                continue
            seen.add((mutant.function, mutant.body))
            names[mutant.name] = names.get(mutant.name, 0) + 1
            if names[mutant.name] > 1:
                mutant.name += f" ({names[mutant.name]})"
            yield mutant


class Combined:
    """A file with all mutants in it."""
    def __init__(self, path, chosen, definition):
        text = pathlib.Path(path).read_text(encoding="utf-8")
        self.text, self.owners, done = "", [], 0
        for function in functions(mask(text)):
            own = {n: m for n, m in chosen.items() if (m.path, m.function) == (path, function.name)}
            self.add(text[done:function.start] + definition)
            done, definition = function.start, ""
            if not own:
                continue
            self.add(function.copy(text[function.open:function.end], 0))
            for number, mutant in own.items():
                self.add(function.copy(mutant.body, number), number)
            self.add(function.dispatch(own))
            done = function.end
        self.add(text[done:])

    def add(self, text, number=None):
        self.text += text
        self.owners += [number] * text.count("\n")


def messages(output):
    """The compiler's messages, each with the lines before and after that say how it came about."""
    message, complete = [], False
    for line in output.splitlines():
        said = re.search(r": (error|warning): ", line)
        if complete and (said or re.match(r"(\S+: )?In ", line)):
            yield "\n".join(message)
            message, complete = [], False
        message.append(line)
        complete = complete or said
    yield "\n".join(message)


def not_compiled(output, combined):
    """The numbers of the mutants that the compiler has errors in."""
    numbers = set()
    for message in messages(output):
        for path, file in combined.items() if ": error: " in message else ():
            lines = (int(n) for n in re.findall(rf"\b{re.escape(path)}:(\d+)\b", message))
            numbers |= {file.owners[n - 1] for n in lines if n <= len(file.owners)}
    return numbers - {None}


def build(command, tree, files, chosen):
    """Builds the kernel with those of the chosen that compile, and returns them."""
    while True:
        print(f"build a kernel with {len(chosen)} mutants in it ...", flush=True)
        combined = {}
        for path in files:
            definition = "extern int misc_cg_mutant;\n"
            if path == files[0]:
                definition = ("#include <linux/moduleparam.h>\nint misc_cg_mutant;\n"
                              "module_param_named(mutant, misc_cg_mutant, int, 0444);\n")
            combined[path] = Combined(path, chosen, definition)
            # Never through a link that others share.
            pathlib.Path(tree, path).unlink()
            pathlib.Path(tree, path).write_text(combined[path].text, encoding="utf-8")
        done = subprocess.run([*command, "build"], capture_output=True, text=True, check=False)
        if not done.returncode:
            return chosen
        bad = not_compiled(done.stdout, combined)
        if not bad:
            errors = re.findall(r".*(?i:error:).*", done.stdout)
            sys.exit("error: the mutants cannot be built:\n" + "\n".join(errors[:5]))
        chosen = {n: m for n, m in chosen.items() if n not in bad}


def main():
    path, only, log, tree, jobs = sys.argv[1:6]
    split = sys.argv.index("--")
    command, files = sys.argv[6:split], sys.argv[split + 1:]
    argued = reasons.read(path)
    every = list(all_mutants(files))
    unknown = [name for name in argued if name not in {m.name for m in every}]
    if unknown:
        sys.exit(f"error: {path}: there is no mutant: {unknown[0]}")
    chosen = {n: m for n, m in enumerate(every, 1) if only in m.name}
    if not chosen:
        sys.exit(f"error: ONLY={only}: no mutant has that in its name")

    def run(number):
        done = subprocess.run([*command, "run", str(number)], capture_output=True, text=True, check=False)
        return done.returncode, (done.stdout.strip() or "nothing").splitlines()[-1]

    built = build(command, tree, files, chosen)
    status, by = run(0)
    if status:
        sys.exit(f"error: something is wrong before there is a mistake: {by}")

    start, done, killed, equivalent, survived, wrong = time.time(), 0, 0, 0, [], []
    wrong += [m for n, m in chosen.items() if n not in built and m.name in argued]
    with concurrent.futures.ThreadPoolExecutor(int(jobs)) as pool, open(log, "w", encoding="utf-8") as out:
        out.writelines(f"{m.path}:{m.line}: {m.name}: does not compile\n"
                       for n, m in chosen.items() if n not in built)
        running = {pool.submit(run, number): mutant for number, mutant in built.items()}
        try:
            for job in concurrent.futures.as_completed(running):
                mutant, (status, by) = running[job], job.result()
                done += 1
                if status == 1:
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
                    left = (time.time() - start) / done * (len(built) - done) / 60
                    print(f"  {done} of {len(built)}, {killed} killed, about {left:.0f} minutes left"
                          + (f"; survived: {mutant.name}" if what == "SURVIVED" else ""), flush=True)
        except (KeyboardInterrupt, RuntimeError) as error:
            pool.shutdown(cancel_futures=True)
            sys.exit(f"error: stopped: {error or 'interrupted'}")

    print(f"{len(chosen) - len(built)} that do not compile are not counted; "
          f"each mutant and what noticed it: {log}")
    for mutant in sorted(survived, key=lambda m: (m.path, m.line)):
        print(f"survived: {mutant.path}:{mutant.line}: {mutant.name}")
    for mutant in wrong:
        print(f"argued equivalent, but noticed: {mutant.name}")
    print(f"mutants: {len(built)} generated, {killed} killed, "
          f"{equivalent} argued equivalent, {len(survived)} survived")
    sys.exit(1 if survived or wrong else 0)


if __name__ == "__main__":
    main()
