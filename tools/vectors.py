#!/usr/bin/env python3
"""Turns published test vectors into the compact format of tests/vectors (see its README.md).

usage: tools/vectors.py SOURCES [OUT]

SOURCES is a folder with the JSON files as their publishers' values were collected; OUT defaults to
tests/vectors beside this script. The same sources give the same files, byte for byte.
"""

import base64
import hashlib
import json
import pathlib
import sys

# p, a, b of the curves whose "acceptable" ECDH cases are decided here: a point off its curve is none.
P256 = (0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF, -3,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B)
BRAINPOOLP256R1 = (0xA9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377,
                   0x7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9,
                   0x26DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B6)

WYCHEPROOF = "C2SP/wycheproof, testvectors_v1/{}; Apache-2.0"


class Out:
    """One .vec file, written line by line."""

    def __init__(self, name, *head):
        self.name = name
        self.lines = ["# " + line for line in head]

    def section(self, name, fields):
        self.lines += ["", f"[{name}]"]
        self.lines += [f"{key} = {value}".rstrip() for key, value in fields.items()]

    def table(self, columns, rows):
        """Rows of cells; a cell that repeats the one above it is written '='."""
        self.lines += ["", "columns: " + " ".join(columns)]
        above = [None] * len(columns)
        for row in rows:
            cells = [str(cell) if cell != "" else "-" for cell in row]
            assert len(cells) == len(columns) and not any(" " in c or c == "=" for c in cells)
            shown = [cells[0]] + ["=" if c == a else c for c, a in zip(cells[1:], above[1:])]
            self.lines.append(" ".join(shown))
            above = cells

    def write(self, folder):
        (folder / (self.name + ".vec")).write_text("\n".join(self.lines) + "\n")


def load(folder, name):
    return json.loads((folder / name).read_text())


def lower(fields):
    return {key: value.lower() for key, value in fields.items()}


def wycheproof_cases(data):
    return [(group, test) for group in data["testGroups"] for test in group["tests"]]


def der_integer(der, at):
    """A DER INTEGER in [0, 2^256) at this offset: its value and the offset behind it, or None."""
    if at + 2 > len(der) or der[at] != 2:
        return None
    length = der[at + 1]
    value = der[at + 2 : at + 2 + length]
    if not 1 <= length <= 33 or len(value) != length or value[0] & 0x80:
        return None
    if length > 1 and value[0] == 0 and not value[1] & 0x80:
        return None
    number = int.from_bytes(value, "big")
    return (number, at + 2 + length) if number < 1 << 256 else None


def plain_signature(der):
    """r || s of a strict DER ECDSA-Sig-Value whose integers fit 32 bytes, else None."""
    if len(der) < 2 or der[0] != 0x30 or der[1] != len(der) - 2:
        return None
    r = der_integer(der, 2)
    s = der_integer(der, r[1]) if r else None
    if not s or s[1] != len(der):
        return None
    return (r[0].to_bytes(32, "big") + s[0].to_bytes(32, "big")).hex()


def ecdsa(sources, out, source, der):
    data = load(sources, "wycheproof/" + source)
    rows, left_out = [], 0
    for group, test in wycheproof_cases(data):
        signature = test["sig"]
        if der:
            signature = plain_signature(bytes.fromhex(signature))
        if signature is None or len(signature) != 128:
            assert test["result"] == "invalid", test["tcId"]
            left_out += 1
            continue
        digest = hashlib.sha256(bytes.fromhex(test["msg"])).hexdigest()
        rows.append((test["tcId"], group["publicKey"]["uncompressed"], digest, signature,
                     test["result"]))
    vec = Out(out, "source: " + WYCHEPROOF.format(source),
              "name is the tcId; digest is SHA-256 of msg; signature is r || s",
              f"left out: {left_out} invalid cases that are no 64 bytes of r || s"
              + (" in strict DER" if der else ""))
    vec.table(["name", "public", "digest", "signature", "result"], rows)
    return vec


def on_curve(point, curve):
    p, a, b = curve
    x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    return x < p and y < p and (y * y - (x * x * x + a * x + b)) % p == 0


def ecdh(sources, out, source, oid, curve):
    data = load(sources, "wycheproof/" + source)
    inner = bytes.fromhex("06072a8648ce3d0201") + oid
    rest = b"\x30" + bytes([len(inner)]) + inner + bytes.fromhex("03420004")
    prefix = b"\x30" + bytes([len(rest) - 1 + 65]) + rest
    rows, left_out = [], 0
    for _, test in wycheproof_cases(data):
        public = bytes.fromhex(test["public"])
        if not public.startswith(prefix) or len(public) != len(prefix) + 64:
            left_out += 1
            continue
        good = on_curve(public[-65:], curve)
        assert test["result"] in ("valid" if good else "invalid", "acceptable"), test["tcId"]
        private = int(test["private"], 16).to_bytes(32, "big").hex()
        rows.append((test["tcId"], public[-65:].hex(), private, test["shared"] if good else "",
                     "valid" if good else "invalid"))
    vec = Out(out, "source: " + WYCHEPROOF.format(source),
              "name is the tcId; public is the uncompressed point out of the SubjectPublicKeyInfo;",
              "an 'acceptable' case stands as valid or invalid by whether its point lies on the curve",
              f"left out: {left_out} cases whose SubjectPublicKeyInfo is not the named curve's in DER "
              "with an uncompressed point")
    vec.table(["name", "public", "private", "shared", "result"], rows)
    return vec


def cmac_wycheproof(sources):
    source = "aes_cmac_test.json"
    cases = wycheproof_cases(load(sources, "wycheproof/" + source))
    vec = Out("wycheproof_aes_cmac", "source: " + WYCHEPROOF.format(source), "name is the tcId")
    vec.table(["name", "key", "msg", "tag", "result"],
              [(t["tcId"], t["key"], t["msg"], t["tag"], t["result"]) for _, t in cases])
    return vec


def cmac_rfc4493(sources):
    data = load(sources, "aes_cmac_rfc4493.json")
    vec = Out("aes_cmac_rfc4493", "source: " + data["source"])
    vec.table(["name", "key", "msg", "tag"],
              [(f"example-{i}", data["key"], t["msg"], t["mac"])
               for i, t in enumerate(data["tests"], 1)])
    return vec


def recording(sources):
    data = load(sources, "sgp02_sr_change_recording.json")
    vec = Out("sgp02_recording",
              "source: com.whty.euicc, a public SM-SR and SM-DP in Java: data as found, no code;",
              "every signature verified with another library. The ephemeral private key is not public,",
              "so no receipt belongs to this recording.")
    key = {k: data[k].lower() for k in data if k not in ("source", "notes")}
    vec.section("keys", {k: key[k] for k in ("sk_ci_ecdsa", "pk_ci_ecdsa", "sk_sr_ecdsa",
                                             "pk_sr_ecdsa")})
    vec.section("store-data-1", {
        "expanded_remote": key["store_data_1_expanded_remote_tlv"],
        "cert_sr_tbs": key["cert_sr_tbs"], "cert_sr_signature": key["cert_sr_signature"],
        "cert_dp_tbs": key["cert_dp_tbs"], "cert_dp_signature": key["cert_dp_signature"]})
    vec.section("store-data-2", {
        "expanded_remote": key["store_data_2_expanded_remote_tlv"], "rc": key["rc"],
        "epk": key["epk_sr_ecka"], "signed": key["sd2_tbs"], "signature": key["sd2_signature"]})
    return vec


def scenario3(sources):
    data = load(sources, "scenario3_selfcomputed_kat.json")
    vec = Out("scenario3",
              "source: key pairs, SharedInfo and CRT bytes as found in public code (com.helper.secure.ecc,",
              "com.whty.euicc); the OUTPUTS were computed with pyca/cryptography: independent of this",
              "project's C code, not of its reading of the specification. No transcript of a real card.")
    vec.section("keys", lower({k: data[k] for k in (
        "sk_ecasd_ecka", "pk_ecasd_ecka", "esk_sm_ecka", "epk_sm_ecka", "sk_ap_ecdsa",
        "pk_ap_ecdsa", "tbs_example_from_source", "zab")}))
    names = ["no-dr-kvn-02", "no-dr-kvn-30", "dr-tlv", "dr-dgi", "host-id"]
    assert len(names) == len(data["kats"])
    for name, kat in zip(names, data["kats"]):
        vec.section(name, {"what": kat["name"], **{k: v for k, v in kat.items() if k != "name"}})
    return vec


def x963(sources):
    data = load(sources, "x963kdf_nist_cavp.json")
    vec = Out("x963_cavp", "source: " + data["source"], "SHA-256 alone")
    tests = [t for t in data["tests"] if t["hash"] == "SHA256"]
    vec.table(["name", "z", "shared_info", "key_data"],
              [(f"sha256-{i}", t["z"], t["shared_info"], t["output"])
               for i, t in enumerate(tests, 1)])
    return vec


def ecdh_x963(sources):
    data = load(sources, "ecdh_x963_sgp22_bsp.json")
    vec = Out("ecdh_x963",
              "P-256 agreement and X9.63 with SHA-256, 48 bytes; '-' where the source gives Z alone",
              *dict.fromkeys("source: " + t["src"] for t in data["tests"]))
    vec.table(["name", "private", "peer", "z", "shared_info", "key_data"],
              [(f"{t['src'].split()[0]}-{i}", t.get("private_d", ""), t.get("peer_public", ""),
                t["z"], t["shared_info"], t["key_data"]) for i, t in enumerate(data["tests"], 1)])
    return vec


def brainpool(sources):
    data = load(sources, "ecdh_brainpoolP256r1.json")
    vec = Out("ecdh_brainpoolP256r1", "source: " + data["source"])
    r = lower(data["rfc7027"])
    q = {who: "04" + r["x_q" + who] + r["y_q" + who] for who in "AB"}
    o = lower(data["openssl_P256r1"])
    vec.table(["name", "private", "peer", "shared"], [
        ("rfc7027-A", r["dA"], q["B"], r["x_Z"]), ("rfc7027-B", r["dB"], q["A"], r["x_Z"]),
        ("openssl", o["alice_d"], o["bob_q"], o["shared_secret"])])
    return vec


def scp80(sources):
    data = lower(load(sources, "scp80_aes_pysim.json"))
    vec = Out("scp80_aes", "source: osmocom/pysim, tests/unittests/test_ota.py; GPL-2.0+ (values only)")
    vec.section("aes-128", {k: data[k] for k in (
        "kic", "kid", "tar", "packet", "decrypted", "cc", "cc_input", "response_packet")})
    return vec


def scp03(sources):
    data = load(sources, "scp03_pysim.json")
    vec = Out("scp03",
              "source: osmocom/pysim, tests/unittests/test_globalplatform.py; GPL-2.0+ (values only):",
              "card traces. The session keys were computed with another library and checked against both",
              "cryptograms and the first C-MAC. The kcv are those of the AES-128 static keys.")
    vec.section("plain", lower(data["plain"]))
    vec.section("kcv", lower(data["kcv"]))
    for test in data["tests"]:
        vec.section(test["name"].removeprefix("SCP03_Test_"),
                    lower({k: v for k, v in test.items() if k != "name"}))
    return vec


def pem_scalar(path):
    """The scalar of an ECPrivateKey (RFC 5915), which may follow a block of EC PARAMETERS."""
    block = path.read_text().split("PRIVATE KEY-----")[1]
    body = "".join(line for line in block.splitlines() if not line.startswith("-"))
    der = base64.b64decode(body)
    at = der.index(bytes.fromhex("0201010420")) + 5
    return der[at : at + 32].hex()


def sgp26(sources):
    folder = sources / "sgp26"
    vec = Out("sgp26", "source: GSMA SGP.26, the public test certificates and keys of RSP;",
              "certificate is DER, key is the private scalar. Known to everybody: for tests alone.")
    vec.section("ci-nist", {"certificate": (folder / "ci/CERT_CI_ECDSA_NIST.der").read_bytes().hex(),
                            "key": pem_scalar(folder / "ci/SK_CI_ECDSA_NIST.pem")})
    vec.section("ci-brp", {"certificate": (folder / "ci/CERT_CI_ECDSA_BRP.der").read_bytes().hex()})
    vec.section("eum-nist", {"certificate": (folder / "eum/CERT_EUM_ECDSA_NIST.der").read_bytes().hex(),
                             "key": pem_scalar(folder / "eum/SK_EUM_ECDSA_NIST.pem")})
    return vec


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sources = pathlib.Path(sys.argv[1])
    here = pathlib.Path(__file__).resolve().parent.parent
    out = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else here / "tests" / "vectors"
    p256, brp = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06092b2403030208010107")
    for vec in (
        ecdsa(sources, "wycheproof_ecdsa_p256_plain", "ecdsa_secp256r1_sha256_p1363_test.json", False),
        ecdsa(sources, "wycheproof_ecdsa_p256_der", "ecdsa_secp256r1_sha256_test.json", True),
        ecdsa(sources, "wycheproof_ecdsa_brainpoolP256r1_der",
              "ecdsa_brainpoolP256r1_sha256_test.json", True),
        ecdh(sources, "wycheproof_ecdh_p256", "ecdh_secp256r1_test.json", p256, P256),
        ecdh(sources, "wycheproof_ecdh_brainpoolP256r1", "ecdh_brainpoolP256r1_test.json", brp,
             BRAINPOOLP256R1),
        cmac_wycheproof(sources),
        cmac_rfc4493(sources),
        recording(sources),
        scenario3(sources),
        x963(sources),
        ecdh_x963(sources),
        brainpool(sources),
        scp80(sources),
        scp03(sources),
        sgp26(sources),
    ):
        vec.write(out)


if __name__ == "__main__":
    main()
