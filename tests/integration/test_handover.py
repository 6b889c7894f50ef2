"""Whole handovers by smsr-change, through a supervised deployment of two custodians."""
import itertools
import os
import re
import unittest

from deployment import Deployment

CURVES = ("P-256", "brainpoolP256r1", "FRP256v1")
LONG = bool(os.environ.get("ECKA_TEST_LONG"))


class Handover(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment = Deployment(custodians=2)
        cls.addClassCleanup(cls.deployment.stop)
        cls.deployment.start()

    def test_curves_challenges_and_scenarios(self):
        for curve, rc_len, dr, host_id in itertools.product(
                CURVES, (16, 32), ((), ("--dr",)), ((), ("--host-id", "0102030405"))):
            with self.subTest(curve=curve, rc_len=rc_len, dr=bool(dr), host_id=bool(host_id)):
                self.deployment.smsr_change("--curve", curve, "--rc-len", rc_len, *dr, *host_id)

    def test_custody_token(self):
        """SGP.02's whole procedure with eSK and Z inside the token; with DR it is refused."""
        for curve in ("P-256", "brainpoolP256r1"):
            for host_id in ((), ("--host-id", "0102030405")):
                output = self.deployment.smsr_change("-v", "--custody", "token", "--curve", curve,
                                                     *host_id)
                self.assertIn("SK.SR token, eSK token, Z token, key data memory", output)
        self.deployment.smsr_change("--custody", "token", "--fleet", 50, "--jobs", 16)
        output = self.deployment.smsr_change("-v")
        self.assertIn("SK.SR token, eSK memory, Z memory, key data memory", output)
        for arguments, status in ((("--dr",), "CUSTODY_WITH_DR"),
                                  (("--curve", "FRP256v1"), "CUSTODY_LACKING")):
            with self.assertRaisesRegex(AssertionError, status):
                self.deployment.smsr_change("-v", "--custody", "token", *arguments)

    def test_verbose_run_names_the_steps(self):
        output = self.deployment.smsr_change("-v")
        numbers = {int(n) for n in re.findall(r"\[\s*(\d{1,2})\]", output)}
        self.assertLessEqual(set(range(4, 29)), numbers | {1, 2, 3}, output)

    def test_fleet(self):
        output = self.deployment.smsr_change("--fleet", 1000 if LONG else 50, "--jobs", 16)
        self.assertRegex(output, r"p50")

    def test_verbose_run_shows_no_secret(self):
        output = self.deployment.smsr_change("-v", "--dr")
        for name in ("pin", "so-pin"):
            secret = (self.deployment.path / name).read_text().strip()
            self.assertNotIn(secret, output)
            self.assertNotIn(secret, self.deployment.processes["up"].output())


if __name__ == "__main__":
    unittest.main()
