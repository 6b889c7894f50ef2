"""Custody token: eSK and Z as objects of the token, the same key set at the card, and every refusal.

The card is Python's, so what the token derived is checked against arithmetic that shares nothing
with it.
"""
import unittest

import card as cards
import curves
import gpki
from custodian import CURVES, Link, Token, establish_item
from custody_pb2 import ConfirmItem, Scp80WrapItem

NONE, TOKEN, MEMORY = 0, 1, 2
IN_TOKEN = (curves.P256, curves.BRAINPOOL)


class CustodyToken(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.token = Token()
        cls.addClassCleanup(cls.token.stop)
        _, _, name, _, point = cls.token.first_ceremony()[0]
        cls.sr_curve, cls.sr_point = CURVES[name], bytes.fromhex(point)
        cls.sr = cls.token.certify("sr.der", cls.sr_curve, cls.sr_point)
        cls.custodian = cls.token.start()
        cls.eum = gpki.make_eum(gpki.make_ci())

    def setUp(self):
        self.link = Link(self.custodian)
        self.addCleanup(self.link.close)

    def card(self, curve=curves.P256, number=1):
        return cards.Card(self.eum, b"\x01", curve, number, sin=b"SIN7", sdin=b"SDIN-7")

    def establish(self, card, scenario=0x08, **changes):
        return self.link.one("establish", establish_item(card, self.sr, scenario,
                                                         **{"custody": TOKEN, **changes}))

    def confirmed(self, card, item):
        _, receipt = card.establish(item.store_data, self.sr_curve, self.sr_point)
        request = ConfirmItem(principal="beta", ticket=item.ticket, eid=card.eid, receipt=receipt)
        status, confirmed = self.link.one("confirm", request)
        self.assertEqual(status, "OK")
        self.assertEqual(confirmed.kcvs, card.keys.kcvs())
        return confirmed

    def test_the_card_comes_to_the_same_keys(self):
        for curve in IN_TOKEN:
            for scenario in (0x08, 0x0C):
                with self.subTest(curve=curve.name, scenario=hex(scenario)):
                    card = self.card(curve)
                    status, item = self.establish(card, scenario)
                    self.assertEqual(status, "OK")
                    self.assertEqual(bytes(item.custody), bytes([TOKEN, TOKEN, TOKEN, MEMORY]))
                    confirmed = self.confirmed(card, item)
                    self.assertEqual(bytes(confirmed.custody),
                                     bytes([TOKEN, TOKEN, TOKEN, MEMORY]))
                    status, wrapped = self.link.one("scp80_wrap", Scp80WrapItem(
                        principal="beta", key_set=confirmed.key_set, eid=card.eid, kvn=1,
                        spi=0x1639, tar=1, counter=1, payload=b"command"))
                    self.assertEqual(status, "OK")
                    self.assertEqual(cards.open_command(card.keys, wrapped.packet)[-1], b"command")

    def test_memory_says_memory(self):
        for asked in (NONE, MEMORY):
            status, item = self.establish(self.card(), custody=asked)
            self.assertEqual(status, "OK")
            self.assertEqual(bytes(item.custody), bytes([TOKEN, MEMORY, MEMORY, MEMORY]))

    def test_both_custodies_in_one_batch(self):
        batch = [self.card(curve, number) for number, curve in
                 enumerate((curves.P256, curves.FRP256V1, curves.BRAINPOOL) * 4)]
        asked = [MEMORY if card.curve is curves.FRP256V1 or number % 2 else TOKEN
                 for number, card in enumerate(batch)]
        answered = self.link.batch("establish", [establish_item(card, self.sr, custody=where)
                                                 for card, where in zip(batch, asked)])
        for card, where, (status, item) in zip(batch, asked, answered):
            self.assertEqual(status, "OK")
            self.assertEqual(bytes(item.custody), bytes([TOKEN, where, where, MEMORY]))
            self.confirmed(card, item)
        self.assertEqual(len({item.epk for _, item in answered}), len(batch))

    # -- refused, and never done in memory instead --

    def assert_refused(self, expected, card, scenario=0x08, **changes):
        status, item = self.establish(card, scenario, **changes)
        self.assertEqual(status, expected)
        self.assertEqual(item.epk + item.crt + item.store_data + item.signature + item.ticket +
                         item.custody, b"")

    def test_with_dr_it_is_refused(self):
        for scenario in (0x0A, 0x0E):
            self.assert_refused("CUSTODY_WITH_DR", self.card(), scenario)
            status, _ = self.establish(self.card(), scenario, custody=MEMORY)
            self.assertEqual(status, "OK")

    def test_on_a_curve_that_tokens_lack_it_is_refused(self):
        self.assert_refused("CUSTODY_LACKING", self.card(curves.FRP256V1))
        status, _ = self.establish(self.card(curves.FRP256V1), custody=MEMORY)
        self.assertEqual(status, "OK")

    def test_there_is_no_third_custody(self):
        for custody in (3, 255, 2**32 - 1):
            self.assert_refused("BAD_CUSTODY", self.card(), custody=custody)

    def test_a_point_beside_the_curve_is_refused(self):
        """SoftHSM answers such a point with a general error; it must not get that far."""
        for curve in IN_TOKEN:
            card = self.card(curve)
            beside = card.point[:64] + bytes([card.point[64] ^ 1])
            self.assert_refused("BAD_POINT", card, pk_ecasd=beside)
            self.assertNotIn("C_DeriveKey", self.custodian.output())

    def test_the_log_says_what_the_token_can(self):
        log = self.custodian.output()
        for curve in IN_TOKEN:
            self.assertIn(f"custody token on {curve.name}: eSK and Z can stay in the token", log)
        self.assertIn("custody token on FRP256v1: refused", log)


if __name__ == "__main__":
    unittest.main()
