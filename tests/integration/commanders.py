"""Who commands an eUICC at the end of an SM-SR Change: read from the stores of both SM-SRs, and tried
on the card itself under the keys of the one who says so. Alpha's keys are diversified from its master;
Beta's are sealed, so that eckad makes its packets.
"""
import collections
import hashlib
import json
import sqlite3

import card as cards
import ecka_pb2 as pb
import es_pb2 as es
import interrupted
import parties
import sgp02

BETA = "beta.sm-sr.example"
IMAGE_HEAD = 9 + 3 + 65 + 20 + 2 * 33 + 32  # of a card's image, before its key sets
SET_LEN, SETS = 2 + 8 + 48, 4
GET_KEY_INFO = sgp02.apdu(0xCA, 0x00, 0xE0, le=True)
NOT_FOUND = 0x6A88
AT_A_TIME = 64


def row_of(path, columns):
    with sqlite3.connect(path) as db:
        db.row_factory = sqlite3.Row
        return {row["eid"]: dict(row) for row in db.execute(
            f"SELECT eid, {columns}, json FROM euicc LEFT JOIN eis USING (eid)")}


def alphas(lane):
    return row_of(lane.path / "alpha.db", "locked, ks1_counter")


def betas(lane):
    return row_of(lane.path / "beta.db", "state, ks2_kvn, ks2_counter, ks2, second_kvn,"
                                         " second_counter, second, answer")


def ks1(master, eid):
    parts = [cards.cmac(master, eid + bytes([i])) for i in (1, 2, 3)]
    return cards.KeySet(bytes(16) + b"".join(parts))


def sets_in(image):
    """{KVN: (counter, keys)} of a card."""
    out = {}
    for i in range(SETS):
        octets = image[IMAGE_HEAD + i * SET_LEN:][:SET_LEN]
        if octets[0] != 0:
            assert octets[1] == 7, "half a key set"
            out[octets[0]] = (int.from_bytes(octets[2:10], "big"),
                              cards.KeySet(bytes(16) + octets[10:]))
    return out


def what_goes(text):
    """An EIS without what stays with Alpha and what the new SM-SR makes anew."""
    eis = json.loads(text)
    for field in "smsr-id", "audit-trail", "additional-properties":
        del eis[field]
    del eis["isd-r"]["key-sets"]
    return eis


def counters_of(text):
    return {s["version"]: s["cntr"] for s in json.loads(text)["isd-r"]["key-sets"]}


def to_card(eid, number, capdu, reply_to=""):
    """A C-APDU as Beta sends it."""
    return parties.envelope(es.BETA, es.EUICC, eid, reply_to, attempt=number,
                            card_command=es.Apdu(bytes=capdu))


class Air:
    """The way to the cards of a lane whose network runs."""

    def __init__(self, lane):
        self.voice = parties.Voice(lane.at("air"), lane.at("network"), lane.key_of("beta"),
                                   lane.key_of("network")[0])
        self.number = 0

    def close(self):
        self.voice.close()

    def transmit(self, eid, capdu):
        self.number += 1
        self.voice.say(to_card(eid, self.number, capdu, self.voice.here))
        answer = self.voice.hear()
        assert answer is not None, "the card does not answer"
        assert (answer.eid.hex(), answer.attempt) == (eid, self.number)
        return answer.card_answer.bytes[:-2], int.from_bytes(answer.card_answer.bytes[-2:], "big")

    def packet(self, eid, packet):
        (envelope,) = sgp02.envelopes(packet, 1)
        return self.transmit(eid, envelope)


def key_information(payload):
    """The key version numbers that an answer to GET DATA lists whole."""
    data, sw = sgp02.open_answer(payload)
    assert sw == sgp02.OK
    ((_, body),) = sgp02.gpki.tlvs(data)
    keys = collections.Counter(value[1] for _, value in sgp02.gpki.tlvs(body))
    assert set(keys.values()) == {3}
    return set(keys)


class Inspector:
    """Looks at a lane that has come to rest. before: what alphas() said at the beginning."""

    def __init__(self, lane, before, client, master, found):
        self.lane, self.before, self.client, self.master = lane, before, client, master
        self.found = found  # counts of what there was
        self.alphas, self.betas = alphas(lane), betas(lane)
        with sqlite3.connect(lane.path / "cards.db") as db:
            self.cards = {eid: sets_in(image)
                          for eid, image in db.execute("SELECT eid, image FROM card")}

    def check(self, test):
        test.assertEqual(set(self.alphas), set(self.before))
        ours, theirs = [], []
        for eid, alpha in self.alphas.items():
            beta = self.betas.get(eid)
            commands = beta is not None and beta["json"] is not None and (
                json.loads(beta["json"])["smsr-id"] == BETA)
            test.assertNotEqual(commands, alpha["json"] is not None, f"two or none for {eid}")
            test.assertEqual(alpha["locked"], 0, eid)
            (ours if commands else theirs).append(eid)
        self.check_records(test, ours, theirs)
        self.check_counters(test)
        air = Air(self.lane)
        try:
            for at in range(0, len(ours), AT_A_TIME):
                self.check_betas_cards(test, air, ours[at:at + AT_A_TIME])
            for eid in theirs:
                test.assertEqual(self.under_ks1(air, eid)[1], sgp02.OK, eid)
        finally:
            air.close()
        self.found["Beta's"] += len(ours)
        self.found["Alpha's"] += len(theirs)

    def check_records(self, test, ours, theirs):
        """The EIS whole on the side that owns it, and what stays behind nowhere else."""
        for eid in theirs:
            test.assertEqual(self.alphas[eid]["json"], self.before[eid]["json"])
        for eid in ours:
            beta = self.betas[eid]
            test.assertEqual(what_goes(beta["json"]), what_goes(self.before[eid]["json"]))
            eis = json.loads(beta["json"])
            test.assertEqual(eis["additional-properties"], [])
            test.assertEqual([e["requester"] for e in eis["audit-trail"]], [BETA])
            kvns = {k for k in (beta["ks2_kvn"], beta["second_kvn"]) if k != 0}
            test.assertEqual(set(counters_of(beta["json"])), kvns)

    # -- counters --

    def check_counters(self, test):
        """No counter secured two packets; the EIS, the stores and the cards agree on them."""
        highest = self.packets(test)
        for eid, alpha in self.alphas.items():
            beta, held = self.betas.get(eid), self.cards[eid]
            test.assertEqual(set(counters_of(self.before[eid]["json"]).values()), {0})
            if alpha["json"] is not None:
                test.assertLessEqual(highest.get((eid, 1), 0), alpha["ks1_counter"])
                test.assertLessEqual(held[1][0], alpha["ks1_counter"])
            else:
                kvn = beta["ks2_kvn"]
                test.assertGreater(beta["ks2_counter"], 0)
                test.assertEqual(counters_of(beta["json"])[kvn], beta["ks2_counter"])
                test.assertLessEqual(held[kvn][0], highest[eid, kvn])
                test.assertLessEqual(highest[eid, kvn], beta["ks2_counter"])

    def packets(self, test):
        """{(EID, KVN): highest counter} of every packet that left Alpha or a Beta."""
        seen, highest = {}, {}
        for name in "alpha", "beta1", "beta2":
            for _, octets in interrupted.sent(self.lane.path / f"{name}.sent"):
                if octets:
                    self.see(test, name, octets, seen, highest)
        self.found["packets"] += len(seen)
        return highest

    def see(self, test, name, octets, seen, highest):
        envelope = es.Envelope.FromString(octets)
        _, _, number, part = sgp02.open_envelope(
            sgp02.open_apdu(envelope.card_command.bytes)[4])
        if number != 1:
            return  # a later part of the same packet
        eid, kvn = envelope.eid.hex(), part[5] >> 4
        keys = ks1(self.master, envelope.eid) if name == "alpha" else self.cards[eid][kvn][1]
        test.assertTrue(name != "alpha" or kvn == 1)
        counter = int.from_bytes(cards.cbc(keys.enc, part[10:26], False)[:5], "big")
        test.assertIn(seen.setdefault((eid, kvn, counter), part), (part,),
                      f"{eid}: counter {counter} of KVN {kvn} secured two packets")
        highest[eid, kvn] = max(counter, highest.get((eid, kvn), 0))

    # -- the cards --

    def under_ks1(self, air, eid):
        packet = sgp02.command_packet(ks1(self.master, bytes.fromhex(eid)), 1, (1 << 40) - 1,
                                      sgp02.script(GET_KEY_INFO))
        return air.packet(eid, packet)

    def check_betas_cards(self, test, air, eids):
        columns = [(eid, self.betas[eid][f"{which}_kvn"], self.betas[eid][f"{which}_counter"] + 1,
                    self.betas[eid][which])
                   for eid in eids for which in ("ks2", "second") if self.betas[eid][f"{which}_kvn"]]
        common = dict(key_sets=[c[3] for c in columns],
                      eids=b"".join(bytes.fromhex(c[0]) for c in columns),
                      kvns=bytes(c[1] for c in columns))
        wrapped = self.client.ok(scp80_wrap=pb.Scp80Wrap(
            **common, tars=sgp02.TAR_ISDR * len(columns),
            counters=b"".join(c[2].to_bytes(5, "big") for c in columns),
            payloads=[sgp02.script(GET_KEY_INFO)] * len(columns)))
        test.assertEqual(set(wrapped.item_status), {0})
        answers = [air.packet(c[0], packet) for c, packet in zip(columns, wrapped.packets)]
        test.assertEqual({sw for _, sw in answers}, {sgp02.OK})
        opened = self.client.ok(scp80_unwrap=pb.Scp80Unwrap(
            **common, packets=[data for data, _ in answers]))
        test.assertEqual(set(opened.item_status), {0})
        for (eid, *_), payload in zip(columns, opened.payloads):
            self.check_sets(test, air, eid, key_information(payload))

    def check_sets(self, test, air, eid, held):
        """After Executed-Success the card holds Beta's sets alone, and none that Alpha knows."""
        beta = self.betas[eid]
        answer = es.Envelope.FromString(beta["answer"]).handover_euicc_answer
        if answer.result == es.EXECUTED_SUCCESS or answer.code == "ALREADY_MANAGED":
            test.assertEqual(held, {beta["ks2_kvn"], beta["second_kvn"]} - {0}, eid)
            test.assertEqual(self.under_ks1(air, eid)[1], NOT_FOUND, eid)
        else:
            self.found["with a warning: " + answer.code] += 1


# -- faults on purpose --

def meddle(path, eid, sql):
    with sqlite3.connect(path) as db:
        assert db.execute(sql, (eid,)).rowcount == 1


def give_back(lane, eid, text):
    """The EIS is Alpha's again, too."""
    with sqlite3.connect(lane.path / "alpha.db") as db:
        db.execute("INSERT INTO eis VALUES (?, ?)", (eid, text))


def other_packet(eid, keys):
    """Under the first counter of KS1, a command that nobody sent."""
    packet = sgp02.command_packet(keys, 1, 1, sgp02.script(GET_KEY_INFO))
    return to_card(eid, 1, sgp02.envelopes(packet, 1)[0]).SerializeToString()


def change_card(lane, eid, ks1_again):
    """KS1 is in the card again; or, without it, the first key of each set is another one."""
    with sqlite3.connect(lane.path / "cards.db") as db:
        ((image,),) = db.execute("SELECT image FROM card WHERE eid = ?", (eid,))
        image = bytearray(image)
        for i in range(SETS):
            at = IMAGE_HEAD + i * SET_LEN
            if ks1_again is None and image[at] != 0:
                image[at + 10] ^= 1
            elif ks1_again is not None and image[at] == 0:
                keys = ks1_again.enc + ks1_again.mac + ks1_again.dek
                image[at:at + SET_LEN] = bytes([1, 7]) + bytes(8) + keys
                break
        image[-32:] = hashlib.sha256(image[:-32]).digest()
        db.execute("UPDATE card SET image = ? WHERE eid = ?", (bytes(image), eid))
