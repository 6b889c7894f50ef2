"""SCP03 (GlobalPlatform Amendment D) of a card in Python: a second reading of the protocol that
shares nothing with the C code. S8, AES-128.
"""
import secrets

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from card import cmac

C_ENC, R_MAC, R_ENC = 0x02, 0x10, 0x20


def _cbc(key, iv, data, encrypt):
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv))
    context = cipher.encryptor() if encrypt else cipher.decryptor()
    return context.update(data) + context.finalize()


def under_dek(dek, value):
    """A key out of PUT KEY data."""
    return _cbc(dek, bytes(16), value, False)


def _pad(data):
    return data + b"\x80" + bytes(-(len(data) + 1) % 16)


class Card:
    """The card's end of one session, from INITIALIZE UPDATE on."""

    def __init__(self, enc, mac):
        self.host, self.card = secrets.token_bytes(8), secrets.token_bytes(8)
        self.s_enc = self._derive(enc, 0x04, 128)
        self.s_mac = self._derive(mac, 0x06, 128)
        self.s_rmac = self._derive(mac, 0x07, 128)
        self.cryptogram = self._derive(self.s_mac, 0x00, 64)
        self.chaining, self.level, self.commands = bytes(16), None, 0

    def _derive(self, key, constant, bits):
        return cmac(key, bytes(11) + bytes([constant, 0]) + bits.to_bytes(2, "big") + b"\x01"
                    + self.host + self.card)[:bits // 8]

    def _check_mac(self, apdu):
        """The data in front of a true C-MAC."""
        lc, head, data = apdu[4], apdu[:5], apdu[5:5 + apdu[4] - 8]
        mac = cmac(self.s_mac, self.chaining + head + data)
        assert apdu[5 + lc - 8:5 + lc] == mac[:8]
        self.chaining = mac
        return data, apdu[5 + lc:]

    def external_authenticate(self, apdu):
        assert apdu[:2] == b"\x84\x82" and apdu[3:5] == b"\x00\x10"
        host, rest = self._check_mac(apdu)
        assert host == self._derive(self.s_mac, 0x01, 64) and rest == b""
        self.level = apdu[2]

    def _icv(self, first):
        return _cbc(self.s_enc, bytes(16),
                    bytes([first]) + bytes(11) + self.commands.to_bytes(4, "big"), True)

    def command(self, apdu):
        """(CLA INS P1 P2, data, Le) as the off-card side meant them."""
        assert apdu[0] & 0x04
        self.commands += 1
        data, le = self._check_mac(apdu)
        if self.level & C_ENC and data:
            data = _cbc(self.s_enc, self._icv(0), data, False).rstrip(b"\0")
            assert data[-1] == 0x80
            data = data[:-1]
        return bytes([apdu[0] & ~0x04]) + apdu[1:4], data, le

    def response(self, data, sw):
        if sw != 0x9000 and sw >> 8 not in (0x62, 0x63):
            return sw.to_bytes(2, "big")
        if self.level & R_ENC and data:
            data = _cbc(self.s_enc, self._icv(0x80), _pad(data), True)
        mac = b""
        if self.level & R_MAC:
            mac = cmac(self.s_rmac, self.chaining + data + sw.to_bytes(2, "big"))[:8]
        return data + mac + sw.to_bytes(2, "big")
