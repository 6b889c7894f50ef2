"""KeySetCreate and SCP03 against a card in Python: from the handover's set to sets beside it, to
sessions under them, and who cannot use what."""
import unittest

import card as cards
import curves
import gpki
import scp03
from custodian import CURVES, Link, Token, establish_item
from custody_pb2 import (ConfirmItem, KeySetCreateItem, Scp03OpenItem, Scp03UnwrapItem,
                         Scp03WrapItem, Scp80UnwrapItem, Scp80WrapItem)

SCP80, SCP81, SCP03 = 1, 2, 3
KINDS = {SCP80: (0x0F, 0x88, 3), SCP81: (0x40, 0x85, 1), SCP03: (0x30, 0x88, 3)}
LEVELS = (0x01, 0x03, 0x11, 0x13, 0x33)


def flipped(octets, at):
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1:]


def blocks(put_key):
    """(KVN, [(type, ciphered value, KCV)])"""
    out, at = [], 1
    while at < len(put_key):
        assert put_key[at + 1:at + 3] == b"\x11\x10" and put_key[at + 19] == 3
        out.append((put_key[at], put_key[at + 3:at + 19], put_key[at + 20:at + 23]))
        at += 23
    assert at == len(put_key)
    return put_key[0], out


class KeySets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.token = Token()
        cls.addClassCleanup(cls.token.stop)
        _, _, name, _, point = cls.token.first_ceremony()[0]
        point = bytes.fromhex(point)
        sr = cls.token.certify("sr.der", CURVES[name], point)
        link = Link(cls.token.start())
        cls.addClassCleanup(link.close)
        cls.link = link
        eum = gpki.make_eum(gpki.make_ci())
        cls.card = cards.Card(eum, b"\x01", curves.P256)
        cls.other = cards.Card(eum, b"\x01", curves.P256, 2)
        item = link.one("establish", establish_item(cls.card, sr))[1]
        _, receipt = cls.card.establish(item.store_data, CURVES[name], point)
        confirm = ConfirmItem(principal="beta", ticket=item.ticket, eid=cls.card.eid,
                              receipt=receipt)
        cls.ticket, cls.key_set = item.ticket, link.one("confirm", confirm)[1].key_set

    def create_item(self, kind, /, **changes):
        return KeySetCreateItem(**{"principal": "beta", "key_set": self.key_set,
                                   "eid": self.card.eid, "kvn": 1, "kind": kind,
                                   "new_kvn": KINDS.get(kind, (9,))[0], **changes})

    def put(self, kind, dek=None, /, **changes):
        """(blob, keys as the card recovers them)"""
        status, made = self.link.one("key_set_create", self.create_item(kind, **changes))
        self.assertEqual(status, "OK")
        new_kvn, key_type, count = KINDS[kind]
        kvn, found = blocks(made.put_key)
        self.assertEqual((kvn, [t for t, _, _ in found]), (new_kvn, [key_type] * count))
        keys = [scp03.under_dek(dek or self.card.keys.dek, value) for _, value, _ in found]
        self.assertEqual([cards.kcv(key) for key in keys], [kcv for _, _, kcv in found])
        self.assertEqual(made.kcvs, b"".join(map(cards.kcv, keys)).ljust(9, b"\0"))
        return made.new_key_set, keys

    def open_item(self, card, key_set, level, /, **changes):
        return Scp03OpenItem(**{"principal": "beta", "key_set": key_set, "eid": self.card.eid,
                                "kvn": 0x30, "host_challenge": card.host,
                                "card_challenge": card.card, "card_cryptogram": card.cryptogram,
                                "security_level": level, **changes})

    def opened(self, level):
        """(card, session)"""
        key_set, (enc, mac, _) = self.put(SCP03)
        card = scp03.Card(enc, mac)
        status, item = self.link.one("scp03_open", self.open_item(card, key_set, level))
        self.assertEqual(status, "OK")
        card.external_authenticate(item.apdu)
        self.assertEqual(card.level, level)
        return card, item.session

    def wrap_item(self, session, apdu, /, **changes):
        return Scp03WrapItem(**{"principal": "beta", "session": session, "eid": self.card.eid,
                                "apdu": apdu, **changes})

    def unwrap_item(self, session, apdu, /, **changes):
        return Scp03UnwrapItem(**{"principal": "beta", "session": session, "eid": self.card.eid,
                                  "apdu": apdu, **changes})

    # -- KeySetCreate --

    def test_a_new_scp80_set_carries_packets(self):
        key_set, (enc, mac, dek) = self.put(SCP80)
        self.assertEqual(len({enc, mac, dek}), 3)
        keys = cards.KeySet(bytes(16) + enc + mac + dek)
        wrap = Scp80WrapItem(principal="beta", key_set=key_set, eid=self.card.eid, kvn=0x0F,
                             spi=0x1639, tar=1, counter=1, payload=b"command")
        status, wrapped = self.link.one("scp80_wrap", wrap)
        self.assertEqual(status, "OK")
        self.assertEqual(cards.open_command(keys, wrapped.packet),
                         (b"\x16\x39", 0xF2, 0xF2, b"\0\0\x01", 1, b"command"))

    def test_sets_are_made_under_any_set_that_has_a_dek(self):
        parent, (_, _, dek) = self.put(SCP03)
        for kind in KINDS:
            new_kvn = KINDS[kind][0]
            if new_kvn != 0x30:
                self.put(kind, dek, key_set=parent, kvn=0x30)
        for blob, kvn in ((self.put(SCP81)[0], 0x40), (self.ticket, 1), (self.opened(1)[1], 0x30)):
            status, made = self.link.one("key_set_create",
                                         self.create_item(SCP80, key_set=blob, kvn=kvn))
            self.assertEqual((status, made.new_key_set + made.put_key + made.kcvs),
                             ("BLOB_TYPE", b""))

    def test_key_set_create_holds_its_rules(self):
        for expected, kind, changes in (
                ("BAD_KEY_SET_KIND", 0, {}), ("BAD_KEY_SET_KIND", 4, {}),
                ("BAD_KVN", SCP80, {"new_kvn": 0}), ("BAD_KVN", SCP80, {"new_kvn": 0x10}),
                ("BAD_KVN", SCP80, {"new_kvn": 1}),  # it is the parent's
                ("BAD_KVN", SCP81, {"new_kvn": 0x3F}), ("BAD_KVN", SCP81, {"new_kvn": 0x50}),
                ("BAD_KVN", SCP03, {"new_kvn": 0x2F}), ("BAD_KVN", SCP03, {"new_kvn": 0x40}),
                ("BLOB_PRINCIPAL", SCP03, {"principal": "gamma"}),
                ("BLOB_EID", SCP03, {"eid": self.other.eid}), ("BLOB_KVN", SCP03, {"kvn": 2}),
                ("BLOB_FORGED", SCP03, {"key_set": flipped(self.key_set, 90)}),
                ("BLOB_MALFORMED", SCP03, {"key_set": b""})):
            with self.subTest(expected=expected, kind=kind, **{k: str(v) for k, v in changes.items()}):
                status, made = self.link.one("key_set_create", self.create_item(kind, **changes))
                self.assertEqual((status, made.new_key_set + made.put_key + made.kcvs),
                                 (expected, b""))

    def test_each_set_serves_its_own_operations(self):
        """A set of one kind opens nothing of another."""
        sets = {kind: self.put(kind)[0] for kind in KINDS}
        session = self.opened(0x01)[1]
        card = scp03.Card(bytes(16), bytes(16))
        for blob, kvn in ((sets[SCP81], 0x40), (sets[SCP03], 0x30), (session, 0x30)):
            wrap = Scp80WrapItem(principal="beta", key_set=blob, eid=self.card.eid, kvn=kvn,
                                 spi=0x1639, tar=1, counter=1, payload=b"x")
            unwrap = Scp80UnwrapItem(principal="beta", key_set=blob, eid=self.card.eid, kvn=kvn,
                                     packet=bytes(40))
            self.assertEqual(self.link.one("scp80_wrap", wrap)[0], "BLOB_TYPE")
            self.assertEqual(self.link.one("scp80_unwrap", unwrap)[0], "BLOB_TYPE")
        for blob, kvn in ((sets[SCP80], 0x0F), (sets[SCP81], 0x40), (session, 0x30),
                          (self.key_set, 1), (self.ticket, 1)):
            item = self.open_item(card, blob, 0x33, kvn=kvn)
            self.assertEqual(self.link.one("scp03_open", item)[0], "BLOB_TYPE")
        for blob in (*sets.values(), self.key_set, self.ticket):
            self.assertEqual(self.link.one("scp03_wrap", self.wrap_item(blob, b"\x80\xca\0\0"))[0],
                             "BLOB_TYPE")
            self.assertEqual(self.link.one("scp03_unwrap", self.unwrap_item(blob, b"\x90\0"))[0],
                             "BLOB_TYPE")

    # -- SCP03 --

    def test_a_session_at_each_level(self):
        for level in LEVELS:
            with self.subTest(level=hex(level)):
                card, session = self.opened(level)
                most = 239 if level & scp03.C_ENC else 247
                for data, le, answer, sw in (
                        (b"", b"", b"", 0x9000), (b"", b"\0", b"answer", 0x9000),
                        (b"d" * most, b"\0", b"a" * 200, 0x6310), (b"d" * 16, b"", b"", 0x6200)):
                    head = b"\x80\xe2\x11\x22"
                    apdu = head + (bytes([len(data)]) + data if data else b"") + le
                    status, item = self.link.one("scp03_wrap", self.wrap_item(session, apdu))
                    self.assertEqual(status, "OK")
                    self.assertEqual(card.command(item.apdu), (head, data, le))
                    status, back = self.link.one(
                        "scp03_unwrap", self.unwrap_item(item.session, card.response(answer, sw)))
                    self.assertEqual((status, back.apdu), ("OK", answer + sw.to_bytes(2, "big")))
                    session = back.session

    def test_a_wrong_card_cryptogram_releases_nothing(self):
        key_set, (enc, mac, _) = self.put(SCP03)
        card = scp03.Card(enc, mac)
        for name in ("host_challenge", "card_challenge", "card_cryptogram"):
            for at in range(8):
                item = self.open_item(card, key_set, 0x33)
                setattr(item, name, flipped(getattr(item, name), at))
                status, answered = self.link.one("scp03_open", item)
                self.assertEqual((status, answered.session + answered.apdu),
                                 ("SCP03_CRYPTOGRAM", b""))
        for level in (0x00, 0x02, 0x10, 0x12, 0x23, 0x30, 0x31, 0x32, 0x81, 0xFF):
            status, answered = self.link.one("scp03_open", self.open_item(card, key_set, level))
            self.assertEqual((status, answered.session + answered.apdu), ("SCP03_LEVEL", b""))

    def test_key_sets_and_sessions_belong_to_somebody(self):
        key_set, (enc, mac, _) = self.put(SCP03)
        card = scp03.Card(enc, mac)
        for expected, changes in (
                ("BLOB_PRINCIPAL", {"principal": "gamma"}), ("BLOB_EID", {"eid": self.other.eid}),
                ("BLOB_KVN", {"kvn": 0x31}), ("BLOB_FORGED", {"key_set": flipped(key_set, 90)})):
            status, answered = self.link.one("scp03_open",
                                             self.open_item(card, key_set, 0x33, **changes))
            self.assertEqual((status, answered.session + answered.apdu), (expected, b""))
        card, session = self.opened(0x33)
        for expected, changes in (
                ("BLOB_PRINCIPAL", {"principal": "gamma"}), ("BLOB_EID", {"eid": self.other.eid}),
                ("BLOB_FORGED", {"session": flipped(session, len(session) - 1)}),
                ("BLOB_FORGED", {"session": session[:5] + b"\x03" + session[6:]}),
                ("BLOB_MALFORMED", {"session": b""})):
            for kind, item in (
                    ("scp03_wrap", self.wrap_item(session, b"\x80\xca\0\0", **changes)),
                    ("scp03_unwrap", self.unwrap_item(session, b"\x90\0", **changes))):
                status, answered = self.link.one(kind, item)
                self.assertEqual((status, answered.session + answered.apdu), (expected, b""))

    def test_a_wrong_response_has_one_answer(self):
        card, session = self.opened(0x33)
        status, item = self.link.one("scp03_wrap",
                                     self.wrap_item(session, b"\x80\xca\0\x66\0"))
        card.command(item.apdu)
        response = card.response(b"answer", 0x9000)
        wrong = [flipped(response, at) for at in range(len(response))]
        wrong += [response[:at] + b"\x90\x00" for at in range(len(response) - 2)]
        for start in range(0, len(wrong), 40):
            for status, answered in self.link.batch(
                    "scp03_unwrap", [self.unwrap_item(item.session, apdu)
                                     for apdu in wrong[start:start + 40]]):
                self.assertEqual((status, answered.session + answered.apdu),
                                 ("SCP03_RESPONSE", b""))
        # Of the session before the command, or after another one, it is no response either.
        status, _ = self.link.one("scp03_unwrap", self.unwrap_item(session, response))
        self.assertEqual(status, "SCP03_RESPONSE")
        status, _ = self.link.one("scp03_unwrap", self.unwrap_item(item.session, response))
        self.assertEqual(status, "OK")

    def test_an_error_status_word_is_told_from_what_is_proven(self):
        _, session = self.opened(0x33)
        for sw in (b"\x6a\x88", b"\x69\x82"):
            status, back = self.link.one("scp03_unwrap", self.unwrap_item(session, sw))
            self.assertEqual((status, back.apdu), ("SCP03_UNPROTECTED", sw))
            self.assertEqual(back.session, session)
        status, back = self.link.one("scp03_unwrap", self.unwrap_item(session, b"\x90\x00"))
        self.assertEqual((status, back.session), ("SCP03_RESPONSE", b""))

    def test_commands_that_are_refused(self):
        _, session = self.opened(0x33)
        data = b"\x80\xe2\0\0\xf0" + b"d" * 240  # a byte over what fits once ciphered
        for apdu in (b"", b"\x80\xca\0", b"\x84\xca\0\0", b"\x81\xca\0\0", b"\xc0\xca\0\0",
                     b"\x80\xe2\0\0\x02a", b"\x80\xe2\0\0\0\0\x01a", data):
            status, item = self.link.one("scp03_wrap", self.wrap_item(session, apdu))
            self.assertEqual((status, item.session + item.apdu), ("SCP03_APDU", b""), apdu)


if __name__ == "__main__":
    unittest.main()
