"""handover.pml searched to its end by spin: the invariants hold, whatever is lost and whatever a
hostile Alpha says; each rule of the procedure broken on purpose is found out.
"""
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

MODEL = pathlib.Path(__file__).with_name("handover.pml")
HONEST, HOSTILE = (), ("-DHOSTILE",)
SECONDS = 120
# Rules that losses alone do not try: a forged receipt, planted key sets. The others they do.
FOR_A_HOSTILE_ALPHA = {"RECEIPT_UNCHECKED", "DELETES_THE_LISTED", "SPARES_PLANTED"}


def seeds():
    return {int(n): name for name, n in
            re.findall(r"^#define (\w+) +\(SEED == (\d+)\)", MODEL.read_text(), re.M)}


class Model(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="model-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)

    def command(self, *words):
        done = subprocess.run(words, cwd=self.directory, capture_output=True, text=True,
                              timeout=SECONDS, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def search(self, *defines, optimise="-O0"):
        """(errors, states) of a search of every state, or up to the first error."""
        self.command("spin", *defines, "-a", str(MODEL))
        self.command("cc", optimise, "-w", "-DSAFETY", "-o", "pan", "pan.c")
        output = self.command("./pan", "-m1000000")
        self.assertNotIn("max search depth too small", output)
        errors = int(re.search(r"errors: (\d+)", output).group(1))
        if not errors:
            self.assertNotIn("Search not completed", output)
        return errors, int(re.search(r"(\d+) states, stored", output).group(1))

    def test_invariants_hold_whatever_is_lost(self):
        for faults in range(5):
            with self.subTest(faults=faults):
                self.assertEqual(self.search(*HONEST, f"-DFAULTS={faults}")[0], 0)

    def test_invariants_hold_against_a_hostile_alpha(self):
        errors, states = self.search(*HOSTILE, "-DFAULTS=1", optimise="-O1")
        self.assertEqual(errors, 0)
        self.assertGreater(states, 1000000)

    def test_change_can_succeed(self):
        """The invariants hold of something: a run that ends well is found where it is denied."""
        for who in (HONEST, HOSTILE):
            self.assertEqual(self.search(*who, "-DFAULTS=1", "-DREACH")[0], 1)

    def test_rules_broken_on_purpose_are_found(self):
        self.assertEqual(sorted(seeds()), list(range(1, len(seeds()) + 1)))
        for number, name in seeds().items():
            who = HOSTILE if name in FOR_A_HOSTILE_ALPHA else HONEST
            with self.subTest(rule=name, who=who):
                self.assertEqual(self.search(*who, "-DFAULTS=2", f"-DSEED={number}")[0], 1)


if __name__ == "__main__":
    unittest.main()
