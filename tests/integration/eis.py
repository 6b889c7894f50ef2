"""An eUICC Information Set as the first SM-SR gets it, for an eUICC in Python: JSON of
docs/eis.schema.json, its EumSignedInfo signed as docs/sgp02.md says.
"""
import json

import gpki

CAT_TP, HTTP = 1, 2


def signed_info(info):
    """The bytes that the EUM signs."""
    capabilities = info["euicc-capabilities"]
    flags = CAT_TP * capabilities["cat-tp"] | HTTP * capabilities["http"]
    return b"".join(gpki.tlv(tag, value) for tag, value in (
        (0x5A, bytes.fromhex(info["eid"])),
        (0x81, bytes.fromhex(info["eum-certificate-id"])),
        (0x82, info["platform-type"].encode()),
        (0x83, info["platform-version"].encode()),
        (0x5F25, info["production-date"].to_bytes(4, "big")),
        (0x4F, bytes.fromhex(info["isd-p-load-file-aid"])),
        (0x84, bytes.fromhex(info["isd-p-module-aid"])),
        (0xA3, bytes.fromhex(info["ecasd"]["ca-certificate"])),
        (0x85, bytes([flags])),
        (0x86, capabilities["secure-packet-version"].encode()),
        (0x87, capabilities["remote-provisioning-version"].encode())))


def of(robot, certificate, eum, smsr_id="alpha.sm-sr.example"):
    """For an eUICC with KVN 01 alone."""
    info = {
        "eid": robot.eid.hex(), "eum-certificate-id": eum.sha256.hex(),
        "production-date": 20240101, "platform-type": "python", "platform-version": "1",
        "isd-p-load-file-aid": "a0000005591010ffffffff8900000d00",
        "isd-p-module-aid": "a0000005591010ffffffff8900000e00",
        "ecasd": {"ca-certificate": certificate.hex()},
        "euicc-capabilities": {"cat-tp": False, "http": True, "secure-packet-version": "12.1",
                               "remote-provisioning-version": "4.2"}}
    profile = {
        "iccid": "89990100000000000001", "isd-p-aid": "a0000005591010ffffffff8900001000",
        "mno-id": "mno.example", "fallback-attribute": True, "emergency-attribute": False,
        "subscription-address": {"msisdn": "999700000001", "imsi": "999010000000001"},
        "state": "Enabled", "smdp-id": "sm-dp.example", "profile-type": "m2m",
        "allocated-memory": 32768, "free-memory": 4096,
        "pol2": [{"action": "DELETE", "qualification": "Not-Allowed"}],
        "connectivity-parameters": {"smsc": "999700000099", "apn": "m2m.example"}}
    keys = [{"index": i, "kcv": ""} for i in (1, 2, 3)]
    return json.dumps({
        "eum-signed-info": info,
        "eum-signature": gpki.sign_raw(eum.key, signed_info(info)).hex(),
        "remaining-memory": 524288, "available-memory-for-profiles": 393216,
        "last-audit-date": 20240101, "smsr-id": smsr_id,
        "isd-r": {"aid": "a0000005591010ffffffff8900000100", "tar": "000001",
                  "sin": robot.sin.hex(), "sdin": robot.sdin.hex(), "role": "ISD-R",
                  "key-sets": [{"version": 1, "type": "SCP80", "cntr": 0, "keys": keys}]},
        "profiles": [profile], "audit-trail": [], "additional-properties": []})
