"""A flood at the door: a client that is there is answered all along, a new one gets in, memory and
descriptors stay below what eckad states, and everything is given back when it is over.
"""
import itertools
import os
import pathlib
import re
import resource
import socket
import threading
import time
import unittest

import zmq

import ecka_pb2 as pb
from deployment import Deployment
from ecka_client import NAMES, Client
from flood import SIGNATURE, HalfOpen, Unauthorised
from observe import Observer
from test_metrics import verify

LONG = "ECKA_TEST_LONG" in os.environ
HALF_OPEN, UNAUTHORISED = (10000, 1000) if LONG else (1500, 400)
SECONDS = 40 if LONG else 6  # a handshake is ended after 5
CONNECTIONS, JOBS = 200, 8
CLIENTS = 20
PATIENCE = 40.0
LATE = 120.0  # a new client comes again and again until chance has it before the crowd


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Flood(unittest.TestCase):
    def setUp(self):
        self.port = free_port()
        self.deployment = d = Deployment(supervised=False, extra_args=("--tcp", str(self.port)))
        self.addCleanup(d.stop)
        d.add_principal("delta", ("Verify", "Info"))
        d.set_config(re.sub(r"^jobs: \d+$", f"jobs: {JOBS}\nconnections: {CONNECTIONS}\n"
                            "table_budget_mib: 16", d.config(), flags=re.M))
        self.endpoint = f"tcp://127.0.0.1:{self.port}"
        d.start_custodian(1)
        self.eckad = d.start_eckad()
        self.observer = Observer(d)

    def client(self, principal="beta", source=""):
        client = Client(self.endpoint.replace("//", f"//{source}"), self.deployment.server_key, self.deployment.keys[principal])
        self.addCleanup(client.close)
        return client

    def peak_kib(self):
        status = pathlib.Path(f"/proc/{self.eckad.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1])

    def stated_kib(self, clients):
        said = re.search(r"memory: at most (\d+) KiB, and (\d+) KiB a connection",
                         self.eckad.output())
        return int(said[1]) + clients * int(said[2])

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.eckad.pid}/fd"))

    def settled(self, before):
        self.observer.until(lambda m: m("eckad_connections_strangers") == 0
                            and self.descriptors() <= before, "every descriptor given back")

    def test_good_clients_are_served_all_along(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        clients = [self.client() for _ in range(CLIENTS)]
        request, answered, faults = verify(4), [0] * CLIENTS, []
        for client in clients:
            client.ok(verify=request)
        before, over = self.descriptors(), threading.Event()

        def ask(number):
            while not over.is_set() and not faults:
                status = NAMES[clients[number].call(verify=request).status]
                if status not in ("OK", "BUSY"):
                    faults.append(status)
                answered[number] += status == "OK"

        askers = [threading.Thread(target=ask, args=(i,)) for i in range(CLIENTS)]
        half_open = HalfOpen(("127.0.0.1", self.port), HALF_OPEN)
        unauthorised = Unauthorised(self.endpoint, self.deployment.server_key, UNAUTHORISED)
        for asker in askers:
            asker.start()
        most, end = 0, time.monotonic() + SECONDS
        while time.monotonic() < end:
            half_open.turn()
            most = max(most, self.descriptors())
        late = self.client("delta", source="127.2.0.1:0;")  # gets in while it lasts
        flooding = threading.Event()
        flooder = threading.Thread(target=lambda: [half_open.turn() for _ in iter(
            flooding.is_set, True)])
        flooder.start()
        self.assertEqual(NAMES[late.call(verify=request, timeout=LATE).status], "OK")
        flooding.set()
        flooder.join()
        m = self.observer.look()  # HTTP is answered, too
        over.set()
        for asker in askers:
            asker.join()
        half_open.close()
        unauthorised.close()

        print(f"{half_open.opened} connections, {sum(answered)} answers, at most {most} descriptors, "
              f"{self.peak_kib()} KiB of {self.stated_kib(CLIENTS + 1)}")
        self.assertEqual(faults, [])
        self.assertTrue(all(answered), answered)
        self.assertGreater(half_open.opened, HALF_OPEN)
        self.assertGreater(m("eckad_connections_cut_total", reason="crowd"), HALF_OPEN / 4)
        self.assertGreater(m("eckad_connections_cut_total", reason="stranger"), 0)
        self.assertLess(m("eckad_connections_opened_total"), half_open.opened / 2)
        self.assertGreater(m("eckad_connections_refused_total"), 0)
        self.assertLessEqual(m("eckad_connections_strangers"), CONNECTIONS / 2)
        self.assertEqual(m("eckad_custodian_losses_total", custodian="c1"), 0)
        self.assertLess(self.peak_kib(), self.stated_kib(CLIENTS + 1))
        self.settled(before + 2)  # and the late client
        for client in clients:  # none of them was ended
            self.assertEqual(NAMES[client.call(verify=request).status], "OK")
        self.assertEqual(self.observer.look()("eckad_connections_cut_total", reason="share"), 0)

    def rush(self, reason, addresses):
        """However slow this machine is: as many as it can open, until some were too fast."""
        deadline = time.monotonic() + PATIENCE
        while self.observer.look()("eckad_connections_cut_total", reason=reason) == 0:
            self.assertLess(time.monotonic(), deadline, "none came too fast")
            crowd = []
            for _ in range(500):
                one = socket.socket()
                one.setblocking(False)
                one.bind((next(addresses), 0))
                one.connect_ex(("127.0.0.1", self.port))
                crowd.append(one)
            for one in crowd:
                one.close()

    def test_one_address_is_slowed_down(self):
        """One that a client is known from; its neighbour is a stranger, and pays nothing for it."""
        good, fast = self.client(), self.client(source="127.3.0.1:0;")
        good.info()
        fast.info()
        self.rush("address", itertools.repeat("127.3.0.1"))
        self.assertIn("connections come too fast from one address", self.eckad.output())
        good.info()
        fast.info()  # who is there stays
        self.client(source="127.3.0.2:0;").info()
        self.assertEqual(self.observer.look()("eckad_connections_cut_total", reason="crowd"), 0)

    def test_a_crowd_is_slowed_down(self):
        """Each from an address of its own. Where a client is known from, all are greeted at once."""
        good = self.client()
        good.info()
        self.rush("crowd", (f"127.4.{i >> 8 & 255}.{i & 255}" for i in itertools.count()))
        self.assertIn("connections come too fast from unknown addresses", self.eckad.output())
        self.assertEqual(self.observer.look()("eckad_connections_cut_total", reason="address"), 0)
        over = threading.Event()

        def go_on():
            for i in itertools.count():
                if over.is_set():
                    break
                with socket.socket() as one:
                    one.bind((f"127.5.{i >> 8 & 255}.{i & 255}", 0))
                    one.connect_ex(("127.0.0.1", self.port))
        goers = [threading.Thread(target=go_on) for _ in range(2)]
        for goer in goers:
            goer.start()
        try:
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as back:
                    self.assertEqual(back.recv(1), SIGNATURE[:1])
        finally:
            over.set()
            for goer in goers:
                goer.join()
        good.info()

    def test_a_principal_keeps_to_its_share_of_connections(self):
        delta = self.client("delta")
        delta.info()
        crowd = [self.client() for _ in range(CONNECTIONS // 2)]
        for client in crowd:
            client.info()
        beyond = self.client()
        monitor = beyond.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self.addCleanup(monitor.close)
        beyond.submit(info=pb.Info())
        reason = {"reason": "share"}
        self.observer.until(lambda m: m("eckad_connections_cut_total", **reason) > 0, "one ended")
        self.assertTrue(monitor.poll(int(1000 * PATIENCE)))
        beyond.socket.disable_monitor()
        beyond.socket.disconnect(self.endpoint)
        for client in (*crowd, delta, self.client("delta")):
            client.info()

    def test_who_reads_nothing_is_ended(self):
        """Replies that find no room for two seconds: the connection goes, and its principal lives."""
        good = self.client("delta")
        silent = self.client()
        silent.socket.disconnect(self.endpoint)
        silent.socket.rcvhwm = 1  # of the next connection
        silent.socket.connect(self.endpoint)
        good.info()
        frame = pb.Request(version=1, id=1, info=pb.Info()).SerializeToString()
        reason, deadline = {"reason": "unread"}, time.monotonic() + PATIENCE
        while self.observer.look()("eckad_connections_cut_total", **reason) == 0:
            self.assertLess(time.monotonic(), deadline, "it is still there")
            for _ in range(200):
                if silent.socket.poll(10, zmq.POLLOUT):
                    silent.send_raw(frame)
        self.assertEqual(good.info().principal, "delta")
        self.assertIn("leaves its replies unread", self.eckad.output())

    def test_a_crowd_with_keys_is_not_ended(self):
        """The twin: what ends connections is that nobody let them in. These come at once, and ask
        later or never."""
        crowd = []
        for i in range(CONNECTIONS - 2):
            client = Client(self.endpoint, self.deployment.server_key,
                            self.deployment.keys["beta" if i % 2 else "delta"], monitored=True)
            self.addCleanup(client.close)
            client.wait_let_in()
            crowd.append(client)
        m = self.observer.until(lambda m: m("eckad_connections") == len(crowd), "all of them")
        self.assertEqual(m.total("eckad_connections_cut_total"), 0)
        for client in crowd:
            client.info()
        self.assertEqual(self.observer.look().total("eckad_connections_cut_total"), 0)


if __name__ == "__main__":
    unittest.main()
