"""ecka.so exports the one symbol that OpenSSL looks up, and is linked to stay mapped.

Usage: test_exports.py ECKA_SO
"""
import subprocess
import sys

EXPECTED = ["OSSL_provider_init"]


def exported(module):
    lines = subprocess.run(["nm", "-D", "--defined-only", module], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    return [line.split()[-1] for line in lines]


def flags(module):
    return subprocess.run(["readelf", "-d", module], capture_output=True, text=True,
                          check=True).stdout


if __name__ == "__main__":
    names = exported(sys.argv[1])
    if names != EXPECTED:
        sys.exit(f"exported: {names}")
    if "NODELETE" not in flags(sys.argv[1]):
        sys.exit("it may be unmapped under threads that use it")
