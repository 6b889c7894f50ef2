"""keys-init and the start of a custodian: what is made, what is refused, what is never tried again."""
import subprocess
import unittest

import curves
from custodian import CURVES, Link, Token

PURPOSES = [("sr-establish", "1", "P-256"), ("sr-establish", "2", "brainpoolP256r1"),
            ("ticket", "1", "AES-256"), ("keyset", "1", "AES-256")]


def identities(keys):
    return [(purpose, generation, curve) for purpose, generation, curve, _, _ in keys]


class Ceremony(unittest.TestCase):
    def setUp(self):
        self.token = Token()
        self.addCleanup(self.token.stop)

    def softhsm(self, *args):
        subprocess.run(["softhsm2-util", *args], env=self.token.env, check=True,
                       capture_output=True)

    def test_makes_each_key_once(self):
        keys = self.token.first_ceremony()
        self.assertEqual(identities(keys), PURPOSES)
        for purpose, generation, curve, label, point in keys:
            self.assertEqual(label, f"eckad {purpose} {generation}")
            if purpose == "sr-establish":
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
        self.assertEqual(len(keys), 3)
        status, keys, _ = self.token.ceremony("--missing-only", "--init-token", "--so-pin-file",
                                              so_pin)
        self.assertEqual(status, 0)
        self.assertEqual(identities(keys)[-1], ("sr-establish", "2", "P-256"))
        self.assertEqual(len(keys), 4)

    def test_a_token_in_use_is_not_initialised_again(self):
        self.token.first_ceremony()
        status, keys, log = self.token.ceremony("--init-token", "--so-pin-file",
                                                str(self.token.path / "so-pin"))
        self.assertEqual((status, keys), (1, []))
        self.assertIn("not initialised again", log)

    def test_keys_stay_in_the_token(self):
        """The token itself refuses to give a private or secret value."""
        self.token.first_ceremony()
        listed = subprocess.run(
            ["pkcs11-tool", "--module", self.token.module, "--login", "--pin", "1234", "-O"],
            env=self.token.env, capture_output=True, text=True, check=False)
        if listed.returncode != 0:
            self.skipTest("pkcs11-tool is not installed")
        private = listed.stdout.count("Private Key Object") + listed.stdout.count("Secret Key Object")
        self.assertEqual(private, 4)
        self.assertEqual(listed.stdout.count("always sensitive, never extractable, local"), 4)

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
