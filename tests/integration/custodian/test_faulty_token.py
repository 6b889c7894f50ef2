"""A token that is reset, vanishes, comes back or hangs, and a custodian that makes room for another."""
import hashlib
import re
import time
import unittest

import curves
import gpki
from custodian import START_SECONDS, Link, Token
from custody_pb2 import SignItem

DOCUMENT = b"a document"
SECONDS = 1000  # milliseconds


class FaultyToken(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.token = Token()
        cls.addClassCleanup(cls.token.stop)
        _, output, _ = cls.token.keys("init", "--init-token", "--so-pin-file",
                                      cls.token.path / "so-pin", "--sign-key", "invoices")
        cls.point = bytes.fromhex(re.search(r"invoices (\w+)$", output, re.M).group(1))
        cls.script = cls.token.put_script()

    def start(self, **config):
        self.script.play()
        self.token.configure()
        with open(self.token.path / "c1.yaml", "a", encoding="utf-8") as file:
            file.write("".join(f"{key}: {value}\n" for key, value in config.items()))
        self.addCleanup(self.token.processes.clear)
        self.custodian = self.token.start()
        self.addCleanup(self.end)
        self.link = Link(self.custodian)

    def end(self):
        self.script.play()
        self.link.close()
        if self.custodian.popen.poll() is None:
            self.custodian.stop()

    def sign(self):
        status, item = self.link.one("sign", SignItem(
            principal="beta", key_label="invoices", digest=hashlib.sha256(DOCUMENT).digest()))
        if status == "OK":
            gpki.verify_raw(self.point, curves.P256, item.signature, DOCUMENT)
        return status

    def served_again(self):
        """A new connection that is served."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.link = Link(self.custodian)
                if self.sign() == "OK":
                    return
            except (OSError, AssertionError):
                pass
            self.assertLess(time.monotonic(), deadline, self.custodian.output())
            time.sleep(0.02)

    def assert_closed(self):
        self.link.socket.settimeout(START_SECONDS)
        with self.assertRaises((OSError, AssertionError)):
            while self.sign():
                time.sleep(0.02)

    def test_back_after_a_while(self):
        """The process lives through it; whoever was connected is let go meanwhile."""
        self.start()
        self.assertEqual(self.sign(), "OK")
        for value in "CKR_DEVICE_REMOVED", "CKR_TOKEN_NOT_PRESENT", "CKR_SESSION_HANDLE_INVALID":
            with self.subTest(value=value):
                said = self.custodian.output().count("the token is away")
                self.script.play(f"on C_Sign nth 1 vanish {value}")
                self.assertEqual(self.sign(), "TOKEN_ERROR")
                self.custodian.wait_for("the token is away", said + 1)
                self.assert_closed()
                self.script.play()
                self.served_again()
        self.assertIsNone(self.custodian.popen.poll())
        self.assertEqual(self.custodian.output().count("the token is open again"), 3)

    def test_away_for_long(self):
        self.start()
        self.script.play("on C_Sign nth 1 vanish")
        self.assertEqual(self.sign(), "TOKEN_ERROR")
        self.assertEqual(self.custodian.popen.wait(START_SECONDS), 1)
        self.assertIn("did not come back in 10 s", self.custodian.output())
        status, log = self.token.run_to_its_end()  # not there at a start either
        self.assertEqual(status, 1, log)

    def test_away_between_batches(self):
        """Nobody asks for anything: the look at the token finds out."""
        self.start(ticket_rotation_s=8, ticket_lifetime_s=90)
        self.script.play("on C_FindObjectsInit nth 1 vanish")
        self.custodian.wait_for("the token is away")
        self.script.play()
        self.served_again()

    def test_keys_are_not_forgotten_for_a_token_that_fails(self):
        """A look at the keys that fails half way takes none away."""
        self.start()
        before = self.link.hello()
        for call in "C_FindObjectsInit", "C_FindObjects", "C_GetAttributeValue":
            for nth in 1, 2, 3:
                with self.subTest(call=call, nth=nth):
                    self.script.play(f"on {call} nth {nth} rv CKR_DEVICE_ERROR")
                    self.custodian.reload()
                    self.assertGreaterEqual(self.script.hits(), nth)
                    self.script.play()
                    self.assertEqual(self.sign(), "OK")
                    self.assertEqual(self.link.hello(), before)

    def test_a_call_that_hangs(self):
        self.start(call_timeout_ms=300)
        self.script.play("on C_Sign nth 1 hang")
        with self.assertRaises((OSError, AssertionError)):
            self.sign()
        self.assertEqual(self.custodian.popen.wait(START_SECONDS), 5)
        self.assertIn("hangs (call_timeout_ms: 300)", self.custodian.output())

    def test_a_look_at_the_token_that_hangs(self):
        self.start(call_timeout_ms=300, ticket_rotation_s=8, ticket_lifetime_s=90)
        self.script.play("on C_FindObjectsInit nth 1 hang")
        self.assertEqual(self.custodian.popen.wait(START_SECONDS), 5)

    def test_a_start_that_hangs(self):
        self.start(call_timeout_ms=100)
        self.end()
        self.script.play("on C_Login nth 1 hang")
        status, log = self.token.run_to_its_end()
        self.assertEqual(status, 5)
        self.assertIn("hangs", log)

    def test_a_slow_call_is_no_hang(self):
        self.start(call_timeout_ms=5 * SECONDS)
        self.script.play("on C_Sign nth 1 delay 300")
        self.assertEqual(self.sign(), "OK")

    def test_recycled_after_operations(self):
        """Every answer that was begun is given, and the process that follows serves on."""
        self.start(recycle="{ operations: 80 }")
        done = 0
        with self.assertRaises((OSError, AssertionError)):
            while self.sign() == "OK":
                done += 1
        self.assertIn(done, range(80, 91))  # an eighth more at most
        self.assertEqual(self.custodian.popen.wait(START_SECONDS), 4)
        self.assertIn(f"recycled after {done} operations", self.custodian.output())
        self.start()
        self.assertEqual(self.sign(), "OK")

    def test_recycled_for_its_memory(self):
        self.start(recycle="{ rss_mib: 1 }")
        self.assertEqual(self.custodian.popen.wait(START_SECONDS), 4)
        self.assertRegex(self.custodian.output(), r"recycled at \d+ MiB")

    def test_not_recycled_without_a_limit(self):
        self.start(recycle="{ operations: 0, rss_mib: 0 }")
        for _ in range(100):
            self.assertEqual(self.sign(), "OK")
        self.assertIsNone(self.custodian.popen.poll())

    def test_a_limit_that_is_none(self):
        self.start()
        self.end()
        for wrong in "call_timeout_ms: 99", "call_timeout_ms: 60001", "recycle: { never: 1 }":
            with self.subTest(wrong=wrong):
                self.token.configure()
                with open(self.token.path / "c1.yaml", "a", encoding="utf-8") as file:
                    file.write(wrong + "\n")
                self.assertEqual(self.token.run_to_its_end()[0], 1)
        self.token.configure()


if __name__ == "__main__":
    unittest.main()
