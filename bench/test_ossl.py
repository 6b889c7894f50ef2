"""That bench/ossl.py runs and that its document is whole; how fast is not a test.

Usage: test_ossl.py OSSL_PY BUILD_DIR
"""
import pathlib
import subprocess
import sys
import tempfile

import contract


def results(report, runs, only):
    subprocess.run([sys.executable, *sys.argv[1:3], "--runs", str(runs), "--only", only,
                    "--json", report], check=True)
    document = contract.read(report)
    assert document["kind"] == "ossl" and document["complete"], document
    assert document["command"].startswith("bench/ossl.py "), document["command"]
    return document["results"]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "report.json"
        measured = results(path, 6, "prehashed, 1")
        assert [r["id"] for r in measured] == ["ossl/evp-prehashed-1-thread-verify",
                                               "ossl/evp-prehashed-1-thread-by-cpu"], measured
        for result in measured:
            assert result["low"] > 0 and result["ratio"]["low"] > 0, result
        once = results(path, 1, "alone")
        assert {r["title"].rsplit(": ", 1)[1] for r in once} == {"sign", "verify", "derive"}, once
        assert {r["status"] for r in once} == {"partial"}, "one run has no interval"
