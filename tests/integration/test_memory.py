"""Which process holds which secret in the middle of Establish and Confirm.

The custodian runs with a preloaded library that stops it whenever it is about to wipe a secret; at
each stop both processes' memory is read. The token holds an SK.SR whose scalar the test knows, the
card's key is the test's own, and the wiped bytes tell eSK: so every secret of the exchange is known
by value and can be looked for.
"""
import hashlib
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

import beta
import curves
import gpki
import memory
import scripted
from deployment import BUILD, Deployment
from ecka_client import names

SK_SR = int.from_bytes(hashlib.sha256(b"a known SK.SR").digest(), "big") % curves.P256.n
CKA_ID = b"ecka\x01\x01" + (9).to_bytes(4, "big")  # version, purpose sr-establish, generation


def scalar(number):
    return number.to_bytes(32, "big")


def find_scalar(octets, point):
    """The private scalar of this P-256 point, wherever it stands in the octets."""
    for at in range(len(octets) - 31):
        candidate = int.from_bytes(octets[at:at + 32], "big")
        if 0 < candidate < curves.P256.n:
            key = ec.derive_private_key(candidate, ec.SECP256R1())
            if gpki.point_of(key.public_key()) == point:
                return candidate
    raise AssertionError("eSK was never wiped")


class Memory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root may read another process's memory")
        cls.deployment = Deployment(supervised=False)
        cls.addClassCleanup(cls.deployment.stop)
        cls.spy = pathlib.Path(tempfile.mkdtemp(prefix="spy-", dir=cls.deployment.path))
        cls.pki = beta.Pki(cls.deployment)
        cls.sr = cls.import_sr_key()
        cls.deployment.set_config(cls.deployment.config().replace(
            "jobs: 512", "jobs: 8\ncustodian_timeout_ms: 60000"))  # as the custodian's below

        cls.believe_in_imported_keys()
        preload = {"LD_PRELOAD": str(BUILD / "tests" / "preload" / "wipe_spy.so"),
                   "ECKA_SPY": str(cls.spy)}
        plain = cls.deployment.env
        cls.deployment.env = {**plain, **preload}
        cls.custodian = cls.deployment.start_custodian(1).pid
        cls.deployment.env = plain
        cls.eckad = cls.deployment.start_eckad().pid

    @classmethod
    def believe_in_imported_keys(cls):
        """A custodian refuses keys not made in the token: the module says of each that it was."""
        config = pathlib.Path(cls.deployment.custodian_config(1))
        text = config.read_text()
        module = re.search(r"module-path=([^\"]+)", text).group(1)
        config.write_text(text.replace(module, str(scripted.MODULE)) +
                          "call_timeout_ms: 60000\n")  # it stands still while it is looked at
        script = scripted.Script(cls.spy, module)
        script.play(*scripted.MADE_HERE)
        cls.deployment.env |= script.env

    @classmethod
    def import_sr_key(cls):
        """Puts the known scalar into the token and its certificate beside the others."""
        d = cls.deployment
        key = ec.derive_private_key(SK_SR, ec.SECP256R1())
        pem = d.path / "known.pem"
        pem.write_bytes(key.private_bytes(serialization.Encoding.PEM,
                                          serialization.PrivateFormat.PKCS8,
                                          serialization.NoEncryption()))
        subprocess.run(["softhsm2-util", "--import", str(pem), "--token", "eckad", "--label",
                        "eckad sr-establish 9", "--id", CKA_ID.hex(), "--pin",
                        (d.path / "pin").read_text().strip()],
                       env=d.env, check=True, capture_output=True)
        pem.unlink()
        point = gpki.point_of(key.public_key())
        fields = [(0x93, b"\x09"), (0x42, beta.CA_ID), (0x5F20, b"SM-SR"), (0x95, b"\x88"),
                  (0x5F24, gpki.bcd_date(gpki.NOW + 3650 * gpki.DAY)),
                  (0x73, gpki.tlv(0xC8, b"\x02") + gpki.tlv(0xC9, cls.pki.ci.key_id)),
                  (0x7F49, gpki.tlv(0xB0, point) + gpki.tlv(0xF0, b"\x00"))]
        certificate = gpki.seal_7f21(fields, cls.pki.ci.key)
        (d.path / "sr-certs" / "known.der").write_bytes(certificate)
        return curves.P256, hashlib.sha256(certificate).digest(), point

    def watched(self, client, **op):
        """The reply to a request, with both processes' memory at every stop on the way."""
        eckad, custodian = [], []
        (self.spy / "armed").touch()
        try:
            client.submit(deadline_us=60_000_000, **op)
            while not client.socket.poll(5):
                if memory.state(self.custodian) == "T":
                    custodian.append(memory.writable(self.custodian))
                    eckad.append(memory.snapshot(self.eckad))
                    os.kill(self.custodian, signal.SIGCONT)
        finally:
            (self.spy / "armed").unlink()
            os.kill(self.custodian, signal.SIGCONT)
        self.assertGreater(len(eckad), 0, "the custodian wiped nothing")
        return client.receive(), eckad, custodian

    def test_who_holds_what(self):
        client = self.deployment.client(timeout=60)
        card = self.pki.card(curves.P256, 77)
        request = beta.establish([card], self.sr[1])
        reply, eckad, custodian = self.watched(client, establish=request)
        result = reply.establish
        self.assertEqual(names(result.item_status), ["OK"])
        _, receipt = card.establish(result.store_data[0], self.sr[0], self.sr[2])

        z = curves.P256.ecka(card.scalar, result.epks)
        esk = find_scalar((self.spy / "wiped").read_bytes(), result.epks)
        secrets = {"SK.SR": scalar(SK_SR), "eSK": scalar(esk), "Z": z,
                   "PIN": (self.deployment.path / "pin").read_bytes().strip()}
        for name in ("receipt", "enc", "mac", "dek"):
            secrets[f"key data, {name}"] = getattr(card.keys, name)

        done = beta.confirm([card], result.tickets, [receipt])
        confirmed, more_eckad, more_custodian = self.watched(client, confirm=done)
        self.assertEqual(names(confirmed.confirm.item_status), ["OK"])
        self.assertEqual(confirmed.confirm.kcvs, card.keys.kcvs())

        for number, regions in enumerate(eckad + more_eckad):
            for name, value in secrets.items():
                self.assertFalse(memory.holds(regions, value), f"eckad holds {name}, stop {number}")

        # The scanner sees what is there: in the custodian the secrets of the exchange, in eckad a
        # value that it must hold.
        def seen(snapshots, value):
            return any(memory.holds(regions, value) for regions in snapshots)

        self.assertTrue(seen(custodian, z), "Z was never in the custodian")
        self.assertTrue(seen(custodian, scalar(esk)), "eSK was never in the custodian")
        self.assertTrue(seen(more_custodian, card.keys.enc), "ENC was never in the custodian")
        self.assertTrue(seen(eckad, card.rc), "RC was never in eckad")

        # And when the batch is over, nothing of it is left.
        idle = memory.snapshot(self.custodian)
        for name, value in secrets.items():
            if name not in ("SK.SR",):  # SoftHSM is in the custodian's process
                self.assertFalse(memory.holds(idle, value), f"the idle custodian holds {name}")

    def test_module_is_mapped_only_in_the_custodian(self):
        # libmicrohttpd brings GnuTLS and with it libp11-kit, which loads a module only when asked to
        self.assertNotRegex(memory.maps(self.eckad), r"softhsm|pkcs11|libp11\.")
        self.assertRegex(memory.maps(self.custodian), "softhsm")


if __name__ == "__main__":
    unittest.main()
