"""The story that `./dev demo` tells, told to a test: who commands the robot after each chapter."""
import re
import subprocess
import unittest

from deployment import SANITIZER, SOURCE, Deployment

CHAPTERS = ("1. A robot changes hands", "2. Policy refuses", "3. A hostile Alpha",
            "4. Alpha falls silent", "5. The Fleet Owner tries again")


class Story(unittest.TestCase):
    def test_each_chapter_ends_as_it_should(self):
        with Deployment(custodians=2) as d:
            d.add_principal("intern", ("Verify", "VerifyChain", "Info"))
            public, secret = d.keys["intern"]
            (d.path / "intern.key").write_text(
                f"eckad-curve-key 1\npublic {public.decode()}\nsecret {secret.decode()}\n")
            (d.path / "intern.key").chmod(0o600)
            d.start()
            done = subprocess.run([SOURCE / "tools" / "story", d.path], env=d.env,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  timeout=150, check=False)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertIsNone(SANITIZER.search(done.stdout))
            parts = re.split("|".join(map(re.escape, CHAPTERS)), done.stdout)
            self.assertEqual(len(parts), len(CHAPTERS) + 1, done.stdout)
            _, handover, policy, hostile, silent, again = parts
        steps = [int(n) for n in re.findall(r"^\[\s*(\d+)\]", handover, re.M)]
        self.assertEqual(sorted(set(steps)), list(range(1, 33)))
        self.assertIn("1 executed (0 with a warning), 0 failed", handover)
        self.assertRegex(policy, r"1 x Failed at step 14: DENIED .*intern no Establish")
        self.assertRegex(hostile, r"1 x Failed at step 21: SW 6300")
        self.assertIn("SW 6300; RC spent", hostile)
        self.assertIn("200 hostile runs of two eUICCs, seed 1: 0 broke an invariant", hostile)
        self.assertRegex(silent, r"1 x Expired at step \d+: EXPIRED \(subject 1\.6, reason 5\.3\)")
        for chapter, name in (hostile, "Alpha"), (silent, "Alpha"), (again, "Beta"):
            self.assertRegex(chapter, rf"Commander of \d{{32}}: {name}\n")
        self.assertIn("1 executed (0 with a warning), 0 failed", again)


if __name__ == "__main__":
    unittest.main()
