"""A whole eUICC in Python, ISD-R and ECASD, that takes C-APDUs: made from docs/sgp02.md for tests of
Alpha and Beta.
"""
import secrets

from cryptography.exceptions import InvalidSignature

import card as cards
import curves
import gpki
import sgp02
from sgp02 import need

VERIFY_FAILED, WRONG_LENGTH, SECURITY, CONDITIONS = 0x6300, 0x6700, 0x6982, 0x6985
WRONG_DATA, NO_MEMORY, NOT_FOUND, WRONG_P1P2 = 0x6A80, 0x6A84, 0x6A88, 0x6A86
WRONG_INS, WRONG_CLA = 0x6D00, 0x6E00
SETS_MAX = 4


class Refused(Exception):
    def __init__(self, sw):
        super().__init__(f"{sw:04X}")
        self.sw = sw


def key_set(octets48):
    return cards.KeySet(bytes(16) + octets48)


class Set:
    """A key set of the ISD-R."""

    def __init__(self, keys, counter=0):
        self.keys, self.counter, self.present = keys, counter, {1, 2, 3}


class Robot:
    def __init__(self, eid, curve, ci_point, ci_curve, ci_key_id, ks1, sin=b"", rc_len=16):
        """ks1: 48 octets of the first SM-SR's keys, KVN 01."""
        self.eid, self.curve, self.sin, self.sdin, self.rc_len = eid, curve, sin, eid, rc_len
        self.ci = (ci_point, ci_curve, ci_key_id)
        self.scalar, self.point = curve.keypair()
        self.sets = {1: Set(key_set(ks1))}
        self.reset()

    def reset(self):
        self.rc = self.sr = None
        self.parts = []

    # -- ENVELOPE, packet, script --

    def apdu(self, octets):
        try:
            data = self.envelope(octets)
            return data + b"\x90\x00"
        except Refused as refused:
            return refused.sw.to_bytes(2, "big")

    def envelope(self, octets):
        try:
            cla, ins, p1, p2, data = sgp02.open_apdu(octets)
        except sgp02.Malformed:
            raise Refused(WRONG_LENGTH) from None
        if cla != 0x80:
            raise Refused(WRONG_CLA)
        if ins != 0xC2:
            raise Refused(SECURITY if ins in (0xE2, 0xE4, 0xCA) else WRONG_INS)
        if (p1, p2) != (0, 0):
            raise Refused(WRONG_P1P2)
        try:
            reference, total, number, part = sgp02.open_envelope(data)
            if number == 1:
                self.parts = []
            self.parts.append((reference, total, part))
            need(number == len(self.parts) and {p[:2] for p in self.parts} == {(reference, total)})
        except (sgp02.Malformed, IndexError, KeyError, ValueError, AssertionError):
            self.parts = []
            raise Refused(WRONG_DATA) from None
        if number < total:
            return b""
        packet, self.parts = b"".join(p[2] for p in self.parts), []
        return self.packet(packet)

    def packet(self, packet):
        try:
            kvn = sgp02.command_kvn(packet)
        except sgp02.Malformed:
            raise Refused(WRONG_DATA) from None
        key_set_ = self.sets.get(kvn)
        if key_set_ is None or key_set_.present != {1, 2, 3}:
            raise Refused(NOT_FOUND)
        try:
            spi, _, _, tar, counter, payload = cards.open_command(key_set_.keys, packet)
        except AssertionError:
            raise Refused(SECURITY) from None
        status, out = 0, b""
        if counter <= key_set_.counter:
            status = 2
        else:
            key_set_.counter = counter
            if tar != sgp02.TAR_ISDR:
                status = 9
            elif spi != sgp02.SPI:
                status = 10
            else:
                out = self.run(kvn, payload)
        return cards.make_response(key_set_.keys, tar, counter, status, out)

    def run(self, kvn, payload):
        try:
            commands = sgp02.open_script(payload)
        except (sgp02.Malformed, IndexError, ValueError, AssertionError):
            return sgp02.answer(0, WRONG_DATA.to_bytes(2, "big"))
        rapdu, executed = b"", 0
        for command in commands:
            executed += 1
            try:
                rapdu = self.isdr(kvn, command) + b"\x90\x00"
            except Refused as refused:
                rapdu = refused.sw.to_bytes(2, "big")
                break
        return sgp02.answer(executed, rapdu)

    # -- the ISD-R --

    def isdr(self, kvn, octets):
        try:
            cla, ins, p1, p2, data = sgp02.open_apdu(octets)
        except sgp02.Malformed:
            raise Refused(WRONG_LENGTH) from None
        if cla != 0x80:
            raise Refused(WRONG_CLA)
        if ins == 0xE2:
            (rc, sr), self.rc, self.sr = (self.rc, self.sr), None, None
            if (p1, p2) == (0x09, 0x00):
                return self.certificate(data)
            if (p1, p2) == (0x89, 0x01):
                return self.establish(data, rc, sr)
            raise Refused(WRONG_P1P2)
        if ins == 0xE4:
            return self.finalise(kvn, p1, p2, data)
        if ins == 0xCA:
            if (p1, p2) != (0x00, 0xE0):
                raise Refused(WRONG_P1P2)
            keys = [(i, v) for v, s in sorted(self.sets.items()) for i in sorted(s.present)]
            return gpki.tlv(0xE0, b"".join(gpki.tlv(0xC0, bytes([i, v, 0x88, 0x10]))
                                           for i, v in keys))
        raise Refused(WRONG_INS)

    def certificate(self, data):
        """First STORE DATA: verifies CERT.SR.ECDSA and answers a challenge."""
        try:
            ((tag, value),) = cards.dgis(data)
            ((cert_tag, body),) = gpki.tlvs(value)
            need((tag, cert_tag) == (0x3A01, 0x7F21))
            fields = gpki.tlvs(body)
            need(len({t for t, _ in fields}) == len(fields) and fields[-1][0] == 0x5F37)
            values = dict(fields)
            inside = dict(gpki.tlvs(values[0x73] if 0x73 in values else values[0x53]))
            need(inside[0xC8] == b"\x02" and values[0x95] in (b"\x88", b"\x82"))
            key = dict(gpki.tlvs(values[0x7F49]))
            curve = next(c for c in curves.ALL if c.ref == key[0xF0][0])
        except (sgp02.Malformed, IndexError, KeyError, ValueError, AssertionError, StopIteration):
            raise Refused(WRONG_DATA) from None
        point, ci_curve, key_id = self.ci
        if inside.get(0xC9, key_id) != key_id:
            raise Refused(NOT_FOUND)
        signed = body[:len(body) - len(gpki.tlv(0x5F37, values[0x5F37]))]
        try:
            gpki.verify_raw(point, ci_curve, values[0x5F37], signed)
        except InvalidSignature:
            raise Refused(VERIFY_FAILED) from None
        self.rc, self.sr = secrets.token_bytes(self.rc_len), (curve, key[0xB0])
        return gpki.tlv(0x85, self.rc)

    def establish(self, data, rc, sr):
        """Second STORE DATA: a key set and its receipt, after every check."""
        if rc is None:
            raise Refused(CONDITIONS)
        try:
            (tag1, crt), (tag2, epk), (tag3, signature) = cards.dgis(data)
            need((tag1, tag2, tag3) == (0x3A02, 0x7F49, 0x5F37) and len(signature) == 64)
            ((tag, body),) = gpki.tlvs(crt)
            need(tag == 0xA6)
            values = dict(gpki.tlvs(body))
            scenario, kvn = values[0x90][1], values[0x83][0]
            need(values[0x90][0] == 3 and scenario in (0x08, 0x0A, 0x0C, 0x0E))
            need((values[0x95], values[0x80], values[0x81], values[0x82])
                 == (b"\x10", b"\x88", b"\x10", b"\x01"))
            need(1 <= kvn <= 15 and kvn not in self.sets)
            counter = int.from_bytes(values[0x91], "big")
            host = b""
            if scenario & cards.WITH_HOST_ID:
                need(values[0x45] == self.sdin)
                host = b"".join(bytes([len(v)]) + v for v in (values[0x84], self.sin, self.sdin))
            if epk[:1] == b"\xb0":
                inner = dict(gpki.tlvs(epk))
                need(inner[0xF0] == bytes([self.curve.ref]))
                epk = inner[0xB0]
        except (sgp02.Malformed, IndexError, KeyError, ValueError, AssertionError):
            raise Refused(WRONG_DATA) from None
        signed = data[:len(data) - 3 - 64] + cards.dgi(0x0085, rc)
        try:
            gpki.verify_raw(sr[1], sr[0], signature, signed)
        except InvalidSignature:
            raise Refused(VERIFY_FAILED) from None
        try:
            z = self.curve.ecka(self.scalar, epk)
        except ValueError:
            raise Refused(WRONG_DATA) from None
        if len(self.sets) == SETS_MAX:
            raise Refused(NO_MEMORY)
        dr = secrets.token_bytes(16) if scenario & cards.WITH_DR else b""
        info = b"\x10\x88\x10" + dr + host
        keys = cards.KeySet(cards.x963(z, info, 64))
        dr_tlv = gpki.tlv(0x85, dr) if dr else b""
        self.sets[kvn] = Set(keys, counter)
        return dr_tlv + gpki.tlv(0x86, cards.cmac(keys.receipt, crt + dr_tlv))

    def finalise(self, securing, p1, p2, data):
        """Keeps the keys listed and deletes every other; all or nothing."""
        if (p1, p2) != (0, 0):
            raise Refused(WRONG_P1P2)
        try:
            ranges = gpki.tlvs(data)
            need(ranges and all(t == 0xF2 and len(v) == 3 for t, v in ranges))
        except (sgp02.Malformed, IndexError, AssertionError):
            raise Refused(WRONG_DATA) from None
        kept = {}
        for _, (kvn, first, last) in ranges:
            ids = set(range(first, last + 1))
            if kvn not in self.sets or not ids or not ids <= self.sets[kvn].present:
                raise Refused(NOT_FOUND)
            kept.setdefault(kvn, set()).update(ids)
        if kept.get(securing) != self.sets[securing].present:
            raise Refused(CONDITIONS)
        self.sets = {kvn: self.sets[kvn] for kvn in kept}
        for kvn, ids in kept.items():
            self.sets[kvn].present = ids
        return b""
