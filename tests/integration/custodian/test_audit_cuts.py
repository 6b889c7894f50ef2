"""Power cuts at random moments: every log verifies, and holds whatever was released.

A custodian is killed under load while a preloaded library keeps back what it has not synced, and
lets a random part of that into the file (tests/preload/power_cut.c). ECKA_SEED takes a run's seed
back; with ECKA_TEST_LONG there are 200 cuts. More follow while too few fell into a commit.
"""
import collections
import hashlib
import json
import os
import random
import subprocess
import threading
import time
import unittest

import card as cards
import curves
import gpki
from custodian import BUILD, ECKACTL, SOURCE, Link, Token, establish_item
from custody_pb2 import ConfirmItem, SignItem

CUTS = 200 if os.environ.get("ECKA_TEST_LONG") else 20
SEED = int(os.environ.get("ECKA_SEED", time.time_ns() % 10**9))
SHIM = BUILD / "tests" / "preload" / "power_cut.so"
SEGMENT_BYTES = 65536  # a few batches
TICKETS = 48
OWNERS = 3
PYTHON = ["/usr/bin/python3", SOURCE / "tools" / "audit_verify.py"]


class Owner(threading.Thread):
    """A connection that asks until it is cut off; what it was given, by operation and hash."""

    def __init__(self, case, custodian, seed):
        super().__init__()
        self.case, self.random = case, random.Random(seed)
        self.link = Link(custodian)
        self.given = collections.Counter()

    def run(self):
        try:
            while True:
                getattr(self, self.random.choice(["establish", "confirm", "sign"]))()
        except (OSError, AssertionError):  # no answer is no release
            self.link.close()

    def take(self, op, octets):
        self.given[op, hashlib.sha256(octets).hexdigest()] += 1

    def establish(self):
        n = self.random.choice([1, 3, 24])
        for status, item in self.link.batch("establish", [self.case.item] * n):
            assert status == "OK"
            (crt_tag, crt), (epk_tag, epk), _ = cards.dgis(item.store_data)
            self.take("establish", cards.dgi(crt_tag, crt) + cards.dgi(epk_tag, epk) +
                      cards.dgi(0x0085, self.case.card.rc))

    def confirm(self):
        items = self.random.sample(self.case.confirms, self.random.choice([1, 8]))
        for status, item in self.link.batch("confirm", items):
            assert status == "OK"
            self.take("confirm", item.key_set)

    def sign(self):
        digest = self.random.randbytes(32)
        status, _ = self.link.one("sign", SignItem(principal="beta", key_label="invoices",
                                                   digest=digest))
        assert status == "OK"
        self.given["sign", digest.hex()] += 1


class Cuts(unittest.TestCase):
    def setUp(self):
        self.token = Token()
        self.addCleanup(self.token.stop)
        self.folder = self.token.path / "run" / "audit-c1"
        self.token.configure(audit={"segment_bytes": SEGMENT_BYTES})
        made = self.token.keys("init", "--init-token", "--so-pin-file", self.token.path / "so-pin",
                               "--sign-key", "invoices")[1]
        point = next(line.split()[-1] for line in made.splitlines() if "sr-establish 1 P-256" in line)
        sr = self.token.certify("sr.der", curves.P256, bytes.fromhex(point))
        self.pem = self.token.path / "checkpoint.pem"
        self.pem.write_text(self.token.keys("list", "--pem", "checkpoint")[1])
        self.card = cards.Card(gpki.make_eum(gpki.make_ci()), b"\x01", curves.P256, 1)
        self.item = establish_item(self.card, sr)
        self.make_confirms(bytes.fromhex(point))
        self.token.env.update(LD_PRELOAD=str(SHIM))

    def make_confirms(self, sr_point):
        custodian = self.token.start()
        link = Link(custodian)
        self.confirms = []
        for status, item in link.batch("establish", [self.item] * TICKETS):
            self.assertEqual(status, "OK")
            _, receipt = self.card.establish(item.store_data, curves.P256, sr_point)
            self.confirms.append(ConfirmItem(principal="beta", ticket=item.ticket, eid=self.card.eid,
                                             receipt=receipt))
        link.close()
        custodian.stop()

    def cut(self, number, chance):
        """Serves a while and is killed; what was released."""
        self.token.env["ECKA_POWER_CUT"] = str(SEED * 1000 + number)
        custodian = self.token.start()
        owners = [Owner(self, custodian, f"{SEED} {number} {i}") for i in range(OWNERS)]
        for owner in owners:
            owner.start()
        time.sleep(chance.uniform(0.005, 0.15))
        custodian.popen.kill()
        custodian.popen.wait()
        for owner in owners:
            owner.join()
        self.token.processes.clear()
        self.taken_off += custodian.output().count("of a commit that was cut short")
        return sum((owner.given for owner in owners), collections.Counter())

    def leaves(self):
        """What is under the checkpoints: (operation, hash) and how often."""
        out = collections.Counter()
        for file in sorted(self.folder.glob("*.log")):
            fresh = []
            for line in file.read_bytes().split(b"\n"):
                if line.startswith(b'{"time"') and line.endswith(b"}"):
                    fresh.append(line)
                elif line.startswith(b'{"checkpoint"'):
                    out.update((leaf["op"], leaf["sha256"]) for leaf in map(json.loads, fresh))
                    fresh = []
        return out

    def verify(self, program, *args):
        done = subprocess.run([*program, "--key", self.pem, "--whole", *args, self.folder],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, f"seed {SEED}: {done.stdout}{done.stderr}")

    def test_no_cut_loses_what_was_released(self):
        chance, released = random.Random(SEED), collections.Counter()
        self.taken_off = 0
        cuts = 0
        while cuts < CUTS or (self.taken_off <= CUTS // 20 and cuts < 4 * CUTS):
            released += self.cut(cuts, chance)
            cuts += 1
        last = self.token.start()  # takes off what the last cut left
        last.stop()
        self.verify([ECKACTL, "audit", "verify"])
        self.verify(PYTHON)
        missing = released - self.leaves()
        self.assertFalse(missing, f"seed {SEED}: {len(missing)} of {len(released)} not in the log")
        self.assertGreater(len(released), cuts)
        self.assertGreater(self.taken_off, CUTS // 20, "the cuts fell beside the commits")
        print(f"seed {SEED}: {CUTS} cuts, {sum(released.values())} results, {self.taken_off} commits"
              " cut short")


if __name__ == "__main__":
    unittest.main()
