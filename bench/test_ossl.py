"""That bench/ossl.py runs and that its JSON is whole; how fast is not a test.

Usage: test_ossl.py OSSL_PY BUILD_DIR
"""
import json
import pathlib
import subprocess
import sys
import tempfile

ONLY = "alone|prehashed, 1"
EXPECTED = {"sign", "verify", "derive", "by CPU"}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.json"
        subprocess.run([sys.executable, *sys.argv[1:3], "--runs", "1", "--only", ONLY,
                        "--json", report], check=True)
        results = json.loads(report.read_text())["results"]
    if {r["what"] for r in results} != EXPECTED or any(r["ratio"] <= 0 for r in results):
        sys.exit(f"not whole: {results}")
