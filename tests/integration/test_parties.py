"""The parties of SM-SR Change as processes of their own: operator, Alpha, two Betas on two eckads,
the network with its cards. Betas share one store and one principal, each with a key of its own.
"""
import collections
import csv
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import time
import unittest

from deployment import Deployment
from parties import SECONDS, Parties, two_eckads

LONG = bool(os.environ.get("ECKA_TEST_LONG"))


class PartiesAlone(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment, cls.endpoints, cls.keys = two_eckads(cls)

    def parties(self, count, **more):
        parties = Parties(self.deployment, self.deployment.path / self._testMethodName, count,
                          self.endpoints, self.keys, **more)
        self.addCleanup(parties.kill_all)
        return parties

    def assert_all_betas(self, parties):
        """Beta's by record, each with both of its sets; nothing of it left with Alpha."""
        eids = sorted(parties.all_eids())
        rows = parties.rows("beta.db", "SELECT eid, ks2_kvn, second_kvn, json FROM euicc"
                                       " JOIN eis USING (eid) ORDER BY eid")
        self.assertEqual([row[0] for row in rows], eids)
        for _, kvn, second, text in rows:
            eis = json.loads(text)
            self.assertEqual(eis["smsr-id"], "beta.sm-sr.example")
            self.assertEqual([s["version"] for s in eis["isd-r"]["key-sets"]], [kvn, second])
            self.assertEqual(len(eis["profiles"]), 2)
        self.assertEqual(parties.rows("alpha.db", "SELECT count(*) FROM eis"), [(0,)])
        self.assertEqual(parties.rows("alpha.db", "SELECT sum(locked) FROM euicc"), [(0,)])

    def test_one_change(self):
        parties = self.parties(1).start("network", "alpha", "beta1", "beta2", extra=("-v",))
        (eid,) = parties.all_eids()
        output = parties.run(*parties.orders("operator", "--eid", eid, "-v"))
        parties.stop()
        output += "".join(log.read_text() for log in parties.path.glob("*.log"))
        steps = [int(n) for n in re.findall(r"^\[\s*(\d+)\]", output, re.M)]
        self.assertEqual(set(steps) | {31, 32}, set(range(1, 33)))
        self.assert_all_betas(parties)
        # Asked again, a party that has handed over says so, and the other one refuses to prepare.
        parties.start("network", "alpha", "beta2")
        output = parties.run(*parties.orders("operator", "--eid", eid))
        self.assertIn("ALREADY_MANAGED (subject 8.1.1, reason 3.3)", output)
        unknown = "89049032000000000000000099999999"
        output = parties.run(*parties.orders("operator", "--eid", unknown), expect=1)
        self.assertIn("UNKNOWN_EID (subject 8.1.1, reason 3.9)", output)
        parties.stop()

    def test_two_betas_share_a_load(self):
        # Slower than the parties are patient: what is said again takes no eUICC from the other Beta.
        parties = self.parties(60).start("network", extra=("--latency-ms", "200")).start(
            "alpha", "beta1", "beta2")
        output = parties.run(*parties.orders("fleet", "--eids", parties.eids, "--rate", "500"))
        self.assertIn("60 executed (0 with a warning), 0 failed", output)
        parties.stop()
        self.assert_all_betas(parties)
        owners = dict(parties.rows("beta.db", "SELECT owner, count(*) FROM euicc GROUP BY owner"))
        self.assertEqual(set(owners), {parties.at("beta1"), parties.at("beta2")})
        self.assertGreater(min(owners.values()), 5)

    def test_killed_after_any_message(self):
        """Betas and Alpha are killed again and again, and some of what is said is lost."""
        seed = int(os.environ.get("ECKA_TEST_SEED", random.randrange(1 << 32)))
        print(f"ECKA_TEST_SEED={seed}", flush=True)
        choices = random.Random(seed)
        count = 400 if LONG else 40
        lossy = ("--lose", "20", "--seed", str(seed))
        names = ("network", "alpha", "beta1", "beta2")
        parties = self.parties(count).start("network").start(*names[1:], extra=lossy)
        fleet = subprocess.Popen(
            parties.command(*parties.orders("fleet", "--eids", parties.eids, "--rate",
                                            str(count // 6), "--tries", "20", "--validity", "60",
                                            "--out", parties.path / "out.jsonl")),
            env=self.deployment.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(fleet.kill)
        kills = collections.Counter()
        until = time.monotonic() + SECONDS
        while fleet.poll() is None and time.monotonic() < until:
            name = choices.choice(("alpha", "beta1", "beta2", "beta2"))
            parties.kill(name)
            time.sleep(choices.random() * 0.2)
            parties.start(name, extra=lossy)
            kills[name] += 1
            time.sleep(choices.random() * 0.3)
        output = fleet.communicate(timeout=SECONDS)[0]
        self.assertEqual(fleet.returncode, 0, output)
        self.assertGreater(kills["beta2"], 2)
        self.assertGreater(kills["alpha"], 0)
        parties.stop()
        self.assert_all_betas(parties)

    def test_another_beta_finishes(self):
        """Beta 1 ends for good between steps 7 and 28; Beta 2 is another key on another eckad."""
        parties = self.parties(20).start("network", extra=("--latency-ms", "150")).start(
            "alpha", "beta1")
        fleet = subprocess.Popen(
            parties.command(*parties.orders("fleet", "--eids", parties.eids, "--rate", "100",
                                            "--out", parties.path / "out.csv")),
            env=self.deployment.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(fleet.kill)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            states = dict(parties.rows(
                "beta.db", "SELECT state, count(*) FROM euicc GROUP BY state")) if (
                    parties.path / "beta.db").exists() else {}
            if states.get("wait-receipt", 0) and states.get("finalising", 0):
                break
            time.sleep(0.005)
        parties.kill("beta1")
        self.assertEqual(os.kill(self.deployment.processes["eckad"].pid, signal.SIGSTOP), None)
        try:
            parties.start("beta2")
            output = fleet.communicate(timeout=SECONDS)[0]
        finally:
            os.kill(self.deployment.processes["eckad"].pid, signal.SIGCONT)
        self.assertEqual(fleet.returncode, 0, output)
        parties.stop()
        self.assert_all_betas(parties)
        with open(parties.path / "out.csv", encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        self.assertEqual({line["eid"] for line in lines}, set(parties.all_eids()))
        self.assertEqual({line["result"] for line in lines}, {"Executed-Success"})

    def test_migration_goes_on(self):
        """Killed and told to end, a migration goes on with what its outcomes do not name."""
        count = 2000 if LONG else 90
        parties = self.parties(count).start("network", "alpha", "beta1", "beta2")
        out = parties.path / "out.jsonl"
        order = parties.orders("fleet", "--eids", parties.eids, "--rate", "100", "--out", out)
        for signum, lines in (signal.SIGKILL, count // 5), (signal.SIGTERM, count // 2):
            fleet = subprocess.Popen(parties.command(*order), env=self.deployment.env,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.addCleanup(fleet.kill)
            until = time.monotonic() + SECONDS
            while time.monotonic() < until and (
                    not out.exists() or out.read_text().count("\n") < lines):
                time.sleep(0.01)
            fleet.send_signal(signum)
            output = fleet.communicate(timeout=SECONDS)[0]
            self.assertEqual(fleet.returncode, 3 if signum == signal.SIGTERM else -signum, output)
        with open(out, "a", encoding="utf-8") as file:
            file.write('{"eid":"8904')  # cut off
        output = parties.run(*order)
        done = int(re.search(r"(\d+) of \d+ were done before", output).group(1))
        self.assertGreaterEqual(done, count // 2)
        self.assertIn(f"{count - done} SM-SR Changes", output)
        results = collections.Counter()
        for line in out.read_text().splitlines():
            try:
                results[json.loads(line)["eid"]] += 1
            except ValueError:
                self.assertEqual(line, '{"eid":"8904')
        self.assertEqual(set(results), set(parties.all_eids()))
        self.assertEqual(set(results.values()), {1})
        parties.stop()
        self.assert_all_betas(parties)

    def test_report_groups_failures(self):
        parties = self.parties(6)
        parties.start("network", "alpha").start("beta1", extra=("--capacity", "4"))
        output = parties.run(*parties.orders("fleet", "--eids", parties.eids, "--rate", "1",
                                             "--jobs", "1"), expect=1)
        self.assertRegex(output, r"4 executed \(0 with a warning\), 2 failed")
        self.assertIn("2 x Failed at step 2: NO_CAPACITY (subject 8.7, reason 4.8)", output)
        parties.stop()

    def refused(self, parties, eid, words):
        output = parties.run(*parties.orders("operator", "--eid", eid), expect=1)
        self.assertIn(words, output)

    def assert_nothing_begun(self, parties):
        """Alpha has every EIS, unlocked; no card was asked anything; Beta has kept nothing."""
        rows = parties.rows("alpha.db", "SELECT locked, ks1_counter, json IS NOT NULL FROM euicc"
                                        " LEFT JOIN eis USING (eid)")
        self.assertEqual(set(rows), {(0, 0, 1)})
        self.assertEqual(parties.rows("beta.db", "SELECT count(*) FROM eis"), [(0,)])

    def test_what_beta_cannot_manage_is_refused(self):
        """Capabilities of the EIS and of the EID's maker, with the standard's subject and reason."""
        parties = self.parties(4, stock=("--curve", "FRP256v1"))
        aes, version, silent, curve = parties.all_eids()
        for eid, old, new in (
                (aes, '"secure-packet-version":"12.1"', '"secure-packet-version":"8.2"'),
                (version, '"remote-provisioning-version":"4.2"',
                 '"remote-provisioning-version":"5.0"'),
                (silent, '"msisdn":"999800000001"', '"msisdn":""')):
            with sqlite3.connect(parties.path / "alpha.db") as db:
                db.execute("UPDATE eis SET json = replace(json, ?, ?) WHERE eid = ?",
                           (old, new, eid))
                ((text,),) = db.execute("SELECT json FROM eis WHERE eid = ?", (eid,))
                self.assertIn(new, text)
        parties.start("network", "alpha").start("beta1", extra=("--take-curve", "P-256"))
        self.refused(parties, aes, "Failed at step 5: NO_CAPABILITY (subject 8.1, reason 3.1)")
        self.refused(parties, version, "Failed at step 5: NO_CAPABILITY (subject 8.1, reason 3.1)")
        self.refused(parties, silent, "Failed at step 5: NO_ADDRESS (subject 8.6, reason 2.2)")
        self.refused(parties, curve,
                     "Failed at step 5: CURVE_UNSUPPORTED (subject 8.5, reason 3.1)")
        self.refused(parties, "89049099000000000000000000000085",
                     "Failed at step 2: UNKNOWN_EUM (subject 8.1.1, reason 3.8)")
        self.assert_nothing_begun(parties)
        parties.kill("beta1")
        parties.start("beta1", extra=("--take-curve", "P-256", "--take-curve", "FRP256v1"))
        output = parties.run(*parties.orders("operator", "--eid", curve))
        self.assertIn("1 executed", output)
        parties.stop()


class WithoutMeans(unittest.TestCase):
    """A Beta whose eckad could not carry a change through says so when it is asked to prepare."""

    def refusal(self, meddle):
        d = Deployment(custodians=1, supervised=False)
        self.addCleanup(d.stop)
        meddle(d)
        d.start()
        parties = Parties(d, d.path / self._testMethodName, 1, [d.endpoint], [d.path / "beta.key"])
        self.addCleanup(parties.kill_all)
        parties.start("network", "alpha", "beta1")
        (eid,) = parties.all_eids()
        return d, parties, eid

    def asked(self, parties, eid, words):
        """What eckad can do is known soon, and asked again: until Beta says so."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            output = parties.run(*parties.orders("operator", "--eid", eid, "--validity", "20"),
                                 expect=None)
            if words in output:
                return
            time.sleep(0.2)
        self.fail(output)

    def test_eum_that_eckad_does_not_trust(self):
        _, parties, eid = self.refusal(lambda d: d.set_policy(re.sub(
            r"    - \{ file: eum-p256.der.*\n", "", d.policy())))
        self.asked(parties, eid, "Failed at step 2: NO_CREDENTIALS (subject 8.7, reason 6.1)")
        parties.stop()

    def test_no_custodian_with_the_key(self):
        d, parties, eid = self.refusal(lambda d: None)
        d.processes.pop("c1").kill()
        self.asked(parties, eid, "Failed at step 2: NO_CREDENTIALS (subject 8.7, reason 6.1)")
        d.start_custodian(1)
        self.asked(parties, eid, "1 executed")
        parties.stop()


if __name__ == "__main__":
    unittest.main()
