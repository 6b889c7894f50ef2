"""eckabench runs every case, and its JSON holds what it printed."""
import json
import subprocess
import sys
import tempfile

with tempfile.NamedTemporaryFile(suffix=".json") as out:
    subprocess.run([sys.argv[1], "kernels", "--seconds", "0.1", "--json", out.name], check=True)
    report = json.load(open(out.name, encoding="utf-8"))

assert set(report) == {"host", "results"}, report
assert report["host"]["cores"] > 0 and report["host"]["backend"] != "none", report["host"]
assert len(report["results"]) == 4, report
for result in report["results"]:
    assert result["items_per_s"] > 0, result
    assert 0 < result["ratio_low"] <= result["ratio"] <= result["ratio_high"], result
