"""What travels between an SM-SR and an ISD-R, byte by byte, for either side: a reading of
docs/sgp02.md that shares nothing with the C code. Secured packets, the short messages that carry
them, expanded remote commands, and the wire of a virtual reader.
"""
import socket
import time

import card as cards
import gpki

TAR_ISDR = bytes.fromhex("000001")
SPI = bytes.fromhex("1639")
USER_DATA_MAX = 140
OK = 0x9000


class Malformed(Exception):
    pass


def need(condition, what="malformed"):
    if not condition:
        raise Malformed(what)


def blocks(head, data):
    """data padded so that head + data are whole AES blocks, and the count of padding."""
    padding = -(head + len(data)) % 16
    return data + bytes(padding), padding


# -- SCP80: packets --

def command_packet(keys, kvn, counter, payload, tar=TAR_ISDR, spi=SPI):
    data, padding = blocks(14, payload)
    key_byte = bytes([kvn << 4 | 2])
    head = (10 - 2 + 14 + len(data)).to_bytes(2, "big") + b"\x15" + spi + 2 * key_byte + tar
    clear = counter.to_bytes(5, "big") + bytes([padding])
    checksum = cards.cmac(keys.mac, head + clear + data)[:8]
    return head + cards.cbc(keys.enc, clear + checksum + data, True)


def command_kvn(packet):
    need(len(packet) >= 10 + 16 and packet[2] == 0x15)
    need(int.from_bytes(packet[:2], "big") == len(packet) - 2 and (len(packet) - 10) % 16 == 0)
    need(packet[5] == packet[6] and packet[5] & 15 == 2)
    return packet[5] >> 4


def open_response(keys, packet):
    """(counter, status, payload); an exception when the checksum is wrong."""
    need(packet[:3] == b"\x02\x71\x00" and packet[5] == 0x12)
    need(int.from_bytes(packet[3:5], "big") == len(packet) - 5)
    plain = cards.cbc(keys.enc, packet[9:], False)
    clear, checksum, data = plain[:7], plain[7:15], plain[15:]
    need(cards.cmac(keys.mac, packet[:9] + clear + data)[:8] == checksum, "checksum")
    return int.from_bytes(clear[:5], "big"), clear[6], data[:len(data) - clear[5]]


# -- SMS-PP: ENVELOPEs --

def _envelope(header, part):
    user_data = bytes([len(header)]) + header + part
    need(len(user_data) <= USER_DATA_MAX)
    deliver = (bytes.fromhex("44048121437ff6") + bytes(7) + bytes([len(user_data)]) + user_data)
    body = gpki.tlv(0x82, bytes.fromhex("8381")) + gpki.tlv(0x8B, deliver)
    data = gpki.tlv(0xD1, body)
    return bytes.fromhex("80c20000") + bytes([len(data)]) + data


def envelopes(packet, reference):
    """The C-APDUs that carry a packet: one, or a concatenated message."""
    if len(packet) <= USER_DATA_MAX - 3:
        return [_envelope(b"\x70\x00", packet)]
    parts, rest = [packet[:USER_DATA_MAX - 8]], packet[USER_DATA_MAX - 8:]
    while rest:
        parts.append(rest[:USER_DATA_MAX - 6])
        rest = rest[USER_DATA_MAX - 6:]
    return [_envelope(bytes([0, 3, reference, len(parts), i]) + (b"\x70\x00" if i == 1 else b""),
                      part) for i, part in enumerate(parts, 1)]


def open_envelope(data):
    """(reference, total, number, part) of an ENVELOPE's data field."""
    ((tag, body),) = gpki.tlvs(data)
    need(tag == 0xD1)
    deliver = dict(gpki.tlvs(body))[0x8B]
    need(deliver[0] & 0x43 == 0x40)
    at = 3 + (deliver[1] + 1) // 2
    need(deliver[at:at + 2] == b"\x7f\xf6")
    at += 2 + 7
    user_data = deliver[at + 1:]
    need(deliver[at] == len(user_data))
    header, part = user_data[1:1 + user_data[0]], user_data[1 + user_data[0]:]
    if header == b"\x70\x00":
        return 0, 1, 1, part
    need(header[:2] == b"\x00\x03" and len(header) in (5, 7))
    reference, total, number = header[2:5]
    need(1 <= number <= total and header[5:] == (b"\x70\x00" if number == 1 else b""))
    return reference, total, number, part


# -- expanded remote commands --

def script(*apdus):
    return gpki.tlv(0xAA, b"".join(gpki.tlv(0x22, a) for a in apdus))


def open_script(octets):
    ((tag, body),) = gpki.tlvs(octets)
    need(tag == 0xAA)
    commands = gpki.tlvs(body)
    need(commands and all(t == 0x22 for t, _ in commands))
    return [value for _, value in commands]


def answer(executed, rapdu):
    return gpki.tlv(0xAB, gpki.tlv(0x80, bytes([executed])) + gpki.tlv(0x23, rapdu))


def open_answer(octets):
    """(data, status word) of the last R-APDU."""
    ((tag, body),) = gpki.tlvs(octets)
    need(tag == 0xAB)
    rapdu = dict(gpki.tlvs(body))[0x23]
    return rapdu[:-2], int.from_bytes(rapdu[-2:], "big")


# -- C-APDUs --

def apdu(ins, p1, p2, data=b"", le=False):
    length = bytes([len(data)]) if data else b""
    return bytes([0x80, ins, p1, p2]) + length + data + (b"\0" if le else b"")


def open_apdu(octets):
    """(cla, ins, p1, p2, data) of a short C-APDU."""
    need(len(octets) >= 4, "length")
    head, body = tuple(octets[:4]), octets[4:]
    if len(body) <= 1:
        return (*head, b"")
    need(body[0] != 0 and len(body) - 1 - body[0] in (0, 1), "length")
    return (*head, body[1:1 + body[0]])


# -- the wire of a virtual reader --

class Wire:
    def __init__(self, connection):
        self.connection = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, octets):
        self.connection.sendall(len(octets).to_bytes(2, "big") + octets)

    def _take(self, length):
        out = b""
        while len(out) < length:
            more = self.connection.recv(length - len(out))
            if not more:
                raise ConnectionError("hung up")
            out += more
        return out

    def receive(self):
        return self._take(int.from_bytes(self._take(2), "big"))


class Reader:
    """Listens on a free port of loopback; the card comes with insert()."""

    def __init__(self, timeout=60):
        self.timeout, self.wire = timeout, None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.1)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]

    def insert(self, alive=lambda: True):
        """Waits for the card; ConnectionError when it is no longer alive before it comes."""
        for _ in range(10 * self.timeout):
            try:
                connection, _ = self.listener.accept()
                break
            except TimeoutError:
                if not alive():
                    raise ConnectionError("no card") from None
        else:
            raise ConnectionError("no card in time")
        connection.settimeout(self.timeout)
        self.wire = Wire(connection)
        self.wire.send(b"\x01")
        self.wire.send(b"\x04")
        atr = self.wire.receive()
        need(atr[0] in (0x3B, 0x3F), "no ATR")
        return atr

    def reset(self):
        self.wire.send(b"\x02")

    def transmit(self, capdu):
        """(data, status word)"""
        self.wire.send(capdu)
        rapdu = self.wire.receive()
        return rapdu[:-2], int.from_bytes(rapdu[-2:], "big")

    def eject(self):
        if self.wire is not None:
            self.wire.connection.close()
            self.wire = None

    def close(self):
        self.eject()
        self.listener.close()


def serve_card(address, card):
    """A card with apdu() and reset() in the reader at an address, until the reader hangs up."""
    host, port = address.rsplit(":", 1)
    for _ in range(300):
        try:
            connection = socket.create_connection((host, int(port)), timeout=60)
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    else:
        raise ConnectionError("no reader listens")
    with connection:
        wire = Wire(connection)
        try:
            while True:
                frame = wire.receive()
                if frame == b"\x04":
                    wire.send(bytes.fromhex("3b80800101"))
                elif len(frame) == 1:
                    card.reset()
                else:
                    wire.send(card.apdu(frame))
        except ConnectionError:
            return
