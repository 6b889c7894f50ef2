#!/usr/bin/env python3
"""Makes docs/status.md from proto/status.def.

Without an argument the table goes to stdout; with --check FILE the exit status says whether FILE
is up to date.
"""
import pathlib
import re
import sys

DEFINITION = pathlib.Path(__file__).resolve().parent.parent / "proto" / "status.def"
STATUS = re.compile(r'^STATUS\((\w+), (\d+), (RETRY|FINAL), "([^"]*)"\)$')
GROUP = re.compile(r"^/\* (.*)\. \*/$")

HEAD = """# Statuses

Every status that eckad, eckad-custodian and libecka give, for a request as a whole and for one item
of a batch. The code is what travels; it never changes. Retry says whether the same request may
succeed later or elsewhere. Made from `proto/status.def` by `tools/status_table.py`.
"""
TABLE_HEAD = "\n| code | name | retry | meaning |\n|---|---|---|---|"


def table(lines):
    out = [HEAD.rstrip()]
    open_table = False
    for line in lines:
        group, status = GROUP.match(line), STATUS.match(line)
        if group:
            out.append(f"\n## {group.group(1)}")
            open_table = False
        elif status:
            if not open_table:
                out.append(TABLE_HEAD)
                open_table = True
            name, code, retry, meaning = status.groups()
            out.append(f"| {code} | `{name}` | {'yes' if retry == 'RETRY' else ''} | {meaning} |")
        elif line.startswith("STATUS"):
            sys.exit(f"status_table: cannot read: {line}")
    return "\n".join(out) + "\n"


def main(args):
    made = table(DEFINITION.read_text(encoding="utf-8").splitlines())
    if args[:1] == ["--check"] and len(args) == 2:
        if pathlib.Path(args[1]).read_text(encoding="utf-8") == made:
            return 0
        print(f"{args[1]} is out of date: tools/status_table.py > docs/status.md", file=sys.stderr)
        return 1
    if args:
        print(__doc__, file=sys.stderr)
        return 2
    sys.stdout.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
