"""Establish, Confirm, Scp80Wrap and Scp80Unwrap against a card in Python, and every rule they hold."""
import time
import unittest

import card as cards
import curves
import gpki
from custodian import CURVES, Link, Token, establish_item
from custody_pb2 import ConfirmItem, Scp80UnwrapItem, Scp80WrapItem

TOKEN, MEMORY = 1, 2
TAR = 0x000001
GRANTED_TAR, OTHERS_TAR = 0xB20100, 0xB20200


def flipped(octets, at):
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1:]


class Operations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.token = Token()
        cls.addClassCleanup(cls.token.stop)
        cls.sr = {}
        for _, _, name, _, point in cls.token.first_ceremony()[:2]:
            curve, octets = CURVES[name], bytes.fromhex(point)
            key_id = cls.token.certify(f"{name}.der", curve, octets)
            cls.sr[name] = (key_id, curve, octets)
        cls.token.grant_tars(("beta", GRANTED_TAR), ("gamma", OTHERS_TAR))
        cls.custodian = cls.token.start()
        cls.eum = gpki.make_eum(gpki.make_ci())

    def setUp(self):
        self.link = Link(self.custodian)
        self.addCleanup(self.link.close)
        self.key_id, self.sr_curve, self.sr_point = self.sr["P-256"]

    def card(self, curve=curves.P256, number=1):
        return cards.Card(self.eum, b"\x01", curve, number, sin=b"SIN7", sdin=b"SDIN-7")

    def established(self, card, scenario=0x08, **changes):
        status, item = self.link.one("establish",
                                     establish_item(card, self.key_id, scenario, **changes))
        self.assertEqual(status, "OK")
        return item

    def confirm_item(self, card, ticket, receipt, dr=b"", /, **changes):
        return ConfirmItem(**{"principal": "beta", "ticket": ticket, "eid": card.eid,
                              "receipt": receipt, "dr": dr, **changes})

    def key_set(self, card, **changes):
        item = self.established(card, **changes)
        _, receipt = card.establish(item.store_data, self.sr_curve, self.sr_point)
        status, confirmed = self.link.one("confirm", self.confirm_item(card, item.ticket, receipt))
        self.assertEqual(status, "OK")
        return confirmed.key_set

    def wrap_item(self, card, key_set, /, **changes):
        return Scp80WrapItem(**{"principal": "beta", "key_set": key_set, "eid": card.eid, "kvn": 1,
                                "spi": 0x1639, "tar": TAR, "counter": 1, "payload": b"command",
                                **changes})

    # -- the whole way --

    def test_every_curve_key_and_scenario(self):
        for sr_name, (key_id, sr_curve, sr_point) in self.sr.items():
            for curve in curves.ALL:
                for scenario in (0x08, 0x0A, 0x0C, 0x0E):
                    with self.subTest(sr=sr_name, curve=curve.name, scenario=hex(scenario)):
                        self.one_way(key_id, sr_curve, sr_point, curve, scenario)

    def one_way(self, key_id, sr_curve, sr_point, curve, scenario):
        card = self.card(curve)
        card.challenge(32 if scenario & cards.WITH_DR else 16)
        status, item = self.link.one("establish", establish_item(card, key_id, scenario))
        self.assertEqual(status, "OK")
        with_dr = bool(scenario & cards.WITH_DR)
        self.assertEqual(bytes(item.custody), bytes([TOKEN, MEMORY, MEMORY,
                                                     0 if with_dr else MEMORY]))
        (_, crt), (_, epk), (_, signature) = cards.dgis(item.store_data)
        self.assertEqual((item.crt, item.epk, item.signature), (crt, epk, signature))
        self.assertLessEqual(len(item.ticket), 640)

        dr, receipt = card.establish(item.store_data, sr_curve, sr_point)
        request = self.confirm_item(card, item.ticket, receipt, dr)
        status, confirmed = self.link.one("confirm", request)
        self.assertEqual(status, "OK")
        self.assertEqual(confirmed.kcvs, card.keys.kcvs())
        self.assertEqual(bytes(confirmed.custody), bytes([TOKEN, MEMORY, MEMORY, MEMORY]))
        self.assertLessEqual(len(confirmed.key_set), 320)
        _, again = self.link.one("confirm", request)
        self.assertEqual(again.key_set, confirmed.key_set)

        status, wrapped = self.link.one("scp80_wrap", self.wrap_item(card, confirmed.key_set))
        self.assertEqual(status, "OK")
        self.assertEqual(cards.open_command(card.keys, wrapped.packet),
                         (b"\x16\x39", 0x12, 0x12, b"\0\0\x01", 1, b"command"))

        packet = cards.make_response(card.keys, b"\0\0\x01", 1, 0, b"\x90\x00")
        status, opened = self.link.one("scp80_unwrap", self.unwrap_item(card, confirmed.key_set,
                                                                        packet))
        self.assertEqual(status, "OK")
        self.assertEqual((opened.payload, opened.tar, opened.counter, opened.por_status),
                         (b"\x90\x00", TAR, 1, 0))

    def test_a_full_batch_with_one_bad_item(self):
        card = self.card()
        items = [establish_item(card, self.key_id) for _ in range(48)]
        items[7] = establish_item(card, self.key_id, scenario=0x09)
        items[20] = establish_item(card, self.key_id, pk_ecasd=flipped(card.point, 64))
        answered = self.link.batch("establish", items)
        statuses = [status for status, _ in answered]
        self.assertEqual((statuses[7], statuses[20]), ("BAD_SCENARIO", "BAD_POINT"))
        self.assertEqual(statuses.count("OK"), 46)
        self.assertEqual(len({item.epk for _, item in answered if item.epk}), 46)
        for number in (6, 8, 47):
            item = answered[number][1]
            _, receipt = card.establish(item.store_data, self.sr_curve, self.sr_point)
            status, _ = self.link.one("confirm", self.confirm_item(card, item.ticket, receipt))
            self.assertEqual(status, "OK")

    # -- Establish refuses --

    def test_establish_holds_its_rules(self):
        card, now = self.card(), int(time.time())
        with_ids = {"host_id": b"H", "sin": b"S", "sdin": b"D"}
        rules = [
            ("BAD_SCENARIO", {"scenario": 0x09}), ("BAD_SCENARIO", {"scenario": 0x00}),
            ("BAD_SCENARIO", {"scenario": 0x18}), ("BAD_SCENARIO", {"scenario": 0x88}),
            ("BAD_SCENARIO", {"scenario": 0x0B}),
            ("BAD_KEY_USAGE", {"key_usage": 0x5C}), ("BAD_KEY_USAGE", {"key_usage": 0}),
            ("BAD_KVN", {"kvn": 0}), ("BAD_KVN", {"kvn": 0x10}), ("BAD_KVN", {"kvn": 0x30}),
            ("BAD_COUNTER", {"counter": 1 << 40}),
            ("BAD_EID", {"eid": b"\x89\x04\x90\x32" + b"\xAA" * 12}),
            ("BAD_CURVE", {"curve": 0}), ("BAD_CURVE", {"curve": 4}),
            ("BAD_RC", {"rc": b"r" * 15}), ("BAD_RC", {"rc": b"r" * 17}), ("BAD_RC", {"rc": b""}),
            ("BAD_HOST_ID", {"scenario": 0x0C, "host_id": b"", "sin": b"S", "sdin": b"D"}),
            ("BAD_HOST_ID", {"scenario": 0x0C, "host_id": b"H", "sin": b"", "sdin": b"D"}),
            ("BAD_HOST_ID", {"scenario": 0x0C, "host_id": b"H", "sin": b"S", "sdin": b""}),
            ("BAD_HOST_ID", with_ids), ("BAD_HOST_ID", {"sin": b"S"}),
            ("BAD_EXPIRY", {"expiry": now - 1}), ("BAD_EXPIRY", {"expiry": 0}),
            ("BAD_EXPIRY", {"expiry": now + 32 * 86400}), ("BAD_EXPIRY", {"expiry": 2**64 - 1}),
            ("SR_KEY_UNKNOWN", {"sr_key_id": bytes(32)}),
            ("BAD_POINT", {"pk_ecasd": flipped(card.point, 64)}),
            ("BAD_POINT", {"pk_ecasd": b"\x04" + bytes(64)}),
            ("BAD_POINT", {"pk_ecasd": b"\x04" + b"\xff" * 64}),
            ("BAD_POINT", {"pk_ecasd": b"\x02" + card.point[1:]}),
            ("BAD_POINT", {"curve": 2}),
        ]
        for expected, changes in rules:
            with self.subTest(expected=expected, **{k: str(v) for k, v in changes.items()}):
                status, item = self.link.one("establish",
                                             establish_item(card, self.key_id, **changes))
                self.assertEqual(status, expected)
                self.assertEqual(item.epk + item.crt + item.store_data + item.signature +
                                 item.ticket + item.custody, b"")

    def test_establish_signs_nothing_else(self):
        """Each byte of scenario, usage and KVN: what is signed is what an ISD-R set takes."""
        card = self.card()
        allowed = {"scenario": ({0x08, 0x0A, 0x0C, 0x0E}, "BAD_SCENARIO"),
                   "key_usage": ({0x10}, "BAD_KEY_USAGE"), "kvn": (set(range(1, 16)), "BAD_KVN")}
        for field, (good, refusal) in allowed.items():
            for start in range(0, 256, 32):
                values = range(start, start + 32)
                items = [establish_item(card, self.key_id, **{"scenario": 0x08, field: value})
                         for value in values]
                for value, (status, item) in zip(values, self.link.batch("establish", items)):
                    self.assertEqual(status, "OK" if value in good else refusal, (field, value))
                    self.assertEqual(item.signature != b"", value in good)

    def test_the_edges_that_are_allowed(self):
        card, now = self.card(), int(time.time())
        for changes in ({"kvn": 0x0F}, {"counter": (1 << 40) - 1}, {"expiry": now + 30 * 86400},
                        {"scenario": 0x0E, "host_id": b"H" * 32, "sin": b"S" * 32,
                         "sdin": b"D" * 32}):
            with self.subTest(**{k: str(v) for k, v in changes.items()}):
                self.established(card, **changes)

    # -- Confirm refuses --

    def test_a_receipt_bit_decides(self):
        card = self.card()
        item = self.established(card)
        _, receipt = card.establish(item.store_data, self.sr_curve, self.sr_point)
        for at in range(16):
            status, confirmed = self.link.one(
                "confirm", self.confirm_item(card, item.ticket, flipped(receipt, at)))
            self.assertEqual(status, "RECEIPT_MISMATCH")
            self.assertEqual(confirmed.key_set + confirmed.kcvs + confirmed.custody, b"")
        # A wrong receipt spends nothing: the true one still commits.
        status, _ = self.link.one("confirm", self.confirm_item(card, item.ticket, receipt))
        self.assertEqual(status, "OK")

    def test_dr_exactly_when_asked_for(self):
        card = self.card()
        with_dr = self.established(card, 0x0A)
        dr, receipt = card.establish(with_dr.store_data, self.sr_curve, self.sr_point)
        for expected, given in (("DR_MISSING", b""), ("BAD_LENGTH", dr[:15]),
                                ("RECEIPT_MISMATCH", flipped(dr, 3)), ("OK", dr)):
            status, _ = self.link.one("confirm",
                                      self.confirm_item(card, with_dr.ticket, receipt, given))
            self.assertEqual(status, expected)
        without = self.established(card, 0x08)
        _, receipt = card.establish(without.store_data, self.sr_curve, self.sr_point)
        status, _ = self.link.one("confirm", self.confirm_item(card, without.ticket, receipt, dr))
        self.assertEqual(status, "DR_UNEXPECTED")

    def test_tickets_belong_to_somebody(self):
        card, other = self.card(), self.card(number=2)
        item = self.established(card)
        _, receipt = card.establish(item.store_data, self.sr_curve, self.sr_point)
        _, confirmed = self.link.one("confirm", self.confirm_item(card, item.ticket, receipt))
        for expected, changes in (
                ("BLOB_PRINCIPAL", {"principal": "gamma"}), ("BLOB_EID", {"eid": other.eid}),
                ("BLOB_TYPE", {"ticket": confirmed.key_set}), ("BLOB_MALFORMED", {"ticket": b""}),
                ("BLOB_FORGED", {"ticket": flipped(item.ticket, len(item.ticket) - 1)}),
                ("BLOB_FORGED", {"ticket": flipped(item.ticket, 12)})):
            request = self.confirm_item(card, item.ticket, receipt, **changes)
            status, answered = self.link.one("confirm", request)
            self.assertEqual((status, answered.key_set), (expected, b""))

    def test_a_ticket_expires(self):
        card = self.card()
        item = self.established(card, expiry=int(time.time()) + 2)
        _, receipt = card.establish(item.store_data, self.sr_curve, self.sr_point)
        request = self.confirm_item(card, item.ticket, receipt)
        self.assertEqual(self.link.one("confirm", request)[0], "OK")
        time.sleep(3.1)
        self.assertEqual(self.link.one("confirm", request)[0], "TICKET_EXPIRED")

    def test_a_restarted_custodian_confirms(self):
        card = self.card()
        item = self.established(card)
        _, receipt = card.establish(item.store_data, self.sr_curve, self.sr_point)
        _, before = self.link.one("confirm", self.confirm_item(card, item.ticket, receipt))
        cls = type(self)
        self.link.close()
        cls.custodian.stop()
        cls.custodian = cls.token.start()
        self.link = Link(cls.custodian)
        status, after = self.link.one("confirm", self.confirm_item(card, item.ticket, receipt))
        self.assertEqual(status, "OK")
        self.assertEqual(after.key_set, before.key_set)

    # -- SCP80 refuses --

    def unwrap_item(self, card, key_set, packet, /, **changes):
        return Scp80UnwrapItem(**{"principal": "beta", "key_set": key_set, "eid": card.eid,
                                  "kvn": 1, "packet": packet, **changes})

    def test_key_sets_belong_to_somebody(self):
        card, other = self.card(), self.card(number=2)
        item = self.established(card)
        key_set = self.key_set(card)
        packet = cards.make_response(card.keys, b"\0\0\x01", 1, 0, b"")
        for expected, changes in (
                ("BLOB_PRINCIPAL", {"principal": "gamma"}), ("BLOB_EID", {"eid": other.eid}),
                ("BLOB_KVN", {"kvn": 2}), ("BLOB_KVN", {"kvn": 0x11}),
                ("BLOB_FORGED", {"key_set": flipped(key_set, 90)}),
                ("BLOB_MALFORMED", {"key_set": key_set[:40]})):
            status, wrapped = self.link.one("scp80_wrap", self.wrap_item(card, key_set, **changes))
            self.assertEqual((status, wrapped.packet), (expected, b""))
            status, opened = self.link.one("scp80_unwrap",
                                           self.unwrap_item(card, key_set, packet, **changes))
            self.assertEqual((status, opened.payload), (expected, b""))
        # A ticket is longer than a key set may be, so the batch as a whole is refused.
        self.assertGreater(len(item.ticket), 320)

    def test_the_counter_must_exceed_the_first(self):
        card = self.card()
        key_set = self.key_set(card, counter=100)
        for expected, counter in (("BAD_COUNTER", 0), ("BAD_COUNTER", 100), ("OK", 101),
                                  ("OK", (1 << 40) - 1), ("BAD_COUNTER", 1 << 40)):
            status, _ = self.link.one("scp80_wrap", self.wrap_item(card, key_set, counter=counter))
            self.assertEqual(status, expected)

    def test_the_header_must_announce_its_security(self):
        card = self.card()
        key_set = self.key_set(card)
        answered = {}
        for start in range(0, 256, 32):
            items = [self.wrap_item(card, key_set, spi=spi1 << 8 | 0x39)
                     for spi1 in range(start, start + 32)]
            for spi1, (status, wrapped) in enumerate(self.link.batch("scp80_wrap", items), start):
                answered[spi1] = status
                self.assertEqual(wrapped.packet != b"", status == "OK")
        # CC, ciphered, and a counter that is higher (16) or the next one (1E).
        self.assertEqual({spi1 for spi1, status in answered.items() if status == "OK"},
                         {0x16, 0x1E})
        self.assertEqual(set(answered.values()), {"OK", "SCP80_SPI"})

    def test_packets_go_to_the_isdr_or_where_this_host_grants(self):
        card = self.card()
        key_set = self.key_set(card)
        for expected, changes in (
                ("OK", {}), ("OK", {"tar": GRANTED_TAR}), ("SCP80_TAR", {"tar": 0}),
                ("SCP80_TAR", {"tar": 0x000002}), ("SCP80_TAR", {"tar": 0xFFFFFF}),
                ("SCP80_TAR", {"tar": GRANTED_TAR + 1}), ("SCP80_TAR", {"tar": OTHERS_TAR})):
            status, wrapped = self.link.one("scp80_wrap", self.wrap_item(card, key_set, **changes))
            self.assertEqual((status, wrapped.packet != b""), (expected, expected == "OK"))
            if expected == "OK":
                self.assertEqual(cards.open_command(card.keys, wrapped.packet)[3],
                                 changes.get("tar", TAR).to_bytes(3, "big"))

    def test_a_packet_is_aes_under_the_sets_own_kvn(self):
        card = self.card()
        key_set = self.key_set(card, kvn=0x0B)
        status, wrapped = self.link.one("scp80_wrap", self.wrap_item(card, key_set, kvn=0x0B))
        self.assertEqual(status, "OK")
        self.assertEqual(cards.open_command(card.keys, wrapped.packet)[1:3], (0xB2, 0xB2))
        self.assertEqual(self.link.one("scp80_wrap", self.wrap_item(card, key_set, kvn=1))[0],
                         "BLOB_KVN")

    def test_payloads_of_every_padding_and_the_longest(self):
        card = self.card()
        key_set = self.key_set(card)
        payloads = [b"p" * n for n in range(18)] + [b"p" * 1024]
        answered = self.link.batch("scp80_wrap", [self.wrap_item(card, key_set, payload=p)
                                                  for p in payloads])
        for payload, (status, wrapped) in zip(payloads, answered):
            self.assertEqual(status, "OK")
            self.assertEqual(cards.open_command(card.keys, wrapped.packet)[-1], payload)

    def test_a_response_is_proven(self):
        card = self.card()
        key_set = self.key_set(card)
        packet = cards.make_response(card.keys, b"\0\0\x01", 5, 0, b"answer")
        for at in range(len(packet)):
            status, opened = self.link.one("scp80_unwrap",
                                           self.unwrap_item(card, key_set, flipped(packet, at)))
            # Its clear lengths are anybody's to see; behind them there is one answer.
            self.assertEqual(status, "SCP80_MALFORMED" if at < 6 else "SCP80_CC", at)
            self.assertEqual((opened.payload, opened.counter, opened.por_status), (b"", 0, 0))

    def test_wrong_padding_is_a_wrong_checksum(self):
        """An authentic packet whose padding count lies is answered as one that is not authentic."""
        card = self.card()
        key_set = self.key_set(card)
        for padding in (0, 15, 16, 128, 255):
            packet = cards.make_response(card.keys, b"\0\0\x01", 5, 0, b"answer!!!", padding)
            status, opened = self.link.one("scp80_unwrap", self.unwrap_item(card, key_set, packet))
            self.assertEqual(status, "OK" if padding < 16 else "SCP80_CC", padding)
            self.assertEqual(len(opened.payload), 17 - padding if padding < 16 else 0)

    def test_a_failed_proof_of_receipt_is_told(self):
        card = self.card()
        key_set = self.key_set(card)
        packet = cards.make_response(card.keys, b"\0\0\x01", 5, 0x02, b"")
        status, opened = self.link.one("scp80_unwrap", self.unwrap_item(card, key_set, packet))
        self.assertEqual((status, opened.por_status, opened.counter), ("SCP80_STATUS", 2, 5))


if __name__ == "__main__":
    unittest.main()
