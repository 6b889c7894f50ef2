"""eckabench audit runs on a deployment of its own, and refuses one that is not on a disk.

How fast is not a test: the times are far too short for that.
"""
import pathlib
import subprocess
import sys
import tempfile

import contract

eckabench, source, build = sys.argv[1:]
CASES = {"audit/256-in-flight": 0.85, "audit/one-at-a-time": None}


def run(state, *args):
    subprocess.run([f"{source}/tools/provision", state, "--bin", build, "--custodians", "2"],
                   check=True, stdout=subprocess.DEVNULL)
    return subprocess.run([eckabench, "audit", "--dir", state, "--seconds", "3", *args],
                          check=False, capture_output=True, text=True)


def in_memory(state):
    return subprocess.run(["stat", "-f", "-c", "%T", state], check=True, capture_output=True,
                          text=True).stdout.strip() in ("tmpfs", "ramfs")


with tempfile.TemporaryDirectory(prefix="a-", dir=build) as state:
    out = pathlib.Path(state) / "bench.json"
    done = run(state, "--json", out)
    if in_memory(state):
        assert done.returncode != 0 and "is not on a disk" in done.stderr, done
    else:
        assert done.returncode == 0, done
        report = contract.read(out)
        results = report["results"]
        assert report["kind"] == "audit" and report["complete"], report
        assert {r["id"]: r["ratio"]["asked"] for r in results} == CASES, results
        for r in results:
            assert r["low"] > 0 and r["peer"]["low"] > 0 and r["ratio"]["low"] > 0 and r["note"], r
        log = b"".join(f.read_bytes() for f in pathlib.Path(state, "audit-c1").glob("*.log"))
        assert log.count(b'"op":"establish"') > 100, "the audited side kept its log"
        assert b"establish" not in b"".join(
            f.read_bytes() for f in pathlib.Path(state).glob("audit-c2/*.log")), "the other did"

if pathlib.Path("/dev/shm").is_dir() and in_memory("/dev/shm"):
    with tempfile.TemporaryDirectory(prefix="a-", dir="/dev/shm") as state:
        done = run(state)
        assert done.returncode != 0 and "is not on a disk" in done.stderr, done
