"""What a custodian refuses: receipts, tickets and key sets that are not the caller's or not whole."""
import time
import unittest

import beta
import card as cards
import curves
from deployment import Deployment
from ecka_client import names


class CustodyRules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment = Deployment()
        cls.addClassCleanup(cls.deployment.stop)
        cls.pki = beta.Pki(cls.deployment)
        cls.deployment.add_principal("gamma")
        cls.deployment.start()
        cls.client = cls.deployment.client()
        cls.other = cls.deployment.client("gamma")
        key_id, point = cls.deployment.sr_certificates()[1]
        cls.sr = (curves.P256, key_id, point)

    def handover(self, scenario=cards.CHECKED, number=1, **options):
        return beta.Handover(self.client, self.pki.card(number=number), self.sr, scenario,
                             **options)

    def confirmed(self, **options):
        done = self.handover(**options)
        self.assertEqual(done.confirm(), "OK")
        return done

    def wrap_status(self, client, done, **changes):
        request = beta.wrap(done.card, done.key_set, done.kvn, 5, b"\x80\xca\x00\xe0\x00", **changes)
        return names(client.ok(scp80_wrap=request).item_status)[0]

    # -- Confirm --

    def test_wrong_receipt_releases_nothing_and_the_ticket_lives_on(self):
        done = self.handover()
        for i in range(16):
            wrong = bytearray(done.receipt)
            wrong[i] ^= 0x80
            result = self.client.ok(
                confirm=beta.confirm([done.card], [done.ticket], [bytes(wrong)]))
            self.assertEqual(names(result.item_status), ["RECEIPT_MISMATCH"])
            self.assertEqual((result.key_sets[0], result.kcvs), (b"", bytes(9)))
        self.assertEqual(done.confirm(), "OK")

    def test_confirm_is_idempotent(self):
        for scenario in (0x08, 0x0A):
            done = self.confirmed(scenario=scenario)
            first = done.key_set
            self.assertEqual(done.confirm(), "OK")
            self.assertEqual(done.key_set, first)

    def test_dr(self):
        with_dr, without = self.handover(0x0A), self.handover(0x08)
        self.assertEqual(with_dr.confirm(drs=[]), "DR_MISSING")
        self.assertEqual(without.confirm(drs=[b"\x01" * 16]), "DR_UNEXPECTED")
        changed = bytes([with_dr.dr[0] ^ 1]) + with_dr.dr[1:]
        self.assertEqual(with_dr.confirm(drs=[changed]), "RECEIPT_MISMATCH")
        self.assertEqual((with_dr.confirm(), without.confirm()), ("OK", "OK"))

    def test_expired_ticket(self):
        done = self.handover(lifetime=2)
        time.sleep(3.2)
        self.assertEqual(done.confirm(), "TICKET_EXPIRED")

    def test_ticket_of_another(self):
        done = self.handover()
        request = beta.confirm([done.card], [done.ticket], [done.receipt])
        self.assertEqual(names(self.other.ok(confirm=request).item_status), ["BLOB_PRINCIPAL"])
        self.assertEqual(done.confirm(eids=self.pki.card(number=2).eid), "BLOB_EID")

    def test_ticket_with_any_byte_changed(self):
        done = self.handover()
        request, last = [], len(done.ticket) - 1
        for i in list(range(0, last, 7)) + [last]:
            changed = bytearray(done.ticket)
            changed[i] ^= 0x40
            request.append(bytes(changed))
        request += [done.ticket[:-1], done.ticket + b"\0", done.ticket[:40]]
        n = len(request)
        result = self.client.ok(confirm=beta.confirm([done.card] * n, request, [done.receipt] * n))
        for status in names(result.item_status):
            self.assertTrue(status.startswith("BLOB_"), status)
        self.assertEqual(result.kcvs, bytes(9 * n))

    # -- types --

    def test_key_set_as_ticket_and_ticket_as_key_set(self):
        done = self.confirmed()
        self.assertEqual(done.confirm(tickets=[done.key_set]), "BLOB_TYPE")
        self.assertEqual(self.wrap_status(self.client, done, key_sets=[done.ticket]), "BLOB_TYPE")
        packet = cards.make_response(done.card.keys, b"\0\0\1", 5, 0, b"")
        request = beta.unwrap(done.card, done.ticket, done.kvn, packet)
        self.assertEqual(names(self.client.ok(scp80_unwrap=request).item_status), ["BLOB_TYPE"])

    # -- key sets --

    def test_key_set_of_another(self):
        done = self.confirmed()
        self.assertEqual(self.wrap_status(self.client, done), "OK")
        self.assertEqual(self.wrap_status(self.other, done), "BLOB_PRINCIPAL")
        self.assertEqual(self.wrap_status(self.client, done, eids=self.pki.card(number=2).eid),
                         "BLOB_EID")
        self.assertEqual(self.wrap_status(self.client, done, kvns=b"\x02"), "BLOB_KVN")
        packet = cards.make_response(done.card.keys, b"\0\0\1", 5, 0, b"")
        request = beta.unwrap(done.card, done.key_set, done.kvn, packet)
        self.assertEqual(names(self.other.ok(scp80_unwrap=request).item_status), ["BLOB_PRINCIPAL"])

    def test_key_set_with_any_byte_changed(self):
        done = self.confirmed()
        for i in range(0, len(done.key_set), 11):
            changed = bytearray(done.key_set)
            changed[i] ^= 0x40
            status = self.wrap_status(self.client, done, key_sets=[bytes(changed)])
            self.assertTrue(status.startswith("BLOB_"), f"byte {i}: {status}")

    # -- Establish --

    def establish_status(self, **changes):
        card = self.pki.card(sin=b"sin", sdin=b"sdin")
        request = beta.establish([card], changes.pop("sr_key_id", self.sr[1]), **changes)
        result = self.client.ok(establish=request)
        (name,) = names(result.item_status)
        if name != "OK":
            self.assertEqual((result.tickets[0], result.store_data[0], result.crts[0]),
                             (b"", b"", b""))
            self.assertEqual((result.signatures, result.epks), (bytes(64), bytes(65)))
        return name

    def test_only_four_scenarios_are_signed(self):
        for scenario in range(0x10):
            if scenario in (0x08, 0x0A):
                self.assertEqual(self.establish_status(scenario=scenario), "OK")
            elif scenario in (0x0C, 0x0E):
                self.assertEqual(self.establish_status(scenario=scenario, host_id=b"h"), "OK")
            else:
                self.assertEqual(self.establish_status(scenario=scenario), "BAD_SCENARIO",
                                 f"{scenario:02x}")

    def test_only_usage_10_is_signed(self):
        self.assertEqual(self.establish_status(key_usages=b"\x10"), "OK")
        for usage in (b"\x5c", b"\x11", b"\x88", b"\xff"):
            self.assertEqual(self.establish_status(key_usages=usage), "BAD_KEY_USAGE", usage.hex())

    def test_fields_of_establish(self):
        for kvn, status in ((0x00, "BAD_KVN"), (0x01, "OK"), (0x0F, "OK"), (0x10, "BAD_KVN"),
                            (0x30, "BAD_KVN"), (0xFF, "BAD_KVN")):
            self.assertEqual(self.establish_status(kvn=kvn), status, f"KVN {kvn:02x}")
        self.assertEqual(self.establish_status(lifetime=-5), "BAD_EXPIRY")
        self.assertEqual(self.establish_status(expiries=b"\xff" * 8), "BAD_EXPIRY")
        self.assertEqual(self.establish_status(sr_key_id=b"\x07" * 32), "SR_KEY_UNKNOWN")
        self.assertEqual(self.establish_status(scenario=0x08, host_ids=[b"h"], sins=[b""],
                                               sdins=[b""]), "BAD_HOST_ID")

    def test_point_that_is_on_no_curve(self):
        for curve in curves.ALL:
            card = self.pki.card(curve)
            x, y = curves.decode(card.point)
            beside = curves.encode((x, y ^ 1))
            card.fields = beta.gpki.replaced(
                card.fields, 0x7F49, beta.gpki.tlv(0xB0, beside)
                + beta.gpki.tlv(0xF0, bytes([curve.ref])))
            card.certificate = beta.gpki.seal_7f21(card.fields, card.eum.key)
            result = self.client.ok(establish=beta.establish([card], self.sr[1]))
            self.assertEqual(names(result.item_status), ["CERT_POINT"], curve.name)
            self.assertEqual(result.tickets[0], b"")


if __name__ == "__main__":
    unittest.main()
