"""The documents' programs, run as they stand there: README.md's way to an own client in its three
blocks, and docs/client.md's in the place of its program.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from deployment import BUILD, SOURCE


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


class Readme(unittest.TestCase):
    def run_program(self, program):
        """README.md's commands with this program; what it printed."""
        prepare, run = blocks((SOURCE / "README.md").read_text(encoding="utf-8"), "sh")
        self.assertTrue(prepare.startswith("./dev build\n"))
        prepare = prepare.replace("./dev build\n", "", 1)  # the test runs from what is built

        place = pathlib.Path(tempfile.mkdtemp(prefix="eckad-"))
        self.addCleanup(shutil.rmtree, place)
        (place / "build").symlink_to(BUILD)
        (place / "tools").symlink_to(SOURCE / "tools")
        (place / "verify.c").write_text(program)
        done = subprocess.run(["bash", "-e", "-c", prepare + run], cwd=place, timeout=100,
                              env={**os.environ, "TMPDIR": str(place)}, check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout.splitlines()

    @staticmethod
    def program(document):
        """Its one whole program."""
        programs = [block for block in blocks((SOURCE / document).read_text(encoding="utf-8"), "c")
                    if "int main(" in block]
        (program,) = programs
        return program

    def test_own_client(self):
        printed = self.run_program(self.program("README.md"))
        for line in "request: OK", "item 0: OK", "item 1: SIGNATURE_INVALID":
            self.assertIn(line, printed)

    def test_verifier(self):
        printed = self.run_program(self.program("docs/client.md"))
        self.assertIn("5000 good, 5000 bad, 0 without an answer", printed)


if __name__ == "__main__":
    unittest.main()
