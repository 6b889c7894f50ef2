"""The custodian's socket under a peer that misbehaves: refused, and a good one is still served."""
import os
import random
import subprocess
import unittest

import card as cards
import curves
import gpki
from custodian import FRAME_MAX, STATUS, Link, Token, establish_item
from custody_pb2 import Batch, Hello


class Socket(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.token = Token()
        cls.addClassCleanup(cls.token.stop)
        keys = cls.token.first_ceremony()
        cls.key_id = cls.token.certify("sr.der", curves.P256, bytes.fromhex(keys[0][4]))
        cls.custodian = cls.token.start()
        cls.card = cards.Card(gpki.make_eum(gpki.make_ci()), b"\x01", curves.P256)

    def setUp(self):
        self.link = Link(self.custodian)
        self.addCleanup(self.link.close)

    def tearDown(self):
        """Whatever happened, a good peer on a new connection is served."""
        link = Link(self.custodian)
        self.assertEqual(link.one("establish", establish_item(self.card, self.key_id))[0], "OK")
        link.close()

    def assert_refused(self, frame, number=0):
        answer = self.link.exchange(frame)
        self.assertEqual((answer.status, answer.id), (STATUS["BAD_REQUEST"], number))
        self.assertIsNone(answer.WhichOneof("kind"))
        self.assertNotEqual(answer.detail, "")

    def test_frames_that_are_no_batch(self):
        for frame in (b"\xff", b"\x00", b"\x08", b"GET / HTTP/1.1\r\n", bytes(1000)):
            self.assert_refused(frame)
        self.assert_refused(Batch(id=9).SerializeToString(), 9)
        self.assertEqual(self.link.hello().version, 1)  # the connection lives on

    def test_hello_of_another_version(self):
        self.assert_refused(Batch(id=3, hello=Hello(version=2)).SerializeToString(), 3)

    def test_counts_and_lengths(self):
        item = establish_item(self.card, self.key_id)
        for count in (0, 49):
            batch = Batch(id=5)
            batch.establish.SetInParent()
            batch.establish.items.extend([item] * count)
            self.assert_refused(batch.SerializeToString(), 5)
        for changes in ({"eid": b"\x89"}, {"pk_ecasd": b"\x04" * 64}, {"sr_key_id": b""},
                        {"principal": ""}, {"principal": "Beta"}, {"principal": "b" * 33},
                        {"rc": bytes(33)}, {"kvn": 256}, {"scenario": 264}, {"sin": bytes(33)}):
            batch = Batch(id=6)
            batch.establish.items.extend([item, establish_item(self.card, self.key_id, **changes)])
            self.assert_refused(batch.SerializeToString(), 6)

    def test_a_ticket_is_no_key_set(self):
        ticket = self.link.one("establish", establish_item(self.card, self.key_id))[1].ticket
        batch = Batch(id=8)
        batch.scp80_wrap.items.add(principal="beta", key_set=ticket, eid=self.card.eid, kvn=1,
                                   spi=0x1639, counter=1)
        answer = self.link.exchange(batch.SerializeToString())
        self.assertEqual([i.status for i in answer.scp80_wrap.items], [STATUS["BLOB_TYPE"]])

    def test_a_message_over_the_limit(self):
        self.assert_refused(bytes(FRAME_MAX + 1))
        self.assertEqual(self.link.hello().version, 1)

    def test_many_tiny_items_cost_no_memory(self):
        """64 K empty items unpack to far more than they weigh; the arena says no."""
        item = b"\x0a\x00" * (FRAME_MAX // 2 - 8)
        length, varint = len(item), b""
        while length >= 0x80:
            varint, length = varint + bytes([length & 0x7F | 0x80]), length >> 7
        self.assert_refused(b"\x5a" + varint + bytes([length]) + item)

    def test_random_damage(self):
        seed = int.from_bytes(os.urandom(4), "big")
        print("seed", seed)
        rng = random.Random(seed)
        batch = Batch(id=11)
        batch.establish.items.extend([establish_item(self.card, self.key_id)] * 3)
        good = batch.SerializeToString()
        for _ in range(300):
            frame = bytearray(good)
            for _ in range(rng.randrange(1, 6)):
                frame[rng.randrange(len(frame))] = rng.randrange(256)
            self.link.exchange(bytes(frame[:rng.randrange(1, len(frame) + 1)]))

    def test_a_peer_of_another_user_is_refused(self):
        token = Token()
        self.addCleanup(token.stop)
        token.first_ceremony()
        token.configure(peer_uid=os.geteuid() + 1)
        custodian = token.start()
        link = Link(custodian)
        self.addCleanup(link.close)
        try:
            link.socket.send(Batch(id=1, hello=Hello(version=1)).SerializeToString())
            answer = link.socket.recv(FRAME_MAX)
        except ConnectionError:
            answer = b""
        self.assertEqual(answer, b"")
        self.assertIn("a connection of another user was refused", custodian.output())

    @unittest.skipIf(os.geteuid() != 0, "only root may be somebody else")
    def test_the_user_named_is_served_and_root_is_not(self):
        """By the kernel's word, in processes of three users; the socket lets each of them connect."""
        token = Token()
        self.addCleanup(token.stop)
        token.first_ceremony()
        nobody, daemon = 65534, 1
        token.configure(peer_uid=nobody)
        for folder in (token.path, token.path / "run"):
            folder.chmod(0o711)
        custodian = token.start()
        hello = Batch(id=1, hello=Hello(version=1)).SerializeToString().hex()
        ask = ("import socket, sys\ns = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
               "s.connect(sys.argv[1])\ntry:\n    s.send(bytes.fromhex(sys.argv[2]))\n"
               "    print(len(s.recv(65536)) > 0)\nexcept OSError:\n    print(False)\n")

        def served(uid):
            done = subprocess.run(["/usr/bin/python3", "-I", "-c", ask, custodian.socket_path, hello],
                                  user=uid, cwd="/", check=True, capture_output=True, text=True)
            return done.stdout.strip()

        self.assertEqual([served(uid) for uid in (nobody, daemon, 0, nobody)],
                         ["True", "False", "False", "True"])
        self.assertEqual(custodian.output().count("a connection of another user was refused"), 2)

    def test_peers_that_leave(self):
        for _ in range(40):
            link = Link(self.custodian)
            link.socket.send(Batch(id=1, hello=Hello(version=1)).SerializeToString())
            link.close()

    def test_more_connections_than_there_is_room_for(self):
        links = [Link(self.custodian) for _ in range(20)]
        self.assertEqual(self.link.hello().version, 1)
        for link in links:
            link.close()


if __name__ == "__main__":
    unittest.main()
