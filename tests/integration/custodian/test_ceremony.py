"""keys-init and the start of a custodian: what is made, what is refused, what is never tried again."""
import os
import subprocess
import unittest

from cryptography.hazmat.primitives import serialization

import card as cards
import curves
import gpki
from custodian import (CHECKPOINT, CURVES, KEK, KEYSET, SR_ESTABLISH, TICKET, Link, Token,
                       establish_item, key_id)
from custody_pb2 import ConfirmItem

PURPOSES = [("sr-establish", "1", "P-256"), ("sr-establish", "2", "brainpoolP256r1"),
            ("ticket", "1", "AES-256"), ("keyset", "1", "AES-256"), ("checkpoint", "1", "P-256")]


def identities(keys):
    return [(purpose, generation, curve) for purpose, generation, curve, _, _ in keys]


class Ceremony(unittest.TestCase):
    def setUp(self):
        self.token = Token()
        self.addCleanup(self.token.stop)

    def test_makes_each_key_once(self):
        keys = self.token.first_ceremony()
        self.assertEqual(identities(keys), PURPOSES)
        for purpose, generation, curve, label, point in keys:
            self.assertEqual(label, f"eckad {purpose} {generation}")
            if curve != "AES-256":
                octets = bytes.fromhex(point)
                self.assertTrue(CURVES[curve].contains(curves.decode(octets)))
            else:
                self.assertEqual(point, "-")

        status, again, log = self.token.ceremony()
        self.assertEqual((status, sorted(again)), (1, sorted(keys)))
        self.assertIn("left as they are", log)
        status, again, _ = self.token.ceremony("--missing-only")
        self.assertEqual((status, sorted(again)), (0, sorted(keys)))

    def test_missing_only_adds_the_missing_curve(self):
        so_pin = str(self.token.path / "so-pin")
        status, keys, log = self.token.ceremony("--init-token", "--so-pin-file", so_pin,
                                                "--sr-curve", "brainpoolP256r1")
        self.assertEqual(status, 0, log)
        self.assertEqual(identities(keys)[0], ("sr-establish", "1", "brainpoolP256r1"))
        self.assertEqual(len(keys), 4)
        status, keys, _ = self.token.ceremony("--missing-only", "--init-token", "--so-pin-file",
                                              so_pin)
        self.assertEqual(status, 0)
        self.assertEqual(identities(keys)[-1], ("sr-establish", "2", "P-256"))
        self.assertEqual(len(keys), 5)

    def test_a_token_in_use_is_not_initialised_again(self):
        self.token.first_ceremony()
        status, keys, log = self.token.ceremony("--init-token", "--so-pin-file",
                                                str(self.token.path / "so-pin"))
        self.assertEqual((status, keys), (1, []))
        self.assertIn("not initialised again", log)

    def test_keys_stay_in_the_token(self):
        """The token itself refuses to give a value, and to make a key weaker."""
        self.token.first_ceremony()
        self.token.tool("create", "00ff", "readable", "extractable")
        answers = dict(line.split(" ", 1) for line in self.token.tool("probe"))
        self.assertEqual(answers.pop("00ff"), "value:readable weakened:yes")  # the probe can see
        self.assertEqual(set(answers), {key_id(SR_ESTABLISH, 1), key_id(SR_ESTABLISH, 2),
                                        key_id(TICKET, 1), key_id(KEYSET, 1),
                                        key_id(CHECKPOINT, 1)})
        self.assertEqual(set(answers.values()), {"value:refused weakened:refused"})

    def test_no_curve_without_a_token_key(self):
        done = subprocess.run(self.token.command("--ceremony", "keys-init", "--sr-curve",
                                                 "FRP256v1"),
                              env=self.token.env, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("FRP256v1", done.stderr)


class Start(unittest.TestCase):
    def setUp(self):
        self.token = Token()
        self.addCleanup(self.token.stop)
        self.keys = self.token.first_ceremony()

    def assert_no_start(self, status, sentence):
        ended, log = self.token.run_to_its_end()
        self.assertEqual(ended, status, log)
        self.assertIn(sentence, log)
        self.assertNotIn("ready", log)
        self.assertNotIn("1234", log)

    def test_hello_names_what_is_there(self):
        ids = []
        for number, (purpose, _, curve, _, point) in enumerate(self.keys):
            if purpose == "sr-establish":
                ids.append(self.token.certify(f"{number}.der", CURVES[curve], bytes.fromhex(point)))
        stranger = self.token.certify("x.der", curves.P256, curves.P256.keypair()[1])
        self.token.certify("dp.der", curves.P256, bytes.fromhex(self.keys[0][4]), role=b"\x01")
        (self.token.path / "sr-certs" / "junk.der").write_bytes(b"\x7f\x21\x00")
        (self.token.path / "sr-certs" / "long.der").write_bytes(b"\x7f" * 5000)
        custodian = self.token.start()
        hello = Link(custodian).hello()
        self.assertEqual((hello.version, hello.token), (1, "eckad"))
        self.assertEqual((hello.ticket_generation, hello.keyset_generation), (1, 1))
        self.assertEqual(sorted(hello.sr_key_ids), sorted(ids))
        self.assertNotIn(stranger, hello.sr_key_ids)
        self.assertNotEqual(hello.backend, "")
        for name in ("x.der", "dp.der", "junk.der", "long.der"):
            self.assertIn(f"certificate {name} skipped", custodian.output())

    def test_a_tar_granted_to_nobody_or_of_four_bytes(self):
        for grant in (("Beta", 0xB20100), ("beta", 0x1000000)):
            self.token.configure()
            self.token.grant_tars(grant)
            ended, log = self.token.run_to_its_end()
            self.assertEqual(ended, 1, log)
            self.assertIn("tars: entry 1", log)

    def test_a_key_that_could_leave_is_not_used(self):
        self.token.tool("create", key_id(KEYSET, 2), "sensitive", "extractable")
        self.token.tool("create", key_id(KEYSET, 3), "readable", "kept")
        self.token.tool("create", key_id(SR_ESTABLISH, 9), "sensitive", "kept")
        self.token.tool("create", key_id(KEYSET, 4)[:-2], "sensitive", "kept")
        custodian = self.token.start()
        hello = Link(custodian).hello()
        self.assertEqual((hello.ticket_generation, hello.keyset_generation), (1, 1))
        for sentence in ("eckad keyset 2: refused, it is CKA_EXTRACTABLE",
                         "eckad keyset 3: refused, it is not CKA_SENSITIVE",
                         "eckad sr-establish 9: refused, an object of another class",
                         "whose CKA_ID cannot be read is left alone"):
            self.assertIn(sentence, custodian.output())

    def test_the_newest_generation_is_used(self):
        self.token.tool("create", key_id(KEYSET, 7), "sensitive", "kept")
        self.token.tool("create", key_id(TICKET, 3), "sensitive", "kept")
        hello = Link(self.token.start()).hello()
        self.assertEqual((hello.ticket_generation, hello.keyset_generation), (3, 7))

    def test_two_keys_of_one_identity_are_refused(self):
        self.token.tool("create", key_id(KEYSET, 1), "sensitive", "kept")
        self.assert_no_start(1, "two keys carry this identity")

    def test_no_start_without_masters(self):
        self.token.tool("destroy", key_id(TICKET, 1))
        self.assert_no_start(1, "no ticket or no keyset master")

    def test_an_imported_key_is_not_used(self):
        pem = self.token.path / "key.pem"
        key = gpki.new_key()
        pem.write_bytes(key.private_bytes(serialization.Encoding.PEM,
                                          serialization.PrivateFormat.PKCS8,
                                          serialization.NoEncryption()))
        subprocess.run(["softhsm2-util", "--import", str(pem), "--token", "eckad", "--label", "x",
                        "--id", key_id(SR_ESTABLISH, 9), "--pin", "1234"], env=self.token.env,
                       check=True, capture_output=True)
        self.token.certify("k.der", curves.P256, gpki.point_of(key.public_key()))
        self.token.tool("plant", key_id(TICKET, 9), "sign", "eckad ticket 9", "07" * 32)
        self.token.tool("plant", key_id(KEK, 1), "wrap", "other-hsm", "07" * 32)
        custodian = self.token.start()
        hello = Link(custodian).hello()
        self.assertEqual(list(hello.sr_key_ids), [])
        self.assertEqual(hello.ticket_generation, 1)
        for sentence in ("eckad sr-establish 9: refused, it was not made in the token",
                         "eckad ticket 9: refused, it was not made in the token",
                         "eckad kek 1: refused, no ceremony has recorded that it came in wrapped"):
            self.assertIn(sentence, custodian.output())

    def test_a_key_with_another_use_is_not_used(self):
        self.token.tool("create", key_id(KEYSET, 2), "sensitive", "kept", "encrypt")
        self.token.tool("plant", key_id(KEYSET, 3), "wrap", "eckad keyset 3", "07" * 32)
        custodian = self.token.start()
        self.assertEqual(Link(custodian).hello().keyset_generation, 1)
        self.assertIn("eckad keyset 2: refused, it may be used to encrypt", custodian.output())
        self.assertIn("eckad keyset 3: refused", custodian.output())

    def test_a_dead_ticket_generation_opens_nothing(self):
        """One is dead when its master is destroyed; key sets live on."""
        self.token.tool("create", key_id(TICKET, 2), "sensitive", "kept")
        sr = self.token.certify("p.der", curves.P256, bytes.fromhex(self.keys[0][4]))
        card = cards.Card(gpki.make_eum(gpki.make_ci()), b"\x01", curves.P256)
        custodian = self.token.start()
        _, item = Link(custodian).one("establish", establish_item(card, sr))
        _, receipt = card.establish(item.store_data, curves.P256, bytes.fromhex(self.keys[0][4]))
        request = ConfirmItem(principal="beta", ticket=item.ticket, eid=card.eid, receipt=receipt)
        self.assertEqual(Link(custodian).one("confirm", request)[0], "OK")
        custodian.stop()
        self.token.tool("destroy", key_id(TICKET, 2))
        self.assertEqual(Link(self.token.start()).one("confirm", request)[0], "BLOB_GENERATION")

    def test_a_wrong_pin_is_tried_once(self):
        self.token.write_pin("pin", "9999")
        self.assert_no_start(3, "CKR_PIN_INCORRECT")
        _, log = self.token.run_to_its_end()
        self.assertEqual(log.count("C_Login"), 1)

    def test_a_pin_open_to_everybody_is_refused(self):
        self.token.write_pin("pin", "1234", mode=0o644)
        self.assert_no_start(1, "open to everybody")

    def test_the_pin_may_be_a_systemd_credential(self):
        self.token.configure(pin_file=None)
        self.token.env.pop("CREDENTIALS_DIRECTORY", None)
        self.assert_no_start(1, "no pin_file")
        self.token.env["CREDENTIALS_DIRECTORY"] = str(self.token.path)
        Link(self.token.start()).hello()

    def test_the_pin_may_be_a_descriptor(self):
        """A pipe or a file in memory that the custodian was started with, and never a name."""
        def started(fd, pass_fds):
            self.token.configure(pin_file=f"fd:{fd}")
            done = subprocess.run(
                [*self.token.command("--ceremony", "keys-list")], env=self.token.env,
                pass_fds=pass_fds, capture_output=True, text=True, check=False, timeout=60)
            return done.returncode, done.stderr

        memory = os.memfd_create("pin")
        os.write(memory, b"1234\n")
        os.fchmod(memory, 0o600)
        reader, writer = os.pipe()
        os.write(writer, b"1234\n")
        os.close(writer)
        for fd in (memory, memory, reader):  # a file is read from its beginning each time
            self.assertEqual(started(fd, (fd,))[0], 0)
        status, log = started(reader, (reader,))  # what was in the pipe is gone
        self.assertEqual(status, 1)
        self.assertIn("holds no PIN", log)
        status, log = started(99, ())  # none
        self.assertEqual(status, 1)
        self.assertIn("cannot be read: Bad file descriptor", log)
        os.close(memory)
        os.close(reader)

    def test_a_pin_in_the_uri_is_refused(self):
        self.token.configure(token=self.token.uri + "&pin-value=1234")
        self.assert_no_start(1, "pin-value")

    def test_an_unknown_token_is_refused(self):
        self.token.configure(token=self.token.uri.replace("eckad", "other"))
        self.assert_no_start(1, "no token answers")

    def test_an_unknown_key_in_the_configuration_is_refused(self):
        self.token.configure(surprise="yes")
        self.assert_no_start(1, "cannot read the configuration")

    def test_a_second_custodian_does_not_take_the_socket(self):
        self.token.start()
        self.assert_no_start(1, "in use")

    def test_a_dead_custodians_socket_is_taken_over(self):
        first = self.token.start()
        first.popen.kill()
        first.popen.wait()
        self.token.processes.clear()
        Link(self.token.start()).hello()


if __name__ == "__main__":
    unittest.main()
