"""Rules of the tree that a search can hold: a README a room, the size of files, no leftovers."""
import re

import tree

LINES_MAX = 700  # a file has one subject; past this it surely has two
LINES_EXPECTED = 600

README_ROOMS = ("proto", "providers", "hsm", "service", "smsr", "bench", "tests")
SOURCES = (".c", ".h", ".py", ".sh", ".def", ".proto", ".build", ".md")
ROOT_FILES = ("dev", "README.md", "meson.build", ".ci/run")

# Split, so that this file does not find itself.
LEFTOVERS = [
    (re.compile("TO" r"DO\b|FIX" r"ME\b|\bXX" r"X\b|\bHA" r"CK\b"), "promises work for later"),
    (re.compile(r"(?<![\w.])/(?:home|root|wo" r"rk)/"), "names a path of one machine"),
    (re.compile(r"\.\./sha" "red"), "names a path outside the tree"),
    (re.compile(r"\bissue #?\d"), "names an issue; say what is, not why it came"),
    (re.compile(r"[ \t]+$", re.M), "has a space at the end of a line"),
]


def faults_of(path, text):
    faults = [f"{path}: {reason}: {match.group(0)!r}" for pattern, reason in LEFTOVERS
              for match in [pattern.search(text)] if match]
    lines = text.count("\n")
    if path.endswith((".c", ".h", ".py")) and lines > LINES_MAX:
        faults.append(f"{path}: {lines} lines; the limit is {LINES_MAX}")
    elif path.endswith((".c", ".h", ".py")) and lines > LINES_EXPECTED:
        print(f"{path}: {lines} lines; does it still have one subject?")
    return faults


def missing_readmes():
    return [f"{room}/README.md is missing" for room in README_ROOMS
            if not (tree.ROOT / room / "README.md").is_file()]


def prove():
    seeded = ["/* TO" "DO: later */\n", "/wo" "rk/x\n", "see ../sha" "red/x\n", "iss" "ue 7\n",
              "a \n", "\n" * (LINES_MAX + 1)]
    missed = [f"not caught: {text[:20]!r}" for text in seeded if not faults_of("hsm/a.c", text)]
    return missed + [f"wrongly caught: {f}" for f in faults_of("hsm/a.c", "int a; /* work/ */\n")]


if __name__ == "__main__":
    found, count = prove() + missing_readmes(), 0
    names = list(tree.files(*SOURCES)) + list(tree.files(".md", rooms=("docs",))) + list(ROOT_FILES)
    names += [path.relative_to(tree.ROOT).as_posix() for path in sorted((tree.ROOT / "tools").iterdir())
              if path.is_file()]
    for name in names:
        found += faults_of(name, tree.read(name))
        count += 1
    tree.finish(found, count)
