"""One handover a curve and one chain that fails: the pass that also runs with ASan and UBSan."""
import unittest

import beta
import curves
import gpki
from deployment import Deployment
from ecka_client import names


class Smoke(unittest.TestCase):
    def test_handovers(self):
        with Deployment(custodians=2) as deployment:
            pki = beta.Pki(deployment)
            deployment.start()
            deployment.smsr_change("-v", "--dr", "--rc-len", 32, "--host-id", "0102")
            deployment.smsr_change("--fleet", 12, "--jobs", 6)
            for curve in curves.ALL[1:]:
                deployment.smsr_change("--curve", curve.name)
            card = pki.card()
            card.certificate = gpki.seal_7f21(card.fields, gpki.new_key())
            client = deployment.client()
            result = client.ok(verify_chain=beta.chain([card, pki.card()]))
            self.assertEqual(names(result.item_status), ["CERT_SIGNATURE", "OK"])
            client.send_raw(b"\xff" * 40)
            self.assertEqual(client.receive().status, 1)


if __name__ == "__main__":
    unittest.main()
