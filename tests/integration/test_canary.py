"""Where a PIN and keys must not be seen: arguments, environment, memory and maps of the processes
that have no use for them, logs and every file but their own. Found by value, in each usual writing.
"""
import base64
import os
import pathlib
import subprocess
import sys
import unittest

import memory
from deployment import Deployment

def writings(secret):
    """A secret as it is, and as a careless line would print it."""
    return {"as it is": secret, "hex": secret.hex().encode(), "HEX": secret.hex().upper().encode(),
            "base64": base64.b64encode(secret), "wide": secret.decode("latin-1").encode("utf-16-le")}


def shown(pid):
    """What /proc shows of a process to those who may look."""
    proc = pathlib.Path(f"/proc/{pid}")
    return {name: (proc / name).read_bytes() for name in ("cmdline", "environ", "maps", "comm")}


def found_in(octets, secret):
    return [how for how, needle in writings(secret).items() if needle in octets]


class Canary(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root may read another process's memory")
        cls.deployment = d = Deployment()
        cls.addClassCleanup(d.stop)
        d.add_principal("delta")
        d.set_config(d.config().replace("jobs: 512", "jobs: 8\ntable_budget_mib: 16"))
        d.start()
        cls.pin = (d.path / "pin").read_bytes().strip()
        cls.so_pin = (d.path / "so-pin").read_bytes().strip()
        cls.curve_text = d.read_key("eckad.key")["secret"].encode()
        cls.beta_text = d.read_key("beta.key")["secret"].encode()
        d.smsr_change("--fleet", 4, "--jobs", 2)
        subprocess.run([d.program("eckactl"), "keys", "list", "--custodian",
                        d.custodian_config(1)], env=d.env, check=True, capture_output=True)
        cls.pids = {**d.children(), "up": d.processes["up"].pid}
        assert set(cls.pids) == {"eckad", "c1", "up"}, cls.pids

    def test_nothing_in_proc(self):
        for name, pid in self.pids.items():
            for what, octets in shown(pid).items():
                self.assertNotEqual(octets, b"", what)
                for secret in (self.pin, self.so_pin, self.curve_text, self.beta_text):
                    self.assertEqual(found_in(octets, secret), [], f"{what} of {name}")

    def test_nothing_in_memory_that_has_no_use_for_it(self):
        raw, held = self.z85(self.curve_text), {}
        for name, pid in self.pids.items():
            regions = memory.snapshot(pid)
            for what, secret in (("PIN", self.pin), ("SO PIN", self.so_pin),
                                 ("a front-end's key", self.beta_text)):
                for how, needle in writings(secret).items():
                    self.assertFalse(memory.holds(regions, needle),
                                     f"{name} holds the {what}, {how}")
            # Its own key eckad must have, though not as text, and no other process has it.
            self.assertFalse(memory.holds(regions, self.curve_text), f"{name} holds eckad.key as text")
            held[name] = memory.holds(regions, raw)
        self.assertEqual(held, {"eckad": True, "c1": False, "up": False})

    @staticmethod
    def z85(text):
        alphabet = (b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                    b".-:+=^!/*?&<>()[]{}@%$#")
        out = bytearray()
        for i in range(0, len(text), 5):
            value = 0
            for c in text[i:i + 5]:
                value = value * 85 + alphabet.index(c)
            out += value.to_bytes(4, "big")
        return bytes(out)

    def test_nothing_in_a_log_or_another_file(self):
        own = {"pin": self.pin, "so-pin": self.so_pin, "eckad.key": self.curve_text,
               "beta.key": self.beta_text}
        looked_at = 0
        for file in sorted(p for p in self.deployment.path.rglob("*") if p.is_file()):
            try:
                octets = file.read_bytes()
            except FileNotFoundError:
                continue  # a lock of SoftHSM's
            looked_at += 1
            for name, secret in own.items():
                if file.name != name:
                    self.assertEqual(found_in(octets, secret), [], f"{name} stands in {file}")
        self.assertGreater(looked_at, 20)
        for name, secret in own.items():  # the scanner sees what is there
            self.assertEqual(found_in((self.deployment.path / name).read_bytes(), secret)[0],
                             "as it is")

    def test_a_failed_login_shows_no_pin(self):
        """Nor does it stay in a process that goes on to say why: that one ends."""
        d = self.deployment
        wrong = b"0badc0de7777beef0badc0de7777beef"
        path = d.path / "wrong-pin"
        path.write_bytes(wrong + b"\n")
        path.chmod(0o600)
        self.addCleanup(path.unlink)
        config = pathlib.Path(d.custodian_config(1))
        other = d.path / "wrong.yaml"
        other.write_text(config.read_text().replace("pin_file: pin", "pin_file: wrong-pin")
                         .replace("custodian-1.sock", "wrong.sock").replace("name: c1", "name: wrong"))
        self.addCleanup(other.unlink)
        done = subprocess.run([d.program("eckad-custodian"), "--config", other], env=d.env,
                              capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertEqual(found_in(done.stdout + done.stderr, wrong), [])

    def test_the_scanner_sees_arguments_environment_and_memory(self):
        """The twin: a process that was told the PIN in each of the forbidden ways."""
        pin = self.pin.decode()
        with subprocess.Popen([sys.executable, "-c", "import sys; print(1, flush=True); "
                               "kept = bytearray(sys.argv[1].encode()); sys.stdin.read()", pin],
                              env={**os.environ, "PIN": pin}, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as careless:
            careless.stdout.readline()
            seen = shown(careless.pid)
            self.assertEqual(found_in(seen["cmdline"], self.pin), ["as it is"])
            self.assertEqual(found_in(seen["environ"], self.pin), ["as it is"])
            self.assertTrue(memory.holds(memory.snapshot(careless.pid), self.pin))
            careless.stdin.close()
        self.assertIn("hex", found_in(b"PIN " + self.pin.hex().encode(), self.pin))

    def test_a_pin_is_taken_in_no_other_way(self):
        """There is no option and no variable for it: both are refused or not heeded."""
        d = self.deployment
        for args in (["--pin", "1234"], ["--pin=1234"], ["-p", "1234"]):
            done = subprocess.run([d.program("eckad-custodian"), "--config", d.custodian_config(1),
                                   *args], env=d.env, capture_output=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2, args)
            self.assertNotIn(b"1234", done.stderr)
        no_pin = d.path / "nopin.yaml"
        no_pin.write_text(pathlib.Path(d.custodian_config(1)).read_text()
                          .replace("pin_file: pin\n", "").replace("custodian-1.sock", "no.sock"))
        self.addCleanup(no_pin.unlink)
        environment = {k: v for k, v in d.env.items() if k != "CREDENTIALS_DIRECTORY"}
        done = subprocess.run([d.program("eckad-custodian"), "--config", no_pin],
                              env={**environment, "PIN": self.pin.decode(),
                                   "ECKAD_PIN": self.pin.decode()},
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no pin_file and no systemd credential", done.stderr)
        self.assertNotIn(self.pin.decode(), done.stderr)


if __name__ == "__main__":
    unittest.main()
