"""What eckad tells the audit log of its custodian: policies, trust stores, and what it refused."""
import hashlib
import json
import signal
import time
import unittest

import beta
import curves
import gpki
from deployment import Deployment
from ecka_client import NAMES

PATIENCE = 20


class Notes(unittest.TestCase):
    def setUp(self):
        self.deployment = Deployment(supervised=False)
        self.addCleanup(self.deployment.stop)
        self.deployment.add_principal("gamma", ["Info"])
        self.pki = beta.Pki(self.deployment)
        self.deployment.start()

    def leaves(self, *ops):
        lines = [line for file in sorted((self.deployment.path / "audit-c1").glob("*.log"))
                 for line in file.read_bytes().split(b"\n") if line.startswith(b'{"time"')]
        return [leaf for leaf in map(json.loads, lines) if leaf["op"] in ops]

    def wait_for(self, count, *ops):
        deadline = time.monotonic() + PATIENCE
        while len(self.leaves(*ops)) < count:
            self.assertLess(time.monotonic(), deadline, self.leaves(*ops))
            time.sleep(0.1)
        return self.leaves(*ops)

    def policy_hash(self):
        return hashlib.sha256((self.deployment.path / "policy.yaml").read_bytes()).hexdigest()

    def reload(self):
        self.deployment.processes["eckad"].popen.send_signal(signal.SIGHUP)

    def test_policies_and_trust_stores(self):
        first = self.policy_hash()
        policy, trust = self.wait_for(2, "policy", "trust")
        self.assertEqual((policy["op"], policy["sha256"]), ("policy", first))
        self.assertEqual(trust["op"], "trust")
        self.deployment.add_principal("delta", ["Info"])
        second = self.policy_hash()
        self.reload()
        self.assertEqual([leaf["sha256"] for leaf in self.wait_for(2, "policy")], [first, second])
        self.assertEqual(len(self.leaves("trust")), 1, "nothing changed there")
        ci = gpki.make_ci()
        self.deployment.pin_ci("another.der", ci)
        self.reload()
        self.wait_for(3, "policy")
        hashes = [leaf["sha256"] for leaf in self.wait_for(2, "trust")]
        self.assertEqual(len(set(hashes)), 2)

    def test_status_tells_of_the_log(self):
        client = self.deployment.client()
        self.assertEqual([c.audit for c in client.info().custodians], ["eckad/c1"])
        custodian = self.deployment.path / "c1.yaml"
        text = custodian.read_text()
        custodian.write_text(text.replace("directory: audit-c1", "mode: off"))
        self.deployment.processes["c1"].stop()
        self.deployment.start_custodian(1)
        deadline = time.monotonic() + PATIENCE
        while not [c for c in client.info().custodians if c.up and c.audit == ""]:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)

    def test_a_policy_that_is_refused_is_none(self):
        self.wait_for(1, "policy")
        good = self.deployment.policy()
        self.deployment.set_policy(good + "nonsense: true\n")
        self.reload()
        self.deployment.processes["eckad"].wait_for("policy not reloaded")
        self.deployment.set_policy(good)
        self.deployment.processes["eckad"].stop()
        self.assertEqual(len(self.leaves("policy")), 1)

    def test_what_eckad_refuses_is_counted(self):
        client = self.deployment.client("gamma")
        sr = self.deployment.sr_certificates()[1][0]
        request = beta.establish([self.pki.card(curves.P256, 1)], sr)
        for _ in range(5):
            self.assertEqual(NAMES[client.call(establish=request).status], "DENIED")
        deadline = time.monotonic() + PATIENCE
        while sum(leaf["count"] for leaf in self.leaves("refused")) < 5:
            self.assertLess(time.monotonic(), deadline, self.leaves("refused"))
            time.sleep(0.1)
        refused = self.leaves("refused")
        self.assertEqual({(r["principal"], r["status"], r["detail"]) for r in refused},
                         {("gamma", "DENIED", "Establish, by eckad")})
        self.assertEqual(sum(r["count"] for r in refused), 5)
        self.assertLessEqual(len(refused), 5)

    def test_notes_wait_for_a_custodian(self):
        """What nobody could be told of while it was away is told when it is back."""
        self.wait_for(1, "policy")
        custodian = self.deployment.processes["c1"]
        custodian.stop()
        self.deployment.add_principal("delta", ["Info"])
        self.reload()
        self.deployment.processes["eckad"].wait_for("policy 2 is in force")
        self.assertEqual(len(self.leaves("policy")), 1)
        self.deployment.start_custodian(1)
        self.assertEqual(self.wait_for(2, "policy")[1]["sha256"], self.policy_hash())


if __name__ == "__main__":
    unittest.main()
