"""Under 80 percent of what it carries, for as long as is asked: memory, descriptors and sessions of
every process stay where they are, and a token that leaks is covered by recycling.

The load is eckabench's, on handovers, chains and signatures. Whether a row of samples rises is judged
by Theil and Sen's slope: the median of the slopes of all pairs, which spikes do not move.
"""
import json
import os
import pathlib
import re
import statistics
import subprocess
import threading
import time
import unittest

import curves
import ecka_pb2 as pb
import scripted
from deployment import BUILD, OPERATIONS, Deployment
from ecka_client import names

MINUTES = float(os.environ.get("ECKA_SOAK_MINUTES") or 2)
SHARE = 0.8  # of the knee
MIX = "verify=4,chain=1,handover=1"
WARM_UP, PERIOD = 15, 0.5  # seconds
MIB = 1 << 20
RSS_GROWS = 0.02  # of it, over the whole time; and so many bytes where that is less
RSS_STEP = 2 * MIB


def slope(samples):
    """Of [(seconds, value)]; at most 200 of them are compared."""
    step = len(samples) // 200 + 1
    some = samples[::step]
    return statistics.median((y2 - y1) / (x2 - x1) for i, (x1, y1) in enumerate(some)
                             for x2, y2 in some[i + 1:])


def rss(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def descriptors(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


class Soak(unittest.TestCase):
    def deploy(self, custodian):
        self.deployment = d = Deployment(custodians=2)
        self.addCleanup(d.stop)
        d.add_principal("gamma", OPERATIONS + ("Agree",))
        for i in (1, 2):
            config = pathlib.Path(d.custodian_config(i))
            text = config.read_text()
            real = re.search(r"module-path=([^\"]+)", text).group(1)
            text = re.sub("^recycle:.*\n", "", text, flags=re.M)
            config.write_text(text.replace(real, str(scripted.MODULE)) + custodian)
        self.script = scripted.Script(d.path, real)
        d.env.update(self.script.env)
        d.start()
        self.samples = {}

    def bench(self, *args):
        out = self.deployment.path / "load.json"
        done = subprocess.run(
            [BUILD / "bench" / "eckabench", "load", "--endpoint", self.deployment.endpoint,
             "--server-key", self.deployment.path / "eckad.key.pub", "--key-file",
             self.deployment.path / "beta.key", "--dir", self.deployment.path, "--mix", MIX,
             "--clients", "4", "--json", out, *map(str, args)],
            env=self.deployment.env, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(out.read_text())["results"][0]

    def sessions(self):
        calls = self.script.calls()
        return calls["C_OpenSession"] - calls["C_CloseSession"]

    def sample(self, now):
        for name, pid in self.deployment.children().items():
            try:
                rows = (("rss", rss(pid)), ("descriptors", descriptors(pid)))
            except OSError:
                continue  # it was recycled just now
            for what, value in rows:
                self.samples.setdefault((name, what), []).append((now, value))
        self.samples.setdefault(("token", "sessions"), []).append((now, self.sessions()))

    def watch(self, seconds, load):
        """Samples while load() runs in a thread of its own."""
        thread = threading.Thread(target=load)
        thread.start()
        start = time.monotonic()
        while (now := time.monotonic() - start) < seconds and thread.is_alive():
            if now > WARM_UP:
                self.sample(now)
            time.sleep(PERIOD)
        thread.join()

    def assert_flat(self, key):
        samples = self.samples[key]
        first, last = samples[0][0], samples[-1][0]
        grows = slope(samples) * (last - first)
        middle = statistics.median(value for _, value in samples)
        allowed = max(RSS_STEP, RSS_GROWS * middle) if key[1] == "rss" else 0.5
        print(f"{key[0]} {key[1]}: {middle:.0f} in the middle, {grows:+.1f} over {last - first:.0f} s")
        self.assertLess(grows, allowed, key)

    def test_flat_at_80_percent(self):
        self.deploy("")
        knee = self.bench("--find-knee", "--seconds", 2)["knee"]
        self.assertGreater(knee, 0)
        pids, results, seconds = self.deployment.children(), [], 60 * MINUTES
        print(f"\nknee {knee:.0f}/s; {SHARE * knee:.0f}/s for {seconds:.0f} s")
        self.watch(seconds, lambda: results.append(
            self.bench("--rate", SHARE * knee, "--seconds", seconds)))
        outcomes = results[0]["outcomes"]
        print(f"outcomes {outcomes}, p99 {results[0]['p99_us']:.0f} us")
        self.assertEqual(self.deployment.children(), pids, "a process ended")
        self.assertGreater(outcomes["OK"], 0)
        self.assertEqual((outcomes["failed"], outcomes["lost"]), (0, 0))
        self.assertGreaterEqual(len(self.samples), 7)
        for key in sorted(self.samples):
            with self.subTest(key):
                self.assert_flat(key)

    def test_recycling_covers_a_leak(self):
        """SoftHSM keeps a little of every session object; at custody token there are four an item."""
        self.deploy("recycle: { operations: 3000 }\n")
        client, done, stop = self.deployment.client("gamma"), [0, 0], threading.Event()

        def agree():
            _, peer = curves.P256.keypair()
            while not stop.is_set():
                result = client.ok(agree=pb.Agree(curve=1, peers=peer * 96, length=16, custody=1))
                statuses = names(result.item_status)
                self.assertLessEqual(set(statuses), {"OK", "UNAVAILABLE"})
                done[0] += statuses.count("OK")
                done[1] += len(statuses)

        seconds = max(45.0, 30 * MINUTES)
        timer = threading.Timer(seconds, stop.set)
        timer.start()
        self.watch(seconds + 5, agree)
        log = self.deployment.processes["up"].output()
        recycled = len(re.findall(r"recycled after \d+ operations", log))
        print(f"\n{done[0]} of {done[1]} agreements in the token, {recycled} processes recycled")
        self.assertEqual(done[0], done[1], "an item was lost with a process")
        self.assertGreater(recycled, 2)
        for name in "c1", "c2":
            self.assert_flat((name, "rss"))
        self.assert_flat(("eckad", "rss"))


if __name__ == "__main__":
    unittest.main()
