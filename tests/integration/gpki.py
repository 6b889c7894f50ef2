"""A test PKI: CI and EUM certificates (X.509) and CERT.ECASD.ECKA (7F21), with python-cryptography.

Every builder takes changes, so that a test can make the one certificate that is wrong in one place.
"""
import datetime
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (decode_dss_signature,
                                                            encode_dss_signature)
from cryptography.x509.oid import NameOID

EID_PREFIX = "89049032"
POLICY_CI = "2.23.146.1.2.1.0"   # id-rspRole-ci
POLICY_EUM = "2.23.146.1.2.1.2"  # id-rspRole-eum
NOW = datetime.datetime.utcnow().replace(microsecond=0)
DAY = datetime.timedelta(days=1)


# -- BER-TLV --

def tlv(tag, value):
    octets = tag.to_bytes((tag.bit_length() + 7) // 8 or 1, "big")
    length = len(value)
    if length < 0x80:
        return octets + bytes([length]) + value
    size = (length.bit_length() + 7) // 8
    return octets + bytes([0x80 | size]) + length.to_bytes(size, "big") + value


def tlvs(octets):
    """[(tag, value)] of octets that hold TLVs and nothing else."""
    out, at = [], 0
    while at < len(octets):
        end = at + 1
        if octets[at] & 0x1F == 0x1F:
            end += 1
            while octets[end - 1] & 0x80:
                end += 1
        tag, length, at = int.from_bytes(octets[at:end], "big"), octets[end], end + 1
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(octets[at:at + size], "big"), at + size
        assert at + length <= len(octets)
        out.append((tag, octets[at:at + length]))
        at += length
    return out


# -- keys and signatures --

def new_key(curve=ec.SECP256R1):
    return ec.generate_private_key(curve())


def point_of(public_key):
    return public_key.public_bytes(serialization.Encoding.X962,
                                   serialization.PublicFormat.UncompressedPoint)


def sign_raw(key, data):
    """ECDSA with SHA-256 as r || s."""
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    size = (key.curve.key_size + 7) // 8
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def verify_raw(point, curve, signature, data):
    """Raises InvalidSignature; curve is P-256 or brainpoolP256r1 of curves.py."""
    named = {1: ec.SECP256R1, 2: ec.BrainpoolP256R1}[curve.number]
    key = ec.EllipticCurvePublicKey.from_encoded_point(named(), point)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))


# -- X.509 --

def _name(common):
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common),
                  x509.NameAttribute(NameOID.ORGANIZATION_NAME, "eckad tests")]
    return x509.Name(attributes)


def _certificate(subject, public_key, issuer, issuer_key, changes, policy, constraints):
    take = changes.get
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
               .public_key(public_key).serial_number(x509.random_serial_number())
               .not_valid_before(take("not_before", NOW - DAY))
               .not_valid_after(take("not_after", NOW + 3650 * DAY))
               .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
               .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                   issuer_key.public_key()), False))
    ca = take("ca", True)
    path = take("path_length", 0 if constraints else None)
    builder = builder.add_extension(x509.BasicConstraints(ca, path if ca else None), True)
    cert_sign = take("cert_sign", True)
    builder = builder.add_extension(
        x509.KeyUsage(not cert_sign, False, False, False, False, cert_sign, False, False, False),
        True)
    policy = take("policy", policy)
    if policy:
        builder = builder.add_extension(x509.CertificatePolicies(
            [x509.PolicyInformation(x509.ObjectIdentifier(policy), None)]), True)
    prefix = take("prefix", EID_PREFIX)
    if constraints and prefix:
        permitted = x509.DirectoryName(x509.Name([
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "eckad tests"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, prefix)]))
        builder = builder.add_extension(x509.NameConstraints([permitted], None), True)
    return builder.sign(issuer_key, hashes.SHA256())


class Issuer:
    """A certificate with its key."""

    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key
        self.der = certificate.public_bytes(serialization.Encoding.DER)
        self.sha256 = hashlib.sha256(self.der).digest()
        self.key_id = certificate.extensions.get_extension_for_class(
            x509.SubjectKeyIdentifier).value.digest


def make_ci(common="CI", curve=ec.SECP256R1, **changes):
    key = new_key(curve)
    name = _name(common)
    return Issuer(_certificate(name, key.public_key(), name, key, changes, POLICY_CI, False), key)


def make_eum(ci, common="EUM", curve=ec.SECP256R1, signer=None, **changes):
    """signer: the key that signs in the CI's name, if it is not the CI's."""
    key = new_key(curve)
    issuer_key = ci.key
    certificate = _certificate(_name(common), key.public_key(), ci.certificate.subject,
                               issuer_key, changes, POLICY_EUM, True)
    eum = Issuer(certificate, key)
    if signer is not None:
        eum.der = resign(eum.der, signer)
        eum.sha256 = hashlib.sha256(eum.der).digest()
    return eum


def resign(der, key):
    """The same certificate body under another key's signature."""
    certificate = x509.load_der_x509_certificate(der)
    body = certificate.tbs_certificate_bytes
    signature = key.sign(body, ec.ECDSA(hashes.SHA256()))
    algorithm = tlv(0x30, bytes.fromhex("06082a8648ce3d040302"))
    return tlv(0x30, body + algorithm + tlv(0x03, b"\0" + signature))


# -- 7F21 --

def bcd_date(day):
    return bytes.fromhex(day.strftime("%Y%m%d"))


def eid_of(number, prefix=EID_PREFIX):
    return bytes.fromhex(prefix + str(number).zfill(32 - len(prefix)))


def ecasd_fields(eid, curve, point, ca_id, key_id):
    """The TLVs of CERT.ECASD.ECKA in their order (SGP.02 4.1.3)."""
    return [(0x93, b"\x01"), (0x42, ca_id), (0x5F20, eid), (0x95, b"\x00\x80"),
            (0x5F25, bcd_date(NOW - DAY)), (0x5F24, bcd_date(NOW + 3650 * DAY)),
            (0x73, tlv(0xC9, key_id)),
            (0x7F49, tlv(0xB0, point) + tlv(0xF0, bytes([curve.ref])))]


def replaced(fields, tag, value):
    assert any(t == tag for t, _ in fields)
    return [(t, value if t == tag else v) for t, v in fields]


def without(fields, tag):
    assert any(t == tag for t, _ in fields)
    return [(t, v) for t, v in fields if t != tag]


def after(fields, tag, *more):
    at = [t for t, _ in fields].index(tag) + 1
    return fields[:at] + list(more) + fields[at:]


def seal_7f21(fields, key):
    body = b"".join(tlv(t, v) for t, v in fields)
    return tlv(0x7F21, body + tlv(0x5F37, sign_raw(key, body)))
