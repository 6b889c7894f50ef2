"""Who may do what, while eckad runs: each grant with what it refuses, and reloads under load."""
import re
import subprocess
import threading
import time
import unittest
import urllib.request

import zmq

import beta
import card as cards
import curves
import ecka_pb2 as pb
from deployment import OPERATIONS, Deployment
from ecka_client import NAMES, names

PATIENCE = 20.0
UNDER_WAY = 8  # requests of one client at a time, under load


def digits(eid):
    return eid.hex()


class Policy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment = d = Deployment(supervised=False)
        cls.addClassCleanup(d.stop)
        cls.pki = beta.Pki(d)
        for name in "gamma", "delta":
            d.add_principal(name)
        cls.before = d.policy()
        d.start()
        cls.eckad = d.processes["eckad"]
        key_id, point = d.sr_certificates()[1]
        cls.sr = (curves.P256, key_id, point)

    def tearDown(self):
        if self.deployment.policy() != self.before:
            self.put(self.before)

    # -- the policy --

    def metric(self, name):
        with urllib.request.urlopen(self.deployment.env["ECKA_HTTP"] + "/metrics") as answer:
            return int(float(re.search(rf"^{name} (\S+)$", answer.read().decode(), re.M)[1]))

    def ctl(self, *args, status=0):
        done = subprocess.run(
            [self.deployment.program("eckactl"), *args, "--config",
             str(self.deployment.path / "eckad.yaml")], env=self.deployment.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, status, done.stdout)
        return done.stdout

    def wait(self, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline, self.eckad.output())
            time.sleep(0.02)

    def put(self, text):
        """Puts a policy in force."""
        before = self.metric("eckad_policy_generation")
        self.deployment.set_policy(text)
        self.ctl("reload")
        self.wait(lambda: self.metric("eckad_policy_generation") == before + 1)

    def change(self, *changes):
        text = self.deployment.policy()
        for old, new in changes:
            self.assertEqual(text.count(old), 1, old)
            text = text.replace(old, new)
        self.put(text)

    def key(self, principal):
        return self.deployment.keys[principal][0].decode()

    def grant(self, principal, fields):
        """Further fields of a principal, one a line."""
        key = f"    keys: ['{self.key(principal)}']\n"
        self.change((key, key + "".join(f"    {line}\n" for line in fields)))

    # -- requests --

    def chain_statuses(self, client, items):
        return names(client.ok(verify_chain=beta.chain(items)).item_status)

    def handover(self, client, card):
        return beta.Handover(client, card, self.sr, cards.CHECKED)

    # -- reloads --

    def test_revoked_under_load(self):
        """From the reload on everything of the revoked key is denied, on the connection that it
        has; what the others ask goes on, and nobody loses a connection or an answer."""
        request = beta.establish([self.pki.card(number=n) for n in range(1, 5)], self.sr[1])
        loads = {name: Load(self.deployment.client(name), request) for name in ("beta", "gamma")}
        try:
            self.wait(lambda: all(load.answered() > 20 for load in loads.values()))
            refused = self.metric("eckad_connections_refused_total")
            old = self.key("gamma")
            self.change((f"'{old}'", f"'{zmq.curve_keypair()[0].decode()}'"))
            answered = {name: load.answered() for name, load in loads.items()}
            self.wait(lambda: all(load.answered() > answered[name] + 30
                                  for name, load in loads.items()))
        finally:
            for load in loads.values():
                load.finish()
        for load in loads.values():
            self.assertIsNone(load.fault)
        self.assertEqual(set(loads["beta"].seen), {"OK"})
        seen = loads["gamma"].seen  # answers of one connection come in the order they were made
        first = seen.index("DENIED")
        self.assertEqual((set(seen[:first]), set(seen[first:])), ({"OK"}, {"DENIED"}))
        self.assertEqual(self.metric("eckad_connections_refused_total"), refused)
        with self.assertRaises(Exception):  # and the key gets no new connection
            self.deployment.client("gamma").info(timeout=1.0)

    def test_revoked_client_back_again(self):
        client = self.deployment.client("gamma")
        client.info()
        self.change((f"'{self.key('gamma')}'", f"'{zmq.curve_keypair()[0].decode()}'"))
        reply = client.call(info=pb.Info())
        self.assertEqual(NAMES[reply.status], "DENIED")
        self.assertIn("CURVE key", reply.detail)
        self.put(self.before)
        self.assertEqual(client.info().principal, "gamma")

    def test_a_key_is_replaced_and_blobs_stay(self):
        """A principal is its name: what one key began, another one ends."""
        done = self.handover(self.deployment.client("gamma"), self.pki.card(number=11))
        public, secret = zmq.curve_keypair()
        self.deployment.keys["second"] = (public, secret)
        self.change((f"'{self.key('gamma')}'", f"'{public.decode()}'"))
        done.client = self.deployment.client("second")
        self.assertEqual(done.client.info().principal, "gamma")
        self.assertEqual(done.confirm(), "OK")

    def test_added(self):
        public, secret = zmq.curve_keypair()
        self.deployment.keys["late"] = (public, secret)
        with self.assertRaises(Exception):
            self.deployment.client("late").info(timeout=1.0)
        self.put(self.before + f"  - name: late\n    keys: ['{public.decode()}']\n"
                               "    operations: [VerifyChain, Info]\n")
        client = self.deployment.client("late")
        self.assertEqual(client.info().principal, "late")
        self.assertEqual(self.chain_statuses(client, [self.pki.card()]), ["OK"])
        reply = client.call(establish=beta.establish([self.pki.card()], self.sr[1]))
        self.assertEqual((NAMES[reply.status], reply.detail),
                         ("DENIED", "policy grants late no Establish"))

    def test_bad_file_changes_nothing(self):
        client = self.deployment.client("gamma")
        generation = self.metric("eckad_policy_generation")
        failed = self.metric("eckad_policy_reloads_failed_total")
        bad = {
            "operations of beta: no operation is called Everything":
                self.before.replace("operations: [Verify,", "operations: [Everything,", 1),
            "own-ci.der is not the file": self.before.replace(
                self.pki.ci.sha256.hex(), "00" * 32),
        }
        for count, (complaint, text) in enumerate(bad.items(), 1):
            self.assertNotEqual(text, self.before)
            self.deployment.set_policy(text)
            self.assertIn(complaint, self.ctl("policy", "check", status=1))
            self.assertIn(complaint, self.ctl("reload", status=1))  # not even shown to eckad
            self.eckad.popen.send_signal(1)  # SIGHUP
            self.wait(lambda: self.metric("eckad_policy_reloads_failed_total") == failed + count)
            self.assertIn(complaint, self.eckad.output())
            self.assertEqual(self.metric("eckad_policy_reload_failed"), 1)
            self.assertEqual(client.info().principal, "gamma")
        self.assertEqual(self.metric("eckad_policy_generation"), generation)
        self.put(self.before)
        self.assertEqual(self.metric("eckad_policy_reload_failed"), 0)

    # -- rules --

    def test_blocked_eum(self):
        client, card = self.deployment.client(), self.pki.card(number=21)
        self.assertEqual(self.chain_statuses(client, [card]), ["OK"])
        self.put(self.before + f"blocked:\n  eums: ['{self.pki.eum.sha256.hex()}']\n")
        self.assertEqual(self.chain_statuses(client, [card]), ["EUM_BLOCKED"])
        whole = beta.chain([card])
        whole.eums[0] = card.eum.der
        self.assertEqual(names(client.ok(verify_chain=whole).item_status), ["EUM_BLOCKED"])
        result = client.ok(establish=beta.establish([card], self.sr[1]))
        self.assertEqual((names(result.item_status), result.tickets[0]), (["EUM_BLOCKED"], b""))
        self.put(self.before)
        self.assertEqual(self.chain_statuses(client, [card]), ["OK"])

    def test_blocked_eid(self):
        client = self.deployment.client()
        bad, good = self.pki.card(number=31), self.pki.card(number=32)
        done = {c: self.handover(client, c) for c in (bad, good)}
        self.put(self.before + f"blocked:\n  eids: ['{digits(bad.eid)}']\n")
        self.assertEqual(self.chain_statuses(client, [good, bad, good]),
                         ["OK", "EID_BLOCKED", "OK"])
        self.assertEqual(done[bad].confirm(), "EID_BLOCKED")
        self.assertEqual(done[good].confirm(), "OK")

    def test_eid_range(self):
        mine, other = self.pki.card(number=41), self.pki.card(number=51)
        self.assertEqual(digits(mine.eid)[:28], digits(other.eid)[:28])
        gamma, delta = self.deployment.client("gamma"), self.deployment.client("delta")
        done = self.handover(gamma, other)
        common = next(i for i in range(32) if digits(mine.eid)[i] != digits(other.eid)[i])
        self.grant("gamma", [f"eids: ['{digits(mine.eid)[:common + 1]}']"])
        self.assertEqual(self.chain_statuses(gamma, [mine, other]), ["OK", "DENIED"])
        self.assertEqual(self.chain_statuses(delta, [mine, other]), ["OK", "OK"])
        self.assertEqual(done.confirm(), "DENIED")

    def test_quota(self):
        gamma, delta = self.deployment.client("gamma"), self.deployment.client("delta")
        self.grant("gamma", ["quotas: { VerifyChain: 10/d }"])
        three = beta.chain([self.pki.card(number=n) for n in (1, 2, 3)])
        for _ in range(3):
            self.assertEqual(names(gamma.ok(verify_chain=three).item_status), ["OK"] * 3)
        reply = gamma.call(verify_chain=three)
        self.assertEqual(NAMES[reply.status], "BUSY")
        self.assertIn("quota of gamma for VerifyChain", reply.detail)
        self.assertGreater(reply.retry_after_us, 3600 * 10**6)
        self.assertEqual(self.chain_statuses(gamma, [self.pki.card()]), ["OK"])  # the tenth
        for _ in range(5):
            self.assertEqual(names(delta.ok(verify_chain=three).item_status), ["OK"] * 3)
        eleven = beta.chain([self.pki.card(number=n) for n in range(1, 12)])
        self.assertEqual(NAMES[gamma.call(verify_chain=eleven).status], "DENIED")
        generation = self.metric("eckad_policy_generation")
        self.eckad.popen.send_signal(1)  # a reload fills no bucket
        self.wait(lambda: self.metric("eckad_policy_generation") > generation)
        self.assertEqual(NAMES[gamma.call(verify_chain=three).status], "BUSY")

    def test_operation_revoked(self):
        client = self.deployment.client("gamma")
        self.assertEqual(self.chain_statuses(client, [self.pki.card()]), ["OK"])
        key = f"    keys: ['{self.key('gamma')}']\n"
        granted = f"{key}    operations: [{', '.join(OPERATIONS)}]\n"
        self.change((granted, key + "    operations: [Info]\n"))
        reply = client.call(verify_chain=beta.chain([self.pki.card()]))
        self.assertEqual((NAMES[reply.status], reply.detail),
                         ("DENIED", "policy grants gamma no VerifyChain"))
        client.info()

    def test_key_labels(self):
        """Sign and Rewrap name a token key, and none is granted that is not listed."""
        gamma = self.deployment.keys["gamma"][0].decode()
        whole = (f"    keys: ['{gamma}']\n    operations: [{', '.join(OPERATIONS)}]\n",
                 f"    keys: ['{gamma}']\n    operations: [Sign, Rewrap]\n")
        client = self.deployment.client("gamma")

        def ask(label):
            out = []
            for op in ({"sign": pb.Sign(key_label=label, digests=bytes(32))},
                       {"rewrap": pb.Rewrap(kek_label=label, key_sets=[b"k" * 200], eids=bytes(16),
                                            kvns=b"\1")}):
                reply = client.call(**op)
                out.append(reply.detail if reply.status else names(
                    (reply.sign if "sign" in op else reply.rewrap).item_status)[0])
            return out

        self.change(whole)
        none = ["sign_keys of gamma does not list demo-sign", "keks of gamma does not list demo-sign"]
        self.assertEqual(ask("demo-sign"), none)
        self.grant("gamma", ["sign_keys: [demo-sign]"])
        self.assertEqual(ask("demo-sign"), ["OK", none[1]])
        self.assertIn("granted", self.ctl("policy", "explain", "gamma", "Sign", "demo-sign"))
        self.assertIn("denied", self.ctl("policy", "explain", "gamma", "Sign", "other", status=1))
        self.grant("gamma", ["keks: [demo-sign]"])  # and that makes no KEK of it
        self.assertEqual(ask("demo-sign"), ["OK", "DENIED"])

    def test_custody(self):
        client = self.deployment.client("gamma")
        self.handover(client, self.pki.card(number=61))
        self.grant("gamma", ["custody: [token]"])
        reply = client.call(establish=beta.establish([self.pki.card()], self.sr[1]))
        self.assertEqual((NAMES[reply.status], reply.detail),
                         ("DENIED", "custody of gamma does not list memory"))

    # -- the operator --

    def test_check_and_explain(self):
        page = self.ctl("policy", "check")
        self.assertIn("principal gamma: 1 key\n", page)
        self.assertIn("EUM own-eum.der\n", page)
        self.assertEqual(self.ctl("policy", "explain", "gamma", "Confirm"),
                         "granted: operations of gamma lists Confirm\n")
        self.assertEqual(self.ctl("policy", "explain", "omega", "Confirm", status=1),
                         "denied: principals lists no omega\n")
        self.grant("gamma", ["custody: [memory]", "quotas: { Establish: 5/s }"])
        self.assertEqual(self.ctl("policy", "explain", "gamma", "Establish", "token", status=1),
                         "denied: custody of gamma does not list token\n")
        self.assertEqual(self.ctl("policy", "explain", "gamma", "Establish", "memory"),
                         "granted: operations of gamma lists Establish\n"
                         "quota: quotas of gamma allows Establish 5/s\n")
        self.ctl("policy", "explain", "gamma", "Everything", status=2)
        self.ctl("policy", "explain", "gamma", "Verify", "some-key", status=2)

    def test_second_eckad_is_refused_and_a_stale_file_names_nobody(self):
        config = self.deployment.config()
        status, output = self.deployment.run_eckad()
        self.assertEqual(status, 1)
        self.assertIn("is held by a running eckad", output)
        stale = self.deployment.path / "run" / "stale.pid"
        stale.write_text(f"{self.eckad.pid}\n")
        self.addCleanup(self.deployment.set_config, config)
        self.deployment.set_config(config.replace("run/eckad.pid", "run/stale.pid"))
        self.assertIn("no running eckad holds", self.ctl("reload", status=1))


class Load:
    """A client that keeps so many requests under way, until it is told to finish."""

    def __init__(self, client, request):
        self.client, self.request = client, request
        self.seen = []  # statuses of items, and of requests that failed as a whole
        self.fault, self.stopping = None, False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def answered(self):
        return len(self.seen)

    def run(self):
        try:
            waiting = {self.client.submit(establish=self.request) for _ in range(UNDER_WAY)}
            while waiting:
                reply = self.client.receive()
                waiting.remove(reply.id)
                found = names(reply.establish.item_status) if reply.status == 0 else [
                    NAMES[reply.status]]
                for status, ticket in zip(found, reply.establish.tickets):
                    assert (status == "OK") == (ticket != b""), status
                self.seen += found
                if not self.stopping:
                    waiting.add(self.client.submit(establish=self.request))
        except Exception as error:  # shown by the test that looks
            self.fault = error

    def finish(self):
        self.stopping = True
        self.thread.join(PATIENCE)


if __name__ == "__main__":
    unittest.main()
