"""docs/audit.md's example: each command prints what stands under it, and both programs agree."""
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from verifiers import ECKACTL, PYTHON, SOURCE

STEP = re.compile(r"^```sh\n(.*?)^```\n```text\n(.*?)^```$", re.M | re.S)
END = "-- end of step --"
EXAMPLE = SOURCE / "tests" / "audit" / "example"


def steps():
    text = (SOURCE / "docs" / "audit.md").read_text(encoding="utf-8")
    return STEP.findall(text), text.count("```sh\n")


def run(commands, place=SOURCE):
    """What each of them prints, one after the other in one shell."""
    script = "".join(f"{command}echo '{END}'\n" for command in commands)
    done = subprocess.run(["bash", "-e", "-u", "-o", "pipefail", "-c", script], cwd=place, check=True,
                          capture_output=True, text=True)
    assert done.stderr == "", done.stderr
    return done.stdout.split(END + "\n")[:-1]


class Document(unittest.TestCase):
    maxDiff = None

    def test_the_example_by_hand(self):
        found, shells = steps()
        self.assertGreater(len(found), 5)
        self.assertEqual(len(found), shells)
        for (command, text), printed in zip(found, run([command for command, _ in found])):
            self.assertEqual(printed, text, command)

    def test_a_changed_leaf_shows(self):
        """The signature of the checkpoint verifies as before, and the leaves have another root."""
        with tempfile.TemporaryDirectory(prefix="eckad-audit.") as place:
            copy = pathlib.Path(place) / "tests" / "audit" / "example"
            shutil.copytree(EXAMPLE, copy)
            changed = copy / "0000000000000000.log"
            changed.write_bytes(changed.read_bytes().replace(b'"principal":"beta"', b'"principal":"eve"', 1))
            found, _ = steps()
            printed = run([command for command, _ in found], place)
        differs = [command.strip().rsplit("\n", 1)[-1] for (command, text), out in zip(found, printed)
                   if out != text]
        self.assertEqual(len(differs), 4, differs)
        self.assertIn("root $work/leaves | base64", differs)

    def test_the_example_by_both_programs(self):
        for program in ([ECKACTL, "audit", "verify"], ["/usr/bin/python3", PYTHON]):
            subprocess.run([*program, "--whole", "--key", EXAMPLE / "checkpoint.pem", EXAMPLE],
                           check=True, capture_output=True)


if __name__ == "__main__":
    unittest.main()
