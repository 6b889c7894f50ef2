#!/usr/bin/env python3
"""Makes tests/vectors/frp256v1.vec: ECDSA and ECDH on FRP256v1, for which nobody published vectors.

Without an argument the file goes to stdout; with --check FILE the exit status says whether FILE is
up to date.

Affine textbook arithmetic on Python's integers, so independent of every library that the project
computes with. Scalars and digests are SHA-256 of fixed labels, so the file is always the same.
"""

import hashlib
import pathlib
import sys

P = 0xF1FD178C0B3AD58F10126DE8CE42435B3961ADBCABC8CA6DE8FCF353D86E9C03
A = P - 3
B = 0xEE353FCA5428A9300D4ABA754A44C00FDFEC0C9AE4B1A1803075ED967B7BB73F
N = 0xF1FD178C0B3AD58F10126DE8CE42435B53DC67E140D2BF941FFDD459C6D655E1
G = (0xB6B3D4C356C139EB31183D4749D423958C27D2DCAF98B70164C97A2DD98F5CFF,
     0x6142E0F7C8B204911F9271F0F3ECEF8C2701C307E8E4C9E183115A1554062CFB)


def add(p, q):
    if p is None or q is None:
        return q if p is None else p
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0:
            return None
        slope = (3 * p[0] * p[0] + A) * pow(2 * p[1], -1, P)
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P)
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def mul(k, p):
    out = None
    while k:
        if k & 1:
            out = add(out, p)
        p, k = add(p, p), k >> 1
    return out


def h32(number):
    return f"{number:064x}"


def point(p):
    return "04" + h32(p[0]) + h32(p[1])


def scalar(label):
    return int.from_bytes(hashlib.sha256(label.encode()).digest(), "big") % (N - 1) + 1


def sign(d, digest, k):
    r = mul(k, G)[0] % N
    return r, pow(k, -1, N) * (int.from_bytes(digest, "big") + r * d) % N


def verify(q, digest, r, s):
    if not (0 < r < N and 0 < s < N):
        return False
    w = pow(s, -1, N)
    p = add(mul(int.from_bytes(digest, "big") * w % N, G), mul(r * w % N, q))
    return p is not None and p[0] % N == r


def ecdsa_rows():
    top = (1 << 256) - 1
    digests = {"zero": 0, "one": 1, "n-1": N - 1, "n": N, "n+1": N + 1, "top": top}
    digests.update({f"random-{i}": scalar(f"digest {i}") for i in range(4)})
    for name, number in digests.items():
        d, digest = scalar("d " + name), number.to_bytes(32, "big")
        q = mul(d, G)
        r, s = sign(d, digest, scalar("k " + name))
        flipped = digest[:-1] + bytes([digest[-1] ^ 1])
        for suffix, dig, sig in (("", digest, (r, s)), ("-malleable", digest, (r, N - s)),
                                 ("-other-digest", flipped, (r, s)), ("-swapped", digest, (s, r))):
            yield (f"ecdsa-{name}{suffix}", point(q), dig.hex(), h32(sig[0]) + h32(sig[1]),
                   "valid" if verify(q, dig, *sig) else "invalid")


def ecdh_rows():
    scalars = {"one": 1, "two": 2, "n-1": N - 1, "n-2": N - 2}
    scalars.update({f"random-{i}": scalar(f"private {i}") for i in range(6)})
    for name, k in scalars.items():
        peer = mul(scalar("peer " + name), G)
        yield f"ecdh-{name}", h32(k), point(peer), h32(mul(k, peer)[0]), "valid"
        off = (peer[0], (peer[1] + 1) % P)
        assert (off[1] ** 2 - off[0] ** 3 - A * off[0] - B) % P
        yield f"ecdh-{name}-off-curve", h32(k), point(off), "-", "invalid"


def file_text():
    lines = ["# source: computed by tools/frp256v1.py with plain integers; nobody published vectors for",
             "# FRP256v1 (domain parameters: JORF 241 of 16 October 2011)", "",
             "columns: name public digest signature result"]
    lines += [" ".join(row) for row in ecdsa_rows()]
    lines += ["", "columns: name private peer shared result"]
    lines += [" ".join(row) for row in ecdh_rows()]
    return "\n".join(lines) + "\n"


def main(args):
    assert mul(N, G) is None and (G[1] ** 2 - G[0] ** 3 - A * G[0] - B) % P == 0
    if not args:
        sys.stdout.write(file_text())
        return 0
    if args[0] != "--check" or len(args) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    if pathlib.Path(args[1]).read_text(encoding="utf-8") == file_text():
        return 0
    print(f"{args[1]} is out of date: tools/frp256v1.py > {args[1]}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
