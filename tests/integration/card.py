"""An eUICC's side of SM-SR Change in Python, and SCP80 for either side: a second reading of the
protocol that shares nothing with the C code.
"""
import hashlib
import secrets

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

import gpki

WITH_DR, WITH_HOST_ID, CHECKED = 0x02, 0x04, 0x08


def cmac(key, data):
    mac = CMAC(algorithms.AES(key))
    mac.update(data)
    return mac.finalize()


def x963(z, shared_info, length):
    out, counter = b"", 1
    while len(out) < length:
        out += hashlib.sha256(z + counter.to_bytes(4, "big") + shared_info).digest()
        counter += 1
    return out[:length]


def kcv(key):
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(b"\x01" * 16)[:3]


def dgi(tag, value):
    length = bytes([len(value)]) if len(value) < 0xFF else b"\xff" + len(value).to_bytes(2, "big")
    return tag.to_bytes(2, "big") + length + value


def dgis(octets):
    out, at = [], 0
    while at < len(octets):
        tag, length, at = int.from_bytes(octets[at:at + 2], "big"), octets[at + 2], at + 3
        if length == 0xFF:
            length, at = int.from_bytes(octets[at:at + 2], "big"), at + 2
        out.append((tag, octets[at:at + length]))
        at += length
    assert at == len(octets)
    return out


class KeySet:
    """What both sides derive: receipt key, ENC, MAC, DEK."""

    def __init__(self, key_data):
        self.receipt, self.enc, self.mac, self.dek = (key_data[i:i + 16] for i in range(0, 64, 16))

    def kcvs(self):
        return kcv(self.enc) + kcv(self.mac) + kcv(self.dek)


class Card:
    def __init__(self, eum, ca_id, curve, number=1, sin=b"", sdin=b""):
        self.curve, self.eid, self.sin, self.sdin = curve, gpki.eid_of(number), sin, sdin
        self.scalar, self.point = curve.keypair()
        self.eum = eum
        self.fields = gpki.ecasd_fields(self.eid, curve, self.point, ca_id, eum.key_id)
        self.certificate = gpki.seal_7f21(self.fields, eum.key)
        self.rc = self.keys = None

    def challenge(self, length=16):
        self.rc = secrets.token_bytes(length)
        return self.rc

    def establish(self, store_data, sr_curve, sr_point):
        """Second STORE DATA: (dr, receipt), or an exception when the card would refuse."""
        (tag1, crt), (tag2, epk), (tag3, signature) = dgis(store_data)
        assert (tag1, tag2, tag3) == (0x3A02, 0x7F49, 0x5F37)
        signed = dgi(tag1, crt) + dgi(tag2, epk) + dgi(0x0085, self.rc)
        gpki.verify_raw(sr_point, sr_curve, signature, signed)

        ((tag, body),) = gpki.tlvs(crt)
        assert tag == 0xA6
        values = dict(gpki.tlvs(body))
        scenario = values[0x90][1]
        assert values[0x90][0] == 3 and values[0x95] == b"\x10" and values[0x80] == b"\x88"
        dr = secrets.token_bytes(16) if scenario & WITH_DR else b""
        info = values[0x95] + values[0x80] + values[0x81] + dr
        if scenario & WITH_HOST_ID:
            for value in (values[0x84], self.sin, self.sdin):
                info += bytes([len(value)]) + value
            assert values[0x45] == self.sdin
        z = self.curve.ecka(self.scalar, epk)
        self.keys = KeySet(x963(z, info, 64))
        return dr, cmac(self.keys.receipt, crt + (gpki.tlv(0x85, dr) if dr else b""))


# -- SCP80 (ETSI TS 102 225, AES) --

def cbc(key, data, encrypt):
    cipher = Cipher(algorithms.AES(key), modes.CBC(b"\0" * 16))
    context = cipher.encryptor() if encrypt else cipher.decryptor()
    return context.update(data) + context.finalize()


def open_command(keys, packet):
    """(spi, kic, kid, tar, counter, payload) of a command packet; checks CPL, CHL and CC."""
    assert int.from_bytes(packet[:2], "big") == len(packet) - 2 and packet[2] == 0x15
    head, plain = packet[:10], cbc(keys.enc, packet[10:], False)
    counter, padding, cc, data = plain[:5], plain[5], plain[6:14], plain[14:]
    assert cmac(keys.mac, head + plain[:6] + data)[:8] == cc
    payload = data[:len(data) - padding]
    return (head[3:5], head[5], head[6], head[7:10], int.from_bytes(counter, "big"), payload)


def make_response(keys, tar, counter, status, payload, claimed=None):
    """A response packet with proof of receipt; claimed: a padding count that lies."""
    padding = -(15 + len(payload)) % 16
    data = payload + b"\0" * padding
    ciphered = 15 + len(data)
    head = b"\x02\x71\x00" + (1 + 3 + ciphered).to_bytes(2, "big") + b"\x12" + tar
    count = padding if claimed is None else claimed
    clear = counter.to_bytes(5, "big") + bytes([count, status])
    cc = cmac(keys.mac, head + clear + data)[:8]
    return head + cbc(keys.enc, clear + cc + data, True)
