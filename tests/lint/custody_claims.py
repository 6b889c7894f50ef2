#!/usr/bin/env python3
"""Each claim of docs/custody.md names tests that exist and, when asked, that ran and passed.

A row of a table under `## Claims` is a claim, its proof and its negative twin, both as
`FILE::TEST` below tests/: a cmocka test that is registered, or a method of a unittest case. A twin is
another test than the proof. The program first proves on seeded violations that it would see one.

    custody_claims.py                         the tests exist (a lint test)
    custody_claims.py --ran INTO LOG...       they ran: looks into meson's testlog.json files, and
                                              writes its findings as one more, for tools/tally
"""
import ast
import json
import pathlib
import re
import sys

import tree

DOCUMENT = "docs/custody.md"
SECTION = "## Claims"
REFERENCE = re.compile(r"`([\w/]+\.(?:c|py))::(\w+)`")
LOOSE = re.compile(r"`[^`\s]*::[^`]*`")

C_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
C_WRAPPER = re.compile(r"^#define (\w+)\(\w+\) cmocka_unit_test\w*\(.*$", re.M)
C_PASSED = re.compile(r"^\[       OK \] (\w+)$", re.M)
PYTHON_BEGUN = re.compile(r"^(test_\w+) \(\w+\.\w+\.test_\w+\)")
PYTHON_PASSED = re.compile(r"(^|\.\.\. )ok$")


# -- what the document says --

def claims_of(text):
    """[(claim, {proof}, {twin})], and what is wrong with the rows themselves."""
    claims, faults = [], []
    section = re.search(rf"^{SECTION}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    rows = [line for line in (section.group(1) if section else "").splitlines()
            if line.startswith("|") and not line.startswith(("|---", "| claim "))]
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if len(cells) != 3:
            faults.append(f"{len(cells)} cells, not claim, proof and twin: {row}")
            continue
        proof, twin = (set(REFERENCE.findall(cell)) for cell in cells[1:])
        if not proof or not twin:
            faults.append(f"no {'twin' if proof else 'proof'}: {cells[0]}")
        if proof & twin:
            faults.append(f"its proof is its twin: {cells[0]}")
        claims.append((cells[0], proof, twin))
    faults += [f"no FILE::TEST: {loose}" for loose in LOOSE.findall(text)
               if not REFERENCE.fullmatch(loose)]
    return claims, faults if claims else faults + ["no claim is made"]


# -- which tests exist --

def c_tests(text):
    text = C_COMMENT.sub(" ", text)
    makers = "|".join([r"cmocka_unit_test\w*", *C_WRAPPER.findall(text)])
    return re.findall(rf"\b(?:{makers})\(\s*(\w+)", C_WRAPPER.sub("", text))


def python_tests(text):
    return [method.name for case in ast.parse(text).body if isinstance(case, ast.ClassDef)
            for method in case.body
            if isinstance(method, ast.FunctionDef) and method.name.startswith("test_")]


def absent(text, read):
    """Tests named anywhere in the document that are not in the files read."""
    faults = []
    for file, name in sorted(set(REFERENCE.findall(text))):
        source = read(file)
        if source is None:
            faults.append(f"tests/{file} is not there")
            continue
        n = (c_tests if file.endswith(".c") else python_tests)(source).count(name)
        if n != 1:
            faults.append(f"tests/{file} has {n} tests {name}, not one")
    return faults


# -- which ran --

def python_passed(output):
    passed, begun = set(), None
    for line in output.splitlines():
        head = PYTHON_BEGUN.match(line)
        begun = head.group(1) if head else begun
        if begun and PYTHON_PASSED.search(line):
            passed.add(begun)
            begun = None
    return passed


def passed_of(entry, sources):
    """{(file, test)} that passed, of one entry of a testlog; sources: {program: its files}"""
    output = entry.get("stdout", "") + entry.get("stderr", "")
    scripts = [a for a in entry["command"] if a.endswith(".py")]
    files = scripts[:1] or sources.get(entry["command"][0], [])
    names = python_passed(output) if scripts else C_PASSED.findall(output)
    return {(file.split("/tests/", 1)[-1], name) for file in files for name in names}


def passed_in(log):
    info = pathlib.Path(log).parent.parent / "meson-info" / "intro-targets.json"
    sources = {file: [source for part in target.get("target_sources", [])
                      for source in part.get("sources", [])]
               for target in json.loads(info.read_text()) for file in target["filename"]}
    with open(log, encoding="utf-8") as lines:
        return set().union(*(passed_of(json.loads(line), sources) for line in lines))


def not_passed(text, passed):
    wanted = set().union(*(proof | twin for _, proof, twin in claims_of(text)[0]))
    return [f"tests/{file}::{name} did not run and pass" for file, name in sorted(wanted - passed)]


# -- the program proves itself --

HEAD = "# x\n\n## Claims\n\n| claim | proof | negative twin |\n|---|---|---|\n"
ROW = "| it holds | `unit/a.c::holds` | `integration/b.py::test_not` |\n"
FILES = {
    "unit/a.c": "#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)\n"
                "/* STORY(old) */ static void forgotten(void **state) {}\n"
                "const struct CMUnitTest tests[] = { STORY(holds),\n cmocka_unit_test(plain) };\n",
    "integration/b.py": "class A:\n    def test_not(self):\n        pass\n    def helper(self): pass\n"
                        "class B:\n    def test_two(self): pass\nclass C:\n    def test_two(self): pass\n",
}
SEEDED_ROWS = [
    "", "| it holds | `unit/a.c::holds` | |\n", "| it holds | see a.c | `unit/a.c::plain` |\n",
    "| it holds | `unit/a.c::holds` | `unit/a.c::holds` |\n", "| it | holds |\n",
    ROW + "see `unit/a.c::holds and more`\n", ROW.replace("a.c::", "a.h::"),
]
SEEDED_NAMES = [
    ROW.replace("::holds", "::held"), ROW.replace("::holds", "::forgotten"),
    ROW.replace("::holds", "::old"), ROW.replace("::holds", "::name"),
    ROW.replace("unit/a.c", "unit/z.c"), ROW.replace("test_not", "test_nor"),
    ROW.replace("test_not", "helper"), ROW.replace("test_not", "test_two"),
    ROW + "\n## More\n\n`unit/a.c::gone`\n",
]
C_LOG = {"command": ["/b/unit_a"], "stdout": "[ RUN      ] holds\n[       OK ] holds\n"}
PYTHON_LOG = {"command": ["python3", "/s/tests/integration/b.py", "-v"],
              "stderr": "test_x (__main__.A.test_x) ... ok\n"
                        "test_not (__main__.A.test_not)\nWhat it does. ... noise\nok\n"}
SEEDED_LOGS = [
    [], [C_LOG], [PYTHON_LOG],
    [dict(C_LOG, stdout="[ RUN      ] holds\n[  FAILED  ] holds\n"), PYTHON_LOG],
    [dict(C_LOG, command=["/b/other"]), PYTHON_LOG],
    [C_LOG, dict(PYTHON_LOG, command=["python3", "/s/tests/integration/c.py"])],
    [C_LOG, dict(PYTHON_LOG, stderr="test_not (__main__.A.test_not) ... skipped 'not root'\n")],
    [C_LOG, dict(PYTHON_LOG, stderr="test_not (__main__.A.test_not) ... FAIL\n"
                                    "test_x (__main__.A.test_x) ... ok\n")],
]


def prove():
    sources = {"/b/unit_a": ["/s/tests/unit/a.c"], "/b/other": ["/s/tests/unit/o.c"]}

    def ran(log):
        return not_passed(HEAD + ROW, set().union(*(passed_of(e, sources) for e in log)))

    missed = [f"not caught: {row!r}" for row in SEEDED_ROWS if not claims_of(HEAD + row)[1]]
    missed += [f"not caught: {row!r}" for row in SEEDED_NAMES if not absent(HEAD + row, FILES.get)]
    missed += [f"not caught: {log!r}" for log in SEEDED_LOGS if not ran(log)]
    good = claims_of(HEAD + ROW)[1] + absent(HEAD + ROW, FILES.get) + ran([C_LOG, PYTHON_LOG])
    return missed + [f"wrongly caught: {fault}" for fault in good]


# -- the program --

def read_test(file):
    try:
        return tree.read(f"tests/{file}")
    except OSError:
        return None


def main(args):
    text = tree.read(DOCUMENT)
    claims, faults = claims_of(text)
    faults += prove() + absent(text, read_test)
    if args[:1] == ["--ran"] and len(args) > 2:
        faults += not_passed(text, set().union(*map(passed_in, args[2:])))
        entries = [{"name": f"custody claims: {fault}", "result": "FAIL"} for fault in faults]
        with open(args[1], "w", encoding="utf-8") as into:
            for entry in entries or [{"name": "custody claims", "result": "OK"}]:
                into.write(json.dumps(entry) + "\n")
    elif args:
        sys.exit("usage: custody_claims.py [--ran INTO LOG...]")
    for fault in faults:
        print(fault)
    print(f"{len(claims)} claims, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
