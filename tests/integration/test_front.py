"""What stands at the door: who gets in, who may do what, and frames that are no request. After each
bad guest a good client is still served.
"""
import os
import random
import unittest

import zmq

import beta
import curves
import ecka_pb2 as pb
import gpki
from deployment import Deployment
from ecka_client import NAMES, Client, NoReply, names

SILENCE = 1.0  # seconds without a reply that count as none
FRAME_MAX = 512 * 1024  # proto/wire/limits.h
VERIFY_ITEMS_MAX = 2048
UNKNOWN_FIELD = b"\x92\x03\x00"  # field 50, length-delimited, empty


class Front(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment = Deployment()
        cls.addClassCleanup(cls.deployment.stop)
        cls.deployment.add_principal("delta", ("Verify", "Info"))
        cls.deployment.start()
        cls.good = cls.deployment.client()

    def tearDown(self):
        self.assertEqual(self.good.info().principal, "beta")

    def silent(self, server_key, key_pair):
        client = Client(self.deployment.endpoint, server_key, key_pair)
        self.addCleanup(client.close)
        client.submit(info=pb.Info())
        with self.assertRaises(NoReply):
            client.receive(SILENCE)

    # -- who gets in --

    def test_unknown_client_key(self):
        self.silent(self.deployment.server_key, zmq.curve_keypair())

    def test_no_curve(self):
        self.silent(None, None)

    def test_wrong_server_key(self):
        self.silent(zmq.curve_keypair()[0], self.deployment.keys["beta"])

    def test_plain_mechanism(self):
        context = zmq.Context()
        socket = context.socket(zmq.DEALER)
        socket.linger = 0
        socket.plain_username, socket.plain_password = b"beta", b"beta"
        socket.connect(self.deployment.endpoint)
        socket.send(pb.Request(version=1, id=1, info=pb.Info()).SerializeToString())
        self.assertEqual(socket.poll(int(SILENCE * 1000)), 0)
        socket.close()
        context.term()

    def test_operations_of_a_principal(self):
        client = self.deployment.client("delta")
        self.assertEqual(client.info().principal, "delta")
        card = beta.cards.Card(gpki.make_eum(gpki.make_ci()), beta.CA_ID, curves.P256)
        self.assertEqual(NAMES[client.call(verify_chain=beta.chain([card])).status], "DENIED")
        request = beta.establish([card], bytes(32))
        self.assertEqual(NAMES[client.call(establish=request).status], "DENIED")
        result = client.ok(verify=self.verify(1))
        self.assertEqual(names(result.item_status), ["OK"])

    # -- Verify, the operation without state --

    def verify(self, count, curve=curves.P256):
        named = {1: gpki.ec.SECP256R1, 2: gpki.ec.BrainpoolP256R1}[curve.number]
        key = gpki.new_key(named)
        messages = [bytes([i & 0xFF, i >> 8]) for i in range(count)]
        return pb.Verify(curve=curve.number, public_keys=gpki.point_of(key.public_key()),
                         digests=b"".join(gpki.hashlib.sha256(m).digest() for m in messages),
                         signatures=b"".join(gpki.sign_raw(key, m) for m in messages))

    def test_verify(self):
        for curve in (curves.P256, curves.BRAINPOOL):
            request = self.verify(40, curve)
            self.assertEqual(names(self.good.ok(verify=request).item_status), ["OK"] * 40)
            signatures = bytearray(request.signatures)
            signatures[64 * 7] ^= 1
            request.signatures = bytes(signatures)
            self.assertEqual(
                names(self.good.ok(verify=request).item_status),
                ["SIGNATURE_INVALID" if i == 7 else "OK" for i in range(40)])

    def test_verify_with_indexed_keys(self):
        one, other = self.verify(2), self.verify(2)
        request = pb.Verify(curve=1, public_keys=one.public_keys + other.public_keys,
                            key_index=b"\0\0\0\1\0\1\0\2",
                            digests=one.digests[:32] + other.digests[:32] + one.digests[32:]
                            + one.digests[:32],
                            signatures=one.signatures[:64] + other.signatures[:64]
                            + one.signatures[64:] + one.signatures[:64])
        self.assertEqual(names(self.good.ok(verify=request).item_status),
                         ["OK", "OK", "SIGNATURE_INVALID", "BAD_KEY_INDEX"])

    # -- frames that are no request --

    def refused(self, frame, status, field="", wanted_id=None):
        self.good.send_raw(frame)
        reply = self.good.receive()
        self.assertEqual(NAMES[reply.status], status, reply.detail)
        self.assertIn(field, reply.detail)
        self.assertIsNone(reply.WhichOneof("result"))
        if wanted_id is not None:
            self.assertEqual(reply.id, wanted_id)
        self.assertEqual(self.good.info().protocol, 1)

    def test_no_protobuf(self):
        for frame in (b"", b"\xff", b"\x00" * 10, b"\x52\xff\xff\xff\x0f", b"GET / HTTP/1.1\r\n"):
            self.good.send_raw(frame)
            reply = self.good.receive()
            self.assertIn(NAMES[reply.status], ("BAD_REQUEST", "UNSUPPORTED_VERSION"), frame)
            self.assertEqual(reply.id, 0)

    def test_random_frames(self):
        seed = int(os.environ.get("ECKA_SEED", random.SystemRandom().getrandbits(32)))
        print(f"ECKA_SEED={seed}")
        generator = random.Random(seed)
        good = pb.Request(version=1, id=9, verify=self.verify(3)).SerializeToString()
        for _ in range(300):
            if generator.random() < 0.5:
                frame = generator.randbytes(generator.randrange(200))
            else:
                frame = bytearray(good)
                for _ in range(generator.randrange(1, 6)):
                    frame[generator.randrange(len(frame))] = generator.randrange(256)
                frame = bytes(frame[:generator.randrange(len(frame) + 1)])
            self.good.send_raw(frame)
            self.good.receive()

    def test_envelope(self):
        info = pb.Info()
        self.refused(pb.Request(version=2, id=5, info=info).SerializeToString(),
                     "UNSUPPORTED_VERSION", wanted_id=5)
        self.refused(pb.Request(id=5, info=info).SerializeToString(), "UNSUPPORTED_VERSION")
        self.refused(pb.Request(version=1, info=info).SerializeToString(), "BAD_REQUEST", "id")
        self.refused(pb.Request(version=1, id=5).SerializeToString(), "UNKNOWN_OPERATION",
                     wanted_id=5)
        self.refused(pb.Request(version=1, id=5).SerializeToString() + UNKNOWN_FIELD,
                     "UNKNOWN_OPERATION", wanted_id=5)

    def test_columns(self):
        def frame(**changes):
            request = self.verify(3)
            for name, value in changes.items():
                setattr(request, name, value)
            return pb.Request(version=1, id=6, verify=request).SerializeToString()

        for field, value in (("public_keys", b"\x04" * 64), ("public_keys", b""),
                             ("digests", bytes(95)), ("digests", bytes(64)),
                             ("signatures", bytes(191)), ("signatures", bytes(4 * 64)),
                             ("key_index", bytes(5)), ("key_index", bytes(8))):
            with self.subTest(field=field, length=len(value)):
                self.refused(frame(**{field: value}), "BAD_REQUEST", wanted_id=6)
        self.refused(frame(signatures=bytes(191)), "BAD_REQUEST", "signatures")
        self.refused(frame(digests=b"", signatures=b""), "BAD_REQUEST", "")

    def test_counts_that_disagree(self):
        eum = gpki.make_eum(gpki.make_ci())
        items = [beta.cards.Card(eum, beta.CA_ID, curves.P256, i) for i in range(3)]

        def frame(**changes):
            sr_key_id = changes.pop("sr_key_id", bytes(32))
            return pb.Request(version=1, id=7, establish=beta.establish(
                items, sr_key_id, **changes)).SerializeToString()

        for field, value in (
                ("sr_key_id", bytes(31)), ("eids", bytes(47)), ("eums", [bytes(32)] * 2),
                ("ecasd_certs", [b"x"] * 4), ("rcs", [bytes(16)] * 2), ("kvns", b"\1\1"),
                ("scenarios", b"\x08" * 4), ("counters", bytes(14)), ("expiries", bytes(8)),
                ("key_usages", b"\x10"), ("host_ids", [b"h"] * 2)):
            with self.subTest(field):
                self.refused(frame(**{field: value}), "BAD_REQUEST",
                             "" if field == "eids" else field, wanted_id=7)

    def test_too_many_items(self):
        count = VERIFY_ITEMS_MAX + 1
        request = pb.Verify(curve=1, public_keys=bytes(65), digests=bytes(32 * count),
                            signatures=bytes(64 * count))
        self.refused(pb.Request(version=1, id=8, verify=request).SerializeToString(),
                     "BAD_REQUEST", wanted_id=8)
        count = self.good.info().max_items + 1
        request = pb.VerifyChain(eids=bytes(16 * count), ecasd_certs=[b"x"] * count,
                                 eums=[bytes(32)])
        self.refused(pb.Request(version=1, id=8, verify_chain=request).SerializeToString(),
                     "BAD_REQUEST", "eids", wanted_id=8)

    def test_oversized_certificate(self):
        request = pb.VerifyChain(eids=bytes(16), ecasd_certs=[bytes(513)], eums=[bytes(32)])
        self.refused(pb.Request(version=1, id=8, verify_chain=request).SerializeToString(),
                     "BAD_REQUEST", "ecasd_certs", wanted_id=8)

    def test_frame_over_the_limit_loses_its_own_connection_alone(self):
        client = self.deployment.client()
        monitor = client.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self.assertEqual(client.info().principal, "beta")
        client.send_raw(bytes(FRAME_MAX + 1))
        self.assertTrue(monitor.poll(10000), "the connection lives on")
        client.socket.disable_monitor()
        self.assertEqual(self.good.info().principal, "beta")
        self.assertEqual(client.info().principal, "beta")  # libzmq has connected again

    def test_frames_of_several_parts(self):
        self.good.socket.send_multipart([b"a", b"b", b"c"])
        try:
            while True:
                self.assertNotEqual(self.good.receive(0.5).status, 0)
        except NoReply:
            pass

    def test_deadline(self):
        self.assertIn(NAMES[self.good.call(deadline_us=1, verify=self.verify(64)).status],
                      ("OK", "DEADLINE"))


if __name__ == "__main__":
    unittest.main()
