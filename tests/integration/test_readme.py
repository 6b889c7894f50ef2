"""The C program of README.md: compiled as README.md says, and run against a live service."""
import os
import re
import subprocess
import unittest

from deployment import BUILD, SOURCE, Deployment


def blocks(language):
    text = (SOURCE / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


class Readme(unittest.TestCase):
    def test_program(self):
        (program,) = blocks("c")
        (compile_line,) = re.findall(r"^cc .*$", "\n".join(blocks("")), re.M)
        with Deployment() as deployment:
            deployment.start()
            (deployment.path / "verify.c").write_text(program)
            env = {**deployment.env,
                   "PKG_CONFIG_PATH": f"{BUILD}/meson-uninstalled",
                   "LD_LIBRARY_PATH": f"{BUILD}/service/client:{BUILD}/service"}
            subprocess.run(["sh", "-ec", compile_line], cwd=deployment.path, env=env, check=True)
            done = subprocess.run(
                ["./verify", deployment.endpoint, "eckad.key.pub", "beta.key"],
                cwd=deployment.path, env=env, capture_output=True, text=True, check=False,
                timeout=60)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("OK", done.stdout)
            self.assertIn("SIGNATURE_INVALID", done.stdout)


if __name__ == "__main__":
    unittest.main()
