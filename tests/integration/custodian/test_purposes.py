"""One purpose a key, whatever stands in the token or beside it: keys used against their purpose,
and a KEK whose value somebody knows."""
import hashlib
import unittest

import card as cards
import curves
import gpki
from custodian import (CHECKPOINT, GENERIC_SIGN, KEK, KEYSET, SR_ESTABLISH, TICKET, Link,
                       Token, establish_item, key_id)
from custody_pb2 import RewrapItem, SignItem
from test_rewrap import Sets

DIGEST = hashlib.sha256(b"a document").digest()


class Purposes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.token = Token()
        cls.addClassCleanup(cls.token.stop)
        cls.points = {}
        for line in cls.token.keys("init", "--init-token", "--so-pin-file",
                                   cls.token.path / "so-pin", "--sign-key",
                                   "invoices")[1].splitlines():
            words = line.split()
            cls.points.setdefault(words[1], bytes.fromhex(words[-1]) if words[-1] != "-" else None)
        cls.sr = {purpose: cls.token.certify(f"{purpose}.der", curves.P256, point)
                  for purpose, point in cls.points.items() if point}
        cls.custodian = cls.token.start()
        cls.link = Link(cls.custodian)
        cls.addClassCleanup(cls.link.close)
        cls.card = cards.Card(gpki.make_eum(gpki.make_ci()), b"\x01", curves.P256)

    def test_each_key_does_what_it_is_for(self):
        status, item = self.link.one("establish",
                                     establish_item(self.card, self.sr["sr-establish"]))
        self.assertEqual(status, "OK")
        self.card.establish(item.store_data, curves.P256, self.points["sr-establish"])
        status, item = self.link.one("sign", SignItem(principal="beta", key_label="invoices",
                                                      digest=DIGEST))
        self.assertEqual(status, "OK")
        gpki.verify_raw(self.points["generic-sign"], curves.P256, item.signature, b"a document")

    def test_a_certificate_makes_no_sr_key_of_another(self):
        """CERT.SR.ECDSA of the checkpoint key's and of the generic-sign key's point, in sr_certs."""
        for purpose in ("checkpoint", "generic-sign"):
            status, item = self.link.one("establish", establish_item(self.card, self.sr[purpose]))
            self.assertEqual((status, item.signature), ("SR_KEY_UNKNOWN", b""))
            self.assertIn(f"certificate {purpose}.der skipped", self.custodian.output())
        self.assertEqual(list(self.link.hello().sr_key_ids), [self.sr["sr-establish"]])

    def test_no_purpose_can_be_rewritten(self):
        """The token refuses another CKA_ID, and a copy under one."""
        self.token.tool("create", "00ff", "sensitive", "kept")
        answer, = self.token.tool("reidentify", "00ff", "00fe")
        self.assertEqual(answer, "set:done copied:done")  # where nothing forbids it
        for purpose, other in ((SR_ESTABLISH, GENERIC_SIGN), (GENERIC_SIGN, SR_ESTABLISH),
                               (CHECKPOINT, GENERIC_SIGN), (TICKET, KEYSET), (KEYSET, KEK)):
            answer, = self.token.tool("reidentify", key_id(purpose, 1), key_id(other, 77))
            self.assertEqual(answer, "set:refused copied:refused", purpose)


class KnownKek(Sets):
    """A KEK of known value, planted with all that the token can be told of it."""

    VALUE = b"\x07" * 32

    def test_nothing_leaves_under_it(self):
        self.token.tool("plant", key_id(KEK, 5), "wrap", "partner", self.VALUE.hex())
        status, _, log = self.token.keys("grant", "--principal", self.principal, "--kek", "partner",
                                         "--quota", "5", ok=False)
        self.assertEqual(status, 1)
        self.assertIn("no KEK partner", log)
        self.token.tool("record", "eckad grant", f"{self.principal} partner",
                        "serial=" + "1" * 32 + " quota=5 created=2026-01-01T00:00:00Z")
        self.start()
        self.assertIn("eckad kek 5: refused", self.custodian.output())
        card, key_set, _ = self.confirmed()
        status, item = self.link.one("rewrap", RewrapItem(
            principal=self.principal, kek_label="partner", key_set=key_set, eid=card.eid, kvn=1))
        self.assertEqual((status, item.wrapped + item.manifest), ("KEY_UNKNOWN", b""))


if __name__ == "__main__":
    unittest.main()
