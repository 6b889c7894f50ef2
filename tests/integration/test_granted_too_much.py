"""A policy that grants a principal everything: what the custodian refuses all the same.

Above all, that a front-end has an ephemeral key of its own signed: with it, it would know the key set
that the card derives.
"""
import hashlib
import unittest

from cryptography.exceptions import InvalidSignature

import beta
import card as cards
import curves
import ecka_pb2 as pb
from deployment import OPERATIONS, Deployment
from ecka_client import names

EVERYTHING = (*OPERATIONS, "Sign", "Agree", "KeySetCreate", "Scp03Open", "Scp03Wrap", "Scp03Unwrap",
              "Reseal", "Rewrap")
SIGN_KEY = "demo-sign"  # as tools/provision makes it
LABELS = ("eckad sr-establish 1", "eckad sr-establish 2", "sr-establish", "eckad checkpoint 1",
          "eckad ticket 1", "eckad keyset 1", "nobody")
KEKS = ("partner", SIGN_KEY, "eckad keyset 1")


def signed_bytes(store_data, rc):
    """What SK.SR.ECDSA signs of a second STORE DATA."""
    (_, crt), (_, epk), _ = cards.dgis(store_data)
    return cards.dgi(0x3A02, crt) + cards.dgi(0x7F49, epk) + cards.dgi(0x0085, rc)


def replaced(store_data, epk, signature):
    crt = cards.dgis(store_data)[0][1]
    return cards.dgi(0x3A02, crt) + cards.dgi(0x7F49, epk) + cards.dgi(0x5F37, signature)


class GrantedTooMuch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment = Deployment()
        cls.addClassCleanup(cls.deployment.stop)
        cls.deployment.add_principal("greedy", EVERYTHING, sign_keys=list((SIGN_KEY, *LABELS)),
                                     keks=list(KEKS))
        cls.pki = beta.Pki(cls.deployment)
        cls.deployment.start()
        cls.client = cls.deployment.client("greedy")
        key_id, point = cls.deployment.sr_certificates()[1]
        cls.sr = (curves.P256, key_id, point)

    def handover(self, **options):
        return beta.Handover(self.client, self.pki.card(sin=b"sin", sdin=b"sdin"), self.sr,
                             **options)

    def confirmed(self):
        done = self.handover()
        self.assertEqual(done.confirm(), "OK")
        return done

    def status(self, **op):
        return names(self.client.ok(**op).item_status)[0]

    def sign(self, label, octets):
        request = pb.Sign(key_label=label, digests=hashlib.sha256(octets).digest())
        return self.client.ok(sign=request)

    def test_what_is_granted_is_done(self):
        done = self.confirmed()
        self.assertEqual(self.status(reseal=pb.Reseal(key_sets=[done.key_set], eids=done.card.eid,
                                                      kvns=b"\1")), "OK")
        self.assertEqual(names(self.sign(SIGN_KEY, b"a document").item_status), ["OK"])

    # -- its own ePK --

    def test_no_signature_for_its_own_epk(self):
        """By Sign, under every label, over the very bytes that the card would verify."""
        done = self.handover()
        store_data, rc = done.result.store_data[0], done.card.rc
        _, own = curves.P256.keypair()
        wanted = signed_bytes(replaced(store_data, own, bytes(64)), rc)
        for label in LABELS:
            result = self.sign(label, wanted)
            self.assertEqual((names(result.item_status), result.signatures),
                             (["KEY_UNKNOWN"], bytes(64)), label)
        signature = self.sign(SIGN_KEY, wanted).signatures
        for other in (signature, done.result.signatures):
            with self.assertRaises(InvalidSignature):
                done.card.establish(replaced(store_data, own, other), self.sr[0], self.sr[2])
        done.card.establish(store_data, self.sr[0], self.sr[2])

    def test_a_field_more_brings_no_epk_in(self):
        """Fields that the protocol does not have, where a careless reader would look for them."""
        _, own = curves.P256.keypair()
        card = self.pki.card()
        request = beta.establish([card], self.sr[1])
        for number in (15, 16, 99, 2047):
            field = (number << 3 | 2).to_bytes(1, "big") if number < 16 else bytes(
                [(number << 3 | 2) & 0x7F | 0x80, number >> 4])
            extended = pb.Establish.FromString(request.SerializeToString() + field +
                                               bytes([len(own)]) + own)
            result = self.client.ok(establish=extended)
            self.assertNotIn(own, result.SerializeToString())
            ((_, _), (_, epk), _) = cards.dgis(result.store_data[0])
            self.assertEqual(epk, result.epks)
            card.establish(result.store_data[0], self.sr[0], self.sr[2])

    def test_no_field_reaches_into_the_epk(self):
        """HostID and SDIN are the front-end's own bytes; none of them ends its field."""
        _, own = curves.P256.keypair()
        for value in (b"\x7f\x49\x41" + own[:29], b"\x84\x00\x7f\x49\x41" + own[:27], b"\xff" * 32):
            card = self.pki.card(sin=value, sdin=value)
            request = beta.establish([card], self.sr[1], scenario=0x0C, host_id=value)
            result = self.client.ok(establish=request)
            (tag, crt), (_, epk), _ = cards.dgis(result.store_data[0])
            self.assertEqual((tag, epk), (0x3A02, result.epks))
            fields = dict(beta.gpki.tlvs(dict(beta.gpki.tlvs(crt))[0xA6]))
            self.assertEqual((fields[0x84], fields[0x45]), (value, value))
            _, receipt = card.establish(result.store_data[0], self.sr[0], self.sr[2])
            self.assertEqual(self.status(confirm=beta.confirm([card], result.tickets, [receipt])),
                             "OK")

    # -- the rest --

    def test_the_field_rules_stay(self):
        card = self.pki.card(sin=b"sin", sdin=b"sdin")
        for expected, changes in (
                ("BAD_SCENARIO", {"scenario": 0x09}), ("BAD_KEY_USAGE", {"key_usages": b"\x5c"}),
                ("BAD_KVN", {"kvn": 0x30}), ("BAD_EXPIRY", {"expiries": b"\xff" * 8}),
                ("CUSTODY_WITH_DR", {"scenario": 0x0A, "custody": pb.CUSTODY_TOKEN})):
            self.assertEqual(self.status(establish=beta.establish([card], self.sr[1], **changes)),
                             expected)
        done = self.confirmed()
        for expected, changes in (("SCP80_SPI", {"spis": b"\0\0"}), ("SCP80_TAR", {"tars": b"\0\0\2"}),
                                  ("BLOB_KVN", {"kvns": b"\x02"}), ("BAD_COUNTER", {"counters": bytes(5)})):
            request = beta.wrap(done.card, done.key_set, 1, 5, b"command", **changes)
            self.assertEqual(self.status(scp80_wrap=request), expected)

    def test_nothing_is_rewrapped_without_the_tokens_grant(self):
        done = self.confirmed()
        for label in KEKS:
            result = self.client.ok(rewrap=pb.Rewrap(
                kek_label=label, key_sets=[done.key_set], eids=done.card.eid, kvns=b"\1"))
            self.assertEqual((names(result.item_status), list(result.wrapped)),
                             (["DENIED"], [b""]), label)

    def test_another_principals_blobs_stay_its_own(self):
        client, self.client = self.client, self.deployment.client("beta")
        done = self.confirmed()
        self.client = client
        self.assertEqual(self.status(scp80_wrap=beta.wrap(done.card, done.key_set, 1, 5, b"c")),
                         "BLOB_PRINCIPAL")
        self.assertEqual(self.status(confirm=beta.confirm([done.card], [done.ticket],
                                                          [done.receipt])), "BLOB_PRINCIPAL")


if __name__ == "__main__":
    unittest.main()
