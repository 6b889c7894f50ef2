"""Nothing that a guest says becomes a line of a log, or moves the cursor of who reads it."""
import re
import socket
import unittest

import zmq

import beta
import ecka_pb2 as pb
from deployment import Deployment
from ecka_client import NAMES, Client
from observe import Observer

FORGED = "\neckad: ALARM: forged\r\neckad-custodian c1: ready\x1b[2J\x1b]0;t\x07\x7f\x08%s%n\u202e\x85"
LABEL = "\neckad: ALARM: forged\x1b[2J\r"  # as long as a label may be
NAME = FORGED.replace("/", "")
LINE = re.compile(r"^(eckad: |eckad-custodian (c1|-): )[ -~\u2014]*$")  # a checkpoint has a dash


class Injection(unittest.TestCase):
    def setUp(self):
        self.deployment = d = Deployment(supervised=False)
        self.addCleanup(d.stop)
        d.add_principal("delta", ("Verify", "Sign", "Rewrap", "VerifyChain", "Establish", "Info"))
        self.pki = beta.Pki(d)
        # What is not a guest's: names of files, as a careless hand may make them.
        (d.path / "sr-certs" / (NAME + ".der")).write_bytes(b"no certificate")
        d.start_custodian(1)
        d.start_eckad()
        self.client = d.client("delta")

    def logs(self):
        return [p.output() for p in self.deployment.processes.values()]

    def lines_are_ours(self):
        for log in self.logs():
            for line in log.removesuffix("\n").split("\n"):
                self.assertRegex(line, LINE)
            self.assertNotIn("\neckad: ALARM: forged", log)
            self.assertEqual(log.count(": ready\n"), 1)

    def test_files_with_such_names(self):
        custodian = self.deployment.processes["c1"].output()
        self.assertIn(r"\x0aeckad: ALARM: forged\x0d\x0aeckad-custodian c1: ready\x1b[2J", custodian)
        self.lines_are_ours()

    def test_what_clients_say(self):
        eid = bytes.fromhex("89049032") + bytes(12)
        for op in ({"sign": pb.Sign(key_label=FORGED, digests=bytes(32))},
                   {"sign": pb.Sign(key_label=LABEL, digests=bytes(32))},
                   {"rewrap": pb.Rewrap(kek_label=LABEL, key_sets=[LABEL.encode()], eids=eid,
                                        kvns=b"\1")},
                   {"rewrap": pb.Rewrap(kek_label=FORGED, key_sets=[FORGED.encode()], eids=eid,
                                        kvns=b"\1")},
                   {"verify_chain": pb.VerifyChain(eids=FORGED.encode()[:16], eums=[FORGED.encode()],
                                                   ecasd_certs=[FORGED.encode()])},
                   {"verify": pb.Verify(curve=1, public_keys=FORGED.encode().ljust(65, b"\n")[:65],
                                        digests=bytes(32), signatures=bytes(64))}):
            reply = self.client.call(**op)
            print(next(iter(op)), NAMES[reply.status], reply.detail)
            self.assertNotIn("\n", reply.detail)
            self.assertNotIn("\x1b", reply.detail)
        self.client.send_raw(FORGED.encode())
        self.client.receive()
        self.lines_are_ours()

    def test_routing_ids_and_strangers(self):
        d = self.deployment
        for key in (d.keys["delta"], zmq.curve_keypair()):
            context = zmq.Context()
            named = context.socket(zmq.DEALER)
            named.linger, named.routing_id = 0, FORGED.encode()
            named.curve_serverkey = d.server_key
            named.curve_publickey, named.curve_secretkey = key
            named.connect(d.endpoint)
            named.send(FORGED.encode())
            answered = named.poll(1000) != 0
            self.assertEqual(answered, key is d.keys["delta"])
            named.close()
            context.term()
        with self.assertRaises(Exception):
            Client(d.endpoint, None, None).call(info=pb.Info(), timeout=0.5)
        self.lines_are_ours()

    def test_http(self):
        address = Observer(self.deployment).http.address
        host, port = address.rsplit(":", 1)
        text = FORGED.encode()
        for request in (b"GET /" + text + b" HTTP/1.1\r\nHost: " + address.encode() + b"\r\n\r\n",
                        text + b" / HTTP/1.1\r\nHost: a\r\n\r\n",
                        b"GET / HTTP/1.1\r\nHost: " + text + b"\r\n\r\n",
                        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + text + b"\r\n" + text + b"\r\n\r\n"):
            with socket.create_connection((host, int(port))) as s:
                s.settimeout(15)
                s.sendall(request)
                s.shutdown(socket.SHUT_WR)
                answer = b""
                try:
                    while part := s.recv(4096):
                        answer += part
                except OSError:
                    pass  # a reset
                self.assertNotIn(b"forged", answer)
        self.lines_are_ours()

    def test_the_pattern_would_see_one(self):
        for line in ("eckad: \x1b[2J", "forged", "eckad: a\x85", "eckad-custodian c2: x", ""):
            self.assertNotRegex(line, LINE)


class Hosts(unittest.TestCase):
    """A browser that somebody's page sends to loopback asks under that page's name."""

    def start(self, edit=lambda text: text):
        d = Deployment(supervised=False)
        self.addCleanup(d.stop)
        d.set_config(edit(d.config()))
        d.start_eckad()
        return Observer(d).http

    def statuses(self, http, *hosts):
        return [http.request("/healthz", headers={"Host": host})[0] for host in hosts]

    def test_by_address_or_as_localhost(self):
        http = self.start()
        self.assertEqual(self.statuses(http, http.address, "127.0.0.1", "localhost", "LOCALHOST:1",
                                       "[::1]", "[::1]:9570", "10.1.2.3:80"), [200] * 7)
        refused = ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:9570", "[::1",
                   "[evil]", "evil:localhost", "::1", "127.0.0.1 evil", "", "x" * 300)
        self.assertEqual(self.statuses(http, *refused), [421] * len(refused))
        for path in ("/", "/metrics", "/stats.json", "/readyz"):
            self.assertEqual(http.request(path, headers={"Host": "evil.example"})[0], 421)

    def test_what_is_public_answers_to_every_name(self):
        http = self.start(lambda text: re.sub(r'(http: \{ listen: "[^"]+")', r"\1, public: true", text))
        self.assertEqual(self.statuses(http, "eckad.example:9570", http.address), [200, 200])


if __name__ == "__main__":
    unittest.main()
