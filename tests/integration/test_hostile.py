"""Handovers through a hostile Alpha, against a real eckad, a real custodian and a SoftHSM token: no
run breaks an invariant, and what is broken on purpose is found.
"""
import os
import random
import re
import subprocess
import unittest

from deployment import BUILD, SANITIZER, Deployment

LONG = bool(os.environ.get("ECKA_TEST_LONG"))
RUNS = 100000 if LONG else 2000
SEEDED = 1000  # runs in which a deliberate fault must be found
SEED = int(os.environ.get("ECKA_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
DELETING = str(BUILD / "tests" / "integration" / "smsr-change-deleting")


def hostile(deployment, runs, *args, program=None, env=None):
    """(exit status, output) of so many runs."""
    d = deployment
    done = subprocess.run(
        [program or d.program("smsr-change"), "run", "--dir", str(d.path), "--endpoint",
         d.endpoint, "--server-key", str(d.path / "eckad.key.pub"), "--key-file",
         str(d.path / "beta.key"), "--hostile", str(runs), "--seed", str(SEED), "--jobs", "32",
         *args], env=env or d.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=3600, check=False)
    assert not SANITIZER.search(done.stdout), done.stdout
    return done.returncode, done.stdout


def broken(output):
    return int(re.search(r"(\d+) broke an invariant", output).group(1))


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print(f"ECKA_TEST_SEED={SEED}")
        cls.deployment = Deployment()
        cls.addClassCleanup(cls.deployment.stop)
        cls.deployment.start()

    def clean(self, runs, *args):
        status, output = hostile(self.deployment, runs, *args)
        self.assertEqual((status, broken(output)), (0, 0), output)
        return output

    def test_no_invariant_breaks(self):
        """Every attack was made, and neither did all succeed nor none."""
        output = self.clean(RUNS)
        attacks = [int(n) for n in re.findall(r"in +(\d+) runs: ", output)]
        self.assertEqual(len(attacks), 22)
        self.assertGreater(min(attacks), RUNS // 200, output)
        totals = re.search(r"(\d+) eUICCs: (\d+) Executed-Success, (\d+) with a warning, "
                           r"(\d+) stayed Alpha's, and changed hands at a retry: (\d+), "
                           r"(\d+) lost", output)
        all_, success, warning, stayed, retried, lost = map(int, totals.groups())
        self.assertEqual(all_, success + warning + stayed + lost)
        self.assertGreater(min(success, warning, stayed, lost), 0, output)
        self.assertGreater(success, all_ // 3, output)
        self.assertEqual(stayed, retried, output)

    def test_other_scenarios(self):
        runs = RUNS // 10
        self.clean(runs, "--dr", "--rc-len", "32")
        self.clean(runs, "--host-id", "C0FFEE", "--second-set")
        self.clean(runs // 4, "--curve", "brainpoolP256r1", "--dr", "--host-id", "01")

    def test_run_repeats_from_its_seed(self):
        one = [hostile(self.deployment, 1, "--first", "7", "-v")[1] for _ in range(2)]
        stories = [re.findall(r"^ +adversary: .*$|^\[ *\d+\] .{41}", output, re.M) for output in one]
        self.assertGreater(len(stories[0]), 10)
        self.assertEqual(*stories)

    def test_finalise_that_deletes_the_listed_is_found(self):
        status, output = hostile(self.deployment, SEEDED, program=DELETING)
        self.assertEqual(status, 1)
        self.assertGreater(broken(output), 0, output)
        self.assertRegex(output, r"--first \d+ --hostile 1\): eUICC \d: \([a-f]\)")


class BrokenReceiptCheck(unittest.TestCase):
    def test_receipts_taken_unseen_are_found(self):
        """A custodian that takes any receipt: Beta claims what the card never derived."""
        deployment = Deployment()
        self.addCleanup(deployment.stop)
        plain = deployment.env
        deployment.env = {**plain, "LD_PRELOAD": str(BUILD / "tests/preload/any_receipt.so")}
        deployment.start()
        status, output = hostile(deployment, SEEDED, env=plain)
        self.assertEqual(status, 1)
        self.assertGreater(broken(output), 0, output)
        self.assertRegex(output, r"eUICC \d: \(a\)")


if __name__ == "__main__":
    unittest.main()
