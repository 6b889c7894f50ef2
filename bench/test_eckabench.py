"""eckabench runs every case, and its JSON holds what it printed."""
import json
import subprocess
import sys
import tempfile

CASES = {
    "verify p256 known-4 batch-256": 38,
    "verify p256 known-4 batch-64": 26,
    "verify p256 known-64 batch-256": 33,
    "verify p256 unknown batch-256": 6.5,
    "verify p256 known-4 single": 6.5,
    "verify brainpoolP256r1 known-4 batch-256": 100,
    "verify brainpoolP256r1 unknown batch-256": 19,
    "ecka p256 batch-64": 6,
    "ecka brainpoolP256r1 batch-64": 30,
    "portable verify p256 known-4 batch-256": 5,
}
HAS_TABLES = ("ifma", "portable")

with tempfile.NamedTemporaryFile(suffix=".json") as out:
    subprocess.run([sys.argv[1], "kernels", "--seconds", "0.1", "--json", out.name], check=True)
    report = json.load(open(out.name, encoding="utf-8"))

assert set(report) == {"host", "results", "tables"}, report
assert report["host"]["cores"] > 0 and report["host"]["backend"] != "none", report["host"]
measured = {result["case"]: result["floor"] for result in report["results"]}
assert CASES.items() >= measured.items(), measured
assert set(CASES) - set(measured) <= {"portable verify p256 known-4 batch-256"}, measured
for result in report["results"]:
    assert result["items_per_s"] > 0 and result["peer_items_per_s"] > 0, result
    assert 0 < result["ratio_low"] <= result["ratio"] <= result["ratio_high"], result
    assert result["met"] == (result["ratio"] >= result["floor"]), result
    if "known" in result["case"].split("un", 1)[0] and report["host"]["backend"] in HAS_TABLES:
        assert result["table_bytes"] > 0, result
for table in report["tables"]:
    assert table["bytes"] > 0 and table["build_ms"] > 0, table
