"""eckabench service runs every case on a deployment of its own, and its JSON holds what it printed.

How fast is not a test: the times are far too short for that.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

eckabench, source, build = sys.argv[1:]
CASES = {  # what is asked of the ratio, and whether that is a ceiling
    "service verify batch-64 known": (0.70, False),
    "service verify single 32-clients": (9, False),
    "service idle latency": (1.5, True),
    "service handover": (0.43, False),
    "service overload": (2, True),
    "service flood": (2, True),
    "service drain": (0, True),
    "service workers 1 to 2": (0, False),
}

with tempfile.TemporaryDirectory(prefix="eckad-") as state:
    subprocess.run([f"{source}/tools/provision", state, "--bin", build], check=True)
    out = pathlib.Path(state) / "bench.json"
    run = subprocess.run([eckabench, "service", "--dir", state, "--seconds", "3", "--json", out],
                         check=True, stdout=subprocess.PIPE, text=True)
    report = json.loads(out.read_text(encoding="utf-8"))

assert set(report) == {"host", "results"}, report
assert report["host"]["cores"] > 0 and report["host"]["backend"] != "none", report["host"]
measured = {r["case"]: (r["floor"], r["at_most"]) for r in report["results"]}
assert measured == CASES, measured
for r in report["results"]:
    assert any(line.startswith(r["case"]) for line in run.stdout.splitlines()), run.stdout
    assert r["verdict"] in ("met", "MISSED", "stated") and r["note"] and r["rounds"] > 0, r
    assert r["met"] == (r["verdict"] != "MISSED"), r
    if r["case"] == "service drain":
        assert r["verdict"] == "met" and r["ratio"] == 0, r  # of requests lost, however slow
        continue
    assert r["items_per_s"] > 0 and r["peer_items_per_s"] > 0, r
    assert 0 < r["ratio_low"] <= r["ratio"] <= r["ratio_high"], r
