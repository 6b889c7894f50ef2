"""Processes that die or are told to end while requests are under way."""
import os
import signal
import threading
import time
import unittest

import beta
import curves
import ecka_pb2 as pb
from deployment import Deployment
from ecka_client import NAMES, NoReply, names

ROUNDS = 20 if os.environ.get("ECKA_TEST_LONG") else 3
REQUESTS, ITEMS = 24, 40
RECOVERY_SECONDS = 30
# What an item may say when its custodian went away; all of them can be sent again.
LOST = {"OK", "UNAVAILABLE", "TOKEN_ERROR", "DEADLINE"}


class Load(unittest.TestCase):
    def deploy(self, **options):
        deployment = Deployment(**options)
        self.addCleanup(deployment.stop)
        self.pki = beta.Pki(deployment)
        deployment.start()
        self.sr_key_id = deployment.sr_certificates()[1][0]
        self.cards = [self.pki.card(curve, i) for i, curve in zip(range(ITEMS), curves.ALL * ITEMS)]
        return deployment

    def request(self):
        return beta.establish(self.cards, self.sr_key_id)

    def submit(self, client, count=REQUESTS):
        request = self.request()
        return {client.submit(deadline_us=20_000_000, establish=request) for _ in range(count)}

    def served_again(self, client):
        """Waits until every item of a request is OK."""
        deadline = time.monotonic() + RECOVERY_SECONDS
        while time.monotonic() < deadline:
            reply = client.call(establish=self.request())
            if reply.status == 0 and set(reply.establish.item_status) == {0}:
                return
            time.sleep(0.1)
        self.fail("the service did not recover")

    def assert_answers(self, replies):
        for reply in replies.values():
            if reply.status == 0:
                self.assertEqual(len(reply.establish.item_status), ITEMS)
                self.assertLessEqual(set(names(reply.establish.item_status)), LOST)
            else:
                self.assertIn(NAMES[reply.status], LOST | {"BUSY"})


class Crash(Load):
    def test_custodian_killed_in_the_middle_of_batches(self):
        deployment = self.deploy(custodians=2)
        client = deployment.client()
        for turn in range(ROUNDS):
            wanted = self.submit(client)
            first = client.receive()
            victim = f"c{1 + turn % 2}"
            os.kill(deployment.children()[victim], signal.SIGKILL)
            replies = client.collect(wanted - {first.id})
            self.assert_answers({**replies, first.id: first})
            self.served_again(client)
        self.assertGreaterEqual(sum(c.restarts for c in client.info().custodians), ROUNDS)

    def test_only_custodian_killed(self):
        """With nobody to take over, items are answered as unavailable, and later served again."""
        deployment = self.deploy(custodians=1)
        client = deployment.client()
        wanted = self.submit(client)
        first = client.receive()
        os.kill(deployment.children()["c1"], signal.SIGKILL)
        replies = client.collect(wanted - {first.id})
        self.assert_answers({**replies, first.id: first})
        self.served_again(client)

    def test_custodian_that_stands_still(self):
        """A stopped custodian costs its own batch's time, never an answer."""
        deployment = self.deploy(custodians=2)
        client = deployment.client()
        pid = deployment.children()["c1"]
        os.kill(pid, signal.SIGSTOP)
        try:
            request = self.request()
            wanted = {client.submit(deadline_us=2_000_000, establish=request) for _ in range(8)}
            self.assert_answers(client.collect(wanted))
        finally:
            os.kill(pid, signal.SIGCONT)
        self.served_again(client)

    def test_eckad_killed(self):
        deployment = self.deploy(custodians=1)
        client = deployment.client(timeout=RECOVERY_SECONDS)
        self.submit(client, 4)
        client.receive()
        os.kill(deployment.children()["eckad"], signal.SIGKILL)
        fresh = deployment.client(timeout=RECOVERY_SECONDS)
        self.assertEqual(fresh.info().principal, "beta")
        self.served_again(fresh)


class Drain(Load):
    def test_what_was_accepted_is_answered(self):
        deployment = self.deploy(supervised=False)
        client = deployment.client()
        wanted = self.submit(client, 12)
        # A connection's requests are read in order: once Info is answered, all of them were.
        info, early = client.submit(info=pb.Info()), {}
        while info not in early:
            reply = client.receive()
            early[reply.id] = reply
        eckad = deployment.processes["eckad"]
        eckad.popen.send_signal(signal.SIGTERM)
        replies = {**early, **client.collect(wanted - set(early), quiet=0)}
        self.assertEqual({NAMES[r.status] for r in replies.values()}, {"OK"})
        self.assertLess(len(early), len(wanted), "nothing was left to drain")
        self.assertTrue(client.told_of_drain)
        self.assertEqual(eckad.popen.wait(30), 0)
        self.assertIn("eckad: drained", eckad.output())

    def test_draining_under_constant_load(self):
        """Requests that arrive during the drain are refused or unread, never half answered."""
        deployment = self.deploy(supervised=False)
        client = deployment.client()
        wanted, stop = set(), threading.Event()

        def push():
            request = self.request()
            while not stop.is_set():
                wanted.add(client.submit(establish=request))
                time.sleep(0.005)

        pusher = threading.Thread(target=push)
        pusher.start()
        time.sleep(0.3)
        eckad = deployment.processes["eckad"]
        eckad.popen.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        stop.set()
        pusher.join()
        self.assertEqual(eckad.popen.wait(30), 0)
        seen = set()
        try:
            while True:
                reply = client.receive(0.3)
                self.assertIn(reply.id, wanted)
                self.assertNotIn(reply.id, seen)
                seen.add(reply.id)
                self.assertIn(NAMES[reply.status], ("OK", "DRAINING", "BUSY"))
        except NoReply:
            self.assertTrue(seen)


if __name__ == "__main__":
    unittest.main()
