"""The three curves with plain integers: slow, short, and independent of every C library.

Points are (x, y) or None for infinity; octets are SEC 1 uncompressed.
"""
import secrets


class Curve:
    def __init__(self, name, number, ref, p, a, b, n, g):
        self.name, self.number, self.ref = name, number, ref
        self.p, self.a, self.b, self.n, self.g = p, a % p, b, n, g
        assert self.contains(g) and self.mul(n, g) is None

    def contains(self, point):
        x, y = point
        return (y * y - (x * x * x + self.a * x + self.b)) % self.p == 0

    def add(self, left, right):
        if left is None or right is None:
            return left or right
        (x1, y1), (x2, y2) = left, right
        if x1 == x2:
            if (y1 + y2) % self.p == 0:
                return None
            slope = (3 * x1 * x1 + self.a) * pow(2 * y1, -1, self.p)
        else:
            slope = (y2 - y1) * pow(x2 - x1, -1, self.p)
        x3 = (slope * slope - x1 - x2) % self.p
        return x3, (slope * (x1 - x3) - y1) % self.p

    def mul(self, k, point):
        result = None
        for bit in bin(k)[2:]:
            result = self.add(result, result)
            if bit == "1":
                result = self.add(result, point)
        return result

    def keypair(self):
        """(private scalar, public point as 65 octets)"""
        k = 1 + secrets.randbelow(self.n - 1)
        return k, encode(self.mul(k, self.g))

    def ecka(self, k, peer):
        """Z: the x-coordinate of k * peer, 32 octets (BSI TR-03111, 4.3)."""
        point = decode(peer)
        if not self.contains(point):
            raise ValueError("not a point of " + self.name)
        return self.mul(k, point)[0].to_bytes(32, "big")


def encode(point):
    return b"\x04" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def decode(octets):
    if len(octets) != 65 or octets[0] != 4:
        raise ValueError("not an uncompressed point")
    return int.from_bytes(octets[1:33], "big"), int.from_bytes(octets[33:], "big")


P256 = Curve(  # SEC 2, 2.4.2
    "P-256", 1, 0x00,
    p=0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF, a=-3,
    b=0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    n=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    g=(0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
       0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5))
BRAINPOOL = Curve(  # RFC 5639, 3.4
    "brainpoolP256r1", 2, 0x03,
    p=0xA9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377,
    a=0x7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9,
    b=0x26DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B6,
    n=0xA9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7,
    g=(0x8BD2AEB9CB7E57CB2C4B482FFC81B7AFB9DE27E1E3BD23C23A4453BD9ACE3262,
       0x547EF835C3DAC4FD97F8461A14611DC9C27745132DED8E545C1D54C72F046997))
FRP256V1 = Curve(  # ANSSI, JORF 241 of 2011
    "FRP256v1", 3, 0x40,
    p=0xF1FD178C0B3AD58F10126DE8CE42435B3961ADBCABC8CA6DE8FCF353D86E9C03, a=-3,
    b=0xEE353FCA5428A9300D4ABA754A44C00FDFEC0C9AE4B1A1803075ED967B7BB73F,
    n=0xF1FD178C0B3AD58F10126DE8CE42435B53DC67E140D2BF941FFDD459C6D655E1,
    g=(0xB6B3D4C356C139EB31183D4749D423958C27D2DCAF98B70164C97A2DD98F5CFF,
       0x6142E0F7C8B204911F9271F0F3ECEF8C2701C307E8E4C9E183115A1554062CFB))
ALL = (P256, BRAINPOOL, FRP256V1)
