"""Generations that come and go under running custodians: by time, by ceremony, by each other."""
import hashlib
import re
import time
import unittest

import card as cards
import curves
import gpki
from custodian import TICKET, KEYSET, Link, Token, establish_item, key_id
from custody_pb2 import ConfirmItem, Scp80WrapItem, SignItem


class Generations(unittest.TestCase):
    def setUp(self):
        self.token = Token()
        self.addCleanup(self.token.stop)
        self.keys = self.token.first_ceremony()
        self.point = bytes.fromhex(self.keys[0][4])
        self.sr = self.token.certify("sr.der", curves.P256, self.point)
        self.card = cards.Card(gpki.make_eum(gpki.make_ci()), b"\x01", curves.P256)

    def ticket(self, link, lifetime=3600):
        status, item = link.one("establish", establish_item(
            self.card, self.sr, rc=self.card.challenge(), expiry=int(time.time()) + lifetime))
        self.assertEqual(status, "OK")
        _, receipt = self.card.establish(item.store_data, curves.P256, self.point)
        return ConfirmItem(principal="beta", ticket=item.ticket, eid=self.card.eid,
                           receipt=receipt)

    def masters(self):
        return {line.split()[0] for line in self.token.tool("probe")}

    def wrap(self, confirmed):
        return Scp80WrapItem(principal="beta", key_set=confirmed.key_set, eid=self.card.eid, kvn=1,
                             spi=0x1639, tar=1, counter=1, payload=b"command")

    def test_ticket_generations_turn_by_time(self):
        self.token.configure(ticket_rotation_s=2, ticket_lifetime_s=3)
        custodian = self.token.start()
        link = Link(custodian)
        first = self.ticket(link, 3)
        self.assertEqual(first.ticket[6:10], (1).to_bytes(4, "big"))
        custodian.wait_for("ticket generation 2 made")
        self.assertEqual(self.ticket(link, 3).ticket[6:10], (2).to_bytes(4, "big"))
        self.assertGreaterEqual(link.hello().ticket_generation, 2)
        # Nothing was restarted, and a ticket in flight is still good.
        self.assertEqual(link.one("confirm", first)[0], "OK")
        self.assertIn(key_id(TICKET, 1), self.masters())
        custodian.wait_for("ticket generation 1 destroyed")
        self.assertNotIn(key_id(TICKET, 1), self.masters())
        self.assertEqual(link.one("confirm", first)[0], "BLOB_GENERATION")
        self.assertIn(key_id(KEYSET, 1), self.masters())
        self.assertEqual(link.hello().keyset_generation, 1)

    def test_a_ticket_may_not_outlive_its_generation(self):
        self.token.configure(ticket_rotation_s=600, ticket_lifetime_s=60)
        link = Link(self.token.start())
        for lifetime, wanted in ((50, "OK"), (70, "BAD_EXPIRY")):
            item = establish_item(self.card, self.sr, expiry=int(time.time()) + lifetime)
            self.assertEqual(link.one("establish", item)[0], wanted)

    def test_times_that_cannot_work_are_refused(self):
        for changes in ({"ticket_lifetime_s": 0}, {"ticket_lifetime_s": 401 * 86400},
                        {"ticket_rotation_s": 10, "ticket_lifetime_s": 200}):
            self.token.configure(**changes)
            status, log = self.token.run_to_its_end()
            self.assertEqual(status, 1)
            self.assertIn("ticket_lifetime_s is", log)

    def test_custodians_find_each_others_generations(self):
        self.token.configure("c2")
        one, two = self.token.start(), self.token.start("c2")
        self.token.keys("rotate", "ticket")
        self.token.keys("rotate", "keyset")
        one.reload()
        link = Link(two)
        self.assertEqual(link.hello().ticket_generation, 1)
        request = self.ticket(Link(one))
        self.assertEqual(request.ticket[6:10], (2).to_bytes(4, "big"))
        status, confirmed = link.one("confirm", request)
        self.assertEqual(status, "OK")
        self.assertEqual((link.hello().ticket_generation, link.hello().keyset_generation), (2, 2))
        self.assertEqual(Link(one).one("scp80_wrap", self.wrap(confirmed))[0], "OK")

    def test_an_invented_generation_is_looked_for_and_not_found(self):
        custodian = self.token.start()
        link = Link(custodian)
        request = self.ticket(link)
        good = request.ticket
        for number in (0, 2, 99, 0xFFFFFFFF):
            request.ticket = good[:6] + number.to_bytes(4, "big") + good[10:]
            begun = time.monotonic()
            statuses = {status for status, _ in link.batch("confirm", [request] * 30)}
            self.assertEqual(statuses, {"BLOB_GENERATION"})
            self.assertLess(time.monotonic() - begun, 2)
        request.ticket = good
        self.assertEqual(link.one("confirm", request)[0], "OK")

    def test_a_reload_keeps_connections_and_what_is_in_flight(self):
        custodian = self.token.start()
        link = Link(custodian)
        request = self.ticket(link)
        for purpose, more in (("ticket", ()), ("keyset", ()), ("checkpoint", ()),
                              ("sr-establish", ("--sr-curve", "P-256"))):
            self.token.keys("rotate", purpose, *more)
            custodian.reload()
        status, confirmed = link.one("confirm", request)
        self.assertEqual(status, "OK")
        self.assertEqual(confirmed.key_set[6:10], (2).to_bytes(4, "big"))
        self.assertEqual(link.one("scp80_wrap", self.wrap(confirmed))[0], "OK")

    def test_a_label_signs_on_while_its_key_rotates(self):
        _, out, _ = self.token.keys("init", "--missing-only", "--sign-key", "invoices")
        points = [bytes.fromhex(out.split()[-1])]
        custodian = self.token.start()
        link = Link(custodian)
        message = b"an invoice"
        item = SignItem(principal="beta", key_label="invoices",
                        digest=hashlib.sha256(message).digest())

        def signs_with(point):
            status, signed = link.one("sign", item)
            self.assertEqual(status, "OK")
            gpki.verify_raw(point, curves.P256, signed.signature, message)

        signs_with(points[0])
        _, out, _ = self.token.keys("rotate", "generic-sign", "--name", "invoices")
        points.append(bytes.fromhex(out.split()[-1]))
        signs_with(points[0])  # nobody told the custodian yet
        custodian.reload()
        signs_with(points[1])
        self.token.keys("retire", "generic-sign", "1")
        custodian.reload()
        signs_with(points[1])
        self.token.keys("retire", "generic-sign", "2")
        custodian.reload()
        self.assertEqual(link.one("sign", item)[0], "KEY_UNKNOWN")

    def test_a_retired_key_is_gone_after_a_reload(self):
        custodian = self.token.start()
        link = Link(custodian)
        self.ticket(link)
        (self.token.path / "sr-certs" / "sr.der").unlink()
        custodian.reload()
        self.token.keys("retire", "sr-establish", "1")
        custodian.reload()
        status, _ = link.one("establish", establish_item(self.card, self.sr))
        self.assertEqual(status, "SR_KEY_UNKNOWN")

    def test_a_reload_that_fails_changes_nothing(self):
        custodian = self.token.start()
        link = Link(custodian)
        request = self.ticket(link)
        (self.token.path / "sr-certs").rename(self.token.path / "elsewhere")
        self.token.tool("plant", key_id(KEYSET, 1), "sign", "eckad keyset 1", "07" * 32)
        custodian.reload()
        self.assertRegex(custodian.output(), "two keys carry this identity")
        self.assertIn("those known stay in use", custodian.output())
        self.assertEqual(list(link.hello().sr_key_ids), [self.sr])
        self.assertEqual(link.one("confirm", request)[0], "OK")

    def test_uses_are_counted_while_running(self):
        self.token.configure(state_dir="state", audit={"directory": "run/audit-c1"})
        (self.token.path / "state").mkdir()
        custodian = self.token.start()
        link = Link(custodian)
        file = self.token.path / "state" / "uses-c1"
        self.assertRegex(file.read_text(), r"(?m)^keyset 1 \d+ 0 0$")
        _, confirmed = link.one("confirm", self.ticket(link))
        for _ in range(3):
            self.assertEqual(link.one("scp80_wrap", self.wrap(confirmed))[0], "OK")
        deadline = time.monotonic() + 10
        while not re.search(r"(?m)^keyset 1 \d+ 4 \d{10}$", file.read_text()):
            self.assertLess(time.monotonic(), deadline, file.read_text())
            time.sleep(0.05)
        custodian.popen.kill()  # what was written stays, however it ends
        custodian.popen.wait()
        self.token.processes.clear()
        custodian = self.token.start()
        self.assertEqual(Link(custodian).one("scp80_wrap", self.wrap(confirmed))[0], "OK")
        custodian.stop()
        self.assertRegex(file.read_text(), r"(?m)^keyset 1 \d+ 5 \d{10}$")


if __name__ == "__main__":
    unittest.main()
