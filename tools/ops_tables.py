#!/usr/bin/env python3
"""Makes docs/metrics.md from service/observe/metrics.def, and docs/events.md from service/observe/log_events.def.

ops_tables.py metrics|events [--check FILE]: without --check the table goes to stdout; with it the
exit status says whether FILE is up to date.
"""
import pathlib
import re
import sys

SERVICE = pathlib.Path(__file__).resolve().parent.parent / "service" / "observe"
GROUP = re.compile(r"^/\* (.*)\. \*/$")
METRIC = re.compile(r'^METRIC\(\w+, "(\w+)", (\w+), "(\w*)", "([\w, ]*)", "([^"]*)"\)$')
EVENT = re.compile(r'^EVENT\((\w+), (\w+), (\w+), "([^"]*)"\)$')

METRICS_HEAD = """# Metrics

Every metric at `/metrics`. Counters count from the start of eckad; times are in seconds. In
OpenMetrics each counter and histogram also has a `_created` sample. Made from `service/observe/metrics.def`
by `tools/ops_tables.py`."""
EVENTS_HEAD = """# Events

Every event that eckad logs. In the journal `ECKAD_EVENT` holds the name, and `ECKAD_<subject>` what
the event is about. Made from `service/observe/log_events.def` by `tools/ops_tables.py`."""
SUFFIX = {"COUNTER": "_total", "INFO": "_info", "GAUGE": "", "HISTOGRAM": ""}


def metric_row(match):
    name, kind, _, labels, text = match.groups()
    labels = ", ".join(f"`{label}`" for label in labels.split(", ") if label)
    return f"| `{name}{SUFFIX[kind]}` | {kind.lower()} | {labels} | {text} |"


def event_row(match):
    name, level, subject, text = match.groups()
    subject = "" if subject == "NONE" else f"`ECKAD_{subject}`"
    return f"| `{name}` | {level.lower()} | {subject} | {text} |"


TABLES = {
    "metrics": ("metrics.def", METRIC, metric_row, METRICS_HEAD,
                "| name | type | labels | what it is |\n|---|---|---|---|"),
    "events": ("log_events.def", EVENT, event_row, EVENTS_HEAD,
               "| event | level | subject | what it says |\n|---|---|---|---|"),
}


def table(which):
    file, pattern, row, head, columns = TABLES[which]
    out = [head]
    for line in (SERVICE / file).read_text(encoding="utf-8").splitlines():
        group, entry = GROUP.match(line), pattern.match(line)
        if group:
            out.append(f"\n## {group.group(1)}\n\n{columns}")
        elif entry:
            out.append(row(entry))
        elif line.startswith(("METRIC", "EVENT")):
            sys.exit(f"ops_tables: cannot read: {line}")
    return "\n".join(out) + "\n"


def main(args):
    if not args or args[0] not in TABLES or args[1:2] not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    made = table(args[0])
    if args[1:2] == ["--check"] and len(args) == 3:
        if pathlib.Path(args[2]).read_text(encoding="utf-8") == made:
            return 0
        print(f"{args[2]} is out of date: tools/ops_tables.py {args[0]} > {args[2]}",
              file=sys.stderr)
        return 1
    sys.stdout.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
