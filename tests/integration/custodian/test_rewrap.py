"""Reseal and Rewrap: key sets move forward, and out only as far as a grant goes.

Python holds the KEK's value, as the other HSM would, and unwraps what came out; it verifies each
manifest with the checkpoint key's public point.
"""
import hashlib
import re
import secrets
import unittest

from cryptography.hazmat.primitives.keywrap import (aes_key_unwrap_with_padding, aes_key_wrap)

import card as cards
import curves
import gpki
from custodian import CHECKPOINT, KEYSET, STATUS, Link, Token, establish_item, key_id
from custody_pb2 import Batch, ConfirmItem, KeySetCreateItem, ResealItem, RewrapItem, Scp80WrapItem

SCP80, SCP81, SCP03 = 1, 2, 3  # KeySetKind
HEADER = 4 + 1 + 1 + 4 + 1 + 16 + 1 + 4  # of a blob, but for the principal and the salt
KEK, OTHER_KEK = secrets.token_bytes(32), secrets.token_bytes(32)


def flipped(octets, at):
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1:]


class Sets(unittest.TestCase):
    """A token, a custodian, and cards whose key sets it confirmed for a principal of the test's."""

    @classmethod
    def setUpClass(cls):
        cls.token = Token()
        cls.addClassCleanup(cls.token.stop)
        cls.custodian, cls.tests = None, 0
        cls.make_keys("--init-token", "--so-pin-file", cls.token.path / "so-pin",
                      "--sr-curve", "P-256", "--sign-key", "invoices")
        cls.sr = cls.token.certify("sr.der", curves.P256, cls.points["sr-establish"])
        cls.eum = gpki.make_eum(gpki.make_ci())

    @classmethod
    def make_keys(cls, *args):
        lines = [line.split(" ") for line in cls.token.keys("init", *args)[1].splitlines()]
        cls.points = {words[1]: bytes.fromhex(words[-1]) for words in lines if words[-1] != "-"}

    def setUp(self):
        cls = type(self)
        cls.tests += 1
        self.principal = f"beta-{cls.tests}"
        self.other = f"gamma-{cls.tests}"
        if cls.custodian is None:
            self.start()
        else:
            self.link = Link(cls.custodian)
        self.addCleanup(lambda: self.link.close())

    def start(self):
        """A custodian, in the place of the one before."""
        cls = type(self)
        if cls.custodian is not None:
            self.link.close()
            cls.custodian.stop()
        cls.custodian = cls.token.start()
        self.link = Link(cls.custodian)

    def confirmed(self, number=1, **changes):
        """(card, key set, ticket)"""
        card = cards.Card(self.eum, b"\x01", curves.P256, number)
        _, item = self.link.one("establish", establish_item(
            card, self.sr, principal=self.principal, **changes))
        _, receipt = card.establish(item.store_data, curves.P256, self.points["sr-establish"])
        status, done = self.link.one("confirm", ConfirmItem(
            principal=self.principal, ticket=item.ticket, eid=card.eid, receipt=receipt))
        self.assertEqual(status, "OK")
        return card, done.key_set, item.ticket

    def created(self, card, key_set, kind, kvn):
        """(set, key check values) of a set made beside the confirmed one."""
        status, item = self.link.one("key_set_create", KeySetCreateItem(
            principal=self.principal, key_set=key_set, eid=card.eid, kvn=1, kind=kind,
            new_kvn=kvn))
        self.assertEqual(status, "OK")
        return item.new_key_set, item.kcvs

    def wraps(self, card, key_set, counter=1, **changes):
        status, wrapped = self.link.one("scp80_wrap", Scp80WrapItem(**{
            "principal": self.principal, "key_set": key_set, "eid": card.eid, "kvn": 1, "spi": 0x1639,
            "tar": 1, "counter": counter, "payload": b"p", **changes}))
        if status == "OK":
            self.assertEqual(cards.open_command(card.keys, wrapped.packet)[-1], b"p")
        return status


class Reseal(Sets):
    def reseal(self, card, key_set, /, **changes):
        status, item = self.link.one("reseal", ResealItem(**{
            "principal": self.principal, "key_set": key_set, "eid": card.eid, "kvn": 1, **changes}))
        if status != "OK":
            self.assertEqual(item.key_set, b"")
        return status, item.key_set

    def test_a_set_moves_forward_and_opens_without_its_old_master(self):
        first = self.link.hello().keyset_generation
        card, old, _ = self.confirmed(counter=9)
        self.assertEqual(self.reseal(card, old), ("OK", old), "it is of the newest generation")

        self.token.keys("rotate", "keyset")
        self.start()
        status, new = self.reseal(card, old)
        self.assertEqual(status, "OK")
        self.assertEqual((old[6:10], new[6:10]), (first.to_bytes(4, "big"), (first + 1).to_bytes(4, "big")))
        self.assertEqual(self.reseal(card, old), ("OK", new), "the same set, the same bytes")
        self.assertEqual(self.reseal(card, new), ("OK", new), "and from either generation")
        at = HEADER + len(self.principal)
        # all of the header but generation and salt: type, principal, EID, KVN, custody
        self.assertEqual((old[4:6], old[10:at]), (new[4:6], new[10:at]))
        for key_set in (old, new):
            self.assertEqual(self.wraps(card, key_set, 10), "OK")
            self.assertEqual(self.wraps(card, key_set, 9), "BAD_COUNTER", "the counter came along")

        self.token.keys("rotate", "keyset")
        self.start()
        status, newest = self.reseal(card, old)
        self.assertEqual((status, self.reseal(card, new)[1]), ("OK", newest))

        self.token.tool("destroy", key_id(KEYSET, first))
        self.start()
        self.assertEqual(self.reseal(card, old), ("BLOB_GENERATION", b""))
        self.assertEqual(self.wraps(card, newest, 10), "OK")
        self.assertEqual(self.reseal(card, new), ("OK", newest))

    def test_sets_of_every_kind(self):
        card, key_set, _ = self.confirmed()
        sets = [(1, key_set), (0x0E, self.created(card, key_set, SCP80, 0x0E)[0]),
                (0x4F, self.created(card, key_set, SCP81, 0x4F)[0]),
                (0x30, self.created(card, key_set, SCP03, 0x30)[0])]
        self.token.keys("rotate", "keyset")
        self.start()
        for kvn, old in sets:
            status, new = self.reseal(card, old, kvn=kvn)
            self.assertEqual((status, old[5], len(old)), ("OK", new[5], len(new)))
            self.assertNotEqual(old, new)
            self.assertEqual(self.reseal(card, new, kvn=kvn), ("OK", new))
            self.assertEqual(self.reseal(card, new, kvn=kvn ^ 1)[0], "BLOB_KVN")

    def test_custody_comes_along(self):
        card, key_set, _ = self.confirmed(custody=1)
        self.token.keys("rotate", "keyset")
        self.start()
        _, new = self.reseal(card, key_set)
        at = HEADER + len(self.principal)
        self.assertEqual((key_set[at - 4:at], new[at - 4:at]), (b"\1\1\1\2", b"\1\1\1\2"))

    def test_only_its_owner_moves_it(self):
        card, key_set, ticket = self.confirmed()
        other, _, _ = self.confirmed(number=2)
        reheaded = bytearray(key_set)
        reheaded[5] = 3  # scp03
        for expected, changes in (
                ("BLOB_PRINCIPAL", {"principal": self.other}), ("BLOB_EID", {"eid": other.eid}),
                ("BLOB_KVN", {"kvn": 2}), ("BLOB_TYPE", {"key_set": ticket}),
                ("BLOB_FORGED", {"key_set": bytes(reheaded)}),
                ("BLOB_FORGED", {"key_set": flipped(key_set, 30)}),
                ("BLOB_FORGED", {"key_set": flipped(key_set, len(key_set) - 1)}),
                ("BLOB_GENERATION", {"key_set": flipped(key_set, 9)}),
                ("BLOB_MALFORMED", {"key_set": key_set[:50]}), ("BLOB_MALFORMED", {"key_set": b""})):
            self.assertEqual(self.reseal(card, key_set, **changes), (expected, b""))
        self.assertEqual(self.reseal(card, key_set)[0], "OK")

    def test_a_batch_of_many(self):
        card, key_set, _ = self.confirmed()
        item = {"principal": self.principal, "key_set": key_set, "eid": card.eid}
        answered = self.link.batch("reseal", [ResealItem(kvn=1 + (n == 7), **item)
                                              for n in range(48)])
        self.assertEqual([s for s, _ in answered].count("OK"), 47)
        self.assertEqual(answered[7][0], "BLOB_KVN")


class Rewrap(Sets):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.token.import_kek("other-hsm", KEK)
        cls.token.import_kek("third-hsm", OTHER_KEK)

    def grant(self, quota, principal=None, kek="other-hsm"):
        self.token.keys("grant", "--principal", principal or self.principal, "--kek", kek,
                        "--quota", str(quota))

    def revoke(self):
        self.token.keys("grant", "--principal", self.principal, "--kek", "other-hsm", "--revoke")

    def rewrap_item(self, card, key_set, /, **changes):
        return RewrapItem(**{"principal": self.principal, "kek_label": "other-hsm",
                             "key_set": key_set, "eid": card.eid, "kvn": 1, **changes})

    def rewrap(self, card, key_set, /, **changes):
        status, item = self.link.one("rewrap", self.rewrap_item(card, key_set, **changes))
        if status != "OK":
            self.assertEqual(item.wrapped + item.manifest + item.signature, b"")
        return status, item

    def uses_file(self):
        return self.token.path / "run" / "grants-eckad"

    def fields(self, manifest):
        first, *lines = manifest.decode("ascii").splitlines()
        self.assertEqual(first, "eckad rewrap manifest 1")
        return dict(line.split(": ", 1) for line in lines)

    # -- what comes out --

    def test_the_other_hsm_gets_the_keys_and_a_signed_manifest(self):
        self.grant(10)
        card, key_set, _ = self.confirmed(counter=7)
        status, item = self.rewrap(card, key_set)
        self.assertEqual(status, "OK")
        self.assertEqual(aes_key_unwrap_with_padding(KEK, item.wrapped),
                         card.keys.enc + card.keys.mac + card.keys.dek)

        gpki.verify_raw(self.points["checkpoint"], curves.P256, item.signature, item.manifest)
        with self.assertRaises(Exception):
            gpki.verify_raw(self.points["checkpoint"], curves.P256, item.signature,
                            item.manifest.replace(b"use: 1", b"use: 2"))
        fields = self.fields(item.manifest)
        self.assertRegex(fields.pop("time"), r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertRegex(fields.pop("grant"), r"^[0-9a-f]{32}$")
        self.assertEqual(fields, {
            "principal": self.principal, "use": "1 of 10", "kek": "other-hsm",
            "kek-id": "65636b61010500000001",
            "kek-fingerprint": hashlib.sha256(aes_key_wrap(KEK, bytes(32))).hexdigest(),
            "eid": card.eid.hex(), "type": "scp80", "kvn": "01", "counter": "7", "keys": "3",
            "wrapped-sha256": hashlib.sha256(item.wrapped).hexdigest(),
            "signer": "checkpoint 1"})

    def test_sets_of_every_kind(self):
        self.grant(10)
        card, key_set, _ = self.confirmed()
        for kind, name, kvn, count in ((SCP80, "scp80", 0x02, 3), (SCP81, "scp81", 0x40, 1),
                                       (SCP03, "scp03", 0x3F, 3)):
            new, kcvs = self.created(card, key_set, kind, kvn)
            status, item = self.rewrap(card, new, kvn=kvn)
            self.assertEqual(status, "OK")
            keys = aes_key_unwrap_with_padding(KEK, item.wrapped)
            self.assertEqual(len(keys), 16 * count)
            self.assertEqual(b"".join(cards.kcv(keys[at:at + 16])
                                      for at in range(0, len(keys), 16)), kcvs[:3 * count])
            fields = self.fields(item.manifest)
            self.assertEqual((fields["type"], fields["kvn"], fields["keys"]),
                             (name, f"{kvn:02x}", str(count)))
            self.assertEqual(self.rewrap(card, new)[0], "BLOB_KVN")

    def test_each_kek_is_its_own(self):
        self.grant(10)
        self.grant(10, kek="third-hsm")
        card, key_set, _ = self.confirmed()
        answered = self.link.batch("rewrap", [self.rewrap_item(card, key_set, kek_label=label)
                                              for label in ("other-hsm", "third-hsm", "other-hsm")])
        self.assertEqual([status for status, _ in answered], ["OK"] * 3)
        for kek, use, (_, item) in zip((KEK, OTHER_KEK, KEK), "112", answered):
            self.assertEqual(len(aes_key_unwrap_with_padding(kek, item.wrapped)), 48)
            fields = self.fields(item.manifest)
            self.assertEqual(fields["use"], f"{use} of 10")
            self.assertEqual(fields["kek-fingerprint"],
                             hashlib.sha256(aes_key_wrap(kek, bytes(32))).hexdigest())

    # -- who may --

    def test_nobody_without_a_grant(self):
        card, key_set, _ = self.confirmed()
        self.assertEqual(self.rewrap(card, key_set)[0], "DENIED")
        self.grant(5, principal=self.other)
        self.grant(5, kek="third-hsm")
        self.assertEqual(self.rewrap(card, key_set)[0], "DENIED", "another's, for another")
        for label in ("nobody", "", "invoices", "eckad checkpoint 1"):
            self.assertEqual(self.rewrap(card, key_set, kek_label=label)[0], "DENIED")
        self.grant(5)
        self.assertEqual(self.rewrap(card, key_set)[0], "OK", "heeded without a signal")
        self.revoke()
        self.assertEqual(self.rewrap(card, key_set)[0], "DENIED", "and so is its end")

    def test_a_record_without_the_pin_grants_nothing(self):
        """An object that is not CKA_PRIVATE can be made by anybody who reaches the token."""
        card, key_set, _ = self.confirmed()
        terms = "eckad grant", f"{self.principal} other-hsm", "serial=" + "3" * 32 + (
            " quota=5 created=2026-01-01T00:00:00Z")
        self.token.tool("open-record", *terms, pin="-")
        self.assertEqual(self.rewrap(card, key_set)[0], "DENIED")
        self.token.tool("record", *terms)  # the same, with the PIN
        self.assertEqual(self.rewrap(card, key_set)[0], "OK")

    def test_a_grant_for_no_kek(self):
        status, _, log = self.token.keys("grant", "--principal", self.principal, "--kek",
                                         "invoices", "--quota", "5", ok=False)
        self.assertEqual(status, 1, "a generic-sign key is no KEK")
        self.assertIn("no KEK invoices", log)
        # Even where the token says otherwise, a key of another purpose does not wrap.
        self.token.tool("record", "eckad grant", f"{self.principal} invoices",
                        "serial=" + "0" * 32 + " quota=5 created=2026-01-01T00:00:00Z")
        card, key_set, _ = self.confirmed()
        self.assertEqual(self.rewrap(card, key_set, kek_label="invoices")[0], "KEY_UNKNOWN")

    def test_a_grant_does_not_open_what_is_another_s(self):
        self.grant(20)
        self.grant(20, principal=self.other)
        card, key_set, ticket = self.confirmed()
        other, _, _ = self.confirmed(number=2)
        for expected, changes in (
                ("BLOB_PRINCIPAL", {"principal": self.other}), ("BLOB_EID", {"eid": other.eid}),
                ("BLOB_KVN", {"kvn": 2}), ("BLOB_TYPE", {"key_set": ticket}),
                ("BLOB_FORGED", {"key_set": flipped(key_set, 5)}),
                ("BLOB_FORGED", {"key_set": flipped(key_set, len(key_set) - 1)}),
                ("BLOB_MALFORMED", {"key_set": b""})):
            self.assertEqual(self.rewrap(card, key_set, **changes)[0], expected)
        status, item = self.rewrap(card, key_set)
        self.assertEqual((status, self.fields(item.manifest)["use"]), ("OK", "1 of 20"),
                         "what was refused is not counted")

    def test_malformed_fields(self):
        card, key_set, _ = self.confirmed()
        for field, value in (("kek_label", "x" * 33), ("eid", b"e"), ("key_set", bytes(641)),
                             ("kvn", 256), ("principal", "Beta")):
            batch = Batch(id=1)
            batch.rewrap.items.append(self.rewrap_item(card, key_set, **{field: value}))
            answer = self.link.exchange(batch.SerializeToString())
            self.assertEqual(answer.status, STATUS["BAD_REQUEST"])
            self.assertIn(f"field {field} ", answer.detail)

    def test_a_kek_in_the_clear_is_not_taken(self):
        clear = self.token.path / "clear"
        clear.write_bytes(KEK)
        status, _, log = self.token.keys("import-kek", "--finish", clear, "--name", "mine",
                                         ok=False)
        self.assertEqual(status, 1)
        self.assertIn("A KEK in the clear is not taken", log)

    # -- how often --

    def test_a_quota_ends(self):
        self.grant(50)
        card, key_set, _ = self.confirmed()
        statuses = [status for _ in range(2) for status, _ in
                    self.link.batch("rewrap", [self.rewrap_item(card, key_set)] * 30)]
        self.assertEqual(statuses, ["OK"] * 50 + ["GRANT_EXHAUSTED"] * 10)
        self.start()
        self.assertEqual(self.rewrap(card, key_set)[0], "GRANT_EXHAUSTED", "a restart helps not")
        status, _, log = self.token.keys("grant", "--principal", self.principal, "--kek",
                                         "other-hsm", "--quota", "60", ok=False)
        self.assertEqual(status, 1)
        self.assertIn("revoke it first", log)
        self.revoke()
        self.grant(1)
        statuses = [self.rewrap(card, key_set)[0] for _ in range(2)]
        self.assertEqual(statuses, ["OK", "GRANT_EXHAUSTED"], "a grant made anew counts anew")

    def use(self, card, key_set):
        status, item = self.rewrap(card, key_set)
        self.assertEqual(status, "OK")
        return int(self.fields(item.manifest)["use"].split()[0])

    def test_the_count_does_not_go_back(self):
        """Neither the file nor the token's record can be put back alone, and the log tells."""
        self.grant(100)
        card, key_set, _ = self.confirmed()
        self.assertEqual([self.use(card, key_set) for _ in range(3)], [1, 2, 3])
        self.start()
        self.assertEqual(self.use(card, key_set), 4)
        saved = self.uses_file().read_text()
        serial, = re.findall(r"^(\w+) 4$", saved, re.M)

        self.uses_file().write_text(saved.replace(f"{serial} 4\n", f"{serial} 1\n"))
        self.assertEqual(self.use(card, key_set), 5)
        self.assertIn("went back: 1 uses of grant", self.custodian.output())

        self.uses_file().unlink()
        self.assertEqual(self.use(card, key_set), 6)
        self.assertIn("is not there, and the token knows of used grants", self.custodian.output())

        self.token.tool("forget", "eckad grant use")
        self.assertEqual(self.use(card, key_set), 7)

        for junk in ("", "eckad grant uses 2\n", saved + "and more\n", saved.replace(serial + " 4", serial + " x")):
            self.uses_file().write_text(junk)
            self.assertEqual(self.rewrap(card, key_set)[0], "INTERNAL")
        self.assertIn("cannot be read", self.custodian.output())
        self.uses_file().unlink()
        self.assertEqual(self.use(card, key_set), 8)

    def test_a_custodian_that_cannot_count_gives_nothing(self):
        self.grant(10)
        card, key_set, _ = self.confirmed()
        self.assertEqual(self.use(card, key_set), 1)
        beside = self.token.path / "run" / "grants-eckad.new"
        beside.mkdir()
        self.assertEqual(self.rewrap(card, key_set)[0], "INTERNAL")
        beside.rmdir()
        self.assertEqual(self.use(card, key_set), 2)

    def test_grants_that_cannot_be_told_grant_nothing(self):
        serial = "serial=" + "1" * 32
        when = "created=2026-01-01T00:00:00Z"
        card, key_set, _ = self.confirmed()
        for label, value in ((f"{self.principal} other-hsm", f"{serial} quota=0 {when}"),
                             (f"{self.principal} other-hsm", f"{serial} quota=9999999999 {when}"),
                             (f"{self.principal} other-hsm", f"serial=11 quota=5 {when}"),
                             (f"{self.principal} other-hsm", "quota=5"),
                             (f"{self.principal}  other-hsm", f"{serial} quota=5 {when}"),
                             ("* other-hsm", f"{serial} quota=5 {when}")):
            self.token.tool("record", "eckad grant", label, value)
            self.assertEqual(self.rewrap(card, key_set)[0], "DENIED", value)
            self.token.tool("forget", "eckad grant")
        self.assertIn("cannot be read and grants nothing", self.custodian.output())
        for quota in (5, 6):
            self.token.tool("record", "eckad grant", f"{self.principal} other-hsm",
                            f"{serial} quota={quota} {when}")
        self.assertEqual(self.rewrap(card, key_set)[0], "DENIED")
        self.assertIn("is there twice", self.custodian.output())

    def test_without_a_checkpoint_key_nothing_leaves(self):
        self.grant(10)
        self.token.tool("destroy", key_id(CHECKPOINT, 1))
        self.token.configure(audit={"mode": "off"})  # which no custodian can be strict about then
        self.addCleanup(self.start)
        # The token remembers a log that a key signed which is gone: another log begins.
        self.addCleanup(self.token.configure, audit={"origin": "eckad/again",
                                                     "directory": "run/audit-again"})
        self.addCleanup(self.make_keys, "--missing-only", "--sr-curve", "P-256")
        self.start()
        card, key_set, _ = self.confirmed()
        self.assertEqual(self.rewrap(card, key_set)[0], "TOKEN_ERROR")
        self.assertIn("no checkpoint key", self.custodian.output())


if __name__ == "__main__":
    unittest.main()
