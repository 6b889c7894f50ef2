"""An SM-SR in Python that speaks to an eUICC in a reader: Alpha's half of a change (the packets under
the old keys) and Beta's (the key establishment, the packets under the new ones).
"""
import time

import card as cards
import gpki
import sgp02


class Channel:
    """A key set towards a card: each command in a packet of its own, the counter one higher."""

    def __init__(self, reader, keys, kvn, counter=0):
        self.reader, self.keys, self.kvn, self.counter = reader, keys, kvn, counter

    def command(self, *apdus):
        """(data, status word) of the last command; Silent when no proof of receipt comes."""
        self.counter += 1
        packet = sgp02.command_packet(self.keys, self.kvn, self.counter, sgp02.script(*apdus))
        for envelope in sgp02.envelopes(packet, self.counter & 0xFF):
            data, sw = self.reader.transmit(envelope)
            if sw != sgp02.OK:
                raise Silent(sw)
        counter, status, payload = sgp02.open_response(self.keys, data)
        assert counter == self.counter
        if status != 0:
            raise Silent(status)
        return sgp02.open_answer(payload)

    def opens(self):
        try:
            _, sw = self.command(sgp02.apdu(0xCA, 0x00, 0xE0, le=True))
        except Silent:
            return False
        assert sw == sgp02.OK, hex(sw)
        return True

    def key_information(self):
        """{KVN: key identifiers}"""
        data, sw = self.command(sgp02.apdu(0xCA, 0x00, 0xE0, le=True))
        assert sw == sgp02.OK
        ((tag, body),) = gpki.tlvs(data)
        assert tag == 0xE0
        out = {}
        for entry, (index, kvn, kind, length) in gpki.tlvs(body):
            assert (entry, kind, length) == (0xC0, 0x88, 0x10)
            out.setdefault(kvn, []).append(index)
        return out

    def finalise(self, *kvns):
        """FinaliseISDRhandover that keeps these sets whole: the status word."""
        ranges = b"".join(gpki.tlv(0xF2, bytes([kvn, 1, 3])) for kvn in kvns)
        return self.command(sgp02.apdu(0xE4, 0, 0, ranges))[1]


class Silent(Exception):
    """No proof of receipt, or one that reports a failure."""


class SmSr:
    """An SM-SR with a certificate of the CI whose key is given."""

    def __init__(self, ci_key, ci_key_id, ca_id=b"\xa1\xb2", role=b"\x02"):
        self.key = gpki.new_key()
        point = gpki.point_of(self.key.public_key())
        day = gpki.NOW
        fields = [(0x93, b"\x07"), (0x42, ca_id), (0x5F20, b"beta"), (0x95, b"\x88"),
                  (0x5F25, gpki.bcd_date(day - gpki.DAY)),
                  (0x5F24, gpki.bcd_date(day + 365 * gpki.DAY)),
                  (0x73, gpki.tlv(0xC8, role) + gpki.tlv(0xC9, ci_key_id)),
                  (0x7F49, gpki.tlv(0xB0, point) + gpki.tlv(0xF0, b"\x00"))]
        self.certificate = gpki.seal_7f21(fields, ci_key)

    def challenge(self, old):
        """First STORE DATA over the old channel: (RC, status word)."""
        data, sw = old.command(sgp02.apdu(0xE2, 0x09, 0x00,
                                          cards.dgi(0x3A01, self.certificate)))
        return (dict(gpki.tlvs(data)).get(0x85), sw)

    def establishment(self, rc, kvn, scenario=cards.CHECKED, host_id=b"", sin=b"", sdin=b"",
                      curve=None, peer=None):
        """What the second STORE DATA carries, and how to confirm its answer."""
        return Establishment(self, rc, kvn, scenario, (host_id, sin, sdin), curve, peer)


class Establishment:
    def __init__(self, sm_sr, rc, kvn, scenario, names, curve, peer):
        host_id, sin, sdin = names
        self.kvn, self.scenario, self.made = kvn, scenario, time.monotonic()
        esk, epk = curve.keypair()
        body = (b"\x90\x02\x03" + bytes([scenario]) + bytes.fromhex("950110800188810110820101")
                + bytes([0x83, 1, kvn]) + b"\x91\x00")
        self.host = b""
        if scenario & cards.WITH_HOST_ID:
            body += gpki.tlv(0x45, sdin) + gpki.tlv(0x84, host_id)
            self.host = b"".join(bytes([len(v)]) + v for v in (host_id, sin, sdin))
        self.crt = gpki.tlv(0xA6, body)
        head = cards.dgi(0x3A02, self.crt) + cards.dgi(0x7F49, epk)
        signature = gpki.sign_raw(sm_sr.key, head + cards.dgi(0x0085, rc))
        self.store_data = head + cards.dgi(0x5F37, signature)
        self.z = curve.ecka(esk, peer)

    def apdu(self):
        return sgp02.apdu(0xE2, 0x89, 0x01, self.store_data)

    def confirm(self, answer):
        """The key set, when the receipt is the one that it yields."""
        values = dict(gpki.tlvs(answer))
        dr = values.get(0x85, b"")
        assert bool(dr) == bool(self.scenario & cards.WITH_DR)
        keys = cards.KeySet(cards.x963(self.z, b"\x10\x88\x10" + dr + self.host, 64))
        dr_tlv = gpki.tlv(0x85, dr) if dr else b""
        assert values[0x86] == cards.cmac(keys.receipt, self.crt + dr_tlv), "receipt"
        return keys

    def key_set(self, dr=b""):
        return cards.KeySet(cards.x963(self.z, b"\x10\x88\x10" + dr + self.host, 64))
