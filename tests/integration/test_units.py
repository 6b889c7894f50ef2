"""The systemd units: how exposed they are, that systemd understands them, and that both daemons live
within what they leave.
"""
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from deployment import BUILD, SOURCE, Deployment

EXPOSURE_MAX = 1.5
UNITS = BUILD / "packaging" / "systemd"
NAMES = ("eckad.service", "eckad-custodian@.service")
DROP_INS = ("network-hsm.conf", "softhsm.conf")
PROGRAMS = {"eckad": BUILD / "service" / "eckad", "eckad-custodian": BUILD / "hsm" / "eckad-custodian"}


def analyze(*args):
    done = subprocess.run(["systemd-analyze", "--no-pager", *map(str, args)], capture_output=True,
                          text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


class Units(unittest.TestCase):
    def setUp(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="units-"))
        self.addCleanup(shutil.rmtree, self.path)

    def unit(self, name, text=None, drop_ins=()):
        """A unit in a folder of its own, with the programs of this build."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.path))
        text = text or (UNITS / name).read_text()
        for program, where in PROGRAMS.items():
            text = re.sub(rf"^ExecStart=\S+/{program} ", f"ExecStart={where} ", text, flags=re.M)
        (folder / name).write_text(text)
        for drop_in in drop_ins:
            (folder / f"{name}.d").mkdir(exist_ok=True)
            shutil.copy(SOURCE / "packaging" / "systemd" / drop_in, folder / f"{name}.d")
        return folder / name

    def exposure(self, unit):
        status, said = analyze("security", "--offline=true",
                               f"--threshold={int(EXPOSURE_MAX * 10)}", unit)
        level = float(re.search(r"Overall exposure level for .*: ([\d.]+)", said)[1])
        self.assertEqual(status == 0, level <= EXPOSURE_MAX, said)
        return level

    def test_exposure(self):
        for name in NAMES:
            level = self.exposure(self.unit(name))
            print(f"{name}: {level}")
            self.assertLessEqual(level, EXPOSURE_MAX)
        for drop_in in DROP_INS:
            level = self.exposure(self.unit(NAMES[1], drop_ins=[drop_in]))
            print(f"{NAMES[1]} with {drop_in}: {level}")
            self.assertLessEqual(level, EXPOSURE_MAX)

    def test_a_unit_that_lost_its_fences_is_seen(self):
        for name in NAMES:
            text = (UNITS / name).read_text()
            for lost in ("SystemCallFilter", r"Protect\w+", "User"):
                bare = re.sub(rf"^{lost}=.*\n", "", text, flags=re.M)
                self.assertGreater(self.exposure(self.unit(name, bare)),
                                   self.exposure(self.unit(name)), lost)
            bare = re.sub(r"^(Protect\w+|Restrict\w+|Private\w+|SystemCall\w+|Capability\w+)=.*\n",
                          "", text, flags=re.M)
            self.assertGreater(self.exposure(self.unit(name, bare)), EXPOSURE_MAX)

    def test_systemd_understands_them(self):
        for name in NAMES:
            self.assertEqual(analyze("verify", "--man=no", self.unit(name)), (0, ""))
        self.assertEqual(analyze("verify", "--man=no", self.unit(NAMES[1], drop_ins=DROP_INS)),
                         (0, ""))
        text = (UNITS / NAMES[0]).read_text()
        for wrong in (text.replace("ProtectSystem=", "ProtectSytsem="),
                      text.replace("LimitNOFILE=", "LimitNOFILE=some"),
                      text.replace("@system-service", "@no-such-set")):
            self.assertNotEqual(analyze("verify", "--man=no", self.unit(NAMES[0], wrong))[1], "")

    def test_two_users_and_what_neither_may_see(self):
        eckad, custodian = ((UNITS / name).read_text() for name in NAMES)
        users = [re.search(r"^User=(.*)$", text, re.M)[1] for text in (eckad, custodian)]
        self.assertEqual(users, ["eckad", "eckad-custodian"])
        made = re.findall(r"^u (\S+)",
                          (SOURCE / "packaging" / "systemd" / "eckad.sysusers").read_text(), re.M)
        self.assertEqual(made, users)
        self.assertNotIn("Credential", eckad)
        self.assertIn("RestartPreventExitStatus=3\n", custodian)
        self.assertNotIn("PrivateUsers=yes", custodian)  # peers would have no uid


class Within(unittest.TestCase):
    """Both daemons under their units' system calls, address families and limits."""

    def start(self, name, unit, program, config, said, edit=lambda text: text):
        d = self.deployment
        copy = d.path / f"{name}.unit"
        copy.write_text(edit((UNITS / unit).read_text()))
        limits = SOURCE / "tests" / "integration" / "unit_limits.py"
        process = d.spawn(name, [sys.executable, str(limits), str(copy), str(PROGRAMS[program]),
                                 "--config", str(d.path / config)])
        process.wait_for(said)
        return process

    def setUp(self):
        self.deployment = Deployment(supervised=False)
        self.addCleanup(self.deployment.stop)

    def test_a_fleet_a_reload_and_an_end(self):
        d = self.deployment
        custodian = self.start("c1", NAMES[1], "eckad-custodian", "c1.yaml", "c1: ready")
        eckad = self.start("eckad", NAMES[0], "eckad", "eckad.yaml", "eckad: ready")
        self.assertIn("20 executed", d.smsr_change("--fleet", 20, "--jobs", 8))
        custodian.popen.send_signal(signal.SIGHUP)
        custodian.wait_for("reloaded: ")
        eckad.popen.send_signal(signal.SIGHUP)
        eckad.wait_for("is in force", 2)
        self.assertIn("20 executed", d.smsr_change("--fleet", 20, "--jobs", 8))

    def test_a_call_that_the_unit_lacks_is_missed(self):
        """The twin: what runs here runs under the unit's filter."""
        with self.assertRaises(AssertionError):
            self.start("c1", NAMES[1], "eckad-custodian", "c1.yaml", "c1: ready",
                       lambda text: re.sub(r"^(SystemCallFilter=~.*)$", r"\1 @network-io", text,
                                           flags=re.M))
        self.assertIn("Operation not permitted", self.deployment.processes.pop("c1").output())


if __name__ == "__main__":
    unittest.main()
