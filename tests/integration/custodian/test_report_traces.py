"""`eckactl custody report` as an operation: what it leaves behind, in the token and in the audit log,
whatever fails meanwhile; while a custodian serves; misused."""
import hashlib
import json
import os
import random
import re
import subprocess
import unittest

import card as cards
import curves
import gpki
from custodian import ECKACTL, KEYSET, Link, establish_item, key_id
from test_report import Case, canonical

LONG = "ECKA_TEST_LONG" in os.environ


class Traces(Case):
    """What a report leaves in the token: nothing, however it ends. Its leaf is elsewhere."""

    def setUp(self):
        super().setUp()
        self.script = self.token.put_script(audit={"mode": "off"})

    def test_nothing_is_left_or_changed(self):
        before = self.contents()
        self.report("pass")
        self.assertEqual(self.contents(), before)

    def test_a_weak_key_is_as_it_was(self):
        self.token.tool("make", "aes", key_id(KEYSET, 2), "k", "sign", "modifiable", "copyable")
        names = set(self.contents())
        first, second = (json.loads(self.run_report("--json").stdout)["report"] for _ in range(2))
        self.assertEqual(set(self.contents()), names)
        self.assertEqual([key["stated"] for key in first["keys"]],
                         [key["stated"] for key in second["keys"]])
        self.assertEqual([f["code"] for f in first["keys"][-1]["findings"]],
                         [f["code"] for f in second["keys"][-1]["findings"]])

    def test_what_was_set_is_set_back_though_the_token_calls_it_failed(self):
        self.token.tool("make", "aes", key_id(KEYSET, 2), "k", "sign", "modifiable")
        def attributes():
            return json.loads(self.token.keys("list", "--json")[1])["keys"]
        before = attributes()
        self.script.play("on C_SetAttributeValue every 2 after rv CKR_DEVICE_ERROR")
        self.assertEqual(self.run_report("--json").returncode, 1)
        self.assertGreater(self.script.hits(), 20)
        self.assertEqual(attributes(), before)

    def test_a_key_that_cannot_be_set_back_is_named(self):
        self.token.tool("make", "aes", key_id(KEYSET, 2), "k", "sign", "modifiable")
        for turn in range(38, 60):  # the first of this key that is done, then the one that undoes it
            self.script.play(f"on C_SetAttributeValue nth {turn} rv CKR_DEVICE_ERROR")
            done = self.run_report("--json")
            report = json.loads(done.stdout)["report"]
            codes = {f["code"]: f["what"] for key in report["keys"] for f in key["findings"]}
            if "not-put-back" in codes:
                break
        self.assertEqual(codes["not-put-back"], ["CKA_VERIFY"])
        self.assertIn("changed", codes)
        self.assertIn("CKA_VERIFY of a key was set and cannot be set back", done.stderr)

    def test_a_process_that_dies_in_the_middle_leaves_nothing(self):
        before = self.contents()
        for call, n in (("C_CopyObject", 30), ("C_WrapKey", 9), ("C_DestroyObject", 1)):
            self.script.play(f"on {call} nth {n} crash")
            self.assertLess(self.run_report().returncode, 0, call)
            self.assertEqual(self.contents(), before)
        self.script.play()
        self.report("pass")

    def test_whatever_call_fails(self):
        """A seeded sample of every call of a report, or all, each with one of several answers."""
        self.token.import_kek("partner", b"\x09" * 32)
        before = self.contents()
        self.script.play("on * from 1000000 crash")
        self.assertEqual(self.run_report().returncode, 0)
        total = self.script.hits()
        self.assertGreater(total, 500)
        seed = int(os.environ.get("ECKA_SEED", random.randrange(2**32)))
        print(f"{total} calls, seed {seed} (ECKA_SEED)")
        rng = random.Random(seed)
        turns = range(1, total + 1) if LONG else rng.sample(range(1, total + 1), 12)
        for turn in turns:
            answer = rng.choice(("CKR_DEVICE_ERROR", "CKR_GENERAL_ERROR", "CKR_HOST_MEMORY",
                                 "CKR_FUNCTION_FAILED", "CKR_SESSION_HANDLE_INVALID"))
            when = rng.choice(("", "after "))
            with self.subTest(turn=turn, answer=answer, when=when):
                self.script.play(f"on * nth {turn} {when}rv {answer}")
                done = self.run_report("--json")
                self.assertIn(done.returncode, (0, 1), done.stderr)
                if done.stdout:
                    report = json.loads(done.stdout)["report"]
                    self.assertEqual(report["verdict"] == "pass", done.returncode == 0)
                else:
                    self.assertEqual(done.returncode, 1)
                    self.assertNotEqual(done.stderr, "")
                self.assertEqual(self.contents(), before)

    def test_a_failure_is_no_refusal(self):
        """A token that fails instead of refusing proves nothing, and does not pass."""
        self.script.play("on C_CopyObject rv CKR_DEVICE_ERROR")
        failed = self.failed_keys(self.report("fail"))
        self.assertEqual(len(failed), len(self.keys))
        for findings in failed.values():
            self.assertEqual(set(findings), {"unclear"})
            self.assertEqual(findings["unclear"]["answer"], "CKR_DEVICE_ERROR")

    def test_a_token_that_vanishes_gets_no_report(self):
        self.script.play("on C_WrapKey nth 20 vanish CKR_DEVICE_REMOVED")
        done = self.run_report()
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("CKR_DEVICE_REMOVED", done.stderr)


class Leaf(Case):
    """A report is a leaf of the custodian's audit log before anybody has it."""

    def leaves(self):
        done = subprocess.run([ECKACTL, "audit", "show", "--json", "--key", self.pem,
                               self.token.path / "run" / "audit-c1"], capture_output=True,
                              text=True, check=True)
        return [leaf for leaf in map(json.loads, done.stdout.splitlines())
                if leaf["op"] == "report"]

    def setUp(self):
        super().setUp()
        self.pem = self.token.file("checkpoint.pem",
                                   self.token.keys("list", "--pem", "checkpoint")[1].encode())

    def test_it_ties_to_what_was_signed(self):
        self.token.start()
        page = self.run_report().stdout.partition("signature-key ")[0]
        report = self.report("pass")
        self.token.tool("make", "aes", "00ff", "somebody's", "sign")
        failing = self.report("fail")
        wanted = [(hashlib.sha256(text.encode()).hexdigest(), detail) for text, detail in (
            (page, "verdict pass, 5 keys, 0 failed"),
            (canonical(report), "verdict pass, 5 keys, 0 failed"),
            (canonical(failing), "verdict fail, 6 keys, 1 failed"))]
        leaves = self.leaves()
        self.assertEqual([(leaf["sha256"], leaf["detail"]) for leaf in leaves], wanted)
        self.assertEqual({(leaf["key"], leaf["status"]) for leaf in leaves},
                         {("eckad checkpoint 1", "OK")})

    def test_without_a_leaf_there_is_no_report(self):
        self.report("pass")
        (self.token.path / "run" / "audit-c1").rename(self.token.path / "away")
        (self.token.path / "run" / "audit-c1").write_text("no folder")
        done = self.run_report()
        self.assertEqual((done.returncode, done.stdout), (1, ""))


class Ceremony(Case):
    def test_while_a_custodian_serves(self):
        sr = self.token.certify("sr.der", curves.P256, bytes.fromhex(self.keys[0][4]))
        custodian = self.token.start()
        link = Link(custodian)
        self.addCleanup(link.close)
        card = cards.Card(gpki.make_eum(gpki.make_ci()), b"\x01", curves.P256)
        for _ in range(2):
            self.report("pass")
            status, item = link.one("establish", establish_item(card, sr))
            self.assertEqual(status, "OK")
            card.establish(item.store_data, curves.P256, bytes.fromhex(self.keys[0][4]))
        custodian.reload()
        self.assertEqual(link.one("establish", establish_item(card, sr))[0], "OK")

    def test_a_dry_run_tries_nothing(self):
        script = self.token.put_script()
        done = self.run_report("--dry-run")
        self.assertEqual((done.returncode, done.stdout),
                         (0, "would try 5 keys and tell of 4 other objects\n"))
        calls = script.calls()
        for name in ("C_CopyObject", "C_SetAttributeValue", "C_WrapKey", "C_GenerateKey", "C_Sign"):
            self.assertEqual(calls[name], 0)

    def test_a_wrong_pin_ends_with_3(self):
        self.token.write_pin("pin", "9999")
        done = self.run_report()
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertEqual(done.stderr.count("C_Login"), 1)

    def test_misuse_is_told_from_failure(self):
        for args in (("--quota", "1"), ("something",), ("--nonsense",)):
            self.assertEqual(self.run_report(*args).returncode, 2, args)
        done = subprocess.run([ECKACTL, "custody", "nothing"], capture_output=True, check=False)
        self.assertEqual(done.returncode, 2)
        done = subprocess.run([ECKACTL, "custody", "report", "--help"], capture_output=True,
                              text=True, check=True)
        self.assertIn("eckactl custody report --custodian FILE [--json]", done.stdout)

    def test_the_transcript_tells_the_verdict(self):
        file = self.token.path / "transcript"
        self.run_report("--transcript", file)
        self.assertIn(" report verdict=pass", file.read_text())

    def test_what_a_token_says_cannot_forge_a_line(self):
        self.token.tool("make", "aes", "00ff", 'a"\nverdict  PASS\nsignature x', "sign")
        page = self.run_report().stdout
        self.assertIn('unknown "a??verdict  PASS?signature x"  FAIL', page)
        self.assertEqual(len(re.findall(r"(?m)^signature ", page)), 1)


if __name__ == "__main__":
    unittest.main()
