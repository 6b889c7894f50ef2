"""Clients with two endpoints, of which one is taken away under load: nothing is lost, nothing fails.

Two eckads, each with a custodian of its own, serve one token; so either confirms the tickets of the
other. The clients are C programs over libecka: load_client and smsr-change.
"""
import os
import re
import signal
import subprocess
import time
import unittest

from deployment import BUILD, SANITIZER, Deployment

LOAD_CLIENT = BUILD / "tests" / "integration" / "load_client"
UNDER_WAY = 32
INTERVAL_MS, TIMEOUT_MS = 500, 2500
PATIENCE = 60  # seconds for what takes one or two


class Load:
    """A running load_client; ended by finish()."""

    def __init__(self, deployment, endpoints, under_way=UNDER_WAY, **env):
        arguments = [arg for endpoint in endpoints for arg in (endpoint, deployment.path / "eckad.key.pub")]
        self.popen = subprocess.Popen(
            [LOAD_CLIENT, deployment.path / "beta.key", str(under_way), str(INTERVAL_MS),
             str(TIMEOUT_MS), *arguments], env={**os.environ, **env},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @staticmethod
    def parse(lines):
        numbers = [{name: int(value) for name, value in re.findall(r"(\w+) (\d+)", line)}
                   for line in lines[:-1]]
        return numbers[0], numbers[1:], lines[-1].removeprefix("failure").strip()

    def ask(self):
        """(totals, [endpoint]) as of now."""
        self.popen.stdin.write("?\n")
        self.popen.stdin.flush()
        lines = []
        while not lines or not lines[-1].startswith("failure"):
            lines.append(self.popen.stdout.readline())
            if not lines[-1]:
                raise AssertionError(f"load_client ended:\n{self.popen.stderr.read()}")
        totals, endpoints, _ = self.parse(lines)
        return totals, endpoints

    def wait(self, what):
        """Until what(totals, endpoints) holds."""
        deadline = time.monotonic() + PATIENCE
        while not what(*(state := self.ask())):
            if time.monotonic() > deadline:
                raise AssertionError(f"still not so: {state}")
            time.sleep(0.02)
        return state

    def wait_for_more(self, count, *of):
        """Until so many more requests were answered by each of these endpoints."""
        _, before = self.ask()
        self.wait(lambda _, now: all(now[i]["answered"] >= before[i]["answered"] + count for i in of))

    def finish(self):
        """The last state, when everything under way was answered."""
        out, err = self.popen.communicate(timeout=PATIENCE)
        if self.popen.returncode != 0 or SANITIZER.search(err):
            raise AssertionError(f"load_client ended with {self.popen.returncode}:\n{err}")
        return self.parse(out.splitlines()[-4:])

    def kill(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.communicate()


class Failover(unittest.TestCase):
    def setUp(self):
        self.deployment = Deployment(custodians=2, supervised=False)
        self.addCleanup(self.deployment.stop)
        one = self.deployment.config()
        custodians = re.findall(r"^  - \{ name: c\d.*\n", one, re.M)
        self.assertEqual(len(custodians), 2)
        second = one.replace(custodians[0], "")
        for file in "sock", "pid":
            second = second.replace(f"eckad.{file}", f"second.{file}")
        (self.deployment.path / "second.yaml").write_text(re.sub(r"^http:.*\n", "", second, flags=re.M))
        self.deployment.set_config(one.replace(custodians[1], ""))
        self.endpoints = [self.deployment.endpoint,
                          self.deployment.endpoint.replace("eckad.sock", "second.sock")]
        self.deployment.start()
        self.deployment.start_eckad("second")
        self.eckad = self.deployment.processes["eckad"]

    def start_load(self):
        load = Load(self.deployment, self.endpoints)
        self.addCleanup(load.kill)
        load.wait_for_more(100, 0, 1)
        return load

    def finish(self, load):
        """Every request was answered with what it should be; the endpoints' last numbers."""
        totals, endpoints, failure = load.finish()
        self.assertEqual((totals["failed"], totals["wrong"]), (0, 0), failure)
        self.assertEqual(totals["answered"], totals["submitted"])
        self.assertEqual(sum(e["answered"] for e in endpoints), totals["answered"])
        for e in endpoints:  # what was sent there was answered there or went on
            self.assertEqual(e["sent"], e["answered"] + e["retries"])
        return endpoints

    def test_terminated_under_load(self):
        load = self.start_load()
        self.eckad.popen.send_signal(signal.SIGTERM)
        self.assertEqual(self.eckad.popen.wait(PATIENCE), 0)
        self.assertIn("eckad: drained", self.eckad.output())
        load.wait(lambda _, endpoints: endpoints[0]["up"] == 0)
        load.wait_for_more(100, 1)
        self.deployment.start_eckad()
        load.wait_for_more(100, 0, 1)  # it is used again
        endpoints = self.finish(load)
        self.assertEqual((endpoints[0]["lost"], endpoints[1]["lost"]), (1, 0))

    def test_killed_under_load(self):
        load = self.start_load()
        self.eckad.kill()
        load.wait(lambda _, endpoints: endpoints[0]["up"] == 0)
        load.wait_for_more(100, 1)
        self.deployment.start_eckad()
        load.wait_for_more(100, 0, 1)
        endpoints = self.finish(load)
        self.assertEqual((endpoints[0]["lost"], endpoints[1]["lost"]), (1, 0))

    def test_stopped_under_load(self):
        load = self.start_load()
        os.kill(self.eckad.pid, signal.SIGSTOP)
        try:
            load.wait(lambda _, endpoints: endpoints[0]["lost"] > 0)
            load.wait_for_more(100, 1)
            _, (stopped, _) = load.ask()
            self.assertEqual((stopped["up"], stopped["outstanding"]), (0, 0))
            self.assertGreater(stopped["retries"], 0)
        finally:
            os.kill(self.eckad.pid, signal.SIGCONT)
        load.wait_for_more(100, 0, 1)
        self.finish(load)

    def test_status_of_both(self):
        command = [self.deployment.program("eckactl"), "status", "--server-key",
                   self.deployment.path / "eckad.key.pub", "--key-file",
                   self.deployment.path / "beta.key"]
        for endpoint in self.endpoints:
            command += ["--endpoint", endpoint]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
        for expected in self.endpoints + ["custodian c1: up", "custodian c2: up",
                                           "group, weight       c1, 1"]:
            self.assertIn(expected, done.stdout)
        self.eckad.kill()
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(self.endpoints[0], done.stderr)
        self.assertIn("custodian c2: up", done.stdout)

    def test_handovers(self):
        """Tickets of the one that is gone are confirmed by the other."""
        for signum in signal.SIGTERM, signal.SIGKILL:
            with self.subTest(signal=signum.name):
                fleet = subprocess.Popen(
                    [self.deployment.program("smsr-change"), "run", "--dir", self.deployment.path,
                     "--endpoint", self.endpoints[0], "--endpoint", self.endpoints[1],
                     "--server-key", self.deployment.path / "eckad.key.pub", "--key-file",
                     self.deployment.path / "beta.key", "--fleet", "400", "--jobs", "16", "-v"],
                    env=self.deployment.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    text=True)
                self.addCleanup(fleet.kill)
                lines = [fleet.stdout.readline() for _ in range(2000)]  # of some 20,000
                self.deployment.processes["eckad"].popen.send_signal(signum)
                output = "".join(lines) + fleet.communicate(timeout=PATIENCE)[0]
                self.assertEqual(fleet.returncode, 0, output[-2000:])
                self.assertRegex(output, r"400 executed \(0 with a warning\), 0 failed")
                self.deployment.processes["eckad"].popen.wait(PATIENCE)
                self.deployment.start_eckad()


if __name__ == "__main__":
    unittest.main()
