"""The front-end's side of a handover in Python: requests for cards, one item a card."""
import time

import card as cards
import curves
import ecka_client
import ecka_pb2 as pb
import gpki

CA_ID = bytes.fromhex("a1b2c3d4")
HOUR = 3600


class Pki:
    """A CI and EUM certificates of the tests' own, pinned in a deployment before it starts."""

    def __init__(self, deployment):
        self.ci = gpki.make_ci("Test CI")
        self.eum = gpki.make_eum(self.ci, "Test EUM")
        deployment.pin_ci("own-ci.der", self.ci)
        deployment.pin_eum("own-eum.der", self.eum, CA_ID)

    def card(self, curve=curves.P256, number=1, **options):
        return cards.Card(self.eum, CA_ID, curve, number, **options)


def chain(items):
    return pb.VerifyChain(eids=b"".join(c.eid for c in items),
                          ecasd_certs=[c.certificate for c in items],
                          eums=[c.eum.sha256 for c in items])


def establish(items, sr_key_id, rc_len=16, kvn=1, scenario=cards.CHECKED, counter=0, host_id=b"",
              lifetime=HOUR, **changes):
    """An Establish for these cards; each draws a new challenge. changes replace whole columns."""
    n = len(items)
    columns = {
        "sr_key_id": sr_key_id,
        "eids": b"".join(c.eid for c in items),
        "ecasd_certs": [c.certificate for c in items],
        "eums": [c.eum.sha256 for c in items],
        "rcs": [c.challenge(rc_len) for c in items],
        "kvns": bytes([kvn]) * n,
        "scenarios": bytes([scenario]) * n,
        "counters": counter.to_bytes(5, "big") * n,
        "expiries": int(time.time() + lifetime).to_bytes(8, "big") * n,
    }
    if scenario & cards.WITH_HOST_ID:
        columns.update(host_ids=[host_id] * n, sins=[c.sin for c in items],
                       sdins=[c.sdin for c in items])
    columns.update(changes)
    return pb.Establish(**columns)


def confirm(items, tickets, receipts, drs=()):
    return pb.Confirm(tickets=tickets, eids=b"".join(c.eid for c in items),
                      receipts=b"".join(receipts), drs=[d for d in drs if d])


def wrap(item, key_set, kvn, counter, payload, **changes):
    columns = {"key_sets": [key_set], "eids": item.eid, "kvns": bytes([kvn]),
               "tars": b"\0\0\1", "counters": counter.to_bytes(5, "big"), "payloads": [payload]}
    columns.update(changes)
    return pb.Scp80Wrap(**columns)


def unwrap(item, key_set, kvn, packet):
    return pb.Scp80Unwrap(key_sets=[key_set], eids=item.eid, kvns=bytes([kvn]), packets=[packet])


class Handover:
    """One card through Establish and Confirm; keeps what each step gave."""

    def __init__(self, client, card, sr, scenario=cards.CHECKED, kvn=1, **options):
        """sr: (curve, sr_key_id, point) of the SR key that signs."""
        sr_curve, sr_key_id, sr_point = sr
        self.client, self.card, self.kvn = client, card, kvn
        result = client.ok(establish=establish([card], sr_key_id, scenario=scenario, kvn=kvn,
                                               **options))
        assert ecka_client.names(result.item_status) == ["OK"]
        self.result, self.ticket = result, result.tickets[0]
        self.dr, self.receipt = card.establish(result.store_data[0], sr_curve, sr_point)

    def confirm(self, **changes):
        """The status's name, with key_set and kcvs kept when it is OK."""
        request = confirm([self.card], [self.ticket], [self.receipt], [self.dr])
        for name, value in changes.items():
            request.ClearField(name)
            if isinstance(value, bytes):
                setattr(request, name, value)
            else:
                getattr(request, name).extend(value)
        result = self.client.ok(confirm=request)
        (name,) = ecka_client.names(result.item_status)
        if name == "OK":
            self.key_set, self.kcvs, self.custody = result.key_sets[0], result.kcvs, result.custody
        return name
