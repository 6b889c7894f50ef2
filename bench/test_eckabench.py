"""eckabench runs every case, and its document holds what it printed."""
import os
import subprocess
import sys
import tempfile

import contract

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
    command = [sys.argv[1], "kernels", "--seconds", "0.1", "--json", out.name]
    environment = {k: v for k, v in os.environ.items() if k != "ECKABENCH_COMMAND"}
    subprocess.run(command, check=True, env=environment)
    report = contract.read(out.name)

assert report["kind"] == "kernels" and report["complete"], report
assert report["command"] == " ".join(["eckabench", *command[1:]]), report["command"]
assert report["host"]["cores"] == os.cpu_count() and report["host"]["noise"]["samples"] > 0, report
assert report["subject"]["backend"] != "none", report["subject"]
compared = {r["title"]: r for r in report["results"] if "ratio" in r}
tables = [r for r in report["results"] if "ratio" not in r]
measured = {title: r["ratio"]["asked"] for title, r in compared.items()}
assert CASES.items() >= measured.items(), measured
assert set(CASES) - set(measured) <= {"portable verify p256 known-4 batch-256"}, measured
for title, result in compared.items():
    assert result["low"] > 0 and result["peer"]["low"] > 0 and result["samples"] >= 6, result
    assert result["ratio"]["met"] == (result["ratio"]["value"] >= result["ratio"]["asked"]), result
    if "known" in title.split("un", 1)[0] and report["subject"]["backend"] in HAS_TABLES:
        assert result["table_bytes"] > 0, result
for table in tables:
    assert table["table_bytes"] > 0 and table["unit"] == "ms", table
