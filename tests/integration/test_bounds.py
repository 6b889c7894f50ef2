"""What a client can make eckad hold: memory stays below the bound that eckad states at start, and
replies that nobody reads cost their own principal's share and nobody else's.
"""
import hashlib
import pathlib
import re
import time
import unittest

import beta
import ecka_pb2 as pb
import gpki
from deployment import Deployment
from ecka_client import NAMES

JOBS, CLIENTS, WAVES = 8, 3, 4
ITEMS, CHAINS = 2048, 256  # proto/wire/limits.h
A_WAVE = 40  # requests of a client in it: far more than there are jobs
PATIENCE = 20.0  # seconds
REFUSED = 20


class Bounds(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment = Deployment(supervised=False)
        cls.addClassCleanup(cls.deployment.stop)
        cls.pki = beta.Pki(cls.deployment)
        cls.deployment.add_principal("delta")
        cls.deployment.set_config(cls.deployment.config().replace(
            "jobs: 512", f"jobs: {JOBS}\ntable_budget_mib: 16"))
        cls.eckad = cls.deployment.start_eckad()
        key = gpki.new_key()
        message = b"one for all"
        cls.largest = pb.Verify(curve=1, public_keys=gpki.point_of(key.public_key()) * ITEMS,
                                key_index=bytes(2 * ITEMS),
                                digests=hashlib.sha256(message).digest() * ITEMS,
                                signatures=gpki.sign_raw(key, message) * ITEMS)

    def peak(self):
        """The most resident memory so far, in KiB."""
        status = pathlib.Path(f"/proc/{self.eckad.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1])

    def stated(self, connections):
        said = re.search(r"memory: at most (\d+) KiB, and (\d+) KiB a connection",
                         self.eckad.output())
        return int(said[1]) + connections * int(said[2])

    def test_largest_requests_far_beyond_the_slab(self):
        clients = [self.deployment.client() for _ in range(CLIENTS)]
        peaks, seen = [], set()
        for _ in range(WAVES):
            for client in clients:
                for _ in range(A_WAVE):
                    client.submit(verify=self.largest)
            for client in clients:
                for _ in range(A_WAVE):
                    reply = client.receive()
                    seen.add(NAMES[reply.status])
                    if reply.status == 0:
                        self.assertEqual(reply.verify.item_status, bytes(ITEMS))
                    else:
                        self.assertGreaterEqual(reply.retry_after_us, 1000)
            peaks.append(self.peak())
        print(f"peaks {peaks} KiB, stated {self.stated(CLIENTS)} KiB")
        self.assertEqual(seen, {"OK", "BUSY"})
        self.assertLess(peaks[-1], self.stated(CLIENTS))

    def one(self):
        return pb.Verify(curve=1, public_keys=self.largest.public_keys[:65],
                         digests=self.largest.digests[:32],
                         signatures=self.largest.signatures[:64])

    def wait_until(self, client, status):
        """Asks until the answer is this status."""
        deadline, seen = time.monotonic() + PATIENCE, None
        while seen != status:
            self.assertLess(time.monotonic(), deadline, f"{seen}, not {status}")
            seen = NAMES[client.call(verify=self.one()).status]

    def test_who_reads_nothing_holds_its_own_share_alone(self):
        silent, other = self.deployment.client(), self.deployment.client()
        polite = self.deployment.client("delta")
        silent.socket.disconnect(self.deployment.endpoint)
        silent.socket.rcvhwm = 1  # of the next connection
        silent.socket.connect(self.deployment.endpoint)
        request = beta.chain([self.pki.card()] * CHAINS)  # the reply has 17 KiB
        deadline, refused = time.monotonic() + PATIENCE, 0
        while refused < REFUSED:  # in a row: not busy, but held up
            self.assertLess(time.monotonic(), deadline, "nothing is held up")
            silent.submit(verify_chain=request)
            time.sleep(0.01)
            busy = NAMES[other.call(verify=self.one()).status] == "BUSY"
            refused = refused + 1 if busy else 0
        for _ in range(50):
            self.assertEqual(NAMES[polite.call(verify=self.one()).status], "OK")
        self.assertEqual(NAMES[other.call(verify=self.one()).status], "BUSY")
        silent.socket.close()
        self.wait_until(other, "OK")


if __name__ == "__main__":
    unittest.main()
