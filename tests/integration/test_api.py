"""Every custody operation beyond the handover, over the wire, through eckad, into a token and back:
what each gives is used by a card or verified in Python, and what each refuses is asked for.
"""
import hashlib
import secrets
import signal
import subprocess
import time
import unittest

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding

import beta
import card as cards
import curves
import ecka_pb2 as pb
import gpki
import scp03
from deployment import OPERATIONS, Deployment
from ecka_client import NAMES, column, names
from observe import Observer

CUSTODY = ("Sign", "Agree", "KeySetCreate", "Scp03Open", "Scp03Wrap", "Scp03Unwrap", "Reseal",
           "Rewrap")
SIGN_LABEL, KEK_LABEL = "demo-sign", "other-hsm"  # the first is provision's
OTHER_LABELS = ("eckad sr-establish 1", "sr-establish", KEK_LABEL, "nobody")
NONE, TOKEN, MEMORY = 0, 1, 2
SCP80, SCP81, SCP03 = 1, 2, 3
KEK = secrets.token_bytes(32)
PATIENCE = 20  # seconds for what takes none


def requests():
    """A request of each operation that passes the wire, of an item that must fail."""
    sets = {"key_sets": [b"set"], "eids": bytes(16), "kvns": b"\x01"}
    session = {"sessions": [b"session"], "eids": bytes(16), "apdus": [b"apdu"]}
    return {
        "Sign": {"sign": pb.Sign(key_label="nobody", digests=bytes(32))},
        "Agree": {"agree": pb.Agree(curve=4, peers=bytes(65), length=1)},
        "KeySetCreate": {"key_set_create": pb.KeySetCreate(kinds=b"\1", new_kvns=b"\2", **sets)},
        "Scp03Open": {"scp03_open": pb.Scp03Open(
            host_challenges=bytes(8), card_challenges=bytes(8), card_cryptograms=bytes(8),
            security_levels=b"\1", **sets)},
        "Scp03Wrap": {"scp03_wrap": pb.Scp03Wrap(**session)},
        "Scp03Unwrap": {"scp03_unwrap": pb.Scp03Unwrap(**session)},
        "Reseal": {"reseal": pb.Reseal(**sets)},
        "Rewrap": {"rewrap": pb.Rewrap(kek_label="nobody", **sets)},
    }


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment = d = Deployment(supervised=False)
        cls.addClassCleanup(d.stop)
        cls.pki = beta.Pki(d)
        for name in ("gamma", "delta", "epsilon"):
            d.add_principal(name, OPERATIONS + (() if name == "delta" else CUSTODY),
                            sign_keys=[SIGN_LABEL, *OTHER_LABELS], keks=[KEK_LABEL, SIGN_LABEL, "nobody"])
        cls.import_kek()
        cls.keys("grant", "--principal", "gamma", "--kek", KEK_LABEL, "--quota", "2")
        cls.points = {}
        for line in (d.path / "keys.txt").read_text().splitlines():
            _, purpose, _, _, *label, point = line.split(" ")
            cls.points[" ".join(label)] = cls.points[purpose] = point
        d.start()
        cls.client, cls.other, cls.ungranted = map(d.client, ("gamma", "epsilon", "delta"))
        key_id, point = d.sr_certificates()[1]
        cls.sr = (curves.P256, key_id, point)

    @classmethod
    def keys(cls, verb, *args):
        done = subprocess.run([cls.deployment.program("eckactl"), "keys", verb, *map(str, args),
                               "--custodian", cls.deployment.custodian_config(1)],
                              env=cls.deployment.env, capture_output=True, text=True, timeout=120,
                              check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @classmethod
    def import_kek(cls):
        transport = serialization.load_pem_public_key(cls.keys("import-kek", "--begin").encode())
        sha1 = hashes.SHA1()
        wrapped = cls.deployment.path / "kek.wrapped"
        wrapped.write_bytes(transport.encrypt(KEK, padding.OAEP(padding.MGF1(sha1), sha1, None)))
        wrapped.chmod(0o600)
        cls.keys("import-kek", "--name", KEK_LABEL, "--finish", wrapped)

    def handed_over(self, number=1, **options):
        done = beta.Handover(self.client, self.pki.card(number=number), self.sr, **options)
        self.assertEqual(done.confirm(), "OK")
        return done

    def refused(self, says, client=None, **op):
        """The request as a whole, with a sentence that says so."""
        reply = (client or self.client).call(**op)
        self.assertIn(NAMES[reply.status], ("BAD_REQUEST", "DENIED"))
        self.assertIn(says, reply.detail)

    # -- policy --

    def test_what_is_not_granted_is_denied(self):
        self.assertEqual(tuple(requests()), CUSTODY)
        for name, op in requests().items():
            self.refused(f"policy grants delta no {name}", self.ungranted, **op)
            self.assertEqual(len(self.client.ok(**op).item_status), 1)

    # -- Sign --

    def test_sign(self):
        documents = [b"document %d" % i for i in range(60)]  # more than a custody batch
        digests = b"".join(hashlib.sha256(d).digest() for d in documents)
        result = self.client.ok(sign=pb.Sign(key_label=SIGN_LABEL, digests=digests))
        self.assertEqual(names(result.item_status), ["OK"] * 60)
        point = bytes.fromhex(self.points[SIGN_LABEL])
        for document, signature in zip(documents, column(result.signatures, 64)):
            gpki.verify_raw(point, curves.P256, signature, document)
        verified = self.client.ok(verify=pb.Verify(
            curve=1, public_keys=point, digests=digests, signatures=result.signatures))
        self.assertEqual(names(verified.item_status), ["OK"] * 60)

    def test_no_other_key_signs(self):
        for label in OTHER_LABELS:
            result = self.client.ok(sign=pb.Sign(key_label=label, digests=bytes(64)))
            self.assertEqual(names(result.item_status), ["KEY_UNKNOWN"] * 2, label)
            self.assertEqual(result.signatures, bytes(128))
        for says, changes in (("key_label", {"key_label": ""}), ("key_label", {"key_label": "k" * 33}),
                              ("digests", {"digests": bytes(31)}), ("digests", {"digests": b""}),
                              ("digests", {"digests": bytes(32 * 257)})):
            self.refused(f"Sign: {says}", sign=pb.Sign(**{
                "key_label": SIGN_LABEL, "digests": bytes(32), **changes}))

    # -- Agree --

    def test_agree(self):
        for curve in curves.ALL:
            for custody in (NONE, MEMORY, TOKEN):
                peers = [curve.keypair()[1] for _ in range(3)]
                beside = bytes(64) + b"\x01"
                result = self.client.ok(agree=pb.Agree(
                    curve=curve.number, peers=peers[0] + beside + peers[2],
                    shared_infos=[b"info"], length=48, custody=custody))
                lacking = curve is curves.FRP256V1 and custody == TOKEN
                good = "CUSTODY_LACKING" if lacking else "OK"
                self.assertEqual(names(result.item_status),
                                 [good, "CUSTODY_LACKING" if lacking else "BAD_POINT", good])
                for i, (epk, where) in enumerate(zip(column(result.epks, 65),
                                                     column(result.custody, 4))):
                    done = good == "OK" and i != 1
                    self.assertEqual(list(where), [NONE, custody or MEMORY, custody or MEMORY, MEMORY]
                                     if done else [NONE] * 4)
                    self.assertEqual(curve.contains(curves.decode(epk)) if done else epk,
                                     True if done else bytes(65))
                    self.assertEqual(result.key_blobs[i] != b"", done)

    def test_what_agree_refuses(self):
        _, peer = curves.P256.keypair()
        good = {"curve": 1, "peers": peer, "length": 16}
        for says, changes in (("length", {"length": 0}), ("length", {"length": 65}),
                              ("custody", {"custody": 3}), ("peers", {"peers": peer[1:]}),
                              ("shared_infos", {"shared_infos": [bytes(65)]}),
                              ("shared_infos", {"shared_infos": [b"a", b"b"]})):
            self.refused(f"Agree: {says}", agree=pb.Agree(**{**good, **changes}))
        result = self.client.ok(agree=pb.Agree(**{**good, "curve": 4}))
        self.assertEqual(names(result.item_status), ["BAD_CURVE"])

    def test_an_agreed_key_is_no_key_set(self):
        card = self.pki.card()
        _, peer = curves.P256.keypair()
        blob = self.client.ok(agree=pb.Agree(curve=1, peers=peer, length=48)).key_blobs[0]
        result = self.client.ok(scp80_wrap=beta.wrap(card, blob, 1, 1, b"x", eids=bytes(16)))
        self.assertEqual(names(result.item_status), ["BLOB_TYPE"])

    # -- custody of the handover's secrets --

    def test_establish_at_custody_token(self):
        done = self.handed_over(custody=TOKEN)
        self.assertEqual(list(done.result.custody), [TOKEN, TOKEN, TOKEN, MEMORY])
        self.assertEqual(done.kcvs, done.card.keys.kcvs())
        with_dr = self.client.ok(establish=beta.establish(
            [self.pki.card()], self.sr[1], scenario=cards.CHECKED | cards.WITH_DR, custody=TOKEN))
        self.assertEqual(names(with_dr.item_status), ["CUSTODY_WITH_DR"])
        self.assertEqual((with_dr.tickets[0], with_dr.custody), (b"", bytes(4)))
        self.refused("Establish: custody is 3", establish=beta.establish(
            [self.pki.card()], self.sr[1], custody=3))

    # -- KeySetCreate --

    def create(self, done, kinds=(SCP80, SCP81, SCP03), new_kvns=(0x0F, 0x40, 0x30), client=None,
               **changes):
        n = len(kinds)
        return (client or self.client).ok(key_set_create=pb.KeySetCreate(**{
            "key_sets": [done.key_set] * n, "eids": done.card.eid * n, "kvns": bytes([done.kvn]) * n,
            "kinds": bytes(kinds), "new_kvns": bytes(new_kvns), **changes}))

    def put(self, done, put_key, kvn):
        """The keys that the card has after this PUT KEY."""
        self.assertEqual(put_key[0], kvn)
        keys = []
        for at in range(1, len(put_key), 23):
            self.assertEqual((put_key[at + 1:at + 3], put_key[at + 19]), (b"\x11\x10", 3))
            keys.append(scp03.under_dek(done.card.keys.dek, put_key[at + 3:at + 19]))
            self.assertEqual(cards.kcv(keys[-1]), put_key[at + 20:at + 23])
        return keys

    def test_key_sets_beside_the_one_of_the_handover(self):
        done = self.handed_over()
        result = self.create(done)
        self.assertEqual(names(result.item_status), ["OK"] * 3)
        sets = [self.put(done, put_key, kvn)
                for put_key, kvn in zip(result.put_keys, (0x0F, 0x40, 0x30))]
        self.assertEqual([len(keys) for keys in sets], [3, 1, 3])
        self.assertEqual(len({key for keys in sets for key in keys}), 7)
        self.assertEqual(column(result.kcvs, 9), [b"".join(map(cards.kcv, keys)).ljust(9, b"\0")
                                                  for keys in sets])
        packet = self.client.ok(scp80_wrap=beta.wrap(
            done.card, result.new_key_sets[0], 0x0F, 1, b"under the new set")).packets[0]
        on_card = cards.KeySet(bytes(16) + b"".join(sets[0]))
        self.assertEqual(cards.open_command(on_card, packet)[-1], b"under the new set")

    def test_what_key_set_create_refuses(self):
        done = self.handed_over()
        result = self.create(done, (SCP80, 4, SCP80, SCP03), (0x10, 1, done.kvn, 0x31))
        self.assertEqual(names(result.item_status),
                         ["BAD_KVN", "BAD_KEY_SET_KIND", "BAD_KVN", "OK"])
        self.assertEqual(([len(s) for s in result.new_key_sets[:3]], result.kcvs[:27]),
                         ([0, 0, 0], bytes(27)))
        for status, client, changes in (
                ("BLOB_PRINCIPAL", self.other, {}), ("BLOB_KVN", None, {"kvns": b"\x02"}),
                ("BLOB_EID", None, {"eids": self.pki.card(number=9).eid}),
                ("BLOB_TYPE", None, {"key_sets": [done.ticket]})):
            result = self.create(done, (SCP03,), (0x30,), client, **changes)
            self.assertEqual(names(result.item_status), [status])
            self.assertEqual((result.new_key_sets[0], result.put_keys[0]), (b"", b""))

    # -- SCP03 --

    def scp03_set(self, done):
        """(key set, the card's ENC and MAC)"""
        result = self.create(done, (SCP03,), (0x30,))
        enc, mac, _ = self.put(done, result.put_keys[0], 0x30)
        return result.new_key_sets[0], enc, mac

    def open_request(self, done, key_set, card, level, **changes):
        return pb.Scp03Open(**{
            "key_sets": [key_set], "eids": done.card.eid, "kvns": b"\x30",
            "host_challenges": card.host, "card_challenges": card.card,
            "card_cryptograms": card.cryptogram, "security_levels": bytes([level]), **changes})

    def opened(self, done, level):
        key_set, enc, mac = self.scp03_set(done)
        card = scp03.Card(enc, mac)
        result = self.client.ok(scp03_open=self.open_request(done, key_set, card, level))
        self.assertEqual(names(result.item_status), ["OK"])
        card.external_authenticate(result.apdus[0])
        return card, result.sessions[0]

    def unwrap(self, done, session, apdu, client=None):
        return (client or self.client).ok(scp03_unwrap=pb.Scp03Unwrap(
            sessions=[session], eids=done.card.eid, apdus=[apdu]))

    def wrap(self, done, session, apdu, client=None):
        return (client or self.client).ok(scp03_wrap=pb.Scp03Wrap(
            sessions=[session], eids=done.card.eid, apdus=[apdu]))

    def test_an_scp03_session_at_each_level(self):
        done = self.handed_over()
        for level in (0x01, 0x03, 0x11, 0x13, 0x33):
            with self.subTest(level=hex(level)):
                card, session = self.opened(done, level)
                for data, answer in ((b"d" * 239, b"a" * 200), (b"", b""), (b"data", b"answer")):
                    lc = bytes([len(data)]) + data if data else b""
                    wrapped = self.wrap(done, session, b"\x80\xe2\x11\x22" + lc + b"\0")
                    self.assertEqual(names(wrapped.item_status), ["OK"])
                    self.assertEqual(card.command(wrapped.apdus[0]),
                                     (b"\x80\xe2\x11\x22", data, b"\0"))
                    back = self.unwrap(done, wrapped.sessions[0], card.response(answer, 0x9000))
                    self.assertEqual((names(back.item_status), back.apdus[0]),
                                     (["OK"], answer + b"\x90\x00"))
                    session = back.sessions[0]

    def test_what_scp03_refuses(self):
        done = self.handed_over()
        key_set, enc, mac = self.scp03_set(done)
        card = scp03.Card(enc, mac)
        wrong = bytes([card.cryptogram[0] ^ 1]) + card.cryptogram[1:]
        for status, client, changes in (
                ("SCP03_CRYPTOGRAM", None, {"card_cryptograms": wrong}),
                ("SCP03_LEVEL", None, {"security_levels": b"\x30"}),
                ("BLOB_PRINCIPAL", self.other, {}), ("BLOB_KVN", None, {"kvns": b"\x31"}),
                ("BLOB_TYPE", None, {"key_sets": [done.key_set], "kvns": b"\x01"})):
            result = (client or self.client).ok(
                scp03_open=self.open_request(done, key_set, card, 0x33, **changes))
            self.assertEqual(names(result.item_status), [status])
            self.assertEqual((result.sessions[0], result.apdus[0]), (b"", b""))
        self.refused("Scp03Open: card_challenges", scp03_open=self.open_request(
            done, key_set, card, 0x33, card_challenges=bytes(7)))

        card, session = self.opened(done, 0x33)
        self.assertEqual(names(self.wrap(done, session, b"\x80\xca\0\0", self.other).item_status),
                         ["BLOB_PRINCIPAL"])
        self.refused("Scp03Wrap: apdus[0] has 262 bytes", scp03_wrap=pb.Scp03Wrap(
            sessions=[session], eids=done.card.eid, apdus=[bytes(262)]))
        self.assertEqual(names(self.wrap(done, key_set, b"\x80\xca\0\0").item_status), ["BLOB_TYPE"])
        session = self.wrap(done, session, b"\x80\xca\0\x66\0").sessions[0]
        changed = self.unwrap(done, session, b"answer--" + bytes(8) + b"\x90\x00")
        self.assertEqual((names(changed.item_status), changed.sessions[0], changed.apdus[0]),
                         (["SCP03_RESPONSE"], b"", b""))
        bare = self.unwrap(done, session, b"\x6a\x88")  # nothing protects it; the session goes on
        self.assertEqual((names(bare.item_status), bare.apdus[0]), (["SCP03_UNPROTECTED"], b"\x6a\x88"))
        self.assertNotEqual(bare.sessions[0], b"")

    # -- Reseal and Rewrap --

    def test_reseal_moves_a_set_to_the_newest_generation(self):
        done = self.handed_over()

        def reseal(key_set, client=None):
            return (client or self.client).ok(reseal=pb.Reseal(
                key_sets=[key_set], eids=done.card.eid, kvns=bytes([done.kvn])))

        self.assertEqual(list(reseal(done.key_set).key_sets), [done.key_set])
        self.keys("rotate", "keyset")
        self.deployment.processes["c1"].popen.send_signal(signal.SIGHUP)
        before, deadline = done.key_set, time.monotonic() + PATIENCE
        while (moved := reseal(before)).key_sets[0] == before:
            self.assertEqual(names(moved.item_status), ["OK"])
            self.assertLess(time.monotonic(), deadline, "the new generation is not used")
        self.assertEqual(moved.key_sets[0][6:10], (int.from_bytes(before[6:10], "big") + 1)
                         .to_bytes(4, "big"))
        self.assertEqual(list(reseal(before).key_sets), list(moved.key_sets))
        self.assertEqual(names(reseal(before, self.other).item_status), ["BLOB_PRINCIPAL"])
        for key_set in (before, moved.key_sets[0]):
            packet = self.client.ok(scp80_wrap=beta.wrap(done.card, key_set, done.kvn, 3, b"p"))
            self.assertEqual(cards.open_command(done.card.keys, packet.packets[0])[-1], b"p")

    def test_rewrap_goes_as_far_as_its_grant(self):
        done = self.handed_over()

        def rewrap(client=None, label=KEK_LABEL):
            return (client or self.client).ok(rewrap=pb.Rewrap(
                kek_label=label, key_sets=[done.key_set], eids=done.card.eid,
                kvns=bytes([done.kvn])))

        for client, label in ((self.other, KEK_LABEL), (None, "nobody"), (None, SIGN_LABEL)):
            result = rewrap(client, label)
            self.assertEqual(names(result.item_status), ["DENIED"])
            self.assertEqual((result.wrapped[0], result.manifests[0], result.signatures),
                             (b"", b"", bytes(64)))
        keys = done.card.keys
        for _ in range(2):
            result = rewrap()
            self.assertEqual(names(result.item_status), ["OK"])
            self.assertEqual(aes_key_unwrap_with_padding(KEK, result.wrapped[0]),
                             keys.enc + keys.mac + keys.dek)
            gpki.verify_raw(bytes.fromhex(self.points["checkpoint"]), curves.P256,
                            result.signatures, result.manifests[0])
            self.assertIn(b"gamma", result.manifests[0])
        self.assertEqual(names(rewrap().item_status), ["GRANT_EXHAUSTED"])

    # -- all of them --

    def test_each_operation_and_its_batches_are_counted(self):
        observer = Observer(self.deployment)
        before = observer.look()
        for name, op in requests().items():
            (status,) = names(self.client.ok(**op).item_status)
            after, (kind,) = observer.look(), op
            self.assertNotEqual(status, "OK")
            for metric, labels in (
                    ("eckad_requests_total", {"operation": name, "status": "OK"}),
                    ("eckad_items_total", {"operation": name, "status": status}),
                    ("eckad_errors_total", {"operation": name, "status": status}),
                    ("eckad_request_duration_seconds_count", {"operation": name}),
                    ("eckad_batch_items_sum", {"batch": kind})):
                self.assertEqual(after(metric, **labels) - before(metric, **labels), 1,
                                 (metric, labels))


if __name__ == "__main__":
    unittest.main()
