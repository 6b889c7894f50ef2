"""Each check of the chain CERT.ECASD.ECKA <- EUM <- CI with a twin that is wrong in that one place,
through VerifyChain and through Establish.
"""
import unittest

import beta
import card as cards
import curves
import gpki
from cryptography.hazmat.primitives.asymmetric import ec
from deployment import Deployment
from ecka_client import names
from gpki import DAY, NOW


class Twin:
    """A card whose certificate or EUM is changed."""

    def __init__(self, pki, status, eum=None, eid=None, change=None, key=None, raw=None):
        self.status = status
        self.card = cards.Card(eum or pki.eum, beta.CA_ID, curves.P256)
        if eid:
            self.card.eid = eid
            self.card.fields = gpki.replaced(self.card.fields, 0x5F20, eid)
        if change:
            self.card.fields = change(self.card.fields)
        self.card.certificate = gpki.seal_7f21(self.card.fields, key or self.card.eum.key)
        if raw:
            self.card.certificate = raw(self.card.certificate)


def flip(at):
    def change(octets):
        changed = bytearray(octets)
        changed[at] ^= 1
        return bytes(changed)
    return change


def certificate_twins(pki):
    def field(tag, value):
        return lambda fields: gpki.replaced(fields, tag, value)

    def key(point, ref=curves.P256.ref):
        return field(0x7F49, gpki.tlv(0xB0, point) + gpki.tlv(0xF0, bytes([ref])))

    x, y = curves.decode(curves.P256.keypair()[1])
    key_id = gpki.tlv(0xC9, pki.eum.key_id)
    stranger = gpki.new_key()
    return {
        "as issued": Twin(pki, "OK"),
        "truncated": Twin(pki, "CERT_MALFORMED", raw=lambda c: c[:-1]),
        "octet behind": Twin(pki, "CERT_MALFORMED", raw=lambda c: c + b"\0"),
        "nothing": Twin(pki, "CERT_MALFORMED", raw=lambda c: b"\x7f\x21\x00"),
        "no expiry": Twin(pki, "CERT_MALFORMED", change=lambda f: gpki.without(f, 0x5F24)),
        "unknown TLV": Twin(pki, "CERT_UNKNOWN_TLV",
                            change=lambda f: gpki.after(f, 0x95, (0x5F2D, b"en"))),
        "repeated serial": Twin(pki, "CERT_REPEATED_TLV",
                                change=lambda f: gpki.after(f, 0x93, (0x93, b"\x02"))),
        "repeated C9": Twin(pki, "CERT_REPEATED_TLV", change=field(0x73, key_id * 2)),
        "unknown tag inside 73": Twin(pki, "OK", change=field(0x73, key_id + gpki.tlv(0xC0, b"x"))),
        "no C9": Twin(pki, "OK", change=lambda f: gpki.without(f, 0x73)),
        "key usage of a signer": Twin(pki, "CERT_KEY_USAGE", change=field(0x95, b"\x88")),
        "key usage 8000": Twin(pki, "CERT_KEY_USAGE", change=field(0x95, b"\x80\x00")),
        "unknown curve": Twin(pki, "CERT_CURVE", change=key(curves.encode((x, y)), 0x01)),
        "point beside the curve": Twin(pki, "CERT_POINT", change=key(curves.encode((x, y ^ 1)))),
        "point with x >= p": Twin(pki, "CERT_POINT", change=key(b"\x04" + b"\xff" * 64)),
        "point of another curve": Twin(pki, "CERT_POINT",
                                       change=key(curves.encode((x, y)), curves.FRP256V1.ref)),
        "another CA id": Twin(pki, "CERT_CA_ID", change=field(0x42, b"\xa1\xb2\xc3\xd5")),
        "CA id cut": Twin(pki, "CERT_CA_ID", change=field(0x42, beta.CA_ID[:-1])),
        "C9 of another": Twin(pki, "CERT_AUTHORITY_KEY_ID",
                              change=field(0x73, gpki.tlv(0xC9, bytes(20)))),
        "another EID": Twin(pki, "CERT_SUBJECT", change=field(0x5F20, gpki.eid_of(77))),
        "EID outside the prefix": Twin(pki, "EID_PREFIX", eid=gpki.eid_of(1, "89033023")),
        "valid from tomorrow": Twin(pki, "CERT_NOT_YET_VALID",
                                    change=field(0x5F25, gpki.bcd_date(NOW + 2 * DAY))),
        "expired": Twin(pki, "CERT_EXPIRED", change=field(0x5F24, gpki.bcd_date(NOW - 2 * DAY))),
        "signed by a stranger": Twin(pki, "CERT_SIGNATURE", key=stranger),
        "signature changed": Twin(pki, "CERT_SIGNATURE", raw=flip(-1)),
        "serial changed": Twin(pki, "CERT_SIGNATURE", raw=lambda c: c.replace(
            b"\x93\x01\x01", b"\x93\x01\x02", 1)),
        "r is 0": Twin(pki, "CERT_SIGNATURE", raw=lambda c: c[:-64] + bytes(32) + c[-32:]),
        "r and s are n": Twin(pki, "CERT_SIGNATURE", raw=lambda c: c[:-64] + 2 *
                              curves.P256.n.to_bytes(32, "big")),
    }


def eum_twins(pki, deployment):
    """Twins by the EUM certificate; all of these are pinned."""
    stranger = gpki.make_ci("Stranger CI")
    short_ci, old_ci = gpki.make_ci("Short CI", path_length=0), gpki.make_ci(
        "Old CI", not_before=NOW - 20 * DAY, not_after=NOW - 2 * DAY)
    brainpool_ci = gpki.make_ci("Brainpool CI", ec.BrainpoolP256R1)
    deployment.pin_ci("short-ci.der", short_ci)
    deployment.pin_ci("old-ci.der", old_ci)
    deployment.pin_ci("bp-ci.der", brainpool_ci)

    def eum(label, status, ci=pki.ci, **changes):
        made = gpki.make_eum(ci, f"EUM {label}", **changes)
        deployment.pin_eum(label.replace(" ", "-") + ".der", made, beta.CA_ID)
        return label, Twin(pki, status, made,
                           key=pki.eum.key if changes.get("curve") == ec.SECP384R1 else None)

    return dict([
        eum("on brainpool", "OK", brainpool_ci, curve=ec.BrainpoolP256R1),
        eum("longer path allowed", "OK", path_length=3),
        eum("not a CA", "EUM_NOT_CA", ca=False),
        eum("under a CI of path length 0", "EUM_PATH_LENGTH", short_ci),
        eum("without keyCertSign", "EUM_KEY_USAGE", cert_sign=False),
        eum("with the policy of a CI", "EUM_POLICY", policy=gpki.POLICY_CI),
        eum("without policy", "EUM_POLICY", policy=""),
        eum("without name constraints", "EUM_NAME_CONSTRAINTS", prefix=""),
        eum("for another prefix", "EID_PREFIX", prefix="89033023"),
        eum("signed by a stranger", "EUM_SIGNATURE", signer=stranger.key),
        eum("of an unknown CI", "EUM_CI_UNKNOWN", stranger),
        eum("expired", "EUM_EXPIRED", not_before=NOW - 20 * DAY, not_after=NOW - 2 * DAY),
        eum("from tomorrow", "EUM_NOT_YET_VALID", not_before=NOW + DAY),
        eum("of an expired CI", "EUM_EXPIRED", old_ci),
        eum("on P-384", "EUM_CURVE", curve=ec.SECP384R1),
    ])


class Chain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment = Deployment()
        cls.addClassCleanup(cls.deployment.stop)
        cls.pki = beta.Pki(cls.deployment)
        cls.twins = {**certificate_twins(cls.pki), **eum_twins(cls.pki, cls.deployment)}
        unpinned = gpki.make_eum(cls.pki.ci, "Unpinned EUM")
        (cls.deployment.path / "trust" / "unpinned.der").write_bytes(unpinned.der)
        cls.twins["EUM in the directory, not pinned"] = Twin(cls.pki, "EUM_UNKNOWN", unpinned)
        cls.deployment.start()
        cls.client = cls.deployment.client()
        cls.sr_key_id = cls.deployment.sr_certificates()[1][0]

    def both(self, twins):
        """{label: (status by VerifyChain, status by Establish)}"""
        items = [twin.card for twin in twins.values()]
        chain = self.client.ok(verify_chain=beta.chain(items))
        made = self.client.ok(establish=beta.establish(items, self.sr_key_id))
        statuses = list(zip(names(chain.item_status), names(made.item_status)))
        for i, (by_chain, by_establish) in enumerate(statuses):
            good_point = chain.pk_ecasd[65 * i:65 * i + 65] == items[i].point
            self.assertEqual(by_chain == "OK", good_point)
            self.assertEqual(by_establish == "OK", bool(made.tickets[i]))
        return dict(zip(twins, statuses))

    def test_every_twin(self):
        for label, statuses in self.both(self.twins).items():
            with self.subTest(label):
                expected = self.twins[label].status
                self.assertEqual(statuses, (expected, expected))

    def test_unpinned_eum_as_certificate(self):
        twin = self.twins["EUM in the directory, not pinned"]
        for eum in (twin.card.eum.der, b"\x30\x03\x02\x01\x01", bytes(32)):
            request = beta.chain([twin.card])
            request.eums[0] = eum
            (status,) = names(self.client.ok(verify_chain=request).item_status)
            self.assertIn(status, ("EUM_UNKNOWN", "EUM_MALFORMED"))

    def test_every_octet_of_a_certificate(self):
        """No octet of a certificate can be changed and still pass."""
        twin = Twin(self.pki, "OK")
        changed = [flip(at)(twin.card.certificate) for at in range(len(twin.card.certificate))]
        request = beta.chain([twin.card])
        del request.ecasd_certs[:]
        request.ecasd_certs.extend(changed)
        request.eids = twin.card.eid * len(changed)
        statuses = names(self.client.ok(verify_chain=request).item_status)
        self.assertEqual([at for at, status in enumerate(statuses) if status == "OK"], [])

    def test_eid_is_digits(self):
        card = self.pki.card()
        request = beta.chain([card])
        request.eids = b"\x8a" + card.eid[1:]
        (status,) = names(self.client.ok(verify_chain=request).item_status)
        self.assertIn(status, ("BAD_EID", "CERT_SUBJECT"))


class Pinning(unittest.TestCase):
    def refused(self, change):
        deployment = Deployment(supervised=False)
        self.addCleanup(deployment.stop)
        pki = beta.Pki(deployment)
        change(deployment, pki)
        status, output = deployment.run_eckad()
        self.assertEqual(status, 1, output)
        self.assertNotIn("eckad: ready", output)
        return output

    def test_altered_file(self):
        def change(deployment, pki):
            (deployment.path / "trust" / "own-eum.der").write_bytes(
                gpki.make_eum(pki.ci, "Test EUM").der)
        self.assertIn("own-eum.der", self.refused(change))

    def test_missing_file(self):
        def change(deployment, _):
            (deployment.path / "trust" / "own-ci.der").unlink()
        self.assertIn("own-ci.der", self.refused(change))


if __name__ == "__main__":
    unittest.main()
