#!/usr/bin/env python3
"""Makes the table of return values in docs/operations.md from hsm/token/ckr.def.

Without an argument the table goes to stdout. --check FILE: the exit status says whether the table in
FILE, between its two marks, is up to date; --write FILE puts it there.
"""
import pathlib
import re
import sys

DEFINITION = pathlib.Path(__file__).resolve().parent.parent / "hsm" / "token" / "ckr.def"
ACTION = re.compile(r'^ACTION\((\w+),\s*"([^"]*)",\s*"([^"]*)"\)$', re.M)
VALUE = re.compile(r'^CKR\((\w+), (\w+), "([^"]*)"\)$', re.M)
BEGIN = "<!-- made from hsm/token/ckr.def by tools/ckr_table.py -->\n"
END = "<!-- end of the table -->\n"


def table(text):
    actions = {name: (what, test) for name, what, test in ACTION.findall(text)}
    values = VALUE.findall(text)
    if len(actions) != text.count("\nACTION(") or len(values) != text.count("\nCKR("):
        sys.exit("ckr_table: a line of hsm/token/ckr.def cannot be read")
    unused = set(actions) - {action for _, action, _ in values}
    if unused:
        sys.exit(f"ckr_table: actions that no value asks for: {', '.join(sorted(unused))}")
    out = ["| value | meaning here | action | test |\n|---|---|---|---|\n"]
    for name, action, meaning in values:
        what, test = actions[action]
        out.append(f"| `{name}` | {meaning} | {what} | `{test}` |\n")
    what, test = actions["SESSION"]
    out.append(f"| any other | a vendor's | {what} | `{test}` |\n")
    return "".join(out)


def main(args):
    made = table(DEFINITION.read_text(encoding="utf-8"))
    if not args:
        sys.stdout.write(made)
        return 0
    if len(args) != 2 or args[0] not in ("--check", "--write"):
        print(__doc__, file=sys.stderr)
        return 2
    document = pathlib.Path(args[1])
    text = document.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        print(f"{document} lacks the marks of the table", file=sys.stderr)
        return 1
    head, rest = text.split(BEGIN)
    fresh = head + BEGIN + "\n" + made + "\n" + END + rest.split(END)[1]
    if args[0] == "--write":
        document.write_text(fresh, encoding="utf-8")
    elif fresh != text:
        print(f"{document} is out of date: tools/ckr_table.py --write {document}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
