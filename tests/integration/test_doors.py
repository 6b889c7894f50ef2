"""The sockets by which the parties of SM-SR Change speak to each other: CURVE, by key and by party.
"""
import itertools
import shutil
import socket
import unittest

import zmq

import es_pb2 as es
from deployment import Deployment
from parties import Parties, Voice, envelope


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Doors(unittest.TestCase):
    """Who gets in at a party's socket: whoever has a party's key, and as that party alone."""

    @classmethod
    def setUpClass(cls):
        cls.deployment = Deployment(custodians=1, supervised=False)
        cls.addClassCleanup(cls.deployment.stop)
        cls.deployment.start()

    def setUp(self):
        d = self.deployment
        self.parties = Parties(d, d.path / self._testMethodName, 1, [d.endpoint],
                               [d.path / "beta.key"])
        self.addCleanup(self.parties.kill_all)
        (self.eid,) = self.parties.all_eids()
        self.numbers = itertools.count()

    def start_at(self, name, address):
        """A party that listens there instead."""
        self.parties.at = (lambda at: lambda n: address if n == name else at(n))(self.parties.at)
        self.parties.start(name)

    def voice(self, there, *keys):
        here = f"ipc://{self.parties.path}/voice{next(self.numbers)}"
        voice = Voice(here, there, *keys)
        self.addCleanup(voice.close)
        return voice

    def prepare(self, voice, sender=es.OPERATOR, seconds=0.5):
        """Asks Beta, as that party; what it answers."""
        voice.push.setsockopt(zmq.SNDTIMEO, int(1000 * seconds))
        try:
            voice.say(envelope(sender, es.BETA, self.eid, voice.here, prepare_smsr_change=es.Change(
                smsr_id="alpha.sm-sr.example", validity_s=60)))
        except zmq.Again:
            return None
        return voice.hear(seconds)

    def check_door(self, there):
        operator, beta = self.parties.key_of("operator"), self.parties.key_of("beta")
        stranger = zmq.curve_keypair()
        answer = self.prepare(self.voice(there, operator, beta[0]), seconds=20)
        self.assertEqual(answer.prepare_smsr_change_answer.result, es.EXECUTED_SUCCESS)
        rows = "SELECT rev FROM euicc"
        (before,) = self.parties.rows("beta.db", rows)
        # Nobody's key is refused by name, and without CURVE there is no handshake at all.
        refused = self.voice(there, stranger, beta[0])
        self.assertEqual(refused.wait_event(zmq.EVENT_HANDSHAKE_FAILED_AUTH,
                                            zmq.EVENT_HANDSHAKE_SUCCEEDED),
                         (zmq.EVENT_HANDSHAKE_FAILED_AUTH, 400))
        self.assertIsNone(self.prepare(refused))
        clear = self.voice(there)
        failed = (zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)
        self.assertIn(clear.wait_event(*failed, zmq.EVENT_HANDSHAKE_SUCCEEDED)[0], failed)
        self.assertIsNone(self.prepare(clear))
        # A party's key lets in that party: who says to be another one is not heard.
        for sender in es.ALPHA, es.BETA, es.EUICC:
            self.assertIsNone(self.prepare(self.voice(there, operator, beta[0]), sender))
        self.assertEqual(self.parties.rows("beta.db", rows), [before])
        log = self.parties.processes["beta1"].output()
        self.assertIn("a connection was refused: its key is no party's", log)
        self.assertIn("a message says that it is from another party", log)
        answer = self.prepare(self.voice(there, operator, beta[0]), seconds=20)
        self.assertEqual(answer.prepare_smsr_change_answer.result, es.EXECUTED_SUCCESS)

    def test_over_ipc(self):
        self.parties.start("beta1")
        self.check_door(self.parties.at("beta1"))

    def test_over_tcp(self):
        address = f"tcp://127.0.0.1:{unused_port()}"
        self.start_at("beta1", address)
        self.check_door(address)

    def test_each_party_says_its_own(self):
        """An operator who ordered a change cannot end it in Beta's words, nor Beta order one."""
        self.parties.start("alpha")
        key, there = self.parties.key_of("alpha")[0], self.parties.at("alpha")
        operator = self.voice(there, self.parties.key_of("operator"), key)
        beta = self.voice(there, self.parties.key_of("beta"), key)
        change = dict(change_id=bytes(range(16)), smsr_change=es.Change(
            smsr_id="beta.sm-sr.example", validity_s=600))
        done = dict(change_id=bytes(range(16)), handover_euicc_answer=es.Answer(
            result=es.EXECUTED_SUCCESS, code="OK"))
        state = "SELECT locked, json IS NOT NULL FROM euicc LEFT JOIN eis USING (eid)"

        def said(voice, sender, **body):
            voice.say(envelope(sender, es.ALPHA, self.eid, voice.here, **body))
            return voice.hear(0.5)

        self.assertIsNone(said(beta, es.BETA, **change))
        self.assertEqual(self.parties.rows("alpha.db", state), [(0, 1)])
        self.assertIsNone(said(operator, es.OPERATOR, **change))  # answered when it is over
        self.assertIsNone(said(operator, es.OPERATOR, **done))
        self.assertEqual(self.parties.rows("alpha.db", state), [(1, 1)])
        log = self.parties.processes["alpha"].output()
        self.assertEqual(log.count("a message is not that party's to say here"), 2)
        beta.say(envelope(es.BETA, es.ALPHA, self.eid, beta.here, **done))
        answer = operator.hear()
        self.assertEqual(answer.smsr_change_answer.result, es.EXECUTED_SUCCESS)
        self.assertEqual(self.parties.rows("alpha.db", state), [(0, 0)])

    def test_nobody_else_is_spoken_to(self):
        """Who listens where Beta should be, and has not its key, learns nothing."""
        stranger = zmq.curve_keypair()
        for keys in ((stranger, stranger[0]), ()):
            ears = self.voice(f"ipc://{self.parties.path}/nobody", *keys)
            output = self.parties.run("operator", "--keys", self.deployment.path / "parties",
                                      "--eid", self.eid, "--listen", self.parties.at("operator"),
                                      "--alpha", self.parties.at("alpha"), "--beta", ears.here,
                                      "--validity", "1", "--peer-patience-ms", "200", expect=1)
            self.assertIn("NO_ANSWER", output)
            self.assertIsNone(ears.hear(0))

    def test_no_key_no_start(self):
        """A key that is missing, or that others may read, keeps a party from starting."""
        keys = self.parties.path / "keys"
        shutil.copytree(self.deployment.path / "parties", keys)
        order = ("operator", "--keys", keys, "--eid", self.eid, "--listen",
                 self.parties.at("operator"), "--alpha", self.parties.at("alpha"), "--beta",
                 self.parties.at("beta1"), "--validity", "1")
        (keys / "operator.key").chmod(0o640)
        self.assertIn("operator.key", self.parties.run(*order, expect=1))
        (keys / "operator.key").chmod(0o600)
        (keys / "beta.key.pub").unlink()
        self.assertIn("has none of a party that is spoken to", self.parties.run(*order, expect=1))
        (keys / "operator.key").unlink()
        self.assertIn("operator.key", self.parties.run(*order, expect=1))
        output = self.parties.run(order[0], *order[3:], expect=2)
        self.assertIn("needs --keys", output)


if __name__ == "__main__":
    unittest.main()
