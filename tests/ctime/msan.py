"""Runs msan_ifma: the kernel's functions must pass, and each control must be reported.

    msan.py PROGRAM
"""
import subprocess
import sys

CURVES = ("P-256", "brainpoolP256r1", "FRP256v1")
SECRET = ("mul_base", "ecka")
LEAKS = ("index", "branch", "lane")
SKIPPED = 77


def run(program, case, curve):
    done = subprocess.run([program, case, curve], capture_output=True, text=True, timeout=120,
                          check=False)
    if done.returncode == SKIPPED:
        print(done.stdout)
        sys.exit(SKIPPED)
    return done


def main(program):
    faults = []
    for curve in CURVES:
        for case in SECRET:
            done = run(program, case, curve)
            if done.returncode != 0 or done.stdout != "no report\n":
                faults.append(f"{case} {curve}: {done.stdout}{done.stderr}")
    for case in LEAKS:
        done = run(program, case, CURVES[0])
        if (done.returncode == 0 or "use-of-uninitialized-value" not in done.stderr
                or f"in leak_{case} " not in done.stderr):
            faults.append(f"the leak by {case} was not caught: {done.stdout}{done.stderr}")
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main(sys.argv[1])
