"""Our card in somebody else's reader, and somebody else's card in ours: the wire of virtual smart
cards, with nothing of C on the other side.
"""
import itertools
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from cryptography.hazmat.primitives import serialization

import card as cards
import commander
import curves
import eis
import gpki
import robot
import sgp02
from deployment import Deployment

BUILD = pathlib.Path(os.environ["ECKA_BUILD"])
SMSR_CHANGE = str(BUILD / "smsr" / "smsr-change")
LONG = bool(os.environ.get("ECKA_TEST_LONG"))
KS2_KVN = 2


def smsr_change(*args, ok=True, timeout=60, env=None):
    done = subprocess.run([SMSR_CHANGE, *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False,
                          env={**os.environ, **(env or {})})
    assert (done.returncode == 0) == ok, f"{args}: {done.returncode}\n{done.stdout}"
    return done.stdout


class Made:
    """A card of ours on disk, and what its first SM-SR knows."""

    def __init__(self, directory, number, curve, rc_len=16):
        self.state = directory / f"card-{number}"
        keys = directory / f"keys-{number}"
        output = smsr_change("euicc", "--make", "--dir", directory, "--number", number, "--curve",
                             curve.name, "--rc-len", rc_len, "--state", self.state, "--eis",
                             directory / f"eis-{number}", "--keys", keys)
        said = dict(line.split(" ") for line in output.splitlines())
        self.eid, self.curve = bytes.fromhex(said["EID"]), curve
        fields = dict(line.split(" ") for line in keys.read_text().splitlines())
        self.kvn, self.ks1 = int(fields["kvn"], 16), robot.key_set(
            bytes.fromhex(fields["enc"] + fields["mac"] + fields["dek"]))
        known = json.loads((directory / f"eis-{number}").read_text())
        certificate = known["eum-signed-info"]["ecasd"]["ca-certificate"]
        ((_, body),) = gpki.tlvs(bytes.fromhex(certificate))
        self.point = dict(gpki.tlvs(dict(gpki.tlvs(body))[0x7F49]))[0xB0]


class Inserted:
    """A card of ours in a Python reader: a process of its own. Enter and leave."""

    def __init__(self, state, env=None):
        self.state, self.env = state, env

    def __enter__(self):
        self.reader = sgp02.Reader()
        self.process = subprocess.Popen(
            [SMSR_CHANGE, "euicc", "--state", str(self.state), "--connect", self.reader.address],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **(self.env or {})})
        try:
            self.reader.insert(lambda: self.process.poll() is None)
        except ConnectionError:
            self.__exit__()
            raise
        return self.reader

    def __exit__(self, *_):
        self.reader.close()
        self.output, _ = self.process.communicate(timeout=60)
        self.status = self.process.returncode


class Told:
    """What an SM-SR has learnt of a change."""

    stage, ks2 = "nothing", None


class OurCard(unittest.TestCase):
    """`smsr-change euicc` with a Beta and an Alpha in Python."""

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="vpcd-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        points = {c: gpki.point_of(gpki.new_key(named).public_key()) for c, named in
                  (("P-256", gpki.ec.SECP256R1), ("brainpoolP256r1", gpki.ec.BrainpoolP256R1))}
        smsr_change("pki", "--out", cls.directory, *itertools.chain(
            *(("--sr", f"{name}:{point.hex()}") for name, point in points.items())))
        cls.numbers = itertools.count(1)

    def sm_sr(self, branch="p256", **options):
        """An SM-SR certified by the CI that the cards trust."""
        ci = issuer(self.directory, "ci", branch)
        return commander.SmSr(ci.key, ci.key_id, **options)

    def made(self, curve=curves.P256, **options):
        return Made(self.directory, next(self.numbers), curve, **options)

    def beta_for(self, made):
        return self.sm_sr("brainpool" if made.curve is curves.BRAINPOOL else "p256")

    def establish(self, made, old, beta, kvn=KS2_KVN, scenario=cards.CHECKED, host_id=b""):
        """Steps 7 to 23: the new key set."""
        rc, sw = beta.challenge(old)
        self.assertEqual(sw, sgp02.OK)
        sin = bytes.fromhex("883701")
        asked = beta.establishment(rc, kvn, scenario, host_id, sin, made.eid, made.curve,
                                   made.point)
        answer, sw = old.command(asked.apdu())
        self.assertEqual(sw, sgp02.OK)
        return asked.confirm(answer)

    def test_change_with_a_python_beta(self):
        """Done with every curve, scenario and challenge length, under KS2 alone in the end."""
        for curve, scenario, rc_len in itertools.product(curves.ALL, (0x08, 0x0A, 0x0C, 0x0E),
                                                         (16, 32)):
            with self.subTest(curve=curve.name, scenario=scenario, rc_len=rc_len):
                made = self.made(curve, rc_len=rc_len)
                inserted = Inserted(made.state)
                with inserted as reader:
                    old = commander.Channel(reader, made.ks1, made.kvn)
                    ks2 = self.establish(made, old, self.beta_for(made), scenario=scenario,
                                         host_id=b"host" if scenario & 4 else b"")
                    new = commander.Channel(reader, ks2, KS2_KVN)
                    self.assertEqual(new.key_information(), {1: [1, 2, 3], KS2_KVN: [1, 2, 3]})
                    self.assertEqual(new.finalise(KS2_KVN), sgp02.OK)
                    self.assertEqual(new.key_information(), {KS2_KVN: [1, 2, 3]})
                    self.assertFalse(old.opens())
                self.assertEqual(inserted.status, 0, inserted.output)

    def test_finalise_refuses_when_its_own_set_is_missing(self):
        made = self.made()
        with Inserted(made.state) as reader:
            old = commander.Channel(reader, made.ks1, made.kvn)
            new = commander.Channel(reader, self.establish(made, old, self.sm_sr()), KS2_KVN)
            self.assertEqual(new.finalise(1), robot.CONDITIONS)
            self.assertEqual(new.finalise(1, 9), robot.NOT_FOUND)
            self.assertEqual(new.key_information(), {1: [1, 2, 3], KS2_KVN: [1, 2, 3]})
            self.assertEqual(new.finalise(1, KS2_KVN), sgp02.OK)
            self.assertTrue(old.opens())

    def test_state_outlives_the_process(self):
        """Keys and counters stay; the challenge, as without power, does not."""
        made = self.made()
        beta = self.sm_sr()
        with Inserted(made.state) as reader:
            old = commander.Channel(reader, made.ks1, made.kvn)
            rc, _ = beta.challenge(old)
        with Inserted(made.state) as reader:
            replayed = commander.Channel(reader, made.ks1, made.kvn)
            self.assertFalse(replayed.opens())
            old.reader = reader
            asked = beta.establishment(rc, KS2_KVN, curve=made.curve, peer=made.point)
            self.assertEqual(old.command(asked.apdu()), (b"", robot.CONDITIONS))
            ks2 = self.establish(made, old, beta)
        with Inserted(made.state) as reader:
            new = commander.Channel(reader, ks2, KS2_KVN)
            self.assertEqual(new.finalise(KS2_KVN), sgp02.OK)
        with Inserted(made.state) as reader:
            old.reader = new.reader = reader
            self.assertEqual((old.opens(), new.opens()), (False, True))
            reader.reset()
            self.assertTrue(new.opens())
        self.assertEqual(made.state.stat().st_mode & 0o777, 0o600)

    def test_killed_at_every_write(self):
        """Wherever it dies: the old keys, or old and new; after Finalise began, the new ones."""
        preload = {"LD_PRELOAD": str(BUILD / "tests" / "preload" / "kill_at.so")}
        made, beta = self.made(), self.sm_sr()
        image = made.state.read_bytes()
        seen = set()
        moment, survived = 0, False
        while not survived:
            moment += 1
            made.state.write_bytes(image)
            inserted = Inserted(made.state, {**preload, "KILL_AT": str(moment)})
            told = Told()
            try:
                with inserted as reader:
                    self.change_until_it_dies(reader, made, beta, told)
            except (ConnectionError, sgp02.Malformed):
                pass
            survived = told.stage == "finalised" and inserted.status == 0
            self.assertIn(inserted.status, (0, -signal.SIGKILL), inserted.output)
            seen.add((told.stage, *self.opened_afterwards(made, told)))
        # 4 times the state was written: at the start and after each packet. 11 moments each.
        self.assertEqual(moment, 4 * 11 + 1)
        # What the SM-SR had been told, and then whether the old and the new keys open the card.
        self.assertEqual(seen, {("nothing", True, False), ("challenge", True, False),
                                ("challenge", True, True), ("receipt", True, True),
                                ("receipt", False, True), ("finalised", False, True)})

    def change_until_it_dies(self, reader, made, beta, told):
        old = commander.Channel(reader, made.ks1, made.kvn)
        rc, _ = beta.challenge(old)
        told.stage = "challenge"
        asked = beta.establishment(rc, KS2_KVN, curve=made.curve, peer=made.point)
        told.ks2 = asked.key_set()
        answer, _ = old.command(asked.apdu())
        asked.confirm(answer)
        told.stage = "receipt"
        commander.Channel(reader, told.ks2, KS2_KVN).finalise(KS2_KVN)
        told.stage = "finalised"

    def opened_afterwards(self, made, told):
        """Whether the card, started again, obeys the old keys, and the new ones."""
        with Inserted(made.state) as reader:
            return tuple(keys is not None and commander.Channel(reader, keys, kvn, 100).opens()
                         for keys, kvn in ((made.ks1, made.kvn), (told.ks2, KS2_KVN)))

    def test_state_that_is_not_a_card_is_refused(self):
        made = self.made()
        good = made.state.read_bytes()
        for bad in (b"", good[:-1], good + b"\0", good[:100] + bytes([good[100] ^ 1]) + good[101:]):
            made.state.write_bytes(bad)
            with self.subTest(length=len(bad)):
                self.assertRegex(smsr_change("euicc", "--state", made.state, "--connect",
                                             "127.0.0.1:1", ok=False), "no card's state|too long")
        made.state.write_bytes(good)
        with Inserted(made.state) as reader:
            self.assertTrue(commander.Channel(reader, made.ks1, made.kvn).opens())
            self.assertIn("another process is this card",
                          smsr_change("euicc", "--state", made.state, "--connect", reader.address,
                                      ok=False))

    def test_frames_of_any_length(self):
        """What is no C-APDU is answered with a status word, and the card goes on."""
        made = self.made()
        with Inserted(made.state) as reader:
            for octets, sw in ((b"\x80\xc2", 0x6700), (bytes(65535), 0x6700),
                               (b"\x80\xa4\0\0", 0x6D00), (b"\0\xc2\0\0\1\0", 0x6E00),
                               (b"\x80\xe2\x09\0\1\0", 0x6982), (b"\x80\xc2\0\0\1\0", 0x6A80)):
                self.assertEqual(reader.transmit(octets), (b"", sw))
            reader.wire.send(b"")
            self.assertTrue(commander.Channel(reader, made.ks1, made.kvn).opens())


def issuer(directory, role, branch):
    """A CI or EUM of a directory's PKI, with its key."""
    certificate = gpki.x509.load_der_x509_certificate(
        (directory / "trust" / f"{role}-{branch}.der").read_bytes())
    key = serialization.load_pem_private_key(
        (directory / "pki" / f"{role}-{branch}.pem").read_bytes(), None)
    return gpki.Issuer(certificate, key)


class TheirCard(unittest.TestCase):
    """A Python card in the reader of `smsr-change run`, whose Alpha and Beta it has: a change
    against a real eckad and custodian.
    """
    EUM_IDS = {"p256": bytes.fromhex("883705"), "brainpool": bytes.fromhex("883706")}

    @classmethod
    def setUpClass(cls):
        cls.deployment = Deployment()
        cls.addClassCleanup(cls.deployment.stop)
        cls.deployment.start()
        cls.numbers = itertools.count(1)

    def robot(self, curve, rc_len):
        """A Python card, and the files for its first SM-SR."""
        directory, number = self.deployment.path, next(self.numbers)
        branch = "brainpool" if curve is curves.BRAINPOOL else "p256"
        ci, eum = issuer(directory, "ci", branch), issuer(directory, "eum", branch)
        ci_curve = curves.BRAINPOOL if curve is curves.BRAINPOOL else curves.P256
        ks1 = secrets.token_bytes(48)
        card = robot.Robot(gpki.eid_of(number), curve,
                           gpki.point_of(ci.certificate.public_key()), ci_curve, ci.key_id, ks1,
                           sin=b"\x88\x37\x01", rc_len=rc_len)
        certificate = gpki.seal_7f21(
            gpki.ecasd_fields(card.eid, curve, card.point, self.EUM_IDS[branch], eum.key_id),
            eum.key)
        files = directory / f"eis-{number}", directory / f"keys-{number}"
        files[0].write_text(eis.of(card, certificate, eum))
        files[1].write_text("smsr-key-set 1\nkvn 01\ncounter 0\n" + "".join(
            f"{name} {ks1[16 * i:16 * i + 16].hex()}\n"
            for i, name in enumerate(("enc", "mac", "dek"))))
        return card, files

    def change(self, card, files, *args):
        """Runs one change with this card; (exit status, output)."""
        d, port = self.deployment, free_port()
        process = subprocess.Popen(
            [d.program("smsr-change"), "run", "--dir", str(d.path), "--endpoint", d.endpoint,
             "--server-key", str(d.path / "eckad.key.pub"), "--key-file", str(d.path / "beta.key"),
             "--card", f"vpcd://127.0.0.1:{port}", "--eis", str(files[0]), "--keys", str(files[1]),
             "-v", *args], env=d.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        thread = threading.Thread(target=sgp02.serve_card, args=(f"127.0.0.1:{port}", card))
        thread.start()
        output, _ = process.communicate(timeout=120)
        thread.join(60)
        return process.returncode, output

    def test_change_with_a_python_card(self):
        for curve, rc_len, dr, host_id in itertools.product(
                (curves.P256, curves.BRAINPOOL), (16, 32), ((), ("--dr",)),
                ((), ("--host-id", "C0FFEE"))):
            with self.subTest(curve=curve.name, rc_len=rc_len, dr=dr, host_id=host_id):
                card, files = self.robot(curve, rc_len)
                before = card.sets[1]
                status, output = self.change(card, files, "--curve", curve.name, *dr, *host_id)
                self.assertEqual(status, 0, output)
                self.assertIn("0 with a warning", output)
                self.assertEqual(list(card.sets), [KS2_KVN])
                self.assertIsNot(card.sets[KS2_KVN], before)
                self.assertEqual(card.sets[KS2_KVN].present, {1, 2, 3})

    def test_card_that_trusts_another_ci_stays_alphas(self):
        card, files = self.robot(curves.P256, 16)
        card.ci = (gpki.point_of(gpki.new_key().public_key()), curves.P256, card.ci[2])
        status, output = self.change(card, files, "--curve", "P-256")
        self.assertEqual((status, list(card.sets)), (1, [1]), output)
        self.assertIn("SW 6300", output)

    def test_card_that_deletes_the_listed_is_a_warning(self):
        """A card of the other reading of FinaliseISDRhandover refuses to lock Beta out: an alarm."""
        card, files = self.robot(curves.P256, 16)
        card.finalise = lambda *_: (_ for _ in ()).throw(robot.Refused(robot.CONDITIONS))
        status, output = self.change(card, files, "--curve", "P-256")
        self.assertEqual((status, sorted(card.sets)), (0, [1, KS2_KVN]), output)
        self.assertIn("1 with a warning", output)
        self.assertIn("SW 6985", output)

    def test_reader_listens_on_loopback_only(self):
        _, files = self.robot(curves.P256, 16)
        for address, sentence in (("vpcd://0.0.0.0:0", "loopback only"),
                                  ("vpcd://127.0.0.1", "takes vpcd://HOST:PORT"),
                                  ("127.0.0.1:1", "takes vpcd://HOST:PORT")):
            with self.assertRaisesRegex(AssertionError, sentence):
                self.deployment.smsr_change("--card", address, "--eis", files[0], "--keys",
                                            files[1])


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


if __name__ == "__main__":
    unittest.main()
