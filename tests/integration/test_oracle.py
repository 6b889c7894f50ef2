"""The Python side itself, against published values: an oracle that is wrong proves nothing."""
import unittest

import card
import curves
import gpki


class Oracle(unittest.TestCase):
    def test_cmac(self):  # RFC 4493, example 2
        key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
        message = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")
        self.assertEqual(card.cmac(key, message).hex(), "070a16b46b4d4144f79bdd9dd04a287c")

    def test_agreement(self):  # RFC 7027, A.1
        a = 0x81DB1EE100150FF2EA338D708271BE38300CB54241D79950F77B063039804F1D
        b = 0x55E40BC41E37E3E2AD25C3C6654511FFA8474A91A0032087593852D3E7D76BD3
        curve = curves.BRAINPOOL
        public_b = curves.encode(curve.mul(b, curve.g))
        self.assertEqual(curve.ecka(a, public_b).hex(),
                         "89afc39d41d3b327814b80940b042590f96556ec91e6ae7939bce31f3a18bf2b")

    def test_scp80(self):  # osmocom/pysim, tests/unittests/test_ota.py
        keys = card.KeySet(bytes(16) + bytes.fromhex("200102030405060708090a0b0c0d0e0f")
                           + bytes.fromhex("201102030405060708090a0b0c0d0e0f") + bytes(16))
        packet = bytes.fromhex("00281506192222b00011e87cceebb2d93083011ce294f93fc4d8de80da1abae8c3"
                               "7ca3e72ec4432e5058")
        spi, kic, kid, tar, counter, payload = card.open_command(keys, packet)
        self.assertEqual((spi.hex(), kic, kid, tar.hex(), counter),
                         ("0619", 0x22, 0x22, "b00011", 0))
        self.assertEqual(payload.hex(), "00a40004023f00")

    def test_certificate(self):
        ci = gpki.make_ci()
        eum = gpki.make_eum(ci)
        device = card.Card(eum, b"\x01\x02", curves.FRP256V1)
        ((tag, body),) = gpki.tlvs(device.certificate)
        fields = gpki.tlvs(body)
        self.assertEqual((tag, fields[:-1]), (0x7F21, device.fields))
        signed = body[:len(body) - len(gpki.tlv(*fields[-1]))]
        gpki.verify_raw(gpki.point_of(eum.key.public_key()), curves.P256, fields[-1][1], signed)


if __name__ == "__main__":
    unittest.main()
