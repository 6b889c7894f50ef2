#!/usr/bin/env python3
"""Fills the tables of docs/audit.md: ops from proto/audit/ops.def, findings from
service/ctl/audit/findings.def.

Without an argument the document is written anew; with --check the exit status says whether it is up
to date.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "audit.md"
GROUP = re.compile(r"^/\* (.*)\. \*/$")
OP = re.compile(r'^AUDIT_OP\(\w+, "([a-z0-9-]+)", "([^"]*)"\)$')
FINDING = re.compile(r'^FINDING\(\w+, "([a-z]+)", "([^"]*)", "([^"]*)"\)$')
TABLES = {
    "ops": ("proto/audit/ops.def", OP, "AUDIT_OP(", "| op | what a leaf of it says |\n|---|---|"),
    "findings": ("service/ctl/audit/findings.def", FINDING, "FINDING(",
                 "| finding | what it means | what to do |\n|---|---|---|"),
}


def table(which):
    file, pattern, begin, columns = TABLES[which]
    out = []
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        group, entry = GROUP.match(line), pattern.match(line)
        if group:
            out.append(f"\n{group.group(1)}:\n\n{columns}")
        elif entry:
            name, *rest = entry.groups()
            out.append(f"| `{name}` | {' | '.join(rest)} |")
        elif line.startswith(begin):
            sys.exit(f"audit_tables: cannot read: {line}")
    return "\n".join(out) + "\n\n"


def filled(text):
    for which in TABLES:
        begin = f"<!-- {which}: made by tools/audit_tables.py from {TABLES[which][0]} -->\n"
        head, rest = text.split(begin)
        text = head + begin + table(which) + rest[rest.index("<!-- end -->"):]
    return text


if __name__ == "__main__":
    now = DOCUMENT.read_text(encoding="utf-8")
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if filled(now) == now else f"{DOCUMENT} is not up to date; tools/audit_tables.py")
    DOCUMENT.write_text(filled(now), encoding="utf-8")
