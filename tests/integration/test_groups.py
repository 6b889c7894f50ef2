"""Two groups of custodians with a copied token each: weights while both work, and a breaker for the
one whose token fails."""
import hashlib
import re
import shutil
import time
import unittest

import beta
import curves
import ecka_pb2 as pb
import gpki
import scripted
from deployment import OPERATIONS, Deployment
from ecka_client import names
from observe import Observer

LABEL, PATIENCE = "demo-sign", 30
CLOSED, HALF_OPEN, OPEN = 0, 1, 2


class Groups(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment = d = Deployment(custodians=2, supervised=False)
        cls.addClassCleanup(d.stop)
        cls.pki = beta.Pki(d)
        d.add_principal("gamma", OPERATIONS + ("Sign",), sign_keys=[LABEL])
        d.set_config(d.config().replace("custodian-1.sock }", "custodian-1.sock, group: left, weight: 3 }")
                     .replace("custodian-2.sock }", "custodian-2.sock, group: right }"))
        key = next(line for line in (d.path / "keys.txt").read_text().splitlines()
                   if f" {LABEL} " in line)
        cls.point = bytes.fromhex(key.split(" ")[-1])
        cls.copy_token()
        d.start_custodian(1)
        env, d.env = d.env, {**d.env, **cls.script.env, "SOFTHSM2_CONF": str(d.path / "copy.conf")}
        d.start_custodian(2)
        d.env = env
        d.start_eckad()
        cls.client, cls.observer = d.client("gamma"), Observer(d)
        cls.observer.until(lambda m: m.total("eckad_custodian_up") == 2, "both up")

    @classmethod
    def copy_token(cls):
        """c2 has a copy of c1's token, in a module that fails when it is told to."""
        path = cls.deployment.path
        shutil.copytree(path / "tokens", path / "tokens-copy")
        conf = (path / "softhsm2.conf").read_text()
        (path / "copy.conf").write_text(conf.replace(f"{path}/tokens", f"{path}/tokens-copy"))
        text = (path / "c2.yaml").read_text()
        real = re.search(r"module-path=([^\"]+)", text).group(1)
        (path / "c2.yaml").write_text(text.replace(real, str(scripted.MODULE)))
        cls.script = scripted.Script(path, real)

    def sign(self, count=1):
        """How the items ended; what was signed is right."""
        result = self.client.ok(sign=pb.Sign(
            key_label=LABEL, digests=hashlib.sha256(b"document").digest() * count))
        for i, status in enumerate(names(result.item_status)):
            if status == "OK":
                gpki.verify_raw(self.point, curves.P256, result.signatures[64 * i:64 * i + 64],
                                b"document")
        return names(result.item_status)

    def items(self):
        m = self.observer.look()
        return [m("eckad_custodian_items_total", custodian=c) for c in ("c1", "c2")]

    def breaker(self):
        return {c.name: c.breaker for c in self.client.info().custodians}

    def wait(self, what):
        deadline = time.monotonic() + PATIENCE
        while not what():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def test_info_names_groups_and_weights(self):
        self.assertEqual([(c.group, c.weight, c.breaker) for c in self.client.info().custodians],
                         [("left", 3, CLOSED), ("right", 1, CLOSED)])

    def test_copies_take_over_from_each_other(self):
        """What one established the other confirms: which one does is nobody's choice."""
        key_id, point = self.deployment.sr_certificates()[1]
        for number in range(1, 13):
            done = beta.Handover(self.client, self.pki.card(number=number),
                                 (curves.P256, key_id, point))
            self.assertEqual(done.confirm(), "OK")
            self.assertEqual(done.kcvs, done.card.keys.kcvs())

    def test_weights_tell_while_both_are_free(self):
        before = self.items()
        for _ in range(120):
            self.assertEqual(self.sign(), ["OK"])
        left, right = (after - was for was, after in zip(before, self.items()))
        self.assertEqual(left + right, 120)
        self.assertIn(right, range(25, 36))  # a quarter, give or take who was busy with Hello

    def test_a_token_that_fails_is_left_alone(self):
        self.script.play("on C_Sign from 1 rv CKR_DEVICE_ERROR")
        ends = []
        while self.breaker()["c2"] == CLOSED:
            ends += self.sign()
            self.assertLess(len(ends), 100)
        self.assertLessEqual(set(ends), {"OK", "TOKEN_ERROR"})
        self.assertEqual(ends.count("TOKEN_ERROR"), 3)
        for _ in range(100):  # and the tries of it fail
            self.assertEqual(self.sign(), ["OK"])
        self.wait(lambda: self.script.hits() > 10)
        self.assertNotEqual(self.breaker()["c2"], CLOSED)
        self.assertEqual(self.breaker()["c1"], CLOSED)
        self.assertEqual(self.observer.http.ready(), (200, "ready"))

        self.script.play()
        self.wait(lambda: self.breaker()["c2"] == CLOSED)
        before = self.items()
        for _ in range(40):
            self.assertEqual(self.sign(), ["OK"])
        self.assertGreater(self.items()[1], before[1])
        log = self.deployment.processes["eckad"].output()
        self.assertEqual(log.count("group right: 3 batches failed in a row"), 1)
        self.assertEqual(log.count("group right: its token works again"), 1)


if __name__ == "__main__":
    unittest.main()
