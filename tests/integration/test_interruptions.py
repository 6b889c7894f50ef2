"""SM-SR Changes through real eckads, custodians and a SoftHSM token, with every process of the parties
killed at moments that a seed draws, in the middle of a write as well, the service's from time to time,
and messages lost, repeated and late. At the end each eUICC is under exactly one Commander, nothing is lost, no counter secured two packets.

    ECKA_TEST_SEED=N ECKA_TEST_COUNT=M test_interruptions.py
"""
import collections
import functools
import os
import random
import time
import unittest

import commanders
import ecka_client
import interrupted
from interrupted import MOMENTS, Lane
from parties import two_eckads

LONG = bool(os.environ.get("ECKA_TEST_LONG"))
COUNT = int(os.environ.get("ECKA_TEST_COUNT") or (10000 if LONG else 300))
SEED = int(os.environ.get("ECKA_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
LANES = 8
TOGETHER = 6       # changes at a time in every other lane; in the others one
SECONDS = 3600 if LONG else 240
SETTLE_SECONDS = 120


class Interruptions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment, cls.endpoints, cls.keys = two_eckads(cls)
        cls.master = (cls.deployment.path / "pki" / "ks1-master.key").read_bytes()

    def setUp(self):
        self.lanes = []
        self.addCleanup(lambda: [lane.kill_all() for lane in self.lanes])
        self.client = ecka_client.Client(self.endpoints[0], self.deployment.server_key,
                                         self.deployment.keys["beta"])
        self.addCleanup(self.client.close)

    def add_lane(self, number, count):
        name = f"{self._testMethodName}-{number}"
        self.lanes.append(Lane(self.deployment, self.deployment.path / name, count, self.endpoints,
                               self.keys, SEED, number, TOGETHER if number % 2 else 1))
        return self.lanes[-1]

    def run_lanes(self):
        for lane in self.lanes:
            lane.begin_all()
        service = interrupted.Service(self.deployment, SEED)
        until = time.monotonic() + SECONDS
        while not all(lane.done for lane in self.lanes):
            self.assertLess(time.monotonic(), until, "not at an end in time")
            for lane in self.lanes:
                lane.turn()
            service.turn(sum(lane.changes() for lane in self.lanes))
            time.sleep(0.01)
        for lane in self.lanes:
            lane.settle(SETTLE_SECONDS)
        return service.kills

    def inspect(self, lane, before, found=None):
        commanders.Inspector(lane, before, self.client, self.master,
                             collections.Counter() if found is None else found).check(self)

    def test_every_euicc_has_one_commander(self):
        print(f"ECKA_TEST_SEED={SEED} ECKA_TEST_COUNT={COUNT}", flush=True)
        began = time.monotonic()
        for n in range(min(LANES, COUNT)):
            self.add_lane(n, COUNT // LANES + (n < COUNT % LANES))
        before = [commanders.alphas(lane) for lane in self.lanes]
        found, fates, kills = collections.Counter(), collections.Counter(), self.run_lanes()
        changed = time.monotonic()
        for lane, rows in zip(self.lanes, before):
            lane.end("alpha", "beta1", "beta2")
            self.inspect(lane, rows, found)
            lane.end()
            kills += lane.kills
            fates += lane.fates()
        print(f"{COUNT} changes in {changed - began:.0f} s, looked at in "
              f"{time.monotonic() - changed:.0f} s: {dict(found)}; killed {dict(kills)}; messages "
              f"{fates['s']} sent, {fates['l']} lost, {fates['r']} repeated, {fates['d']} late; "
              f"{sum(lane.rounds for lane in self.lanes)} rounds again", flush=True)
        self.assertEqual(found["Beta's"], COUNT)
        self.assertGreater(min(kills[name] for name in MOMENTS), COUNT // 50)
        self.assertGreater(sum(kills[name] for name in interrupted.Service.NAMES), COUNT // 300)
        self.assertGreater(min(fates.values()), COUNT // 10)

    def test_each_fault_is_seen(self):
        """What is wrong on purpose afterwards, one thing at a time, does not pass."""
        lane = self.add_lane(LANES, 3)
        before = commanders.alphas(lane)
        self.run_lanes()
        lane.end()
        whole = {path: path.read_bytes() for path in lane.path.iterdir() if path.is_file()}
        eid = lane.all_eids()[1]
        ks1 = commanders.ks1(self.master, bytes.fromhex(eid))
        in_beta = functools.partial(commanders.meddle, lane.path / "beta.db", eid)
        faults = {
            "two Commanders": lambda: commanders.give_back(lane, eid, before[eid]["json"]),
            "none": lambda: in_beta("DELETE FROM eis WHERE eid = ?"),
            "a lock": lambda: commanders.meddle(lane.path / "alpha.db", eid,
                                                "UPDATE euicc SET locked = 1 WHERE eid = ?"),
            "a number changed": lambda: in_beta("UPDATE eis SET json = replace(json, '999800000001',"
                                                " '999800000002') WHERE eid = ?"),
            "a key set lost": lambda: in_beta("UPDATE euicc SET second_kvn = 0 WHERE eid = ?"),
            "a counter set back": lambda: in_beta("UPDATE euicc SET ks2_counter = 1 WHERE eid = ?"),
            "a counter used again": lambda: interrupted.say_again(
                lane.path / "alpha.sent", commanders.other_packet(eid, ks1)),
            "KS1 in the card": lambda: commanders.change_card(lane, eid, ks1),
            "another key in the card": lambda: commanders.change_card(lane, eid, None),
        }
        for name, fault in faults.items():
            with self.subTest(name):
                fault()
                lane.begin("network")
                with self.assertRaises(AssertionError):
                    self.inspect(lane, before)
                lane.kill("network")
                for path in list(lane.path.iterdir()):
                    path.unlink()
                for path, octets in whole.items():
                    path.write_bytes(octets)
        lane.begin("network")
        self.inspect(lane, before)
        lane.kill("network")


if __name__ == "__main__":
    unittest.main()
