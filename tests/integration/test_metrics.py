"""Every metric moves, and moves by what happened: one story after the other on one deployment, and
at the end nothing of service/observe/metrics.def may have stood still.
"""
import hashlib
import os
import re
import signal
import socket
import subprocess
import time
import unittest

import zmq

import beta
import curves
import ecka_pb2 as pb
import gpki
from deployment import BUILD, SOURCE, Deployment
from ecka_client import NAMES, Client, names
from observe import Observer

JOBS, SHARE = 8, 4  # of two principals each may hold half
CONNECTIONS = 100   # half of them may have asked for nothing
ITEMS = 60          # a custody batch takes 48, so two lanes leave some of four requests waiting
CUSTODY_ITEMS = 48
TABLE_BUDGET_MIB = 3
MANY = 30           # of a kind that is logged 10 times a second at most
CONSTANT = {"eckad_build_info"}  # one version a program

METRIC = re.compile(r'^METRIC\(\w+, "(\w+)", (\w+),', re.M)


def declared():
    """{name of the family as the text format has it} of metrics.def."""
    text = (SOURCE / "service" / "observe" / "metrics.def").read_text(encoding="utf-8")
    return {name + ("_info" if kind == "INFO" else "") for name, kind in METRIC.findall(text)}


def verify(count=4, valid=True):
    key = gpki.new_key(gpki.ec.SECP256R1)
    signature = gpki.sign_raw(key, b"m" if valid else b"other")
    return pb.Verify(curve=1, public_keys=gpki.point_of(key.public_key()),
                     digests=hashlib.sha256(b"m").digest() * count, signatures=signature * count)


class Metrics(unittest.TestCase):
    def test_every_metric_moves(self):
        d = self.deployment = Deployment(custodians=2, supervised=False)
        self.addCleanup(d.stop)
        self.pki = beta.Pki(d)
        d.add_principal("delta", ("Verify", "Info"))
        d.set_config(re.sub(r"^jobs: \d+$", f"jobs: {JOBS}\nrecheck_one_in: 1\n"
                            f"connections: {CONNECTIONS}\ntable_budget_mib: {TABLE_BUDGET_MIB}\n"
                            "custodian_timeout_ms: 20000",  # longer than the deadlines here
                            d.config(), flags=re.M))
        self.lie = d.path / "lie"
        d.env.update(LD_PRELOAD=str(BUILD / "tests" / "preload" / "one_lie.so"),
                     ECKA_LIE=str(self.lie))
        d.start_eckad()
        del d.env["LD_PRELOAD"]
        self.observer = Observer(d)
        self.client = d.client()
        self.sr_key_id, self.sr_point = d.sr_certificates()[1]

        for story in (self.readiness, self.requests, self.refusals, self.handover, self.full_queues,
                      self.custodian_lost, self.breaker, self.a_client_that_left, self.strangers,
                      self.a_crowd, self.tables, self.wrong_verdict, self.policies, self.formats, self.drain,
                      self.another_configuration):
            with self.subTest(story.__name__):
                story()
        self.assertEqual(set(self.observer.seen), declared())
        still = set(self.observer.seen) - self.observer.moved() - CONSTANT
        self.assertEqual(still, set(), "these metrics never moved")

    def look(self):
        return self.observer.look()

    def gained(self, before, name, **labels):
        return self.look()(name, **labels) - before(name, **labels)

    # -- stories --

    def readiness(self):
        m = self.look()
        self.assertEqual(self.observer.http.ready(),
                         (503, "not ready: no custodian is up, so no token is open"))
        self.assertEqual(self.observer.http.request("/healthz")[0], 200)
        self.assertEqual([m("eckad_ready"), m("eckad_custodian_up", custodian="c1"),
                          m("eckad_custodian_ticket_generation", custodian="c1")], [0, 0, 0])
        for i in (1, 2):
            self.deployment.start_custodian(i)
        m = self.observer.until(lambda m: m.total("eckad_custodian_up") == 2, "both custodians up")
        self.assertEqual(self.observer.http.ready(), (200, "ready"))
        self.assertEqual(m("eckad_ready"), 1)
        info = self.client.info()
        for c in info.custodians:
            self.assertEqual(m("eckad_custodian_ticket_generation", custodian=c.name),
                             c.ticket_generation)
            self.assertEqual(m("eckad_custodian_keyset_generation", custodian=c.name),
                             c.keyset_generation)
        self.assertEqual(m("eckad_backend_info", backend=info.backend), 1)
        self.assertEqual(m("eckad_build_info", version=info.version), 1)

    def requests(self):
        before = self.look()
        self.assertEqual(names(self.client.ok(verify=verify(4)).item_status), ["OK"] * 4)
        self.assertEqual(names(self.client.ok(verify=verify(3, valid=False)).item_status),
                         ["SIGNATURE_INVALID"] * 3)
        cards = [self.pki.card(curves.P256, i) for i in range(5)]
        self.assertEqual(names(self.client.ok(verify_chain=beta.chain(cards)).item_status), ["OK"] * 5)
        after = self.look()
        for (name, labels), by in {
                ("eckad_requests_total", (("operation", "Verify"), ("status", "OK"))): 2,
                ("eckad_items_total", (("operation", "Verify"), ("status", "OK"))): 4,
                ("eckad_items_total", (("operation", "Verify"), ("status", "SIGNATURE_INVALID"))): 3,
                ("eckad_errors_total", (("operation", "Verify"), ("status", "SIGNATURE_INVALID"))): 3,
                ("eckad_items_total", (("operation", "VerifyChain"), ("status", "OK"))): 5,
                ("eckad_request_duration_seconds_count", (("operation", "Verify"),)): 2,
                ("eckad_request_executing_seconds_count", (("operation", "Verify"),)): 2,
                ("eckad_batch_items_sum", (("batch", "verification"),)): 12,
                ("eckad_principal_requests_total", (("principal", "beta"),)): 3,
                ("eckad_principal_items_total", (("principal", "beta"),)): 12}.items():
            self.assertEqual(after(name, **dict(labels)) - before(name, **dict(labels)), by,
                             (name, labels))
        for name in ("eckad_request_duration_seconds_sum", "eckad_request_executing_seconds_sum"):
            self.assertGreater(after(name, operation="Verify"), before(name, operation="Verify"))
        self.assertLessEqual(after("eckad_request_executing_seconds_sum", operation="Verify"),
                             after("eckad_request_duration_seconds_sum", operation="Verify"))
        self.assertGreater(after("eckad_rechecks_total"), before("eckad_rechecks_total"))

    def refusals(self):
        before = self.look()
        delta = self.deployment.client("delta")
        self.assertEqual(NAMES[delta.call(confirm=pb.Confirm(
            tickets=[b"t"], eids=bytes(16), receipts=bytes(16))).status], "DENIED")
        delta.send_raw(b"\xff")
        self.assertEqual(NAMES[delta.receive().status], "BAD_REQUEST")
        delta.send_raw(pb.Request(version=1, id=1, verify=pb.Verify(
            curve=1, digests=bytes(31))).SerializeToString())
        self.assertEqual(NAMES[delta.receive().status], "BAD_REQUEST")
        for operation, status in (("Confirm", "DENIED"), ("none", "BAD_REQUEST"),
                                  ("Verify", "BAD_REQUEST")):
            for name in ("eckad_requests_total", "eckad_errors_total"):
                self.assertEqual(self.gained(before, name, operation=operation, status=status), 1)
        self.assertEqual(self.gained(before, "eckad_principal_refused_total", principal="delta"), 3)

    def handover(self):
        before = self.look()
        card = self.pki.card(curves.P256, 7)
        done = beta.Handover(self.client, card, (curves.P256, self.sr_key_id, self.sr_point))
        self.assertEqual(done.confirm(), "OK")
        self.client.ok(scp80_wrap=beta.wrap(card, done.key_set, 1, 8, b"\x80\xe4"))
        self.client.ok(scp80_unwrap=beta.unwrap(card, done.key_set, 1, b"\x02\x71\x00" + bytes(20)))
        after = self.look()
        generation = str(self.client.info().custodians[0].ticket_generation)
        for name in ("eckad_tickets_issued_total", "eckad_tickets_confirmed_total"):
            self.assertEqual(after(name, generation=generation) - before(name, generation=generation), 1)
            self.assertEqual(after(name, generation="other"), 0)
        for batch in ("establish", "confirm", "wrap", "unwrap"):
            for name in ("eckad_batch_items_count", "eckad_batch_items_sum"):
                self.assertEqual(after(name, batch=batch) - before(name, batch=batch), 1)
            name = "eckad_batch_executing_seconds_total"
            self.assertGreater(after(name, batch=batch), before(name, batch=batch))
        for name in ("eckad_custodian_batches_total", "eckad_custodian_items_total"):
            self.assertEqual(after.total(name) - before.total(name), 4)
        self.assertGreater(after.total("eckad_custodian_busy_seconds_total"),
                           before.total("eckad_custodian_busy_seconds_total"))

    def stop_custodians(self):
        for i in (1, 2):
            os.kill(self.deployment.processes[f"c{i}"].pid, signal.SIGSTOP)

    def continue_custodians(self):
        for i in (1, 2):
            os.kill(self.deployment.processes[f"c{i}"].pid, signal.SIGCONT)

    def establish(self, count):
        return beta.establish([self.pki.card(curves.P256, i) for i in range(count)], self.sr_key_id)

    def full_queues(self):
        """Custodians that stand still: lanes hold what they have, the rest waits and is late."""
        before, request = self.look(), self.establish(ITEMS)
        self.stop_custodians()
        try:
            wanted = {self.client.submit(deadline_us=4_000_000, establish=request)
                      for _ in range(SHARE)}
            handed_out = "eckad_batch_items_sum"
            m = self.observer.until(
                lambda m: m("eckad_queue_items", kind="establish") + m(handed_out, batch="establish")
                - before(handed_out, batch="establish") == SHARE * ITEMS, "all items verified")
            self.assertGreaterEqual(m("eckad_queue_items", kind="establish"),
                                    SHARE * ITEMS - 2 * CUSTODY_ITEMS)
            self.assertEqual((m("eckad_jobs"), m("eckad_principal_jobs", principal="beta"),
                              m("eckad_jobs_max")), (SHARE, SHARE, JOBS))
            self.assertEqual(NAMES[self.client.call(establish=request).status], "BUSY")
            self.assertEqual(self.gained(before, "eckad_requests_total", operation="Establish",
                                         status="BUSY"), 1)
            first = self.look()("eckad_queue_age_seconds", kind="establish")
            self.observer.until(lambda m: m("eckad_queue_age_seconds", kind="establish") > first > 0,
                                "an age that grows")
            self.observer.until(lambda m: m("eckad_queue_items", kind="establish") == 0,
                                "late items given up")
        finally:
            self.continue_custodians()
        replies = self.client.collect(wanted)
        statuses = [s for r in replies.values() for s in names(r.establish.item_status)]
        self.assertEqual(statuses.count("OK") + statuses.count("DEADLINE"), SHARE * ITEMS)
        for status in ("OK", "DEADLINE"):
            self.assertEqual(self.gained(before, "eckad_items_total", operation="Establish",
                                         status=status), statuses.count(status))
        self.assertGreater(statuses.count("DEADLINE"), 0)
        m = self.look()
        self.assertEqual((m("eckad_jobs"), m("eckad_principal_jobs", principal="beta")), (0, 0))

    def custodian_lost(self):
        before = self.look()
        for i in (1, 2):
            self.deployment.processes[f"c{i}"].kill()
        self.observer.until(lambda m: m.total("eckad_custodian_up") == 0, "both custodians down")
        self.assertEqual(self.observer.http.ready()[0], 503)
        for name in ("c1", "c2"):
            self.assertEqual(self.gained(before, "eckad_custodian_losses_total", custodian=name), 1)
        for i in (1, 2):
            self.deployment.start_custodian(i)
        self.observer.until(lambda m: m.total("eckad_custodian_up") == 2, "both custodians up")
        self.assertEqual(self.observer.http.ready(), (200, "ready"))

    def breaker(self):
        """Batches that are lost one after the other open it, and a token that works closes it."""
        self.deployment.processes["c2"].kill()
        for turn in range(3):
            self.observer.until(lambda m: m("eckad_custodian_up", custodian="c1") == 1, "c1 up")
            before, c1 = self.look(), self.deployment.processes["c1"]
            os.kill(c1.pid, signal.SIGSTOP)
            wanted = {self.client.submit(deadline_us=500_000, establish=self.establish(1))}
            self.observer.until(
                lambda m: m("eckad_batch_items_sum", batch="establish")
                > before("eckad_batch_items_sum", batch="establish"), "a batch handed out")
            c1.kill()
            (reply,) = self.client.collect(wanted).values()
            self.assertEqual(names(reply.establish.item_status), ["UNAVAILABLE"])
            if turn == 2:
                self.observer.until(lambda m: m("eckad_custodian_breaker", custodian="c1") == 2
                                    and m("eckad_custodian_breaker", custodian="c2") == 0, "open")
            self.deployment.start_custodian(1)
        self.observer.until(lambda m: m("eckad_custodian_breaker", custodian="c1") == 0, "closed")
        self.assertEqual(self.look()("eckad_custodian_breaker_openings_total", custodian="c1"), 1)
        self.assertEqual(self.observer.http.ready(), (200, "ready"))
        self.deployment.start_custodian(2)
        self.observer.until(lambda m: m.total("eckad_custodian_up") == 2, "both custodians up")

    def a_client_that_left(self):
        """Its reply cannot be sent. When libzmq learns that it left is libzmq's; so it is tried."""
        before, request = self.look(), self.establish(1)
        for _ in range(20):
            self.stop_custodians()
            try:
                leaver = Client(self.deployment.endpoint, self.deployment.server_key,
                                self.deployment.keys["beta"])
                leaver.submit(establish=request)
                self.observer.until(lambda m: m("eckad_jobs") == 1, "its request")
                leaver.close()
                time.sleep(0.1)
            finally:
                self.continue_custodians()
            self.observer.until(lambda m: m("eckad_jobs") == 0, "its request answered")
            if self.gained(before, "eckad_replies_unsendable_total") > 0:
                return
        self.fail("eckad_replies_unsendable_total never moved")

    def strangers(self):
        before = self.look()
        clients = [Client(self.deployment.endpoint, self.deployment.server_key, zmq.curve_keypair())
                   for _ in range(MANY)]
        name = "eckad_connections_refused_total"
        self.observer.until(lambda m: m(name) - before(name) >= MANY, "strangers refused")
        for client in clients:
            client.close()
        after = self.look()
        written = (after("eckad_log_entries_total", level="warning")
                   - before("eckad_log_entries_total", level="warning"))
        held_back = after("eckad_log_held_back_total") - before("eckad_log_held_back_total")
        self.assertGreater(written, 0)
        self.assertGreaterEqual(written + held_back, MANY)
        if held_back == 0:  # a machine so slow that they did not come within a second
            self.strangers()

    def a_crowd(self):
        """Connections that ask for nothing have half of the room, and make room for each other."""
        before, crowd, path = self.look(), [], self.deployment.endpoint.removeprefix("ipc://")
        for _ in range(CONNECTIONS):
            one = socket.socket(socket.AF_UNIX)
            self.addCleanup(one.close)
            one.connect(path)
            crowd.append(one)
        name, reason = "eckad_connections_cut_total", {"reason": "stranger"}
        m = self.observer.until(lambda m: m(name, **reason) - before(name, **reason)
                                >= CONNECTIONS / 2, "half of the crowd cut")
        self.assertEqual(m("eckad_connections_strangers"), CONNECTIONS / 2)
        self.assertGreater(m("eckad_connections"), CONNECTIONS / 2)  # those that ask are there, too
        self.assertEqual(m("eckad_connections_max"), CONNECTIONS)
        for one in crowd:
            one.close()
        m = self.observer.until(lambda m: m("eckad_connections_strangers") == 0, "the crowd gone")
        self.assertGreaterEqual(m("eckad_handshakes_failed_total"), CONNECTIONS)
        self.client.info()

    def tables(self):
        """Keys that come often get tables, more than fit the budget."""
        before = self.look()
        counters = [f"eckad_table_{what}_total" for what in ("hits", "misses", "builds", "evictions")]
        for turn in range(100):
            request = verify(16 * (turn + 2))  # each key hotter than those before it
            for _ in range(4):
                self.client.ok(verify=request)
            m = self.look()
            if all(m(name) > before(name) for name in counters):
                break
        for name in counters:
            self.assertGreater(m(name), before(name), name)
        self.assertGreater(sum(m("eckad_tables", size=s) for s in ("small", "medium", "wide")), 0)
        self.assertTrue(0 < m("eckad_table_bytes") <= TABLE_BUDGET_MIB << 20)
        self.assertEqual(m("eckad_table_budget_bytes"), TABLE_BUDGET_MIB << 20)

    def wrong_verdict(self):
        """libcrypto contradicts a verdict once: an alarm, and another backend."""
        before, backend = self.look(), self.client.info().backend
        self.lie.touch()
        self.assertEqual(names(self.client.ok(verify=verify(4)).item_status), ["OK"] * 4)
        self.assertFalse(self.lie.exists(), "nothing was re-checked")
        self.assertEqual(self.gained(before, "eckad_recheck_mismatches_total"), 1)
        self.assertGreater(self.gained(before, "eckad_log_entries_total", level="alarm"), 0)
        m = self.look()
        self.assertEqual(m("eckad_backend_info", backend=backend), 0)
        self.assertEqual(m("eckad_backend_info", backend=self.client.info().backend), 1)

    def policies(self):
        d = self.deployment
        good = d.policy()
        for text, name, gained, failed in ((good, "eckad_policy_generation", 1, 0),
                                           ("principals: 1\n", "eckad_policy_reloads_failed_total", 1, 1),
                                           (good, "eckad_policy_generation", 1, 0)):
            before = self.look()
            d.set_policy(text)
            d.processes["eckad"].popen.send_signal(signal.SIGHUP)
            self.observer.until(lambda m: m(name) - before(name) == gained, "a reload")
            self.assertEqual(self.look()("eckad_policy_reload_failed"), failed)

    def formats(self):
        """Both formats hold the same, but for what looking itself changes."""
        changes = ("process_", "eckad_http_", "eckad_log_")
        plain = self.look()
        opened, created = self.observer.look_open()
        keep = [key for key in plain if not key[0].startswith(changes)]
        self.assertEqual({key: plain[key] for key in keep}, {key: opened[key] for key in keep})
        self.assertEqual({name for name, _ in plain}, {name for name, _ in opened})
        counters = {name.removesuffix("_total") + "_created" for name, _ in plain
                    if name.endswith("_total")}
        histograms = {name.removesuffix("_bucket") + "_created" for name, _ in plain
                      if name.endswith("_bucket")}
        self.assertEqual(created, counters | histograms)

    def drain(self):
        request = self.establish(1)
        self.stop_custodians()
        try:
            wanted = self.client.submit(deadline_us=30_000_000, establish=request)
            self.observer.until(lambda m: m("eckad_jobs") == 1, "a request under way")
            eckad = self.deployment.processes["eckad"]
            eckad.popen.send_signal(signal.SIGTERM)
            self.observer.until(lambda m: m("eckad_draining") == 1, "a drain")
            self.assertEqual(self.observer.http.ready(),
                             (503, "not ready: draining, no new request is accepted"))
            self.assertEqual(self.observer.http.request("/healthz")[0], 200)
        finally:
            self.continue_custodians()
        reply = self.client.receive()
        while reply.id == 0:  # the notice that goes to every client
            reply = self.client.receive()
        self.assertEqual((reply.id, names(reply.establish.item_status)), (wanted, ["OK"]))
        self.assertEqual(eckad.popen.wait(30), 0)

    def another_configuration(self):
        d = self.deployment
        d.set_config(d.config().replace(f"jobs: {JOBS}\n", f"jobs: {2 * JOBS}\n")
                     .replace(f"connections: {CONNECTIONS}\n", f"connections: {2 * CONNECTIONS}\n")
                     .replace(f"table_budget_mib: {TABLE_BUDGET_MIB}", "table_budget_mib: 64"))
        d.start_eckad()
        m = self.look()
        self.assertEqual((m("eckad_jobs_max"), m("eckad_table_budget_bytes")), (2 * JOBS, 64 << 20))
        self.assertEqual(m("eckad_connections_max"), 2 * CONNECTIONS)
        self.assertLessEqual(abs(time.time() - m("process_start_time_seconds")), 60)
        version = subprocess.run([d.program("eckad"), "--version"], check=True, capture_output=True,
                                 text=True).stdout.split()[1]
        self.assertEqual(m("eckad_build_info", version=version), 1)


class Routes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment = Deployment(supervised=False)
        cls.addClassCleanup(cls.deployment.stop)
        # Without custodians: verification is what it is for.
        text = re.sub(r"^custodians:\n(  - .*\n)+", "", cls.deployment.config(), flags=re.M)
        cls.deployment.set_config(text)
        cls.deployment.start_eckad()
        cls.http = Observer(cls.deployment).http

    def tearDown(self):
        self.assertEqual(self.http.request("/healthz")[::2], (200, "alive"))

    def test_without_custodians(self):
        self.assertEqual(self.http.ready(),
                         (200, "ready for verification only: no custodian is configured"))
        client = self.deployment.client()
        self.assertEqual(names(client.ok(verify=verify()).item_status), ["OK"] * 4)

    def test_paths_and_methods(self):
        for path in ("/metrics/", "/x", "//", "/stats.json/..", "/%00", "/metricsx"):
            self.assertEqual(self.http.request(path)[0], 404, path)
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            status, headers, _ = self.http.request("/metrics", method, body=b"x" * 100_000)
            self.assertEqual((status, headers["allow"]), (405, "GET, HEAD"), method)
        for path in ("/", "/metrics", "/healthz", "/readyz", "/stats.json"):
            status, headers, text = self.http.request(path, "HEAD")
            self.assertEqual((status, text), (200, ""), path)
            self.assertGreater(int(headers["content-length"]), 0)
            self.assertEqual(headers["connection"], "close")
            self.assertEqual(headers["x-content-type-options"], "nosniff")
            self.assertIn("default-src 'none'", headers["content-security-policy"])
            self.assertNotIn("unsafe", headers["content-security-policy"])
        self.assertEqual(self.http.request("/metrics?x=y")[0], 200)
        self.assertEqual(self.http.request("/healthz", body=b"x" * 100_000)[0], 200)

    def test_accept(self):
        opened = "application/openmetrics-text; version=1.0.0; charset=utf-8"
        plain = "text/plain; version=0.0.4; charset=utf-8"
        for accept, wanted in (
                ("application/openmetrics-text;version=1.0.0,"
                 "application/openmetrics-text;version=0.0.1;q=0.75,"
                 "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", opened),  # Prometheus 2
                ("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.1", plain),
                ("text/html,*/*;q=0.8", plain), ("*/*", plain), ("", plain),
                ("application/openmetrics-text;q=0", plain),
                ("APPLICATION/OPENMETRICS-TEXT", opened)):
            headers = self.http.request("/metrics", headers={"Accept": accept})[1]
            self.assertEqual(headers["content-type"], wanted, accept)

    def connect(self):
        host, port = self.http.address.rsplit(":", 1)
        connection = socket.create_connection((host, int(port)), timeout=30)
        self.addCleanup(connection.close)
        return connection

    def test_bad_guests(self):
        for octets in (b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
                       b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 64_000 + b"\r\n\r\n"):
            connection = self.connect()
            try:
                connection.sendall(octets)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(1000)
            except OSError:
                answer = b""  # eckad did not wait for the end
            self.assertTrue(answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer)
            connection.close()
            self.tearDown()

    def test_connections_do_not_grow(self):
        """More connections than there may be: those that hang on are closed, nothing is left."""
        before = len(os.listdir(f"/proc/{self.deployment.processes['eckad'].pid}/fd"))
        idle = [self.connect() for _ in range(40)]
        during = len(os.listdir(f"/proc/{self.deployment.processes['eckad'].pid}/fd"))
        self.assertLessEqual(during, before + 8)  # HTTP_CONNECTIONS
        for connection in idle:
            connection.close()
        threads = os.listdir(f"/proc/{self.deployment.processes['eckad'].pid}/task")
        for _ in range(50):
            self.assertEqual(self.http.request("/stats.json")[0], 200)
        self.assertEqual(os.listdir(f"/proc/{self.deployment.processes['eckad'].pid}/task"), threads)


if __name__ == "__main__":
    unittest.main()
