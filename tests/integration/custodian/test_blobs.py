"""Blobs of every type at every operation: each takes its own, from its owner, whole, and no other."""
import secrets
import unittest

import card as cards
import curves
import gpki
import scp03
from custodian import KEYSET, TICKET, Link, Token, establish_item, key_id
from custody_pb2 import (AgreeItem, ConfirmItem, KeySetCreateItem, ResealItem, RewrapItem,
                         Scp03OpenItem, Scp03UnwrapItem, Scp03WrapItem, Scp80UnwrapItem,
                         Scp80WrapItem)

TYPES = {"ticket": 1, "scp80": 2, "scp03": 3, "session": 4, "opaque": 5, "scp81": 6}  # hsm/sealed/blob.h
TAKES = {"confirm": {"ticket"}, "scp80_wrap": {"scp80"}, "scp80_unwrap": {"scp80"},
         "key_set_create": {"scp80", "scp03"}, "scp03_open": {"scp03"}, "scp03_wrap": {"session"},
         "scp03_unwrap": {"session"}, "reseal": {"scp80", "scp81", "scp03"},
         "rewrap": {"scp80", "scp81", "scp03"}}
WITHOUT_KVN = ("confirm", "scp03_wrap", "scp03_unwrap")
KVNS = {"ticket": 1, "scp80": 1, "scp03": 0x30, "session": 0x30, "opaque": 0, "scp81": 0x40}
CREATED = {"scp81": (2, 0x40), "scp03": (3, 0x30)}


class Deployed:
    """A token with a custodian, and a blob of each type for a principal and a card."""

    def __init__(self, principal="beta"):
        self.token = Token()
        self.keys = self.token.first_ceremony()
        self.token.import_kek("other-hsm", secrets.token_bytes(32))
        for who in ("beta", "gamm"):
            self.token.keys("grant", "--principal", who, "--kek", "other-hsm", "--quota", "1000")
        self.point = bytes.fromhex(self.keys[0][4])
        self.sr = self.token.certify("sr.der", curves.P256, self.point)
        self.link = Link(self.token.start())
        self.principal = principal
        eum = gpki.make_eum(gpki.make_ci())
        self.card = cards.Card(eum, b"\x01", curves.P256)
        self.other = cards.Card(eum, b"\x01", curves.P256, 2)
        self.blobs = self.make_blobs()

    def stop(self):
        self.link.close()
        self.token.stop()

    def ok(self, kind, item):
        status, answered = self.link.one(kind, item)
        assert status == "OK", f"{kind}: {status}"
        return answered

    def make_blobs(self):
        """Each as the operation gave it that makes it."""
        item = self.ok("establish", establish_item(self.card, self.sr, principal=self.principal))
        _, self.receipt = self.card.establish(item.store_data, curves.P256, self.point)
        blobs = {"ticket": item.ticket}
        blobs["scp80"] = self.ok("confirm", ConfirmItem(
            principal=self.principal, ticket=item.ticket, eid=self.card.eid,
            receipt=self.receipt)).key_set
        for name, (kind, kvn) in CREATED.items():
            made = self.ok("key_set_create", KeySetCreateItem(
                principal=self.principal, key_set=blobs["scp80"], eid=self.card.eid, kvn=1,
                kind=kind, new_kvn=kvn))
            blobs[name] = made.new_key_set
        enc, mac = (scp03.under_dek(self.card.keys.dek, made.put_key[at:at + 16])
                    for at in (4, 27))  # KVN, then blocks of 88 11 10, value, 03, KCV
        self.scp03 = scp03.Card(enc, mac)
        blobs["session"] = self.ok("scp03_open", self.item("scp03_open", blobs["scp03"], 0x30)).session
        blobs["opaque"] = self.ok("agree", AgreeItem(
            principal=self.principal, curve=1, peer=self.card.point, length=48)).key_blob
        return blobs

    def item(self, operation, blob, kvn, principal=None, eid=None):
        """A request that is right in all but, perhaps, its blob and whose that is."""
        who = {"principal": principal or self.principal, "eid": eid or self.card.eid}
        response = cards.make_response(self.card.keys, b"\0\0\1", 5, 0, b"answer")
        make = {
            "confirm": lambda: ConfirmItem(ticket=blob, receipt=self.receipt, **who),
            "scp80_wrap": lambda: Scp80WrapItem(key_set=blob, kvn=kvn, spi=0x1639, tar=1, counter=1,
                                                payload=b"p", **who),
            "scp80_unwrap": lambda: Scp80UnwrapItem(key_set=blob, kvn=kvn, packet=response, **who),
            "key_set_create": lambda: KeySetCreateItem(key_set=blob, kvn=kvn, kind=1, new_kvn=9,
                                                       **who),
            "scp03_open": lambda: Scp03OpenItem(
                key_set=blob, kvn=kvn, host_challenge=self.scp03.host, security_level=1,
                card_challenge=self.scp03.card, card_cryptogram=self.scp03.cryptogram, **who),
            "scp03_wrap": lambda: Scp03WrapItem(session=blob, apdu=b"\x80\xca\0\0", **who),
            "scp03_unwrap": lambda: Scp03UnwrapItem(session=blob, apdu=b"\x90\0", **who),
            "reseal": lambda: ResealItem(key_set=blob, kvn=kvn, **who),
            "rewrap": lambda: RewrapItem(key_set=blob, kvn=kvn, kek_label="other-hsm", **who),
        }
        return make[operation]()

    def status(self, operation, blob, kvn, **who):
        """What the operation says; when that is no, it must have given nothing."""
        status, answered = self.link.one(operation, self.item(operation, blob, kvn, **who))
        if status != "OK":
            left = [field.name for field, _ in answered.ListFields()]
            assert left == ["status"], f"{operation} refused and gave {left}"
        return status


class Blobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployed = Deployed()
        cls.addClassCleanup(cls.deployed.stop)
        cls.blobs = cls.deployed.blobs

    def status(self, operation, blob, kvn, **who):
        return self.deployed.status(operation, blob, kvn, **who)

    def pairs(self):
        """(operation, a type that it takes)"""
        return [(operation, name) for operation, names in TAKES.items() for name in sorted(names)]

    def test_every_operation_takes_its_types(self):
        self.assertEqual({name: blob[5] for name, blob in self.blobs.items()}, TYPES)
        for operation, name in self.pairs():
            self.assertEqual(self.status(operation, self.blobs[name], KVNS[name]), "OK",
                             (operation, name))

    def test_no_operation_takes_another_type(self):
        for operation, names in TAKES.items():
            for name in set(TYPES) - names:
                self.assertEqual(self.status(operation, self.blobs[name], KVNS[name]), "BLOB_TYPE",
                                 (operation, name))

    def test_nobody_else_uses_them(self):
        """Another principal, also one with the same grants; another EID; another KVN."""
        other = self.deployed.other.eid
        for operation, name in self.pairs():
            blob, kvn = self.blobs[name], KVNS[name]
            for expected, changes in (("BLOB_PRINCIPAL", {"principal": "gamm"}),
                                      ("BLOB_PRINCIPAL", {"principal": "beta2"}),
                                      ("BLOB_EID", {"eid": other})):
                if operation == "rewrap" and changes.get("principal") == "beta2":
                    expected = "DENIED"  # it has no grant
                self.assertEqual(self.status(operation, blob, kvn, **changes), expected,
                                 (operation, name, changes))
            if operation not in WITHOUT_KVN:
                for wrong in (kvn ^ 1, kvn | 0x80):
                    self.assertEqual(self.status(operation, blob, wrong), "BLOB_KVN",
                                     (operation, name, wrong))

    def reheaded(self, name):
        """(a blob with one thing of its header rewritten, the request that would fit it)"""
        blob, kvn = self.blobs[name], KVNS[name]
        at = 11 + len("beta")  # magic, version, type, generation, length, principal; then EID
        yield blob[:11] + b"gamm" + blob[at:], kvn, {"principal": "gamm"}
        yield blob[:at] + self.deployed.other.eid + blob[at + 16:], kvn, {
            "eid": self.deployed.other.eid}
        yield blob[:at + 16] + bytes([kvn ^ 1]) + blob[at + 17:], kvn ^ 1, {}
        yield blob[:at + 17] + b"\1\1\1\1" + blob[at + 21:], kvn, {}  # it was all in the token
        yield blob[:at + 21] + bytes(24) + blob[at + 45:], kvn, {}  # another salt
        graft = next(other for other in self.blobs if other != name)
        yield blob[:at + 45] + self.blobs[graft][at + 45:], kvn, {}  # another's contents

    def test_a_reheaded_blob_is_forged(self):
        for operation, name in self.pairs():
            for blob, kvn, who in self.reheaded(name):
                self.assertEqual(self.status(operation, blob, kvn, **who), "BLOB_FORGED",
                                 (operation, name, blob.hex()))

    def test_a_type_that_was_rewritten_is_forged(self):
        for operation, name in self.pairs():
            for other in set(TYPES) - {name}:
                blob = self.blobs[other]
                rewritten = blob[:5] + bytes([TYPES[name]]) + blob[6:]
                self.assertEqual(self.status(operation, rewritten, KVNS[other]), "BLOB_FORGED",
                                 (operation, name, other))


class Replayed(unittest.TestCase):
    """Blobs of another token, and of another generation of this one."""

    def test_a_blob_of_another_token_is_forged(self):
        here, there = Deployed(), Deployed()
        self.addCleanup(here.stop)
        self.addCleanup(there.stop)
        there.card.eid, there.receipt = here.card.eid, here.receipt
        for operation, names in TAKES.items():
            for name in names:
                blob, kvn = here.blobs[name], KVNS[name]
                self.assertEqual(here.status(operation, blob, kvn), "OK", (operation, name))
                self.assertEqual(there.status(operation, blob, kvn), "BLOB_FORGED",
                                 (operation, name))

    def test_a_generation_cannot_be_rewritten(self):
        deployed = Deployed()
        self.addCleanup(deployed.stop)
        for purpose in ("ticket", "keyset"):
            deployed.token.keys("rotate", purpose)
        deployed.token.processes[0].reload()
        for operation, names in TAKES.items():
            for name in names:
                blob, kvn = deployed.blobs[name], KVNS[name]
                self.assertEqual(blob[6:10], b"\0\0\0\1")
                self.assertEqual(deployed.status(operation, blob, kvn), "OK", (operation, name))
                for number, expected in ((2, "BLOB_FORGED"), (3, "BLOB_GENERATION")):
                    moved = blob[:6] + number.to_bytes(4, "big") + blob[10:]
                    self.assertEqual(deployed.status(operation, moved, kvn), expected,
                                     (operation, name, number))

    def test_a_destroyed_master_takes_its_blobs_with_it(self):
        deployed = Deployed()
        self.addCleanup(deployed.stop)
        for purpose, gone in (("ticket", TICKET), ("keyset", KEYSET)):
            deployed.token.keys("rotate", purpose)
            deployed.token.tool("destroy", key_id(gone, 1))
        deployed.token.processes[0].reload()
        for operation, names in TAKES.items():
            for name in names:
                self.assertEqual(deployed.status(operation, deployed.blobs[name], KVNS[name]),
                                 "BLOB_GENERATION", (operation, name))


if __name__ == "__main__":
    unittest.main()
