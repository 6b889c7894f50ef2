"""Sign and Agree: one purpose a key, and keys that no SCP operation takes."""
import hashlib
import secrets
import unittest

import card as cards
import curves
import gpki
from custodian import STATUS, Link, Token, establish_item
from custody_pb2 import AgreeItem, Batch, Scp80WrapItem, SignItem

NONE, TOKEN, MEMORY = 0, 1, 2
DIGEST = hashlib.sha256(b"a document").digest()


class SignAgree(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.token = Token()
        cls.addClassCleanup(cls.token.stop)
        cls.points = {}
        _, output, _ = cls.token.keys("init", "--init-token", "--so-pin-file",
                                      cls.token.path / "so-pin", "--sign-key", "invoices",
                                      "--sign-key", "reports.2")
        for line in output.splitlines():
            _, purpose, _, _, *label, point = line.split(" ")
            cls.points[" ".join(label)] = point
        cls.kek = secrets.token_bytes(32)
        cls.token.import_kek("other-hsm", cls.kek)
        cls.sr = cls.token.certify("sr.der", curves.P256,
                                   bytes.fromhex(cls.points["eckad sr-establish 1"]))
        cls.custodian = cls.token.start()

    def setUp(self):
        self.link = Link(self.custodian)
        self.addCleanup(self.link.close)

    # -- Sign --

    def sign_item(self, label="invoices", **changes):
        return SignItem(**{"principal": "beta", "key_label": label, "digest": DIGEST, **changes})

    def test_each_label_signs_with_its_key(self):
        for label in ("invoices", "reports.2"):
            status, item = self.link.one("sign", self.sign_item(label))
            self.assertEqual((status, len(item.signature)), ("OK", 64))
            gpki.verify_raw(bytes.fromhex(self.points[label]), curves.P256, item.signature,
                            b"a document")

    def test_a_label_of_another_purpose_is_unknown(self):
        for label in ("other-hsm", "eckad sr-establish 1", "eckad sr-establish 2",
                      "eckad ticket 1", "eckad keyset 1", "eckad checkpoint 1", "sr-establish",
                      "nobody", "", "invoice", "invoices2", "Invoices", "x" * 32):
            status, item = self.link.one("sign", self.sign_item(label))
            self.assertEqual((status, item.signature), ("KEY_UNKNOWN", b""), label)

    def test_neighbours_of_an_unknown_label_are_signed(self):
        answered = self.link.batch("sign", [self.sign_item(), self.sign_item("nobody"),
                                            self.sign_item("reports.2")])
        self.assertEqual([status for status, _ in answered], ["OK", "KEY_UNKNOWN", "OK"])

    def assert_field(self, kind, field, item):
        batch = Batch(id=4)
        getattr(batch, kind).items.append(item)
        answer = self.link.exchange(batch.SerializeToString())
        self.assertEqual(answer.status, STATUS["BAD_REQUEST"])
        self.assertIn(f"field {field} ", answer.detail)

    def test_malformed_fields_of_sign(self):
        for field, value in (("digest", b"d" * 31), ("digest", b"d" * 33), ("digest", b""),
                             ("key_label", "x" * 33), ("principal", "")):
            self.assert_field("sign", field, self.sign_item(**{field: value}))

    def test_the_newest_key_of_a_label_signs(self):
        """Rotating a generic-sign key keeps its label."""
        token = Token()
        self.addCleanup(token.stop)
        token.keys("init", "--init-token", "--so-pin-file", token.path / "so-pin",
                   "--sign-key", "invoices")
        _, rotated, _ = token.keys("rotate", "generic-sign", "--name", "invoices")
        point = bytes.fromhex(rotated.split()[-1])
        link = Link(token.start())
        self.addCleanup(link.close)
        _, item = link.one("sign", self.sign_item())
        gpki.verify_raw(point, curves.P256, item.signature, b"a document")

    # -- Agree --

    def agree_item(self, point, curve=curves.P256, **changes):
        return AgreeItem(**{"principal": "beta", "curve": curve.number, "peer": point,
                            "shared_info": b"info", "length": 32, **changes})

    def test_every_curve_custody_and_length(self):
        for curve in curves.ALL:
            for custody in (NONE, MEMORY) + (() if curve is curves.FRP256V1 else (TOKEN,)):
                _, peer = curve.keypair()
                for length in (1, 16, 31, 32, 33, 64):
                    status, item = self.link.one("agree", self.agree_item(
                        peer, curve, length=length, custody=custody))
                    self.assertEqual(status, "OK")
                    self.assertTrue(curve.contains(curves.decode(item.epk)))
                    where = custody or MEMORY
                    self.assertEqual(bytes(item.custody), bytes([NONE, where, where, MEMORY]))
                    # version(1) and the key, between the header and the tag: no more, no less
                    self.assertEqual(len(item.key_blob), 56 + len("beta") + 1 + length + 16)

    def test_each_agreement_is_a_fresh_one(self):
        _, peer = curves.P256.keypair()
        answered = self.link.batch("agree", [self.agree_item(peer)] * 48)
        self.assertEqual({status for status, _ in answered}, {"OK"})
        self.assertEqual(len({item.epk for _, item in answered}), 48)
        self.assertEqual(len({item.key_blob for _, item in answered}), 48)

    def test_what_agree_refuses(self):
        _, peer = curves.P256.keypair()
        beside = peer[:64] + bytes([peer[64] ^ 1])
        for expected, changes in (
                ("BAD_CURVE", {"curve": 0}), ("BAD_CURVE", {"curve": 4}),
                ("BAD_LENGTH", {"length": 0}), ("BAD_LENGTH", {"length": 65}),
                ("BAD_LENGTH", {"length": 2**32 - 1}), ("BAD_POINT", {"peer": beside}),
                ("BAD_POINT", {"peer": b"\x04" + bytes(64)}), ("BAD_POINT", {"curve": 2}),
                ("BAD_POINT", {"peer": beside, "custody": TOKEN}),
                ("BAD_CUSTODY", {"custody": 3}),
                ("CUSTODY_LACKING", {"curve": 3, "custody": TOKEN})):
            item = self.agree_item(peer)
            for field, value in changes.items():
                setattr(item, field, value)
            good, bad, neighbour = self.link.batch("agree", [
                self.agree_item(peer), item, self.agree_item(peer, custody=TOKEN)])
            self.assertEqual((good[0], bad[0], neighbour[0]), ("OK", expected, "OK"), changes)
            self.assertEqual(bad[1].epk + bad[1].key_blob + bad[1].custody, b"")
        for field, value in (("peer", peer[:64]), ("shared_info", bytes(65)), ("principal", "B")):
            self.assert_field("agree", field, self.agree_item(peer, **{field: value}))

    def test_an_opaque_blob_is_no_key_set(self):
        _, peer = curves.P256.keypair()
        card = cards.Card(gpki.make_eum(gpki.make_ci()), b"\x01", curves.P256)
        for principal in ("beta", "gamma"):
            _, item = self.link.one("agree", self.agree_item(peer, length=48,
                                                             principal=principal))
            for eid, kvn in ((card.eid, 1), (bytes(16), 0)):
                status, wrapped = self.link.one("scp80_wrap", Scp80WrapItem(
                    principal=principal, key_set=item.key_blob, eid=eid, kvn=kvn, spi=0x1639,
                    tar=1, counter=1))
                self.assertEqual((status, wrapped.packet), ("BLOB_TYPE", b""))
                for kind, message in (("reseal", {"kvn": kvn}),
                                      ("rewrap", {"kvn": kvn, "kek_label": "other-hsm"})):
                    batch = Batch(id=1)
                    getattr(batch, kind).items.add(principal=principal, key_set=item.key_blob,
                                                   eid=eid, **message)
                    answer = self.link.exchange(batch.SerializeToString())
                    refused = getattr(answer, kind).items[0].status
                    self.assertEqual(refused, STATUS["BLOB_TYPE" if kind == "reseal"
                                                     else "DENIED"])

    def test_establish_goes_on_beside_them(self):
        """The secrets of one operation's batch are wiped before another's begins."""
        card = cards.Card(gpki.make_eum(gpki.make_ci()), b"\x01", curves.P256)
        for custody in (MEMORY, TOKEN):
            self.link.one("agree", self.agree_item(card.point, custody=custody))
            status, item = self.link.one("establish", establish_item(card, self.sr,
                                                                     custody=custody))
            self.assertEqual(status, "OK")
            card.establish(item.store_data, curves.P256,
                           bytes.fromhex(self.points["eckad sr-establish 1"]))


if __name__ == "__main__":
    unittest.main()
