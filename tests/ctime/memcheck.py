"""Runs memcheck.c's cases under valgrind: each must pass, and each control must be reported.

    memcheck.py VALGRIND SUPPRESSIONS PROGRAM CASE...
"""
import subprocess
import sys

LEAKS = {"index": "Use of uninitialised value", "branch": "Conditional jump or move depends"}
REPORTED = 9


def run(valgrind, suppressions, program, case):
    return subprocess.run([valgrind, "-q", f"--error-exitcode={REPORTED}",
                           f"--suppressions={suppressions}", program, case],
                          capture_output=True, text=True, timeout=300, check=False)


def main(valgrind, suppressions, program, *cases):
    faults = []
    for case in cases:
        done = run(valgrind, suppressions, program, case)
        if done.returncode != 0:
            faults.append(f"{case}: exit {done.returncode}\n{done.stderr}")
    for case, report in LEAKS.items():
        done = run(valgrind, suppressions, program, case)
        if done.returncode != REPORTED or report not in done.stderr \
                or f"leak_{case}" not in done.stderr:
            faults.append(f"the leak by {case} was not caught: {done.returncode}\n{done.stderr}")
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
