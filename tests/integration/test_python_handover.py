"""The whole key establishment from outside: a Python front-end, a Python card, and nothing of C
between them but the service.
"""
import unittest

import beta
import card as cards
import curves
from deployment import Deployment
from ecka_client import names

SCENARIOS = (0x08, 0x0A, 0x0C, 0x0E)
KVN = 3


class PythonHandover(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment = Deployment()
        cls.addClassCleanup(cls.deployment.stop)
        cls.pki = beta.Pki(cls.deployment)
        cls.deployment.start()
        cls.client = cls.deployment.client()
        cls.sr = {number: (next(c for c in curves.ALL if c.number == number), key_id, point)
                  for number, (key_id, point) in cls.deployment.sr_certificates().items()}

    def test_info(self):
        info = self.client.info()
        self.assertEqual((info.protocol, info.principal, len(info.custodians)), (1, "beta", 1))
        self.assertEqual(sorted(info.curves), [c.number for c in curves.ALL])
        self.assertEqual(sorted(info.custodians[0].sr_key_ids),
                         sorted(key_id for _, key_id, _ in self.sr.values()))
        self.assertIn(self.pki.eum.sha256, list(info.eum_ids))

    def test_chain(self):
        items = [self.pki.card(curve, i) for i, curve in enumerate(curves.ALL)]
        result = self.client.ok(verify_chain=beta.chain(items))
        self.assertEqual(names(result.item_status), ["OK"] * len(items))
        self.assertEqual(list(result.curves), [c.curve.number for c in items])
        self.assertEqual(result.pk_ecasd, b"".join(c.point for c in items))

    def test_eum_as_certificate(self):
        request = beta.chain([self.pki.card()])
        request.eums[0] = self.pki.eum.der
        self.assertEqual(names(self.client.ok(verify_chain=request).item_status), ["OK"])

    def test_handovers(self):
        for number, sr in self.sr.items():
            for curve in curves.ALL:
                for scenario in SCENARIOS:
                    with self.subTest(sr=number, curve=curve.name, scenario=scenario):
                        self.handover(sr, curve, scenario, 32 if scenario & 2 else 16)

    def handover(self, sr, curve, scenario, rc_len):
        card = self.pki.card(curve, scenario, sin=b"\x01\x02\x03", sdin=b"\x04\x05")
        done = beta.Handover(self.client, card, sr, scenario, KVN, rc_len=rc_len, counter=7,
                             host_id=b"host" if scenario & cards.WITH_HOST_ID else b"")
        result = done.result
        (tag1, crt), (_, epk), (_, signature) = cards.dgis(result.store_data[0])
        self.assertEqual((tag1, crt, epk, signature),
                         (0x3A02, result.crts[0], result.epks, result.signatures))
        host = b"\x45\x02\x04\x05\x84\x04host" if scenario & cards.WITH_HOST_ID else b""
        body = (b"\x90\x02\x03" + bytes([scenario]) + bytes.fromhex("950110800188810110820101")
                + b"\x83\x01" + bytes([KVN]) + b"\x91\x05\0\0\0\0\x07" + host)
        self.assertEqual(crt, b"\xa6" + bytes([len(body)]) + body)
        # SK.SR in the token; eSK, Z and key data in memory. With DR there is no key data yet.
        self.assertEqual(list(result.custody), [1, 2, 2, 0 if scenario & cards.WITH_DR else 2])

        self.assertEqual(done.confirm(), "OK")
        self.assertEqual(done.kcvs, card.keys.kcvs())
        self.packets(done)

    def packets(self, done):
        card, keys = done.card, done.card.keys
        payload = bytes.fromhex("80e4000005f203010103")
        result = self.client.ok(scp80_wrap=beta.wrap(card, done.key_set, KVN, 8, payload))
        self.assertEqual(names(result.item_status), ["OK"])
        spi, kic, kid, tar, counter, plain = cards.open_command(keys, result.packets[0])
        self.assertEqual((spi, kic, kid, tar, counter, plain),
                         (b"\x16\x39", KVN << 4 | 2, KVN << 4 | 2, b"\0\0\1", 8, payload))

        for rsc, answer, status in ((0, b"\x90\x00", "OK"), (2, b"", "SCP80_STATUS")):
            packet = cards.make_response(keys, tar, 8, rsc, answer)
            result = self.client.ok(scp80_unwrap=beta.unwrap(card, done.key_set, KVN, packet))
            self.assertEqual(names(result.item_status), [status])
            self.assertEqual((result.por_status[0], result.tars), (rsc, tar))
            self.assertEqual(int.from_bytes(result.counters, "big"), 8)
            if status == "OK":
                self.assertEqual(result.payloads[0], answer)

        broken = bytearray(cards.make_response(keys, tar, 8, 0, b"\x90\x00"))
        broken[-1] ^= 1
        result = self.client.ok(
            scp80_unwrap=beta.unwrap(card, done.key_set, KVN, bytes(broken)))
        self.assertEqual(names(result.item_status), ["SCP80_CC"])

    def test_batch_of_cards(self):
        """Items of one request are independent: a bad one between good ones changes nothing."""
        items = [self.pki.card(curve, 100 + i) for i, curve in enumerate(curves.ALL * 5)]
        items[7].certificate = items[6].certificate
        curve, key_id, point = self.sr[1]
        result = self.client.ok(establish=beta.establish(items, key_id))
        statuses = names(result.item_status)
        self.assertEqual(statuses, ["CERT_SUBJECT" if i == 7 else "OK" for i in range(15)])
        self.assertEqual(len(set(result.tickets)), 15)
        self.assertEqual(result.tickets[7], b"")
        self.assertEqual(result.epks[7 * 65:8 * 65], bytes(65))
        good = [i for i in range(15) if i != 7]
        answers = [items[i].establish(result.store_data[i], curve, point) for i in good]
        done = self.client.ok(confirm=beta.confirm(
            [items[i] for i in good], [result.tickets[i] for i in good],
            [receipt for _, receipt in answers]))
        self.assertEqual(names(done.item_status), ["OK"] * 14)
        self.assertEqual(done.kcvs, b"".join(items[i].keys.kcvs() for i in good))


if __name__ == "__main__":
    unittest.main()
