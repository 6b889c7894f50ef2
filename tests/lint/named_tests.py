#!/usr/bin/env python3
"""Every test that docs/operations.md names exists, once."""
import custody_claims
import tree

DOCUMENT = "docs/operations.md"

text = tree.read(DOCUMENT)
named = set(custody_claims.REFERENCE.findall(text))
faults = custody_claims.absent(text, custody_claims.read_test)
if not custody_claims.absent("`integration/gone.py::test_gone`", custody_claims.read_test):
    faults.append("a test that is not there is not missed")
tree.finish([f"{DOCUMENT}: {fault}" for fault in faults], len(named))
