"""`eckactl custody report`: it passes on a good token, names what is weak, believes no attribute, and
is signed."""
import base64
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from cryptography.hazmat.primitives import keywrap, serialization

import gpki
from custodian import (BUILD, CHECKPOINT, ECKACTL, GENERIC_SIGN, KEK, KEYSET, SANITIZER, SOURCE,
                       SR_ESTABLISH, TICKET, Token, key_id)

SECONDS = 60
DOCUMENT = (SOURCE / "docs" / "custody-report.md").read_text()
TRANSPORT = b"eckt".hex()


def run_report(config, env, *args):
    done = subprocess.run([ECKACTL, "custody", "report", "--custodian", config, *args], env=env,
                          capture_output=True, text=True, timeout=SECONDS, check=False)
    assert not SANITIZER.search(done.stderr), done.stderr
    return done


def openssl_verifies(folder, public_key, signature, text):
    """As an auditor would: openssl dgst, with the key's PEM, the DER signature and the text."""
    for name, octets in (("key", public_key.encode()), ("sig", base64.b64decode(signature)),
                         ("text", text.encode())):
        (folder / name).write_bytes(octets)
    return subprocess.run(["openssl", "dgst", "-sha256", "-verify", folder / "key", "-signature",
                           folder / "sig", folder / "text"], capture_output=True,
                          check=False).returncode == 0


def canonical(report):
    return json.dumps(report, sort_keys=True, separators=(",", ":"))


class Case(unittest.TestCase):
    def setUp(self):
        self.token = Token()
        self.addCleanup(self.token.stop)
        self.keys = self.token.first_ceremony()

    def run_report(self, *args):
        return run_report(self.token.path / "c1.yaml", self.token.env, *args)

    def report(self, verdict):
        """The JSON report, whose signature holds, with this verdict."""
        done = self.run_report("--json")
        self.assertEqual(done.returncode, 0 if verdict == "pass" else 1, done.stderr)
        envelope = json.loads(done.stdout)
        report, signature = envelope["report"], envelope["signature"]
        self.assertEqual(report["schema"], "eckad-custody-report/1")
        self.assertEqual(report["verdict"], verdict, done.stderr)
        if signature is not None:
            self.assertTrue(openssl_verifies(self.token.path, signature["public_key"],
                                             signature["value"], canonical(report)))
        for key in report["keys"]:
            self.assertEqual(key["verdict"], "fail" if key["findings"] else "pass")
        return report

    def failed_keys(self, report):
        """{(purpose, generation): {code: finding}} of the keys that failed"""
        failed = {(key["purpose"], key["generation"]): {f["code"]: f for f in key["findings"]}
                  for key in report["keys"] if key["verdict"] == "fail"}
        self.assertEqual(len(failed), report["keys_failed"])
        for findings in failed.values():
            for code in findings:
                self.assertIn(f"| `{code}` |", DOCUMENT)
        return failed

    def found(self, purpose, generation=0):
        """The findings of the one key that fails, all others passing."""
        failed = self.failed_keys(self.report("fail"))
        self.assertEqual(set(failed), {(purpose, generation)})
        return failed[purpose, generation]

    def contents(self):
        """The token's objects as they lie on the disk; its own counts logins."""
        return {file.name: file.read_bytes()
                for file in (self.token.path / "tokens").rglob("*.object")
                if file.name != "token.object"}


class Good(Case):
    def test_a_freshly_provisioned_token_passes(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="report-"))
        self.addCleanup(shutil.rmtree, folder)
        subprocess.run([SOURCE / "tools" / "provision", folder, "--bin", BUILD], check=True,
                       capture_output=True)
        env = {**os.environ, "SOFTHSM2_CONF": str(folder / "softhsm2.conf")}
        done = run_report(folder / "c1.yaml", env, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)["report"]
        self.assertEqual((report["verdict"], report["keys_failed"], report["findings"]),
                         ("pass", 0, []))
        self.assertEqual({key["purpose"] for key in report["keys"]},
                         {"sr-establish", "generic-sign", "ticket", "keyset", "checkpoint"})

    def test_each_kind_of_attempt_was_made_and_held(self):
        for key in self.report("pass")["keys"]:
            outcomes = {}
            for attempt in key["attempts"]:
                outcomes.setdefault(attempt["probe"], set()).add(attempt["outcome"])
                self.assertRegex(attempt["answer"], r"^CKR_[A-Z_]+$|^not found$")
            wanted = {"without-login", "read", "wrap", "copy", "set", "derive"}
            if key["class"] == "secret":
                wanted |= {"verify", "encrypt", "decrypt", "wrap-with", "unwrap-with"}
            self.assertEqual(set(outcomes), wanted)
            for probe, seen in outcomes.items():
                self.assertIn("held", seen, probe)
                self.assertLessEqual(seen, {"held", "untested"}, probe)

    def test_it_says_where_the_keys_are(self):
        report = self.report("pass")
        self.assertIn("This token is the custodian's process and its files.",
                      report["token"]["boundary"])
        self.assertIn(self.token.env["SOFTHSM2_CONF"], report["token"]["boundary"])
        self.assertEqual(report["modes"]["custody"],
                         {"default": "memory", "token_curves": ["P-256", "brainpoolP256r1"]})
        self.assertEqual((report["left_behind"], report["wraps_not_tried"]), (0, []))

    def test_it_says_how_the_audit_is_configured(self):
        audit = self.report("pass")["modes"]["audit"]
        self.assertEqual((audit["mode"], audit["origin"]), ("strict", "eckad/c1"))
        self.assertIn(f"strict, log eckad/c1 in {audit['directory']}"[:40],
                      " ".join(self.run_report().stdout.split()))
        with open(self.token.path / "c1.yaml", "a", encoding="utf-8") as config:
            config.write("audit: { mode: off }\n")
        self.assertEqual(self.report("pass")["modes"]["audit"], {"mode": "off"})
        self.assertIn("OFF: uses of keys leave no trace", self.run_report().stdout)

    def test_the_page_says_the_same_and_is_signed(self):
        report, page = self.report("pass"), self.run_report().stdout
        text, _, tail = page.partition("signature-key ")
        self.assertIn("verdict         PASS: 5 keys, 0 failed\n", text)
        for key in report["keys"]:
            self.assertIn(f'\n{key["purpose"]} {key["generation"]} "{key["label"]}"  PASS\n', text)
            self.assertIn(key["id"], text)
        self.assertNotRegex(text, r"(?m)^signature")
        signature = re.search(r"(?m)^signature (\S+)$", tail).group(1)
        pem = json.loads(self.run_report("--json").stdout)["signature"]["public_key"]
        point = bytes.fromhex(self.keys[4][4])
        self.assertEqual(serialization.load_pem_public_key(pem.encode()).public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint), point)
        self.assertIn(hashlib.sha256(point).hexdigest(), tail)
        self.assertTrue(openssl_verifies(self.token.path, pem, signature, text))
        for changed in (text.replace("PASS", "FAIL", 1), text + " ", text[:-1]):
            self.assertFalse(openssl_verifies(self.token.path, pem, signature, changed))

    def test_the_documented_commands_verify(self):
        """The shell lines of docs/custody-report.md, as they stand there."""
        folder = self.token.path
        (folder / "report.txt").write_text(self.run_report().stdout)
        done = self.run_report("--json").stdout
        (folder / "report.json").write_text(done)
        (folder / "checkpoint.pem").write_text(json.loads(done)["signature"]["public_key"])
        blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.S)
        self.assertEqual(len(blocks), 2)
        for block in blocks:
            done = subprocess.run(["bash", "-euc", block], cwd=folder, capture_output=True,
                                  text=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (0, "Verified OK\n"), done.stderr)

    def test_a_kek_and_a_transport_key_of_ceremonies_pass(self):
        self.token.import_kek("partner", b"\x09" * 32)
        self.token.keys("import-kek", "--begin")
        keys = {key["purpose"]: key for key in self.report("pass")["keys"]}
        held = {a["probe"] for a in keys["kek"]["attempts"] if a["outcome"] == "held"}
        self.assertLessEqual({"decrypt", "wrap-other", "sign"}, held)
        held = {a["probe"] for a in keys["transport"]["attempts"] if a["outcome"] == "held"}
        self.assertLessEqual({"unwrap-weaker", "decrypt", "sign"}, held)


class Seeded(Case):
    """One weakness a test: the key is named, with what is wrong, and no other."""

    def make(self, *args):
        self.token.tool("make", *args)

    def test_an_extractable_key(self):
        self.make("aes", key_id(KEYSET, 2), "k", "sign", "extractable")
        findings = self.found("keyset", 2)
        self.assertEqual(set(findings), {"wrapped-out", "refused"})
        self.assertIn("CKM_AES_KEY_WRAP", findings["wrapped-out"]["what"])
        self.assertEqual(findings["wrapped-out"]["answer"], "CKR_OK")
        self.assertEqual(findings["refused"]["text"], "it is CKA_EXTRACTABLE")

    def test_a_readable_key(self):
        self.make("aes", key_id(TICKET, 2), "t", "sign", "extractable", "not-sensitive")
        findings = self.found("ticket", 2)
        self.assertEqual(set(findings), {"readable", "wrapped-out", "refused"})
        self.assertEqual(findings["readable"]["what"], ["CKA_VALUE"])

    def test_a_signing_key_that_agrees_too(self):
        self.make("ec", key_id(GENERIC_SIGN, 1), "invoices", "sign", "derive")
        findings = self.found("generic-sign", 1)
        self.assertEqual(findings["may-derive"]["what"], ["CKM_ECDH1_DERIVE"])
        self.assertEqual(set(findings), {"may-derive", "refused"})

    def test_a_master_that_decrypts(self):
        self.make("aes", key_id(KEYSET, 2), "k", "sign", "decrypt")
        findings = self.found("keyset", 2)
        self.assertIn("CKM_AES_CBC", findings["may-decrypt"]["what"])
        self.assertEqual(set(findings), {"may-decrypt", "refused"})

    def plant_kek(self, *words):
        """A KEK of known value with the record that a ceremony would have written."""
        fingerprint = hashlib.sha256(keywrap.aes_key_wrap(b"\x07" * 32, bytes(32))).hexdigest()
        self.make("known", key_id(KEK, 1), "partner", "wrap", *words)
        self.token.tool("record", "eckad kek", "eckad kek 1", "created=2026-01-01T00:00:00Z "
                        f"fingerprint={fingerprint} transport={'0' * 64}")

    def test_a_kek_without_a_template_of_what_it_wraps(self):
        self.plant_kek()
        findings = self.found("kek", 1)
        self.assertEqual(set(findings), {"wraps-other"})
        self.assertIn("CKM_AES_KEY_WRAP_PAD", findings["wraps-other"]["what"])

    def test_a_kek_that_decrypts_what_it_wraps(self):
        self.plant_kek("decrypt", "unwrap")
        findings = self.found("kek", 1)
        self.assertLessEqual({"may-decrypt", "may-unwrap-with"}, set(findings))

    def test_a_kek_without_its_record(self):
        self.make("known", key_id(KEK, 1), "partner", "wrap")
        self.assertIn("no ceremony has recorded", self.found("kek", 1)["refused"]["text"])

    def test_an_unknown_secret_key(self):
        self.make("aes", "00ff", "somebody's", "sign")
        self.assertEqual(set(self.found("unknown")) & {"unknown-key", "readable"}, {"unknown-key"})

    def test_an_unknown_private_key(self):
        self.make("rsa", "00ff", "somebody's", "decrypt")
        findings = self.found("unknown")
        self.assertLessEqual({"unknown-key", "may-decrypt"}, set(findings))
        self.assertNotIn("wrapped-out", findings)

    def test_a_private_key_left_public(self):
        self.make("ec", key_id(GENERIC_SIGN, 1), "invoices", "sign", "not-private")
        findings = self.found("generic-sign", 1)
        self.assertEqual(set(findings), {"seen-without-login", "refused"})
        self.assertEqual(findings["seen-without-login"]["what"], ["C_FindObjects"])

    def test_a_key_that_was_imported(self):
        pem, key = self.token.path / "key.pem", gpki.new_key()
        pem.write_bytes(key.private_bytes(serialization.Encoding.PEM,
                                          serialization.PrivateFormat.PKCS8,
                                          serialization.NoEncryption()))
        subprocess.run(["softhsm2-util", "--import", str(pem), "--token", "eckad", "--label", "x",
                        "--id", key_id(SR_ESTABLISH, 9), "--pin", "1234"], env=self.token.env,
                       check=True, capture_output=True)
        self.assertEqual(self.found("sr-establish", 9)["refused"]["text"],
                         "it was not made in the token")

    def test_a_key_that_can_be_changed_and_copied(self):
        self.make("aes", key_id(KEYSET, 2), "k", "sign", "modifiable", "copyable")
        findings = self.found("keyset", 2)
        self.assertEqual(set(findings), {"weakened", "purpose-settable", "copyable",
                                         "copied-weaker", "states-weakness"})
        self.assertIn("CKA_DECRYPT", findings["weakened"]["what"])
        self.assertIn("CKA_DECRYPT", findings["copied-weaker"]["what"])
        self.assertNotIn("CKA_EXTRACTABLE", findings["weakened"]["what"])
        self.assertEqual(self.token.tool("probe").count(
            f"{key_id(KEYSET, 2)} value:refused weakened:refused"), 1)

    def test_a_transport_key_that_unwraps_to_readable_keys(self):
        self.make("rsa", TRANSPORT, "eckad transport", "unwrap")
        findings = self.found("transport")
        self.assertEqual(set(findings), {"unwraps-readable"})
        self.assertIn("CKM_RSA_PKCS_OAEP", findings["unwraps-readable"]["what"])

    def test_two_keys_of_one_identity(self):
        self.make("aes", key_id(KEYSET, 1), "k", "sign")
        report = self.report("fail")
        twice = [f["code"] for key in report["keys"] for f in key["findings"]]
        self.assertEqual(twice, ["identity-twice"] * 2)

    def test_a_grant_that_everybody_can_write(self):
        """Made without the PIN, as anybody who reaches the token could."""
        self.token.tool("open-record", "eckad grant", "beta partner", "serial=" + "1" * 32 +
                        " quota=5 created=2026-01-01T00:00:00Z", pin="-")
        report = self.report("fail")
        self.assertEqual(report["keys_failed"], 0)
        found, = [o for o in report["objects"] if o["verdict"] == "fail"]
        self.assertEqual((found["application"], found["label"], found["findings"][0]["code"]),
                         ("eckad grant", "beta partner", "seen-without-login"))
        self.assertNotIn("beta partner", self.token.keys("list")[1])  # and it grants nothing

    def test_no_checkpoint_key(self):
        self.token.tool("destroy", key_id(CHECKPOINT, 1))
        done = self.run_report("--json")
        envelope = json.loads(done.stdout)
        self.assertEqual((done.returncode, envelope["signature"]), (1, None))
        self.assertEqual([f["code"] for f in envelope["report"]["findings"]], ["unsigned"])
        self.assertNotRegex(self.run_report().stdout, r"(?m)^signature")


class Lying(Case):
    """A token whose attributes are what one would like to see."""

    def setUp(self):
        super().setUp()
        self.script = self.token.put_script()

    def say(self, identity, **claims):
        self.script.play(*(f"say CKA_{name} {str(value).lower()} of {identity}"
                           for name, value in claims.items()))

    def test_a_readable_key_that_is_called_sensitive(self):
        self.token.tool("make", "aes", key_id(KEYSET, 2), "k", "sign", "extractable",
                        "not-sensitive")
        self.say(key_id(KEYSET, 2), SENSITIVE=True, ALWAYS_SENSITIVE=True, EXTRACTABLE=False,
                 NEVER_EXTRACTABLE=True)
        self.assertNotIn("refused", self.token.keys("list")[2])  # attributes alone show nothing
        findings = self.found("keyset", 2)
        self.assertEqual(set(findings), {"readable", "wrapped-out", "token-lies"})
        self.assertEqual(set(findings["token-lies"]["what"]),
                         {"that it is CKA_SENSITIVE", "that it is not CKA_EXTRACTABLE"})

    def test_a_master_that_decrypts_and_is_said_not_to(self):
        self.token.tool("make", "aes", key_id(TICKET, 2), "t", "sign", "decrypt")
        self.say(key_id(TICKET, 2), DECRYPT=False)
        findings = self.found("ticket", 2)
        self.assertEqual(set(findings), {"may-decrypt", "token-lies"})
        self.assertIn("that it may not decrypt", findings["token-lies"]["what"])

    def test_a_key_that_can_be_changed_and_is_said_not_to(self):
        self.token.tool("make", "ec", key_id(GENERIC_SIGN, 1), "invoices", "sign", "modifiable",
                        "copyable")
        self.say(key_id(GENERIC_SIGN, 1), MODIFIABLE=False, COPYABLE=False)
        findings = self.found("generic-sign", 1)
        self.assertEqual(set(findings), {"weakened", "purpose-settable", "copyable",
                                         "copied-weaker", "token-lies"})

    def test_a_public_key_object_that_is_called_private(self):
        self.token.tool("make", "ec", key_id(SR_ESTABLISH, 3), "s", "sign", "not-private")
        self.say(key_id(SR_ESTABLISH, 3), PRIVATE=True)
        findings = self.found("sr-establish", 3)
        self.assertEqual(set(findings), {"seen-without-login", "token-lies"})

    def test_attributes_that_contradict_each_other(self):
        self.token.tool("make", "aes", key_id(KEYSET, 2), "k", "sign", "extractable")
        self.say(key_id(KEYSET, 2), NEVER_EXTRACTABLE=True)
        self.assertIn("that it was never CKA_EXTRACTABLE, and is",
                      self.found("keyset", 2)["token-lies"]["what"])


if __name__ == "__main__":
    unittest.main()
