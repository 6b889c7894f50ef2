"""How long each secret lives in a custodian: its memory is read at every wipe of one Establish.

The preloaded wipe_spy stops the custodian whenever it is about to wipe a secret, and tells what. The
card's key is the test's own, so Z is known; eSK is the scalar among the wiped bytes whose point is
ePK.
"""
import os
import pathlib
import signal
import threading
import time
import unittest

from cryptography.hazmat.primitives.asymmetric import ec

import card as cards
import curves
import gpki
import memory
from custodian import BUILD, Link, Token, establish_item
from custody_pb2 import ConfirmItem

PIN = "97316420"


def find_scalar(octets, point):
    for at in range(len(octets) - 31):
        candidate = int.from_bytes(octets[at:at + 32], "big")
        if 0 < candidate < curves.P256.n:
            key = ec.derive_private_key(candidate, ec.SECP256R1())
            if gpki.point_of(key.public_key()) == point:
                return octets[at:at + 32]
    raise AssertionError("eSK was never wiped")


class Lifetime(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root may read another process's memory")
        cls.token = Token(pin=PIN)
        cls.addClassCleanup(cls.token.stop)
        cls.keys = cls.token.first_ceremony()
        cls.point = bytes.fromhex(cls.keys[0][4])
        cls.sr = cls.token.certify("sr.der", curves.P256, cls.point)
        cls.spy = cls.token.path / "spy"
        cls.spy.mkdir()
        cls.token.env.update(LD_PRELOAD=str(BUILD / "tests" / "preload" / "wipe_spy.so"),
                             ECKA_SPY=str(cls.spy))
        cls.custodian = cls.token.start()
        cls.pid = cls.custodian.popen.pid
        cls.card = cards.Card(gpki.make_eum(gpki.make_ci()), b"\x01", curves.P256)

    def watched(self, link, kind, item):
        """The answer, and the custodian's memory at every stop on the way to it."""
        answers, stops = [], []
        thread = threading.Thread(target=lambda: answers.append(link.one(kind, item)))
        (self.spy / "armed").touch()
        thread.start()
        while thread.is_alive():
            if memory.state(self.pid) == "T":
                stops.append(memory.writable(self.pid))
                os.kill(self.pid, signal.SIGCONT)
            time.sleep(0.001)
        (self.spy / "armed").unlink()
        thread.join()
        ((status, answer),) = answers
        self.assertEqual(status, "OK")
        return answer, stops

    def test_each_secret_goes_when_it_is_done_with(self):
        link = Link(self.custodian)
        self.addCleanup(link.close)
        item, stops = self.watched(link, "establish", establish_item(self.card, self.sr))
        z = curves.P256.ecka(self.card.scalar, item.epk)
        esk = find_scalar((self.spy / "wiped").read_bytes(), item.epk)

        seen = [(memory.holds(s, esk), memory.holds(s, z)) for s in stops]
        self.assertIn((True, True), seen, "the moment of key agreement was not seen")
        after = seen[max(i for i, (has_esk, _) in enumerate(seen) if has_esk) + 1:]
        self.assertIn((False, True), after, "eSK was there for as long as Z")

        _, receipt = self.card.establish(item.store_data, curves.P256, self.point)
        request = ConfirmItem(principal="beta", ticket=item.ticket, eid=self.card.eid,
                              receipt=receipt)
        _, stops = self.watched(link, "confirm", request)
        self.assertTrue(any(memory.holds(s, self.card.keys.enc) for s in stops))

        idle = memory.snapshot(self.pid)
        for name, value in {"eSK": esk, "Z": z, "PIN": PIN.encode(), "ENC": self.card.keys.enc,
                            "MAC": self.card.keys.mac, "DEK": self.card.keys.dek,
                            "receipt key": self.card.keys.receipt}.items():
            self.assertFalse(memory.holds(idle, value), f"the idle custodian holds {name}")
        self.assertTrue(memory.holds(idle, self.sr), "the scanner sees nothing at all")

    def test_at_custody_token_only_key_data_are_here(self):
        """Neither eSK nor Z is in the process at any wipe, though the token's module is in it.

        SoftHSM computes with both in this process too, between two of these moments: that it leaves
        nothing behind is what the memory at the stops shows, and no more.
        """
        link = Link(self.custodian)
        self.addCleanup(link.close)
        (self.spy / "wiped").unlink(missing_ok=True)
        item, stops = self.watched(link, "establish",
                                   establish_item(self.card, self.sr, custody=1))
        self.assertEqual(bytes(item.custody), b"\1\1\1\2")
        self.card.establish(item.store_data, curves.P256, self.point)
        z = curves.P256.ecka(self.card.scalar, item.epk)
        wiped = (self.spy / "wiped").read_bytes()
        self.assertNotIn(z, wiped)
        with self.assertRaisesRegex(AssertionError, "eSK was never wiped"):
            find_scalar(wiped, item.epk)
        for number, regions in enumerate(stops):
            self.assertFalse(memory.holds(regions, z), f"Z is in the custodian, stop {number}")
        # The scan sees what is there: the key data that the reply says are here.
        self.assertTrue(any(memory.holds(s, self.card.keys.enc) for s in stops))
        idle = memory.snapshot(self.pid)
        for value in (z, self.card.keys.enc, self.card.keys.receipt):
            self.assertFalse(memory.holds(idle, value))

    def test_the_process_is_hardened(self):
        proc = pathlib.Path(f"/proc/{self.pid}")
        core = next(line for line in (proc / "limits").read_text().splitlines()
                    if line.startswith("Max core file size"))
        self.assertEqual(core.split()[4:6], ["0", "0"])
        locked = next(line for line in (proc / "status").read_text().splitlines()
                      if line.startswith("VmLck:"))
        self.assertGreater(int(locked.split()[1]), 0)
        for name in ("cmdline", "environ"):
            self.assertNotIn(PIN.encode(), (proc / name).read_bytes())
        self.assertNotIn(PIN, self.custodian.output())
        mode = os.stat(self.custodian.socket_path).st_mode
        self.assertEqual(mode & 0o077, 0)


if __name__ == "__main__":
    unittest.main()
