"""eckabench runs every case that needs a deployment, on one of its own, and its documents hold what
it printed.

How fast is not a test: the times are far too short for that.
"""
import pathlib
import subprocess
import sys
import tempfile

import contract

eckabench, source, build = sys.argv[1:]
CASES = {  # by kind: what is asked of the ratio, and whether that is a ceiling; None: nothing
    "service": {
        "service/verify-batch-64-known": (0.70, False),
        "service/verify-single-32-clients": (9, False),
        "service/idle-latency": (1.5, True),
        "service/overload": (2, True),
        "service/drain": None,
        "service/workers-1-to-2": (None, None),
    },
    "handover": {
        "handover/cost-eckad": None,
        "handover/cost-custodian": None,
        "handover/cost-signature": None,
        "handover/rate": None,
        "handover/cpu": (0.43, False),
        "handover/alone": None,
    },
    "flood": {"flood/flood": (2, True), "flood/crowd": (2, True)},
}
CURVES = {"service": ["service/verify-strangers"], "handover": ["handover/load"], "flood": []}
SECONDS = {"service": "3", "handover": "1", "flood": "1"}


def run(state, kind):
    out = pathlib.Path(state) / f"{kind}.json"
    done = subprocess.run([eckabench, kind, "--dir", state, "--seconds", SECONDS[kind], "--json", out],
                          check=True, stdout=subprocess.PIPE, text=True)
    return contract.read(out), done.stdout.splitlines()


def look(kind, report, printed):
    assert report["kind"] == kind and report["complete"], report
    assert report["subject"]["backend"] != "none" and "softhsm" in report["host"]["versions"], report
    asked = {r["id"]: (r["ratio"]["asked"], r["ratio"].get("at_most")) if "ratio" in r else None
             for r in report["results"]}
    assert asked == CASES[kind], asked
    for r in report["results"]:
        name = r["id"].split("/")[1]
        assert any(line.replace(" ", "-").startswith(name) for line in printed), (name, printed)
        if name == "drain":
            assert r["value"] == 0 and r["bound"]["met"], r  # none lost, however slow
            assert 0 < r["high"] < 0.1, r
            continue
        assert 0 < r["low"] and r["samples"] >= 6, r
        if "peer" in r:
            assert r["peer"]["low"] > 0 and r["ratio"]["low"] > 0, r
    curves = {curve["id"]: curve for curve in report["curves"]}
    assert list(curves) == CURVES[kind], curves
    for curve in curves.values():
        assert curve["knee"]["offered"] in [p["offered"] for p in curve["points"]], curve


def interrupted(state):
    """What was measured before it was killed is there, and says that it is not all."""
    out = pathlib.Path(state) / "cut.json"
    with subprocess.Popen([eckabench, "service", "--dir", state, "--seconds", "3", "--json", out],
                          stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not out.exists():
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
        process.terminate()
    report = contract.read(out)
    assert not report["complete"] and "before it was done" in report["stopped"], report
    assert 1 <= len(report["results"]) < len(CASES["service"]), report


with tempfile.TemporaryDirectory(prefix="eckad-") as folder:
    subprocess.run([f"{source}/tools/provision", folder, "--bin", build], check=True)
    for which in CASES:
        look(which, *run(folder, which))
    interrupted(folder)
