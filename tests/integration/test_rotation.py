"""Every purpose rotates while handovers run: nothing is lost, nobody restarts, no connection drops."""
import hashlib
import itertools
import re
import signal
import subprocess
import threading
import time
import unittest

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding

import beta
import card as cards
import curves
import ecka_pb2 as pb
import gpki
from deployment import OPERATIONS, Deployment
from ecka_client import names

SIGN_LABEL, KEK_LABEL = "demo-sign", "partner-1"  # the first is provision's
THREADS = 2
TURNS = 3  # turns that each thread finishes after each rotation
WAIT_SECONDS = 60


def confirmed(handover):
    status = handover.confirm()
    assert status == "OK", status
    assert handover.kcvs == handover.card.keys.kcvs()


def opened(handover, counter):
    """A packet under the stored set, and what the card reads in it."""
    request = beta.wrap(handover.card, handover.key_set, handover.kvn, counter, b"command")
    result = handover.client.ok(scp80_wrap=request)
    assert names(result.item_status) == ["OK"], names(result.item_status)
    *_, payload = cards.open_command(handover.card.keys, result.packets[0])
    assert payload == b"command"


def unwrapped(kek, wrapped):
    try:
        return aes_key_unwrap_with_padding(kek, wrapped)
    except InvalidUnwrap:
        return None


def generation(blob):
    """From a blob's header: magic(4) version(1) type(1) generation(4)."""
    return int.from_bytes(blob[6:10], "big")


def certificate_of(curve, point):
    """A CERT.SR.ECDSA; who signed it is the card's to ask."""
    fields = [(0x93, b"\x02"), (0x42, b"CI"), (0x5F20, b"SM-SR"), (0x95, b"\x88"),
              (0x5F24, b"\x20\x40\x12\x31"), (0x73, gpki.tlv(0xC8, b"\x02")),
              (0x7F49, gpki.tlv(0xB0, point) + gpki.tlv(0xF0, bytes([curve.ref])))]
    return gpki.seal_7f21(fields, gpki.new_key())


def verifies(points, signature, octets):
    """Whether one of these P-256 keys made it."""
    for point in points:
        try:
            gpki.verify_raw(point, curves.P256, signature, octets)
            return True
        except InvalidSignature:
            continue
    return False


class Load(threading.Thread):
    """Does one thing after another until it is told to end: turn() is one, complete and checked."""

    def __init__(self, turn):
        super().__init__()
        self.turn = turn
        self.done, self.error, self.over = 0, None, threading.Event()

    def run(self):
        try:
            while not self.over.is_set():
                self.turn()
                self.done += 1
        except BaseException as error:  # told by finish(), in the test's own thread
            self.error = error

    def wait_for_turns(self):
        deadline, wanted = time.monotonic() + WAIT_SECONDS, self.done + TURNS
        while self.done < wanted and self.error is None:
            assert time.monotonic() < deadline, "the load stands still"
            time.sleep(0.01)
        if self.error is not None:
            raise self.error

    def finish(self):
        self.over.set()
        self.join()
        if self.error is not None:
            raise self.error


class Rotation(unittest.TestCase):
    def setUp(self):
        self.deployment = Deployment(custodians=2)
        self.addCleanup(self.deployment.stop)
        self.pki = beta.Pki(self.deployment)
        self.deployment.add_principal("partner", (*OPERATIONS, "Sign", "Rewrap"),
                                      sign_keys=[SIGN_LABEL], keks=[KEK_LABEL])
        self.deployment.start()
        self.sr = self.sr_of("P-256")
        self.pids = self.deployment.children()
        self.client = self.deployment.client()
        self.points = {}
        self.made((self.deployment.path / "keys.txt").read_text())
        self.loads = []
        self.addCleanup(self.end_load)
        for number in range(1, THREADS + 1):
            self.load(self.handover_turn(self.deployment.client(), number))
        self.load(self.sign_turn(self.deployment.client("partner")))

    # -- the load --

    def load(self, turn):
        self.loads.append(Load(turn))
        self.loads[-1].start()

    def handover_turn(self, client, number):
        """From Establish to a packet under the key set."""
        def turn():
            handover = beta.Handover(client, self.pki.card(curves.P256, number), self.sr)
            confirmed(handover)
            opened(handover, counter=1)
        return turn

    def made(self, ceremony):
        """Remembers the points of the keys that a ceremony says it made."""
        for purpose, point in re.findall(r"^key (\S+) .* (04[0-9a-f]{128})$", ceremony, re.M):
            self.points.setdefault(purpose, []).append(bytes.fromhex(point))

    def sign_turn(self, client):
        """A signature by the label, of whichever generation that is."""
        count = itertools.count()

        def turn():
            document = b"document %d" % next(count)
            result = client.ok(sign=pb.Sign(key_label=SIGN_LABEL,
                                            digests=hashlib.sha256(document).digest()))
            assert names(result.item_status) == ["OK"], names(result.item_status)
            assert verifies(self.points["generic-sign"], result.signatures, document)
        return turn

    def rewrap_turn(self, client, values):
        """A set out under one of the KEKs, with a manifest of a checkpoint key."""
        handover = beta.Handover(client, self.pki.card(curves.P256, 97), self.sr)
        confirmed(handover)
        keys = handover.card.keys
        wanted = keys.enc + keys.mac + keys.dek

        def turn():
            result = client.ok(rewrap=pb.Rewrap(kek_label=KEK_LABEL, key_sets=[handover.key_set],
                                                eids=handover.card.eid,
                                                kvns=bytes([handover.kvn])))
            assert names(result.item_status) == ["OK"], names(result.item_status)
            assert any(unwrapped(kek, result.wrapped[0]) == wanted for kek in values)
            assert verifies(self.points["checkpoint"], result.signatures, result.manifests[0])
        return turn

    def end_load(self):
        for load in self.loads:
            load.over.set()
        for load in self.loads:
            load.join()

    def sr_of(self, curve):
        curve = next(c for c in curves.ALL if c.name == curve)
        return (curve, *self.deployment.sr_certificates()[curve.number])

    def keys(self, *args):
        done = subprocess.run([self.deployment.program("eckactl"), "keys", *map(str, args),
                               "--custodian", self.deployment.custodian_config(1)],
                              env=self.deployment.env, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def reload(self):
        """SIGHUP to the supervisor; waits until both custodians have loaded."""
        up = self.deployment.processes["up"]
        before = up.output().count("reloaded: ")
        up.popen.send_signal(signal.SIGHUP)
        up.wait_for("reloaded: ", before + 2)

    def start_one(self, number, **options):
        return beta.Handover(self.client, self.pki.card(curves.P256, number), self.sr, **options)

    def rotate(self, *args):
        """Rotates under load, with a ticket in flight and a set stored before."""
        stored, flying = self.start_one(91), self.start_one(92)
        confirmed(stored)
        out = self.keys(*args)
        self.made(out)
        if args == ("rotate", "checkpoint"):  # both sign the audit log, one after the other
            (self.deployment.path / "checkpoint.pem").write_text(
                self.keys("list", "--pem", "checkpoint"))
        self.reload()
        for load in self.loads:
            load.wait_for_turns()
        confirmed(flying)
        for handover in (stored, flying):
            opened(handover, counter=5)
        return out

    def wait_for_info(self, **fields):
        """Until Info says so of both custodians."""
        deadline = time.monotonic() + WAIT_SECONDS
        while any(getattr(custodian, field) != value for custodian in self.client.info().custodians
                  for field, value in fields.items()):
            self.assertLess(time.monotonic(), deadline, self.client.info())
            time.sleep(0.1)

    def check_nobody_was_lost(self):
        for load in self.loads:
            load.finish()
            self.assertGreaterEqual(load.done, TURNS)
        self.assertEqual(self.deployment.children(), self.pids)
        for custodian in self.client.info().custodians:
            self.assertEqual(custodian.restarts, 0)

    def test_masters_and_signing_keys(self):
        self.rotate("rotate", "ticket")
        self.assertEqual(generation(self.start_one(93).ticket), 2)
        self.rotate("rotate", "keyset")
        self.wait_for_info(ticket_generation=2, keyset_generation=2)
        last = self.start_one(94)
        confirmed(last)
        self.assertEqual(generation(last.key_set), 2)
        self.rotate("rotate", "checkpoint")
        self.rotate("rotate", "generic-sign", "--name", SIGN_LABEL)
        self.points["generic-sign"] = self.points["generic-sign"][1:]  # the old one is out of use
        self.loads[-1].wait_for_turns()
        page = self.keys("list")
        for key in ("ticket", "keyset", "checkpoint", "generic-sign"):
            self.assertRegex(page, rf"\n{key} 1  .*[^$]+\n{key} 2  ")
        self.check_nobody_was_lost()

    def test_an_sr_key_with_its_certificate(self):
        early = self.pki.card(curves.P256, 95)
        rc = early.challenge()  # the card has seen the old CERT.SR and drawn its RC (step 12)
        early.challenge = lambda length: rc
        out = self.rotate("rotate", "sr-establish", "--sr-curve", "P-256")
        point = bytes.fromhex(out.split()[-1])
        file = self.deployment.path / "new.7f21"
        file.write_bytes(certificate_of(curves.P256, point))
        sr_key_id = hashlib.sha256(file.read_bytes()).digest()
        self.keys("install-cert", file)
        self.reload()

        fresh = beta.Handover(self.client, self.pki.card(curves.P256, 96),
                              (curves.P256, sr_key_id, point))  # the card verifies with the new one
        confirmed(fresh)
        late = beta.Handover(self.client, early, self.sr)
        confirmed(late)
        opened(late, counter=1)
        for load in self.loads:
            load.wait_for_turns()
        self.check_nobody_was_lost()

    def test_a_kek_and_what_signs_its_manifests(self):
        values = []
        for generation in (1, 2):
            values.append(bytes([generation]) * 32)
            pem = self.keys("import-kek", "--begin")
            file = self.deployment.path / "wrapped"
            file.write_bytes(serialization.load_pem_public_key(pem.encode()).encrypt(
                values[-1], padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(),
                                         label=None)))
            out = self.rotate("import-kek", "--name", KEK_LABEL, "--finish", file)
            self.assertTrue(re.match(rf"key kek {generation} AES-256 {KEK_LABEL} -\n", out), out)
            if generation == 1:
                self.keys("grant", "--principal", "partner", "--kek", KEK_LABEL, "--quota",
                          "1000000")
                self.reload()
                self.load(self.rewrap_turn(self.deployment.client("partner"), values))
        self.rotate("rotate", "checkpoint")
        self.check_nobody_was_lost()


if __name__ == "__main__":
    unittest.main()
