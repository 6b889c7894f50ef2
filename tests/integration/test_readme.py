"""README.md's way to an own client: its three blocks, run as they stand there."""
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
    def test_own_client(self):
        text = (SOURCE / "README.md").read_text(encoding="utf-8")
        (program,), (prepare, run) = blocks(text, "c"), blocks(text, "sh")
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
        printed = [line for line in done.stdout.splitlines() if line.startswith(("request", "item"))]
        self.assertEqual(printed, ["request: OK", "item 0: OK", "item 1: SIGNATURE_INVALID"])


if __name__ == "__main__":
    unittest.main()
