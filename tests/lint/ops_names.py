"""What metrics.def and log_events.def name is what the code shows and logs, and Prometheus' rules for
names hold.
"""
import re

import tree

METRIC = re.compile(r'^METRIC\((\w+), "(\w+)", (\w+), "(\w*)", "[\w, ]*", "([^"]*)"\)$', re.M)
EVENT = re.compile(r"^EVENT\((\w+),", re.M)
RESERVED = ("_total", "_created", "_bucket", "_count", "_sum", "_info")
UNITS = {"seconds", "bytes"}


def name_faults(name, kind, unit, text):
    if not re.fullmatch(r"(eckad|process)(_[a-z]+)+", name):
        yield f"{name}: not a name of ours"
    if name.endswith(RESERVED):
        yield f"{name}: the type says its suffix"
    if unit not in UNITS | {""} or (unit and not name.endswith(f"_{unit}")):
        yield f"{name}: its unit must end it"
    if not unit and any(f"_{u}" in name for u in UNITS):
        yield f"{name}: has a unit in its name alone"
    if not text or text.endswith("."):
        yield f"{name}: help is a sentence without a full stop"
    if kind not in ("COUNTER", "GAUGE", "HISTOGRAM", "INFO"):
        yield f"{name}: no such type"


def prove():
    seeded = [("eckad_x_total", "COUNTER", "", "x"), ("x", "GAUGE", "", "x"),
              ("eckad_x", "GAUGE", "seconds", "x"), ("eckad_x_bytes", "GAUGE", "", "x"),
              ("eckad_x", "GAUGE", "", "x."), ("eckad_x", "SUMMARY", "", "x")]
    return [f"not caught: {row}" for row in seeded if not list(name_faults(*row))]


if __name__ == "__main__":
    found = prove()
    metrics = METRIC.findall(tree.read("service/observe/metrics.def"))
    code = "".join(tree.read(name) for name in tree.files(".c", rooms=("service",)))
    for ident, *row in metrics:
        found += name_faults(*row)
        if not re.search(rf"\bMETRIC_{ident}\b", code):
            found.append(f"metrics.def: {ident} is not shown")
    events = EVENT.findall(tree.read("service/observe/log_events.def"))
    for event in events:
        if not re.search(rf"\bLOG(_ABOUT)?\(\s*{event},", code):
            found.append(f"log_events.def: {event} is not logged")
    tree.finish(found, len(metrics) + len(events))
