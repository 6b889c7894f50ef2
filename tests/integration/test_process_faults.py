"""Processes that are killed, stand still, starve, or run out of descriptors or memory under load, and
clocks that jump: nothing is lost, nothing is answered twice, no wrong answer leaves.

The load is libecka's (load_client): Verify and Sign by turns. It keeps a history, a line for each
answer, which is judged at the end: each request once, each signature verified here, and what failed
may be tried again.
"""
import os
import pathlib
import random
import re
import resource
import secrets
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from deployment import BUILD, SOURCE, Deployment
from test_failover import PATIENCE, Load

LONG = bool(os.environ.get("ECKA_TEST_LONG"))
SEED = int(os.environ.get("ECKA_SEED") or secrets.randbelow(1 << 32))
KILLS = 100 if LONG else 3
LABEL, ITEMS, UNDER_WAY = "demo-sign", 8, 16
RETRY = {name for name in re.findall(r"^STATUS\((\w+), \d+, RETRY,", (
    SOURCE / "proto" / "status.def").read_text(), re.M)}
HOUR, DAY = 3600, 86400


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment = d = Deployment(custodians=2)
        cls.addClassCleanup(d.stop)
        cls.jump = d.path / "jump"
        cls.jump.write_bytes(bytes(8))
        d.env.update(LD_PRELOAD=str(BUILD / "tests" / "preload" / "other_clock.so"),
                     ECKA_CLOCK=str(cls.jump))
        d.set_policy(d.policy().replace("operations: [Verify, VerifyChain,", f"sign_keys: [{LABEL}]\n"
                                        "    operations: [Sign, Verify, VerifyChain,"))
        d.start()
        key = next(line for line in (d.path / "keys.txt").read_text().splitlines()
                   if f" {LABEL} " in line)
        cls.key = ec.EllipticCurvePublicKey.from_encoded_point(
            ec.SECP256R1(), bytes.fromhex(key.split(" ")[-1]))

    def setUp(self):
        self.random = random.Random(SEED)
        self.history = self.deployment.path / f"history-{self.id()}"
        self.load = Load(self.deployment, [self.deployment.endpoint], UNDER_WAY, LOAD_SIGN=LABEL,
                         LOAD_HISTORY=str(self.history))
        self.addCleanup(self.load.kill)
        self.load.wait_for_more(100, 0)

    # -- the verdict --

    def judge(self, what):
        """Ends the load; the history is whole and right."""
        totals, _, failure = self.load.finish()
        self.assertEqual((totals["failed"], totals["wrong"]), (0, 0), failure)
        self.assertEqual(totals["answered"], totals["submitted"])
        lines = [line.split(" ") for line in self.history.read_text().splitlines()]
        self.assertEqual(sorted(int(line[0]) for line in lines), list(range(totals["submitted"])))
        counts = {}
        for number, operation, status, *items in lines:
            self.assertEqual(status, "OK")
            self.assertEqual(len(items), ITEMS if operation == "sign" else 0)
            for i, item in enumerate(items):
                status, signature = item.split(":")
                counts[status] = counts.get(status, 0) + 1
                if status == "OK":
                    self.verify(int(number), i, bytes.fromhex(signature))
                else:
                    self.assertIn(status, RETRY)
        self.assertGreater(counts["OK"], 0)
        print(f"\n{what} (seed {SEED}): {totals['answered']} requests, signatures {counts}")

    def verify(self, number, item, signature):
        digest = number.to_bytes(8, "little") + bytes(23) + bytes([item])
        r, s = (int.from_bytes(signature[i:i + 32], "big") for i in (0, 32))
        try:
            self.key.verify(utils.encode_dss_signature(r, s), digest,
                            ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        except InvalidSignature:
            self.fail(f"request {number}, item {item}: a signature that does not verify")

    # -- killed --

    def pid(self, name):
        """Of a child, which may be about to be started."""
        deadline = time.monotonic() + PATIENCE
        while (pid := self.deployment.children().get(name)) is None:
            self.assertLess(time.monotonic(), deadline, f"{name} is not started again")
            time.sleep(0.01)
        return pid

    def go_on(self, count=30):
        self.load.wait_for_more(count, 0)
        time.sleep(self.random.uniform(0, 0.05))

    def test_custodians_killed(self):
        for turn in range(KILLS):
            os.kill(self.pid(f"c{1 + turn % 2}"), signal.SIGKILL)
            self.go_on()
        self.judge(f"{KILLS} custodians killed")

    def test_both_custodians_killed(self):
        for _ in range(KILLS // 4 + 1):
            for name in "c1", "c2":
                os.kill(self.pid(name), signal.SIGKILL)
            self.go_on()
        self.judge("both custodians killed")

    def test_eckad_killed(self):
        for _ in range(KILLS):
            os.kill(self.pid("eckad"), signal.SIGKILL)
            self.go_on()
        self.judge(f"eckad killed {KILLS} times")

    def test_supervisor_killed(self):
        """Its children end themselves, and whoever runs it starts it again."""
        for _ in range(KILLS):
            self.deployment.processes["up"].kill()
            ups = (self.deployment.path / "up.log").read_text().count("eckactl: up")
            command = self.deployment.processes["up"].popen.args
            self.deployment.spawn("up", command).wait_for("eckactl: up", ups + 1)
            self.go_on()
        self.judge(f"the supervisor killed {KILLS} times")

    # -- standing still, starving --

    def test_stopped(self):
        for name in ("c1", "eckad", "up") * (5 if LONG else 1):
            pid = self.deployment.processes["up"].pid if name == "up" else self.pid(name)
            os.kill(pid, signal.SIGSTOP)
            time.sleep(self.random.uniform(0.5, 3 if LONG else 1))
            os.kill(pid, signal.SIGCONT)
            self.go_on()
        self.judge("each stopped for a while")

    def test_starving(self):
        """Everybody else has all the processors."""
        hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
                for _ in range(2 * len(os.sched_getaffinity(0)))]
        try:
            for name in ("c1", "c2", "eckad"):
                os.setpriority(os.PRIO_PROCESS, self.pid(name), 19)
            time.sleep(20 if LONG else 1)
            self.go_on()
        finally:
            for hog in hogs:
                hog.kill()
                hog.wait()
        self.go_on(200)
        self.judge("starving")

    # -- nothing left --

    def open_files(self, pid):
        return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))

    def test_no_descriptors(self):
        """Fewer than the limits that both refuse to start with: eckad turns away whoever comes, SoftHSM
        fails where it cannot open its files, and a custodian ends for that. A new one serves, and
        nothing is lost.
        """
        eckad = self.pid("eckad")
        for name, path in (("eckad", "eckad.sock"), ("c1", "custodian-1.sock")):
            pid = self.pid(name)
            before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (self.open_files(pid) + 2, before[1]))
            kind = socket.SOCK_STREAM if name == "eckad" else socket.SOCK_SEQPACKET
            crowd = []
            try:
                for _ in range(12):
                    crowd.append(socket.socket(socket.AF_UNIX, kind | socket.SOCK_NONBLOCK))
                    crowd[-1].connect_ex(str(self.deployment.path / "run" / path))
                time.sleep(1)
                self.go_on(200)
            finally:
                for one in crowd:
                    one.close()
            resource.prlimit(self.pid(name), resource.RLIMIT_NOFILE, before)
            self.go_on(200)
        self.assertEqual(self.deployment.client().info().principal, "beta")
        self.assertEqual(self.pid("eckad"), eckad)
        self.assertIn("no descriptor is left for a connection", self.deployment.processes["up"].output())
        self.judge("no descriptors left")

    def test_no_memory(self):
        """Nobody may have any more: what was set aside at the start is enough, or a new start is."""
        for name in "eckad", "c1", "c2":
            size = int(re.search(r"VmSize:\s+(\d+)", pathlib.Path(
                f"/proc/{self.pid(name)}/status").read_text()).group(1)) * 1024
            self.no_limit = resource.prlimit(self.pid(name), resource.RLIMIT_AS)[1]
            resource.prlimit(self.pid(name), resource.RLIMIT_AS, (size, self.no_limit))
        self.go_on(1000)
        self.deployment.client().info()
        for name in "eckad", "c1", "c2":
            resource.prlimit(self.pid(name), resource.RLIMIT_AS, (self.no_limit, self.no_limit))
        self.judge("no memory left")

    # -- another time --

    def test_clock_jumps(self):
        """Forwards, and back beyond the start; deadlines and pauses are none of the calendar's."""
        children = self.deployment.children()
        for seconds in (HOUR, -DAY, 20 * DAY, 0):
            with open(self.jump, "r+b", buffering=0) as file:
                file.write(struct.pack("=q", seconds))
            self.load.wait_for_more(200, 0)
            time.sleep(1.2)  # past what is done once a second
        self.assertEqual(self.deployment.children(), children)
        self.judge("clock jumps")


if __name__ == "__main__":
    unittest.main()
