"""Each backend behind the real service: handovers, and what Info and the log say of the choice."""
import unittest

from deployment import Deployment

BACKENDS = ("ifma", "portable", "libcrypto")  # the best first


class Backends(unittest.TestCase):
    def test_each_backend_serves(self):
        for place, name in enumerate(BACKENDS[1:], 1):
            with self.subTest(name), Deployment() as deployment:
                deployment.env["ECKA_BACKEND"] = name
                deployment.start()
                for curve in ("P-256", "brainpoolP256r1", "FRP256v1"):
                    deployment.smsr_change("--curve", curve)
                refused = "; ".join(f"{better}: ECKA_BACKEND names another"
                                    for better in BACKENDS[:place])
                info = deployment.client().info()
                for part in (info, info.custodians[0]):
                    self.assertEqual((part.backend, part.backend_refused), (name, refused))
                log = deployment.processes["up"].output()
                self.assertEqual(log.count(f"backend {name}: known-answer tests passed; used"), 2)

    def test_without_a_wish_the_first_that_can_is_taken(self):
        with Deployment() as deployment:
            deployment.env.pop("ECKA_BACKEND", None)
            deployment.start()
            info = deployment.client().info()
            refused = [reason.split(": ")[0] for reason in info.backend_refused.split("; ") if reason]
            self.assertEqual([*refused, info.backend], list(BACKENDS[:len(refused) + 1]))


if __name__ == "__main__":
    unittest.main()
