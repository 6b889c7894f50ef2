"""The logs of real custodians, read by both verifiers: what was done is in them, and ties to what was
released.
"""
import hashlib
import json
import pathlib
import signal
import subprocess
import unittest

import card as cards
import curves
import gpki
from custodian import ECKACTL, SOURCE, Link, Token, establish_item
from custody_pb2 import AgreeItem, ConfirmItem, KeySetCreateItem, ResealItem, SignItem

PYTHON = ["/usr/bin/python3", SOURCE / "tools" / "audit_verify.py"]
DIGEST = hashlib.sha256(b"a document").digest()
SEGMENT_BYTES = 16384  # the least


class Case(unittest.TestCase):
    def setUp(self):
        self.token = Token()
        self.addCleanup(self.token.stop)
        self.folder = self.token.path / "run" / "audit-c1"
        self.token.configure(audit={"origin": "eckad.example/c1", "segment_bytes": SEGMENT_BYTES})
        _, made, _ = self.token.keys("init", "--init-token", "--so-pin-file",
                                     self.token.path / "so-pin", "--sign-key", "invoices")
        point = next(line.split()[-1] for line in made.splitlines() if "sr-establish 1 P-256" in line)
        self.sr_point = bytes.fromhex(point)
        self.sr = self.token.certify("sr.der", curves.P256, self.sr_point)
        self.file_keys()

    def file_keys(self):
        self.pem = self.token.path / "checkpoint.pem"
        self.pem.write_text(self.token.keys("list", "--pem", "checkpoint")[1])

    def start(self):
        custodian = self.token.start()
        link = Link(custodian)
        self.addCleanup(link.close)
        return custodian, link

    def verify(self, *args, status=0, folder=None):
        args = ["--key", self.pem, *args, folder or self.folder]
        for program in ([ECKACTL, "audit", "verify"], PYTHON):
            done = subprocess.run([*program, *args], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def show(self, *args):
        done = subprocess.run([ECKACTL, "audit", "show", "--json", "--key", self.pem, *args, self.folder],
                              capture_output=True, text=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def handover(self, link, card):
        """What a front-end holds of it: the signed bytes and the key set."""
        status, established = link.one("establish", establish_item(card, self.sr))
        self.assertEqual(status, "OK")
        _, receipt = card.establish(established.store_data, curves.P256, self.sr_point)
        status, confirmed = link.one("confirm", ConfirmItem(
            principal="beta", ticket=established.ticket, eid=card.eid, receipt=receipt))
        self.assertEqual(status, "OK")
        return established, confirmed

    @staticmethod
    def card(number=1):
        return cards.Card(gpki.make_eum(gpki.make_ci()), b"\x01", curves.P256, number)


class Leaves(Case):
    def test_each_operation_is_a_leaf_of_what_was_released(self):
        custodian, link = self.start()
        card = self.card()
        established, confirmed = self.handover(link, card)
        own = {"principal": "beta", "key_set": confirmed.key_set, "eid": card.eid, "kvn": 1}
        _, created = link.one("key_set_create", KeySetCreateItem(**own, kind=3, new_kvn=0x30))
        _, resealed = link.one("reseal", ResealItem(**own))
        _, agreed = link.one("agree", AgreeItem(principal="beta", curve=curves.P256.number,
                                                peer=card.point, shared_info=b"", length=16))
        _, signed = link.one("sign", SignItem(principal="billing", key_label="invoices", digest=DIGEST))
        self.assertEqual(len(signed.signature), 64)
        custodian.stop()
        self.verify("--whole", "--origin", "eckad.example/c1")

        def sha256(octets):
            return hashlib.sha256(octets).hexdigest()

        leaves = [leaf for leaf in self.show() if leaf["op"] not in ("start", "stop")]
        self.assertEqual([(leaf["op"], leaf["principal"], leaf["kvn"], leaf["status"], leaf["count"])
                          for leaf in leaves if leaf["op"] != "ceremony"],
                         [("establish", "beta", 1, "OK", 1), ("confirm", "beta", 1, "OK", 1),
                          ("key-set-create", "beta", 0x30, "OK", 1), ("reseal", "beta", 1, "OK", 1),
                          ("agree", "beta", -1, "OK", 1), ("sign", "billing", -1, "OK", 1)])
        (tag, crt), (epk_tag, epk), _ = cards.dgis(established.store_data)
        signed_bytes = cards.dgi(tag, crt) + cards.dgi(epk_tag, epk) + cards.dgi(0x0085, card.rc)
        hashes = {leaf["op"]: leaf["sha256"] for leaf in leaves}
        self.assertEqual(hashes["establish"], sha256(signed_bytes))
        self.assertEqual(hashes["confirm"], sha256(confirmed.key_set))
        self.assertEqual(hashes["key-set-create"], sha256(created.new_key_set))
        self.assertEqual(hashes["reseal"], sha256(resealed.key_set))
        self.assertEqual(hashes["agree"], sha256(agreed.key_blob))
        self.assertEqual(hashes["sign"], DIGEST.hex())
        self.assertEqual([leaf["op"] for leaf in self.show("--eid", card.eid.hex())],
                         ["establish", "confirm", "key-set-create", "reseal"])
        self.assertEqual([leaf["op"] for leaf in self.show("--label", "invoices")],
                         ["ceremony", "sign"])

    def test_refusals_are_counted(self):
        custodian, link = self.start()
        card = self.card()
        status, established = link.one("establish", establish_item(card, self.sr))
        self.assertEqual(status, "OK")
        wrong = ConfirmItem(principal="beta", ticket=established.ticket, eid=card.eid, receipt=bytes(16))
        for _ in range(3):
            self.assertEqual(link.one("confirm", wrong)[0], "RECEIPT_MISMATCH")
        custodian.stop()
        self.verify("--whole")
        refused = self.show("--op", "refused")
        self.assertEqual({(leaf["principal"], leaf["status"]) for leaf in refused},
                         {("beta", "RECEIPT_MISMATCH")})
        self.assertEqual(sum(leaf["count"] for leaf in refused), 3)
        self.assertEqual(self.show("--op", "confirm"), [])


class Reading(Case):
    def sign(self, link, count):
        items = [SignItem(principal="beta", key_label="invoices", digest=DIGEST)] * count
        self.assertEqual({status for status, _ in link.batch("sign", items)}, {"OK"})

    def segments(self):
        return sorted(self.folder.glob("*.log"))

    def test_a_live_log_over_rotation_restarts_and_a_new_key(self):
        """Followed and verified while it is written; the checkpoints told elsewhere fit into it."""
        custodian, link = self.start()
        self.sign(link, 1)
        follower = subprocess.Popen(
            [ECKACTL, "audit", "follow", "--json", "--op", "sign", "--key", self.pem, self.folder],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(follower.stderr.close)
        self.addCleanup(follower.stdout.close)
        self.addCleanup(follower.wait)
        self.addCleanup(follower.kill)
        self.assertIn("following", follower.stderr.readline())
        signed = 0
        while len(self.segments()) < 4:
            self.sign(link, 20)
            signed += 20
            self.verify("--whole")
        seen = [json.loads(follower.stdout.readline()) for _ in range(signed)]
        self.assertEqual({leaf["sha256"] for leaf in seen}, {DIGEST.hex()})
        self.assertEqual(len({leaf["index"] for leaf in seen}), signed)
        custodian.stop()
        follower.send_signal(signal.SIGTERM)
        self.assertEqual(follower.wait(), 0, follower.stderr.read())

        told = custodian.output().split("audit checkpoint: ")[-1].splitlines()[0]
        kept = self.token.file("kept", told.encode())
        self.token.keys("rotate", "checkpoint")
        custodian, link = self.start()
        self.sign(link, 2)
        custodian.stop()
        self.verify(status=1)  # the new key was not given
        self.file_keys()
        self.verify("--whole", "--checkpoint", kept)
        older = self.token.path / "older"
        older.mkdir()
        for segment in self.segments()[:-1]:
            segment.rename(older / segment.name)
        self.verify("--checkpoint", kept, older)
        self.verify("--whole", "--checkpoint", kept, older)
        self.verify("--whole", status=1)

    def test_a_kill_and_an_older_state(self):
        custodian, link = self.start()
        self.sign(link, 5)
        before = {file.name: file.read_bytes() for file in self.segments()}
        self.sign(link, 5)
        custodian.popen.send_signal(signal.SIGKILL)
        custodian.popen.wait()
        self.token.processes.remove(custodian)
        self.verify("--whole", "--unfinished")
        custodian, _ = self.start()
        custodian.stop()
        self.verify("--whole")
        self.assertEqual(len(self.show("--op", "sign")), 10)
        last = self.segments()[-1].read_bytes().splitlines()[-1]
        (note,) = json.loads(self.token.keys("list", "--json")[1])["checkpoints"]
        self.assertEqual(note, json.loads(last)["checkpoint"])
        self.assertIn(f"audit checkpoints\n\n{note}", self.token.keys("list")[1])
        kept = self.token.file("kept", note.encode())
        for name, octets in before.items():
            (self.folder / name).write_bytes(octets)
        self.verify("--whole")  # by itself it holds
        self.assertIn("rollback", self.verify("--whole", "--checkpoint", kept, status=1))

    def test_ranges_and_proofs_of_a_real_log(self):
        custodian, link = self.start()
        for count in (1, 7, 20):
            self.sign(link, count)
        custodian.stop()
        leaves = self.show()
        leaf = leaves[len(leaves) // 2]
        proof = self.token.path / "leaf.tlog-proof"
        subprocess.run([ECKACTL, "audit", "prove", "--key", self.pem, "--leaf", str(leaf["index"]),
                        "--out", proof, self.folder], check=True, capture_output=True)
        for program in ([ECKACTL, "audit", "verify"], PYTHON):
            done = subprocess.run([*program, "--key", self.pem, "--proof", proof], check=True,
                                  capture_output=True, text=True)
            self.assertIn(f'"time":"{leaf["time"]}"', done.stdout)
        part = self.token.path / "part"
        subprocess.run([ECKACTL, "audit", "export", "--key", self.pem, "--from", "2", "--to", "5",
                        "--out", part, self.folder], check=True, capture_output=True)
        self.verify(folder=part)


if __name__ == "__main__":
    unittest.main()
