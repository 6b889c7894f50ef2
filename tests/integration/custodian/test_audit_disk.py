"""A disk that is full, a log that was taken back, one that was changed: what a custodian does then."""
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import time
import unittest

import card as cards
import curves
import gpki
from custodian import BUILD, ECKACTL, Link, NAME_OF, Token, custody_pb2, establish_item
from custody_pb2 import AgreeItem, ConfirmItem, ResealItem, SignItem

SHIM = BUILD / "tests" / "preload" / "power_cut.so"
RESERVE = 256 * 1024
DISK = 16 * 1024 * 1024
RECOVERY_SECONDS = 10


class Case(unittest.TestCase):
    def setUp(self):
        self.token = Token()
        self.addCleanup(self.token.stop)
        self.folder = self.token.path / "run" / "audit-c1"

    def provision(self, **audit):
        self.token.configure(audit={"reserve_bytes": RESERVE, **audit})
        made = self.token.keys("init", "--init-token", "--so-pin-file", self.token.path / "so-pin",
                               "--sign-key", "invoices")[1]
        point = next(line.split()[-1] for line in made.splitlines() if "sr-establish 1 P-256" in line)
        self.sr_point = bytes.fromhex(point)
        self.sr = self.token.certify("sr.der", curves.P256, self.sr_point)
        self.pem = self.token.path / "checkpoint.pem"
        self.pem.write_text(self.token.keys("list", "--pem", "checkpoint")[1])
        self.card = cards.Card(gpki.make_eum(gpki.make_ci()), b"\x01", curves.P256, 1)
        self.card.challenge()

    def start(self):
        custodian = self.token.start()
        self.link = Link(custodian)
        self.addCleanup(self.link.close)
        return custodian

    def confirm_item(self):
        status, item = self.link.one("establish", establish_item(self.card, self.sr))
        self.assertEqual(status, "OK")
        _, receipt = self.card.establish(item.store_data, curves.P256, self.sr_point)
        return ConfirmItem(principal="beta", ticket=item.ticket, eid=self.card.eid, receipt=receipt)

    def whole(self, kind, *items):
        """The status of the answer as a whole."""
        message = custody_pb2.Batch(id=5)
        getattr(message, kind).items.extend(items)
        return NAME_OF[self.link.exchange(message.SerializeToString()).status]

    def verify(self, status=0):
        done = subprocess.run([ECKACTL, "audit", "verify", "--key", self.pem, self.folder],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)

    def log(self):
        return b"".join(file.read_bytes() for file in sorted(self.folder.glob("*.log")))


class Full(Case):
    """What begins something is refused, what finishes something goes on, and it ends by itself."""

    def begun(self, key_set):
        return (("establish", establish_item(self.card, self.sr)),
                ("sign", SignItem(principal="beta", key_label="invoices", digest=bytes(32))),
                ("agree", AgreeItem(principal="beta", curve=1, peer=self.card.point, length=16)),
                ("reseal", ResealItem(principal="beta", key_set=key_set, eid=self.card.eid, kvn=1)))

    def use_what_is_ahead(self):
        """As much again as the reserve is set aside for what begins something."""
        sign = SignItem(principal="beta", key_label="invoices", digest=bytes(32))
        for _ in range(2 * RESERVE // 500):
            if self.whole("sign", sign) != "OK":
                return
        self.fail("the disk is full, and signatures go on")

    def story(self, disk_is_full):
        custodian = self.start()
        waiting = self.confirm_item()
        status, done = self.link.one("confirm", self.confirm_item())
        self.assertEqual(status, "OK")
        for kind, item in self.begun(done.key_set):
            self.assertEqual(self.whole(kind, item), "OK", kind)
        with disk_is_full():
            self.use_what_is_ahead()
            for kind, item in self.begun(done.key_set):
                self.assertEqual(self.whole(kind, item), "AUDIT_UNAVAILABLE", kind)
            for _ in range(50):
                status, confirmed = self.link.one("confirm", waiting)
                self.assertEqual(status, "OK")
            self.assertIn(hashlib.sha256(confirmed.key_set).hexdigest().encode(), self.log())
            self.assertEqual(self.link.hello().token, "eckad")
            self.verify()
            self.assertNotIn("room again", custodian.output())
        for kind, item in self.begun(done.key_set):
            self.assertEqual(self.whole(kind, item), "OK", kind)
        output = custodian.output()
        self.assertEqual(output.count("no room for the audit log"), 1, output)
        self.assertEqual(output.count("room again for the audit log"), 1, output)
        self.assertNotIn("cannot be written", output)
        custodian.stop()
        self.verify()
        refused = re.findall(rb'"op":"refused","principal":"beta".*"status":"AUDIT_UNAVAILABLE"',
                             self.log())
        self.assertEqual(len(refused), 4)

    @contextlib.contextmanager
    def said_to_be_full(self):
        flag = self.token.path / "full"
        flag.touch()
        yield
        flag.unlink()

    def test_space_that_cannot_be_had(self):
        """The preloaded library answers ENOSPC as a full disk does."""
        self.provision()
        self.token.env.update(LD_PRELOAD=str(SHIM), ECKA_POWER_CUT="1",
                              ECKA_DISK_FULL=str(self.token.path / "full"))
        self.story(self.said_to_be_full)

    @contextlib.contextmanager
    def filled(self):
        """Another program takes what is left."""
        ballast = self.folder / "ballast"
        with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        yield
        ballast.unlink()

    def test_a_small_file_system(self):
        """Where this user may mount one; the test above needs nobody's leave."""
        self.folder.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none",
                                  self.folder], capture_output=True, check=False)
        if mounted.returncode != 0:
            self.provision()
            self.token.env.update(LD_PRELOAD=str(SHIM), ECKA_POWER_CUT="2",
                                  ECKA_DISK_FULL=str(self.token.path / "full"))
            print("no file system may be mounted here; full by the preloaded library instead")
            self.story(self.said_to_be_full)
            return
        self.addCleanup(subprocess.run, ["umount", self.folder], check=True)
        self.provision()
        self.story(self.filled)

    def test_a_file_that_may_not_grow(self):
        """RLIMIT_FSIZE: a write that fails in the middle leaves no trace, and nothing is released."""
        self.provision()
        custodian = self.start()
        size = max(file.stat().st_size for file in self.folder.glob("*.log"))
        pid = str(custodian.popen.pid)
        subprocess.run(["prlimit", "--pid", pid, f"--fsize={size + 300}:unlimited"], check=True)
        sign = SignItem(principal="beta", key_label="invoices", digest=bytes(32))
        self.assertEqual(self.whole("sign", sign), "AUDIT_UNAVAILABLE")
        self.assertEqual(max(file.stat().st_size for file in self.folder.glob("*.log")), size)
        self.verify()
        subprocess.run(["prlimit", "--pid", pid, "--fsize=unlimited:unlimited"], check=True)
        self.assertEqual(self.whole("sign", sign), "OK")
        self.verify()


class Start(Case):
    """What the token remembers is what a start compares with."""

    def setUp(self):
        super().setUp()
        self.provision()

    def sign(self, count=1):
        for i in range(count):
            self.assertEqual(self.whole("sign", SignItem(
                principal="beta", key_label="invoices", digest=bytes([i]) * 32)), "OK")

    def served(self, count=3):
        custodian = self.start()
        self.sign(count)
        self.link.close()
        custodian.stop()

    def refused(self, sentence):
        status, log = self.token.run_to_its_end()
        self.assertEqual(status, 1, log)
        self.assertIn(sentence, log)
        self.assertNotIn(": ready", log)

    def file(self):
        return self.folder / "0000000000000000.log"

    def test_an_older_log_is_refused(self):
        self.served()
        old = self.file().read_bytes()
        self.served()
        new = self.file().read_bytes()
        self.file().write_bytes(old)
        self.refused("it is older, or gone")
        self.file().write_bytes(new)
        self.served()

    def test_a_log_that_is_gone_is_refused(self):
        self.served()
        shutil.rmtree(self.folder)
        self.refused("it is older, or gone")
        self.token.configure(audit={"origin": "eckad/c1-second"})  # what the operators do then
        self.served()

    def test_a_fork_is_refused(self):
        """Two logs from one beginning, each with true signatures: only one is the token's."""
        self.served()
        beginning = self.file().read_bytes()
        self.served(5)
        first = self.file().read_bytes()
        self.file().write_bytes(beginning)
        self.refused("it is older, or gone")
        self.token.tool("forget", "eckad audit")
        self.served(8)
        self.file().write_bytes(first)
        self.refused("it is older, or gone")

    def test_another_log_of_that_length_is_refused(self):
        self.served()
        beginning = self.file().read_bytes()
        self.served(5)
        first = self.file().read_bytes()
        self.file().write_bytes(beginning)
        self.token.tool("forget", "eckad audit")
        self.served(5)
        self.file().write_bytes(first)
        self.refused("another one than the token remembers")

    def test_a_changed_leaf_is_refused(self):
        self.served()
        good = self.file().read_bytes()
        self.file().write_bytes(good.replace(b'"principal":"beta"', b'"principal":"bela"', 1))
        self.refused("leaves and checkpoints do not agree")
        self.file().write_bytes(good.replace(b'"new 1', b'"new 2', 1))
        self.served()

    def test_part_of_a_commit_is_taken_off_and_kept_aside(self):
        self.served()
        with open(self.file(), "ab") as file:
            file.write(b'{"time":"2026-11-24T0')
        self.served()
        self.assertIn(b'"op":"recovered"', self.log())
        self.assertIn(b'"count":21,"detail":"behind the checkpoint', self.log())
        self.assertEqual([f.read_bytes() for f in self.folder.glob("cut-*")],
                         [b'{"time":"2026-11-24T0'])
        self.verify()

    def test_two_write_one_log(self):
        """Ceremonies beside a custodian at work, whose checkpoint key turns, too."""
        custodian = self.start()
        for _ in range(3):
            self.sign(2)
            self.token.keys("rotate", "ticket")
        self.token.keys("rotate", "checkpoint")
        self.sign(2)
        custodian.reload()
        self.sign(2)
        self.link.close()
        custodian.stop()
        self.pem.write_text(self.token.keys("list", "--pem", "checkpoint")[1])
        self.verify()
        self.assertEqual(self.log().count(b'"op":"sign"'), 10)
        self.assertEqual(self.log().count(b"end keys-rotate done"), 4)

    def test_segments_in_an_archive(self):
        self.token.configure(audit={"segment_bytes": 16384})
        self.served(100)
        segments = sorted(self.folder.glob("*.log"))
        self.assertGreater(len(segments), 2)
        archive = self.token.path / "archive"
        archive.mkdir()
        for segment in segments[:-2]:
            segment.rename(archive / segment.name)
        self.served(100)
        self.verify()

    def test_the_directory_of_another_origin_is_refused(self):
        self.served(0)
        before = self.log()
        self.token.configure(audit={"origin": "eckad/other"})
        self.refused("the log of another origin")
        self.assertEqual(self.log(), before)
        self.assertEqual(list(self.folder.glob("cut-*")), [])

    def test_what_no_log_can_be_told_is_refused(self):
        for audit, sentence in (({"mode": "loose"}, "mode is strict or off"),
                                ({"origin": "a b"}, "an origin has 1 to 64"),
                                ({"origin": "x" * 65}, "an origin has 1 to 64"),
                                ({"segment_bytes": 16383}, "segment_bytes is not in"),
                                ({"reserve_bytes": 1000}, "reserve_bytes is not in"),
                                ({"colour": "red"}, "cannot read the configuration")):
            self.token.configure(audit=audit)
            self.refused(sentence)

    def test_off_writes_nothing_and_says_so(self):
        shutil.rmtree(self.folder)
        self.token.configure(audit={"mode": "off"})
        custodian = self.start()
        self.sign()
        self.assertFalse(self.folder.exists())
        self.assertIn("the audit log is off", custodian.output())


if __name__ == "__main__":
    unittest.main()
