"""What a custodian makes of each return value of PKCS#11: hsm/token/ckr.def, value by value.

The scripted module answers one call of a signature with the value; the item must fail with a status
that a client may try again, the custodian must do what the table says and no more, and then sign.
"""
import hashlib
import re
import unittest

import curves
import gpki
from custodian import SOURCE, START_SECONDS, Link, Token
from custody_pb2 import SignItem

VALUES = re.findall(r'^CKR\((\w+), (\w+), "', (SOURCE / "hsm" / "token" / "ckr.def").read_text(), re.M)
WATCHED = "C_OpenSession", "C_Login", "C_CloseAllSessions", "C_FindObjectsInit"
DOCUMENT = b"a document"


def values_of(action):
    names = [name for name, its in VALUES if its == action]
    assert names, action
    return names


class ReturnValues(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.token = Token()
        cls.addClassCleanup(cls.token.stop)
        _, output, _ = cls.token.keys("init", "--init-token", "--so-pin-file",
                                      cls.token.path / "so-pin", "--sign-key", "invoices")
        cls.point = bytes.fromhex(re.search(r"invoices (\w+)$", output, re.M).group(1))
        cls.script = cls.token.put_script()
        with open(cls.token.path / "c1.yaml", "a", encoding="utf-8") as file:
            file.write('audit: { mode: "off" }\n')  # it makes calls of its own, which would be counted

    def setUp(self):
        self.script.play()
        self.start()
        self.addCleanup(self.end)

    def start(self):
        self.custodian = self.token.start()
        self.link = Link(self.custodian)

    def end(self):
        self.script.play()
        self.link.close()
        if self.custodian.popen.poll() is None:
            self.custodian.stop()
        self.token.processes.clear()

    def sign(self, expected):
        status, item = self.link.one("sign", SignItem(
            principal="beta", key_label="invoices", digest=hashlib.sha256(DOCUMENT).digest()))
        self.assertEqual(status, expected)
        if expected == "OK":
            gpki.verify_raw(self.point, curves.P256, item.signature, DOCUMENT)
        else:
            self.assertEqual(item.signature, b"")

    def counts(self):
        calls = self.script.calls()
        return [calls[name] for name in WATCHED]

    def fail_once(self, value):
        """How often each watched call was made because of the value."""
        self.script.play(f"on C_SignInit nth 1 rv {value}")
        before = self.counts()
        self.sign("TOKEN_ERROR")
        self.sign("OK")
        return [after - was for was, after in zip(before, self.counts())]

    def last_lines(self, count):
        return "\n".join(self.custodian.output().splitlines()[-count:])

    # -- the actions --

    def test_ok_asks_for_nothing(self):
        before = self.counts()
        for _ in range(5):
            self.sign("OK")
        self.assertEqual(self.counts(), before)

    def test_the_item_alone_fails(self):
        for value in values_of("ITEM"):
            with self.subTest(value=value):
                self.assertEqual(self.fail_once(value), [0, 0, 0, 0])

    def test_a_new_session(self):
        for value in values_of("SESSION") + ["0x80000001"]:  # and a vendor's
            with self.subTest(value=value):
                self.assertEqual(self.fail_once(value), [1, 0, 0, 0])
                self.assertIn("a new session with the token", self.last_lines(1))

    def test_keys_loaded_again(self):
        for value in values_of("KEYS"):
            with self.subTest(value=value):
                opened, logged_in, closed, looked = self.fail_once(value)
                self.assertEqual((opened, logged_in, closed), (0, 0, 0))
                self.assertGreater(looked, 0)

    def test_logged_in_again(self):
        """The login is only missed where it is gone; the keys are looked for again in any case."""
        for value in values_of("LOGIN"):
            with self.subTest(value=value):
                opened, logged_in, closed, looked = self.fail_once(value)
                self.assertEqual((opened, logged_in, closed), (1, 0, 0))
                self.assertGreater(looked, 0)
        self.script.play("on C_SignInit nth 1 reset")  # this time it is
        before = self.counts()
        self.sign("TOKEN_ERROR")
        self.sign("OK")
        opened, logged_in, closed, looked = [a - b for a, b in zip(self.counts(), before)]
        self.assertEqual((opened, logged_in, closed), (1, 1, 0))
        self.assertGreater(looked, 0)
        self.assertIn("logged in to the token again", self.custodian.output())

    def test_the_token_is_opened_again(self):
        for value in values_of("TOKEN") + values_of("RACE"):
            with self.subTest(value=value):
                opened, logged_in, closed, looked = self.fail_once(value)
                self.assertEqual((opened, logged_in, closed), (1, 1, 1))
                self.assertGreater(looked, 0)
                self.assertIn("the token is open again", self.last_lines(1))

    def test_the_process_ends(self):
        for value in values_of("PROCESS"):
            with self.subTest(value=value):
                self.script.play(f"on C_SignInit nth 1 rv {value}")
                self.sign("TOKEN_ERROR")
                self.assertEqual(self.custodian.popen.wait(START_SECONDS), 1)
                self.assertIn("needs a new process", self.custodian.output())
                self.end()
                self.start()
                self.sign("OK")

    def test_the_custodian_stays_down(self):
        """At a login, as it starts and while it serves: one C_Login, and status 3."""
        for value in values_of("STAY_DOWN"):
            with self.subTest(value=value):
                self.assertEqual(self.fail_once(value), [0, 0, 0, 0])  # nobody logged in
                logins = self.script.calls()["C_Login"]
                self.script.play("on C_SignInit nth 1 reset", f"on C_Login from 1 rv {value}")
                self.sign("TOKEN_ERROR")
                self.assertEqual(self.custodian.popen.wait(START_SECONDS), 3)
                self.assertEqual(self.script.calls()["C_Login"], logins + 1)
                self.end()
                self.script.play(f"on C_Login from 1 rv {value}")
                status, log = self.token.run_to_its_end()
                self.assertEqual(status, 3)
                self.assertIn(f"C_Login: {value}", log)
                self.assertIn("is not tried again", log)
                self.assertEqual(self.script.calls()["C_Login"], logins + 2)
                self.script.play()
                self.start()

    # -- the start --

    def test_a_race_at_the_start_is_tried_again(self):
        for value in values_of("RACE"):
            calls = ["C_Login", "C_OpenSession"]
            for call in calls + ["C_GetTokenInfo"] * (value == "CKR_TOKEN_NOT_RECOGNIZED"):
                with self.subTest(value=value, call=call):
                    self.end()
                    self.script.play(f"on {call} from 1 to 3 rv {value}")
                    self.start()
                    self.sign("OK")
                    self.assertGreaterEqual(self.script.hits(), 4)

    def test_nothing_else_is_tried_again_at_the_start(self):
        self.end()
        others = [name for name, action in VALUES if action not in ("RACE", "NONE")
                  and name != "CKR_USER_ALREADY_LOGGED_IN"]
        for value in others[::7]:
            with self.subTest(value=value):
                self.script.play(f"on C_Login from 1 rv {value}")
                status, log = self.token.run_to_its_end()
                self.assertIn(status, (1, 3), log)
                self.assertEqual(self.script.hits(), 1)
        self.script.play()
        self.start()

    def test_a_race_that_does_not_end(self):
        self.end()
        self.script.play("on C_Login from 1 rv CKR_USER_PIN_NOT_INITIALIZED")
        status, log = self.token.run_to_its_end()
        self.assertEqual((status, self.script.hits()), (1, 8), log)
        self.script.play()
        self.start()


if __name__ == "__main__":
    unittest.main()
