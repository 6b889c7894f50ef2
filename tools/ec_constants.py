#!/usr/bin/env python3
"""Writes providers/ec/constants.c: everything the kernels need to know of the three curves.

    tools/ec_constants.py > providers/ec/constants.c
    tools/ec_constants.py --check providers/ec/constants.c

Field values stand in Montgomery form, R = 2^260 in five limbs of 52 bits (ifma) and R = 2^256 in
four of 64 (portable). brainpoolP256r1 is computed on its isomorphic twist P256t1, which has a = -3
(RFC 5639, 3.4): (x, y) -> (x Z^2, y Z^3).
"""
import sys

Z_T1 = 0x3E2D4BD9597B58639AE7AA669CAB9837CF5CF20A2C852D10F655668DFC150EF0

CURVES = [
    ("CURVE_P256", dict(
        p=0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF, a=-3,
        b=0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        n=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        x=0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        y=0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5, z=1)),
    ("CURVE_BRAINPOOLP256R1", dict(
        p=0xA9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377,
        a=0x7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9,
        b=0x26DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B6,
        n=0xA9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7,
        x=0x8BD2AEB9CB7E57CB2C4B482FFC81B7AFB9DE27E1E3BD23C23A4453BD9ACE3262,
        y=0x547EF835C3DAC4FD97F8461A14611DC9C27745132DED8E545C1D54C72F046997, z=Z_T1)),
    ("CURVE_FRP256V1", dict(
        p=0xF1FD178C0B3AD58F10126DE8CE42435B3961ADBCABC8CA6DE8FCF353D86E9C03, a=-3,
        b=0xEE353FCA5428A9300D4ABA754A44C00FDFEC0C9AE4B1A1803075ED967B7BB73F,
        n=0xF1FD178C0B3AD58F10126DE8CE42435B53DC67E140D2BF941FFDD459C6D655E1,
        x=0xB6B3D4C356C139EB31183D4749D423958C27D2DCAF98B70164C97A2DD98F5CFF,
        y=0x6142E0F7C8B204911F9271F0F3ECEF8C2701C307E8E4C9E183115A1554062CFB, z=1)),
]


class Radix:
    def __init__(self, bits, limbs):
        self.bits, self.limbs, self.r = bits, limbs, 1 << (bits * limbs)

    def words(self, value):
        mask = (1 << self.bits) - 1
        return [(value >> (self.bits * i)) & mask for i in range(self.limbs)]

    def row(self, value):
        assert 0 <= value < self.r
        return "{" + ", ".join(f"0x{w:0{self.bits // 4}x}" for w in self.words(value)) + "}"


R52, R64 = Radix(52, 5), Radix(64, 4)


def modulus(m, radix):
    low = 1 << radix.bits
    fields = [f".m = {radix.row(m)}", f".inv = 0x{-pow(m, -1, low) % low:x}",
              f".one = {radix.row(radix.r % m)}", f".rr = {radix.row(radix.r ** 2 % m)}"]
    if radix is R52:
        # Weak reduction: for a value v of which bits 255.. are i, weak[i] * m <= v.
        multiples = [(i << 255) // m for i in range(16)]
        rows = [R52.words(k * m) for k in multiples]
        columns = ", ".join("{" + ", ".join(f"0x{row[limb]:x}" for row in rows) + "}"
                            for limb in range(5))
        fields.append(f".weak = {{{columns}}}")
    return "{" + ",\n ".join(fields) + "}"


def curve_rows(name, c, radix):
    p, z = c["p"], c["z"]
    m = lambda v: radix.row(v * radix.r % p)  # noqa: E731
    z2, z3 = z * z % p, z ** 3 % p
    a, b = c["a"] * pow(z, 4, p) % p, c["b"] * pow(z, 6, p) % p
    assert a == p - 3
    x, y = c["x"] * z2 % p, c["y"] * z3 % p
    assert (y * y - x ** 3 + 3 * x - b) % p == 0
    rows = [f".p = {modulus(p, radix)}", f".n = {modulus(c['n'], radix)}", f".b = {m(b)}",
            f".gx = {m(x)}", f".gy = {m(y)}", f".in_x = {m(z2)}", f".in_y = {m(z3)}",
            f".out_x = {m(pow(z2, -1, p))}", f".out_y = {m(pow(z3, -1, p))}",
            f".twisted = {'true' if z != 1 else 'false'}",
            f".p_minus_n = {radix.row(max(0, c['p'] - c['n']))}"]
    return f"[{name}] = {{\n" + ",\n".join(rows) + ",\n},"


def text():
    out = ["/* Made by tools/ec_constants.py; do not edit. */", '#include "providers/ec/constants.h"',
           "", "/* clang-format off */"]
    for kind, array, radix in (("ec52", "ec52_curves", R52), ("ec64", "ec64_curves", R64)):
        out.append(f"const struct {kind}_curve {array}[CURVE_COUNT] = {{")
        out += [curve_rows(name, c, radix) for name, c in CURVES]
        out.append("};")
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--check"]:
        with open(sys.argv[2], encoding="utf-8") as file:
            sys.exit(0 if file.read() == text() else f"{sys.argv[2]} is stale; see {sys.argv[0]}")
    sys.stdout.write(text())
