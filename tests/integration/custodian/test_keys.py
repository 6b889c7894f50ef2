"""The ceremonies of `eckactl keys` on SoftHSM tokens: what each does, refuses, shows and writes down."""
import hashlib
import json
import re
import shutil
import subprocess
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import card as cards
import curves
import gpki
from custodian import (CHECKPOINT, CURVES, ECKACTL, GENERIC_SIGN, KEK, KEYSET, SR_ESTABLISH, TICKET,
                       Link, Token, establish_item, key_id)
from custody_pb2 import ConfirmItem, Scp80WrapItem

OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
VERBS = ("init", "list", "rotate", "retire", "csr", "install-cert", "import-kek", "grant",
         "backup-check", "second-operator")


class Case(unittest.TestCase):
    def setUp(self):
        self.token = Token()
        self.addCleanup(self.token.stop)
        self.keys = self.token.first_ceremony()

    def refused(self, sentence, *args, status=1):
        ended, out, log = self.token.keys(*args, ok=False)
        self.assertEqual(ended, status, log)
        self.assertIn(sentence, log)
        return out

    def listed(self):
        page = json.loads(self.token.keys("list", "--json")[1])
        return {(key["purpose"], key["generation"]): key for key in page["keys"]}

    def contents(self):
        """The token's objects as they lie on the disk; its own counts logins."""
        return {file.relative_to(self.token.path): file.read_bytes()
                for file in (self.token.path / "tokens").rglob("*.object")
                if file.name != "token.object"}

    def established(self, link, sr, number=1):
        card = cards.Card(gpki.make_eum(gpki.make_ci()), b"\x01", curves.P256, number)
        status, item = link.one("establish", establish_item(card, sr))
        self.assertEqual(status, "OK")
        _, receipt = card.establish(item.store_data, curves.P256, bytes.fromhex(self.keys[0][4]))
        return card, ConfirmItem(principal="beta", ticket=item.ticket, eid=card.eid,
                                 receipt=receipt)


class Page(Case):
    def test_list_is_what_the_token_holds(self):
        listed = self.listed()
        self.assertEqual(set(listed), {(purpose, int(n)) for purpose, n, *_ in self.keys})
        for purpose, generation, curve, label, point in self.keys:
            key = listed[purpose, int(generation)]
            self.assertEqual((key["label"], key["kind"]), (label, curve))
            self.assertRegex(key["created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            wanted = ("", "") if point == "-" else (
                point, hashlib.sha256(bytes.fromhex(point)).hexdigest())
            self.assertEqual((key["point"], key["sha256"]), wanted)
            is_so = {word for word, answer in key["attributes"].items() if answer}
            self.assertEqual(is_so, {"private", "sensitive", "always-sensitive",
                                     "never-extractable", "local", "sign"})
            self.assertLessEqual({"extractable", "modifiable", "copyable"},
                                 {w for w, answer in key["attributes"].items() if answer is False})

    def test_the_page_says_the_same(self):
        _, page, _ = self.token.keys("list")
        (folder,) = (self.token.path / "tokens").iterdir()
        serial = folder.name.replace("-", "")[-16:]  # SoftHSM names a token's folder after it
        self.assertRegex(page, rf"serial +{serial}\n")
        self.assertRegex(page, r"second operator +not set\n")
        for key in self.listed().values():
            self.assertIn(f'\n{key["purpose"]} {key["generation"]}  "{key["label"]}"\n', page)
            self.assertIn(f'id          {key["id"]}\n', page)
            self.assertIn(key["sha256"], page)

    def test_public_halves_are_those_of_the_points(self):
        self.token.keys("rotate", "checkpoint")
        points = [point for (purpose, _), point in sorted(
            (identity, key["point"]) for identity, key in self.listed().items())
            if purpose == "checkpoint"]
        pem = self.token.keys("list", "--pem", "checkpoint")[1]
        blocks = re.findall(r"^(checkpoint \d .*)\n(-----BEGIN [^-]*-----\n[^-]*-----END [^-]*-----)$",
                            pem, re.M)
        keys = [serialization.load_pem_public_key(block.encode()) for _, block in blocks]
        self.assertEqual(len(points), 2)
        self.assertEqual([key.public_bytes(serialization.Encoding.X962,
                                           serialization.PublicFormat.UncompressedPoint).hex()
                          for key in keys], points)
        self.refused("no ticket key with a public half", "list", "--pem", "ticket")
        self.assertEqual(self.token.keys("list", "--pem", "nothing", ok=False)[0], 2)
        self.assertEqual(self.token.keys("list", "--pem", "checkpoint", "--json", ok=False)[0], 2)

    def test_a_refused_key_is_named_and_not_listed(self):
        self.token.tool("plant", key_id(TICKET, 7), "sign", "eckad ticket 7", "07" * 32)
        _, page, log = self.token.keys("list")
        self.assertNotIn("ticket 7", page)
        self.assertIn("eckad ticket 7: refused, it was not made in the token", log)

    def test_each_verb_explains_itself(self):
        for verb in VERBS:
            status, text, _ = self.token.keys(verb, "--help")
            self.assertEqual(status, 0)
            self.assertIn(f"eckactl keys {verb}", text)
        overview = subprocess.run([ECKACTL, "keys", "--help"], capture_output=True, text=True,
                                  check=True).stdout
        for verb in VERBS:
            self.assertIn(f"keys {verb} ", overview)

    def test_misuse_is_told_from_failure(self):
        for args in (("nonsense",), ("rotate", "nothing"), ("retire", "ticket"), ("list", "--begin"),
                     ("rotate", "sr-establish"), ("rotate", "generic-sign"), ("csr",),
                     ("retire", "ticket", "0"), ("import-kek",), ("init", "--init-token"),
                     ("csr", "--generation", "1", "--common-name", "a\nb"),
                     ("rotate", "ticket", "--dry-run", "--transcript", self.token.path / "t"),
                     ("init", "--sr-curve", "FRP256v1")):
            self.assertEqual(self.token.keys(*args, ok=False)[0], 2, args)


class Weakness(Case):
    def test_a_wrong_pin_is_tried_once_and_ends_with_3(self):
        self.token.write_pin("pin", "9999")
        self.refused("CKR_PIN_INCORRECT", "list", status=3)
        _, _, log = self.token.keys("rotate", "ticket", ok=False)
        self.assertEqual(log.count("C_Login"), 1)

    def test_a_token_without_a_user_pin_is_refused(self):
        self.token.tool("blank", label="other", pin="87654321")
        self.token.configure(token=self.token.uri.replace("eckad", "other"))
        self.refused("its user PIN is not initialised", "init")

    def test_a_weaker_key_is_not_taken_for_the_one_that_is_there(self):
        """init --missing-only makes a good checkpoint key beside a planted one."""
        self.token.tool("destroy", key_id(CHECKPOINT, 1))
        self.token.tool("plant", key_id(CHECKPOINT, 2), "sign", "eckad checkpoint 2", "07" * 32)
        self.refused("holds no checkpoint key", "rotate", "ticket")
        self.token.configure(audit={"origin": "eckad/again", "directory": "run/audit-again"})
        _, out, log = self.token.keys("init", "--missing-only")
        self.assertIn("eckad checkpoint 2: refused, an object of another class", log)
        self.assertIn("key checkpoint 1 P-256", out)


class WeakToken(unittest.TestCase):
    """A token that makes keys weaker than asked for (tests/pkcs11/README.md)."""

    def setUp(self):
        self.token = Token()
        self.addCleanup(self.token.stop)
        self.token.first_ceremony()
        self.script = self.token.put_script()

    def rotate(self, weakness, purpose, *args):
        self.script.play(weakness)
        return self.token.keys("rotate", purpose, *args, ok=False)

    def test_a_weaker_key_is_destroyed_again(self):
        before = self.token.tool("probe")
        secret, private = ("keyset",), ("sr-establish", "--sr-curve", "P-256")
        for weakness, order, sentence in (
                ("make CKA_EXTRACTABLE true", secret, "it is CKA_EXTRACTABLE"),
                ("make CKA_EXTRACTABLE true", private, "it is CKA_EXTRACTABLE"),
                ("make CKA_SENSITIVE false", secret, "it is not CKA_SENSITIVE"),
                ("make CKA_SENSITIVE false", private, "it is not CKA_SENSITIVE"),
                ("make CKA_PRIVATE false", secret, "it is not CKA_PRIVATE"),
                ("make CKA_ENCRYPT true", secret, "it may be used to encrypt"),
                ("make CKA_DERIVE true", private, "it may be used to derive"),
                ("make CKA_MODIFIABLE true", secret, "its attributes can be changed"),
                ("make CKA_MODIFIABLE true", private, "its attributes can be changed"),
                ("make CKA_COPYABLE true", secret, "it can be copied")):
            with self.subTest(weakness=weakness, purpose=order[0]):
                status, out, log = self.rotate(weakness, *order)
                self.assertEqual((status, out), (1, ""), log)
                self.assertIn(f"destroyed again, {sentence}", log)
                self.assertEqual(self.token.tool("probe"), before)
        status, out, log = self.rotate("", "keyset")
        self.assertEqual((status, out), (0, "key keyset 2 AES-256 eckad keyset 2 -\n"), log)

    def test_a_token_without_copyable_is_asked_for_the_rest(self):
        """Weaker is what the token makes of it, so SoftHSM's default is seen and refused."""
        status, _, log = self.rotate("unknown CKA_COPYABLE", "keyset")
        self.assertEqual(status, 1)
        self.assertIn("destroyed again, it can be copied", log)


class DryRun(Case):
    def test_it_changes_nothing_and_says_what_would_be(self):
        self.token.keys("rotate", "keyset")
        before = self.contents()
        for said, args in (("would create keyset 3", ("rotate", "keyset")),
                           ("would create generic-sign 1 invoices on P-256",
                            ("init", "--missing-only", "--sign-key", "invoices")),
                           ("would destroy sr-establish 2", ("retire", "sr-establish", "2")),
                           ("would sign a request of sr-establish 1", ("csr", "--generation", 1)),
                           ("would make an RSA-3072 transport key", ("import-kek", "--begin"))):
            _, out, _ = self.token.keys(*args, "--dry-run")
            self.assertIn(said, out)
        self.assertEqual(self.contents(), before)
        self.token.keys("retire", "sr-establish", "2")
        self.assertNotEqual(self.contents(), before)

    def test_a_blank_token_stays_blank(self):
        self.token.configure(token=self.token.uri.replace("eckad", "second"),
                             audit={"directory": "run/audit-second"})
        args = ("init", "--init-token", "--so-pin-file", self.token.path / "so-pin")
        _, out, _ = self.token.keys(*args, "--dry-run")
        self.assertIn("would initialise a blank token\nwould create sr-establish 1 on P-256", out)
        self.refused("no token answers", "list")
        self.token.keys(*args)
        self.assertEqual(len(self.listed()), 5)


class Transcript(Case):
    def check_hashes(self, octets):
        ends = [m for m in re.finditer(rb"^sha256 ([0-9a-f]{64})\n", octets, re.M)]
        for end in ends:
            self.assertEqual(hashlib.sha256(octets[:end.start()]).hexdigest().encode(),
                             end.group(1))
        return len(ends)

    def test_every_step_is_written_down_and_hashed(self):
        file = self.token.path / "transcript"
        _, out, _ = self.token.keys("rotate", "sr-establish", "--sr-curve", "P-256",
                                    "--transcript", file)
        point = out.split()[-1]
        self.refused("keyset 1 is the newest", "retire", "keyset", "1", "--transcript", file)
        octets = file.read_bytes()
        self.assertEqual(self.check_hashes(octets), 2)
        text = octets.decode()
        self.assertRegex(text, r"T\d\d:\d\d:\d\dZ begin keys-rotate custodian=c1 uid=\d+\n")
        self.assertRegex(text, r'Z token label="eckad" serial=[0-9a-f]{16} model="SoftHSM v2" ')
        self.assertIn(f"created id={key_id(SR_ESTABLISH, 3)} purpose=sr-establish generation=3 "
                      f'kind=P-256 label="eckad sr-establish 3" point={point} attributes=private,'
                      "sensitive,always-sensitive,not-extractable,never-extractable,local", text)
        self.assertIn("end keys-rotate done\n", text)
        self.assertIn("end keys-retire DENIED\n", text)
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)

    def test_an_altered_transcript_is_not_continued(self):
        file = self.token.path / "transcript"
        self.token.keys("rotate", "ticket", "--transcript", file)
        good = file.read_bytes()
        before = self.contents()
        for altered in (good.replace(b"uid=", b"uid=1"), good[:-1], good + b"more\n", b"a\n"):
            file.write_bytes(altered)
            self.refused("does not end in the hash", "rotate", "ticket", "--transcript", file)
        self.assertEqual(self.contents(), before)
        file.write_bytes(good)
        self.token.keys("rotate", "ticket", "--transcript", file)

    def test_no_secret_is_in_it(self):
        file = self.token.path / "transcript"
        second = self.token.file("second", b"correct horse\n")
        self.token.keys("init", "--missing-only", "--second-operator", second, "--transcript", file)
        text = file.read_text()
        self.assertIn("second-operator set", text)
        for secret in ("correct horse", "argon2", "87654321"):
            self.assertNotIn(secret, text)


class Certificates(Case):
    def test_a_request_is_of_the_token_key(self):
        for purpose, generation, curve, _, point in self.keys[:2]:
            _, pem, _ = self.token.keys("csr", "--generation", generation, "--common-name",
                                        f"SM-SR {curve}")
            self.token.file("r.pem", pem.encode())
            verified = subprocess.run(["openssl", "req", "-verify", "-noout", "-in",
                                       self.token.path / "r.pem"], capture_output=True, text=True,
                                      check=False)
            self.assertEqual(verified.returncode, 0, verified.stderr)
            request = x509.load_pem_x509_csr(pem.encode())
            self.assertTrue(request.is_signature_valid)
            self.assertEqual(gpki.point_of(request.public_key()), bytes.fromhex(point))
            self.assertEqual(request.subject.rfc4514_string(), f"CN=SM-SR {curve}")
            self.assertEqual(purpose, "sr-establish")

    def test_no_request_of_another_key(self):
        """Only sr-establish keys have one; generation 3 of it does not exist."""
        self.token.keys("init", "--missing-only", "--sign-key", "invoices")
        self.refused("holds no sr-establish 3", "csr", "--generation", "3")

    def test_a_certificate_is_installed_for_its_key(self):
        custodian = self.token.start()
        link = Link(custodian)
        self.assertEqual(list(link.hello().sr_key_ids), [])
        sr = self.token.certify("../sr.7f21", curves.P256, bytes.fromhex(self.keys[0][4]))
        _, out, _ = self.token.keys("install-cert", self.token.path / "sr.7f21")
        self.assertIn(f"certificate {sr.hex()} sr-establish 1 P-256", out)
        custodian.reload()
        self.assertEqual(list(link.hello().sr_key_ids), [sr])  # the same connection
        _, request = self.established(link, sr)
        self.assertEqual(link.one("confirm", request)[0], "OK")

    def test_another_certificate_is_not(self):
        self.token.certify("../x.7f21", curves.P256, curves.P256.keypair()[1])
        self.token.certify("../dp.7f21", curves.P256, bytes.fromhex(self.keys[0][4]),
                           role=b"\x01")
        self.token.certify("../cp.7f21", curves.P256, bytes.fromhex(self.keys[4][4]))
        self.token.file("junk.7f21", b"\x7f\x21\x00")
        for name, why in (("x", "no sr-establish key"), ("dp", "not an SM-SR's"),
                          ("cp", "no sr-establish key"), ("junk", "no 7F21")):
            self.refused(why, "install-cert", self.token.path / f"{name}.7f21")
        self.assertEqual(list((self.token.path / "sr-certs").iterdir()), [])


class Kek(Case):
    def wrapped(self, kek, name="wrapped"):
        _, pem, _ = self.token.keys("import-kek", "--begin")
        public = serialization.load_pem_public_key(pem.encode())
        self.assertEqual(public.key_size, 3072)
        return self.token.file(name, public.encrypt(kek, OAEP))

    def imported(self, kek=b"\x07" * 32, name="partner"):
        return self.token.keys("import-kek", "--name", name, "--finish", self.wrapped(kek))[1]

    def test_a_kek_enters_wrapped_and_wraps_only(self):
        kek = bytes(range(32))
        out = self.imported(kek)
        fingerprint = hashlib.sha256(keywrap.aes_key_wrap(kek, bytes(32))).hexdigest()
        self.assertEqual(out, "key kek 1 AES-256 partner -\n" f"fingerprint {fingerprint}\n")
        key = self.listed()["kek", 1]
        self.assertEqual((key["label"], key["sha256"], key["remark"]),
                         ("partner", fingerprint, "wrap-only, entered wrapped"))
        self.assertEqual({word for word, answer in key["attributes"].items() if answer},
                         {"private", "sensitive", "wrap"})
        probed = dict(line.split(" ", 1) for line in self.token.tool("probe"))
        self.assertEqual(probed[key_id(KEK, 1)], "value:refused weakened:refused")
        self.assertNotIn(b"eckt".hex(), probed)  # the transport key is gone
        self.refused("no transport key", "import-kek", "--name", "partner", "--finish",
                     self.token.path / "wrapped")

    def test_a_kek_in_the_clear_is_not_taken(self):
        self.token.keys("import-kek", "--begin")
        for octets in (b"\x07" * 32, b"\x07" * 16, b"", (b"\x07" * 32).hex().encode()):
            clear = self.token.file("clear", octets)
            self.refused("A KEK in the clear is not taken", "import-kek", "--name", "partner",
                         "--finish", clear)
        self.assertNotIn(("kek", 1), self.listed())

    def test_what_another_key_wrapped_is_not_taken(self):
        self.wrapped(b"\x07" * 32)
        stranger = rsa.generate_private_key(65537, 3072).public_key()
        file = self.token.file("stranger", stranger.encrypt(b"\x07" * 32, OAEP))
        self.refused("was not wrapped under this transport key", "import-kek", "--name", "partner",
                     "--finish", file)
        self.assertNotIn(("kek", 1), self.listed())

    def test_a_planted_kek_of_known_value_is_not_used(self):
        self.imported()
        self.token.tool("destroy", key_id(KEK, 1))
        self.token.tool("plant", key_id(KEK, 1), "wrap", "partner", "08" * 32)
        _, page, log = self.token.keys("list")
        self.assertNotIn('"partner"', page)
        self.assertIn("eckad kek 1: refused, it is not the key that its record says came in "
                      "wrapped", log)
        self.token.tool("plant", key_id(KEK, 2), "wrap", "partner", "08" * 32)
        self.assertIn("eckad kek 2: refused, no ceremony has recorded", self.token.keys("list")[2])

    def test_the_transport_key_unwraps_to_nothing_else(self):
        """The token itself refuses a readable key: CKA_UNWRAP_TEMPLATE."""
        file = self.wrapped(b"\x07" * 32)
        done = self.token.run_tool("unwrap-readable", b"eckt".hex(), file)
        self.assertEqual((done.returncode, done.stderr), (1, "C_UnwrapKey: 0xd1\n"))

    def test_a_kek_rotates_by_another_import_and_retires(self):
        self.imported()
        self.refused("import-kek", "rotate", "kek", "--name", "partner")
        self.imported(b"\x09" * 32)
        self.assertEqual(self.listed()["kek", 2]["label"], "partner")
        self.token.keys("retire", "kek", "1")
        self.assertNotIn(("kek", 1), self.listed())
        self.assertIn(("kek", 2), self.listed())


class Retire(Case):
    def test_a_keyset_generation_waits_for_reseal_and_quiet(self):
        self.refused("keyset 1 is the newest", "retire", "keyset", "1")
        self.token.keys("rotate", "keyset")
        self.refused("--resealed", "retire", "keyset", "1")
        self.refused("no custodian has counted", "retire", "keyset", "1", "--resealed")

        sr = self.token.certify("sr.der", curves.P256, bytes.fromhex(self.keys[0][4]))
        custodian = self.token.start()
        link = Link(custodian)
        card, request = self.established(link, sr)
        _, confirmed = link.one("confirm", request)
        wrap = Scp80WrapItem(principal="beta", key_set=confirmed.key_set, eid=card.eid, kvn=1,
                             spi=0x1639, tar=1, counter=1, payload=b"command")
        self.assertEqual(link.one("scp80_wrap", wrap)[0], "OK")
        custodian.stop()
        self.assertRegex((self.token.path / "run" / "uses-c1").read_text(),
                         r"(?m)^keyset 2 \d+ 2 \d+$")  # sealed once, opened once
        self.refused("tells of the first count", "retire", "keyset", "1", "--resealed", "--quiet",
                     "3600")
        # Backwards in time by two hours: the count has been quiet for that long.
        self.shift_counts(7200)
        self.refused("is not quiet", "retire", "keyset", "1", "--resealed", "--quiet", "7300")
        self.assertIn(("keyset", 1), self.listed())
        self.token.keys("retire", "keyset", "1", "--resealed", "--quiet", "3600")
        self.assertNotIn(("keyset", 1), self.listed())
        self.assertNotIn(key_id(KEYSET, 1), "".join(self.token.tool("probe")))

    def shift_counts(self, seconds):
        file = self.token.path / "run" / "uses-c1"
        lines = [line.split() for line in file.read_text().splitlines()[1:]]
        file.write_text("eckad uses 1\n" + "".join(
            f"{p} {n} {int(since) - seconds} {uses} {max(0, int(last) - seconds)}\n"
            for p, n, since, uses, last in lines))

    def test_a_use_starts_the_quiet_time_again(self):
        sr = self.token.certify("sr.der", curves.P256, bytes.fromhex(self.keys[0][4]))
        custodian = self.token.start()
        card, request = self.established(Link(custodian), sr)
        _, confirmed = Link(custodian).one("confirm", request)
        self.token.keys("rotate", "keyset")
        custodian.stop()
        self.shift_counts(7200)
        custodian = self.token.start()
        wrap = Scp80WrapItem(principal="beta", key_set=confirmed.key_set, eid=card.eid, kvn=1,
                             spi=0x1639, tar=1, counter=1, payload=b"command")
        self.assertEqual(Link(custodian).one("scp80_wrap", wrap)[0], "OK")
        forged = bytearray(confirmed.key_set)
        forged[-1] ^= 1
        wrap.key_set = bytes(forged)
        self.assertEqual(Link(custodian).one("scp80_wrap", wrap)[0], "BLOB_FORGED")
        custodian.stop()
        self.assertRegex((self.token.path / "run" / "uses-c1").read_text(),
                         r"(?m)^keyset 1 \d+ 2 \d+$")  # a forged blob is no use
        self.refused("tells of a use", "retire", "keyset", "1", "--resealed", "--quiet", "3600")

    def test_a_ticket_generation_lives_as_long_as_its_tickets(self):
        self.token.keys("rotate", "ticket")
        self.refused("tickets of generation 1 may live until", "retire", "ticket", "1")
        self.refused("ticket 2 is the newest", "retire", "ticket", "2")
        self.assertEqual(len([k for k in self.listed() if k[0] == "ticket"]), 2)

    def test_an_sr_key_with_a_certificate_stays(self):
        self.token.certify("sr.der", curves.P256, bytes.fromhex(self.keys[0][4]))
        self.refused("sr.der is a certificate of this key", "retire", "sr-establish", "1")
        (self.token.path / "sr-certs" / "sr.der").unlink()
        self.token.keys("retire", "sr-establish", "1")
        self.assertNotIn(key_id(SR_ESTABLISH, 1), "".join(self.token.tool("probe")))
        self.refused("holds no sr-establish 1", "retire", "sr-establish", "1")

    def test_a_refused_key_can_be_removed(self):
        self.token.tool("plant", key_id(GENERIC_SIGN, 5), "sign", "invoices", "07" * 32)
        self.token.keys("retire", "generic-sign", "5")
        self.assertNotIn(key_id(GENERIC_SIGN, 5), "".join(self.token.tool("probe")))

    def test_the_checkpoint_key_in_use_stays(self):
        self.refused("checkpoint 1 is the newest", "retire", "checkpoint", "1")
        self.token.keys("rotate", "checkpoint")
        self.token.keys("retire", "checkpoint", "1")


class SecondOperator(Case):
    def setUp(self):
        super().setUp()
        self.second = self.token.file("second", b"correct horse\n")
        self.wrong = self.token.file("wrong", b"battery staple\n")
        self.token.keys("init", "--missing-only", "--second-operator", self.second)

    def guarded(self):
        yield "init", "--missing-only", "--sign-key", "invoices"
        yield "import-kek", "--begin"
        yield "retire", "sr-establish", "2"
        yield "second-operator", "--remove"

    def test_guarded_ceremonies_need_both(self):
        self.assertIn("second operator  set", self.token.keys("list")[1])
        self.token.configure(audit={"mode": "off"})  # which writes to the token, too
        before = self.contents()
        for args in self.guarded():
            self.refused("asks for a second operator", *args)
            self.refused("credential is wrong", *args, "--second-operator", self.wrong)
        self.assertEqual(self.contents(), before)
        for args in self.guarded():
            self.token.keys(*args, "--second-operator", self.second)
        self.assertIn("second operator  not set", self.token.keys("list")[1])

    def test_a_grant_needs_both(self):
        both = ("--second-operator", self.second)
        _, pem, _ = self.token.keys("import-kek", "--begin", *both)
        wrapped = self.token.file("wrapped", serialization.load_pem_public_key(
            pem.encode()).encrypt(b"\x07" * 32, OAEP))
        self.refused("asks for a second operator", "import-kek", "--name", "partner", "--finish",
                     wrapped)
        self.token.keys("import-kek", "--name", "partner", "--finish", wrapped, *both)
        grant = ("grant", "--principal", "beta", "--kek", "partner", "--quota", "5")
        self.refused("asks for a second operator", *grant)
        self.refused("credential is wrong", *grant, "--second-operator", self.wrong)
        self.assertNotIn("beta", self.token.keys("list")[1])
        self.token.keys(*grant, *both)
        self.assertIn("beta", self.token.keys("list")[1].split("\ngrants\n")[1])

    def test_it_cannot_be_replaced_by_setting_another(self):
        self.refused("credential is wrong", "init", "--missing-only", "--second-operator",
                     self.wrong)
        self.token.keys("retire", "sr-establish", "2", "--second-operator", self.second)

    def test_the_credential_alone_is_not_enough(self):
        self.token.write_pin("pin", "9999")
        self.refused("CKR_PIN_INCORRECT", "retire", "sr-establish", "2", "--second-operator",
                     self.second, status=3)

    def test_it_is_neither_the_pin_nor_open_to_everybody(self):
        self.token.keys("second-operator", "--remove", "--second-operator", self.second)
        same = self.token.file("same", b"1234\n")
        self.refused("it has to be another one", "init", "--missing-only", "--second-operator",
                     same)
        self.second.chmod(0o644)
        self.refused("open to everybody", "init", "--missing-only", "--second-operator",
                     self.second)
        self.second.chmod(0o600)
        self.refused("knows no second operator", "retire", "sr-establish", "2",
                     "--second-operator", self.second)
        self.token.keys("retire", "sr-establish", "2")


class Backup(Case):
    def copy(self, name="backup"):
        shutil.copytree(self.token.path / "tokens", self.token.path / name)
        return self.token.path / name

    def test_a_copy_is_complete(self):
        out = self.token.keys("backup-check", self.copy())[1]
        self.assertIn('holds the 5 keys of token "eckad" and opens its blobs', out)

    def test_an_older_copy_lacks_what_came_since(self):
        older = self.copy()
        self.token.keys("rotate", "keyset")
        self.refused("keyset 2 is missing in the backup", "backup-check", older)
        self.token.keys("backup-check", self.copy("newer"))

    def test_a_token_with_other_keys_is_no_backup(self):
        other = Token()
        self.addCleanup(other.stop)
        other.first_ceremony()
        self.refused("sr-establish 1 is another key in the backup", "backup-check",
                     other.path / "tokens")

    def test_other_masters_are_seen_without_showing_them(self):
        """The same points, but a ticket master that was replaced under its identity."""
        copy = self.copy()
        conf = self.token.file("copy.conf", f"directories.tokendir = {copy}\n"
                                            "objectstore.backend = file\n".encode())
        live = self.token.env["SOFTHSM2_CONF"]
        self.token.env["SOFTHSM2_CONF"] = str(conf)
        self.token.tool("destroy", key_id(KEYSET, 1))
        self.token.tool("create", key_id(KEYSET, 1), "sensitive", "kept")
        self.token.env["SOFTHSM2_CONF"] = live
        self.refused("cannot open what the other one sealed (keyset)", "backup-check", copy)

    def test_a_restored_token_opens_an_old_set(self):
        sr = self.token.certify("sr.der", curves.P256, bytes.fromhex(self.keys[0][4]))
        custodian = self.token.start()
        card, request = self.established(Link(custodian), sr)
        _, confirmed = Link(custodian).one("confirm", request)
        custodian.stop()
        copy = self.copy()
        shutil.rmtree(self.token.path / "tokens")
        (self.token.path / "tokens").mkdir()
        self.assertEqual(self.token.run_to_its_end()[0], 1)  # the loss is real
        (self.token.path / "tokens").rmdir()
        copy.rename(self.token.path / "tokens")
        wrap = Scp80WrapItem(principal="beta", key_set=confirmed.key_set, eid=card.eid, kvn=1,
                             spi=0x1639, tar=1, counter=1, payload=b"command")
        status, packet = Link(self.token.start()).one("scp80_wrap", wrap)
        self.assertEqual(status, "OK")
        *_, payload = cards.open_command(card.keys, packet.packet)
        self.assertEqual(payload, b"command")


if __name__ == "__main__":
    unittest.main()
