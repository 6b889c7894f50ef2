"""Each call of PKCS#11 that an operation makes fails in turn, in each way that the standard allows,
and hangs, is late, crashes and finds the token gone.

Whatever happens: each request is answered once, with a result that is right or a status that a
client may try again; soon after the fault has ended everything is served again; and the audit log
verifies. The test has the card's and the partner's keys, and so sees every wrong answer.
"""
import hashlib
import os
import random
import re
import secrets
import subprocess
import time
import unittest

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding

import beta
import card as cards
import curves
import ecka_pb2 as pb
import gpki
import pkcs11_faults
import scripted
from deployment import OPERATIONS, SOURCE, Deployment
from ecka_client import NAMES, NoReply, names

LONG = bool(os.environ.get("ECKA_TEST_LONG"))
SEED = int(os.environ.get("ECKA_SEED") or secrets.randbelow(1 << 32))
SAMPLE = 60  # faults tried by `./dev test`
LABEL, KEK_LABEL, KEK = "demo-sign", "partner-1", secrets.token_bytes(32)
MEMORY, TOKEN = 2, 1
RECOVERY_SECONDS = 5  # from the end of a fault; a machine that is busy with other tests gets more
PATIENCE = RECOVERY_SECONDS if os.environ.get("ECKA_TEST_STRICT") else 30
RETRY = {name for name in re.findall(r"^STATUS\((\w+), \d+, RETRY,", (
    SOURCE / "proto" / "status.def").read_text(), re.M)}
CUSTODY = ("Sign", "Agree", "Reseal", "Rewrap", "KeySetCreate")
# Beside return values. A hang ends with the script; the custodian does not wait for that.
DEEDS = ("delay 30", "hang", "crash", "reset", "vanish for 400",
         "vanish CKR_TOKEN_NOT_PRESENT for 400", "rv 0x80000042")


class Sweep(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment = d = Deployment()
        cls.addClassCleanup(d.stop)
        cls.pki = beta.Pki(d)
        d.add_principal("gamma", OPERATIONS + CUSTODY, sign_keys=[LABEL], keks=[KEK_LABEL])
        cls.import_kek()
        cls.keys("grant", "--principal", "gamma", "--kek", KEK_LABEL, "--quota", "1000000")
        cls.points = {}
        for line in (d.path / "keys.txt").read_text().splitlines():
            _, purpose, _, _, *label, point = line.split(" ")
            if point != "-":
                cls.points[" ".join(label)] = cls.points[purpose] = bytes.fromhex(point)
        d.set_config(d.config() + "custodian_timeout_ms: 1500\n")
        cls.script_module()
        d.start()
        cls.client = d.client("gamma")
        key_id, point = d.sr_certificates()[1]
        cls.sr = curves.P256, key_id, point
        cls.done = beta.Handover(cls.client, cls.pki.card(), cls.sr)
        assert cls.done.confirm() == "OK"
        cls.operations = {name.removeprefix("op_"): getattr(cls, name)
                          for name in sorted(dir(cls)) if name.startswith("op_")}

    @classmethod
    def keys(cls, verb, *args):
        done = subprocess.run([cls.deployment.program("eckactl"), "keys", verb, *map(str, args),
                               "--custodian", cls.deployment.custodian_config(1)],
                              env=cls.deployment.env, capture_output=True, text=True, timeout=120,
                              check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @classmethod
    def import_kek(cls):
        transport = serialization.load_pem_public_key(cls.keys("import-kek", "--begin").encode())
        sha1 = hashes.SHA1()
        wrapped = cls.deployment.path / "kek.wrapped"
        wrapped.write_bytes(transport.encrypt(KEK, padding.OAEP(padding.MGF1(sha1), sha1, None)))
        wrapped.chmod(0o600)
        cls.keys("import-kek", "--name", KEK_LABEL, "--finish", wrapped)

    @classmethod
    def script_module(cls):
        """The scripted module in the place of SoftHSM, and a custodian that waits for no hang."""
        config = cls.deployment.path / "c1.yaml"
        text = config.read_text()
        real = re.search(r"module-path=([^\"]+)", text).group(1)
        cls.script = scripted.Script(cls.deployment.path, real)
        cls.deployment.env.update(cls.script.env)
        config.write_text(text.replace(real, str(scripted.MODULE)) + "call_timeout_ms: 700\n")

    # -- the operations: (request, what its result must be) --

    @classmethod
    def op_establish(cls, custody=MEMORY):
        card = cls.pki.card()

        def check(result):
            card.establish(result.store_data[0], cls.sr[0], cls.sr[2])
            assert list(result.custody[1:3]) == [custody, custody]
            assert result.tickets[0]
        return {"establish": beta.establish([card], cls.sr[1], custody=custody)}, check

    @classmethod
    def op_establish_token(cls):
        return cls.op_establish(TOKEN)

    @classmethod
    def op_confirm(cls):
        done = cls.done

        def check(result):
            assert result.kcvs == done.card.keys.kcvs()
            assert result.key_sets[0]
        return {"confirm": beta.confirm([done.card], [done.ticket], [done.receipt])}, check

    @classmethod
    def op_sign(cls):
        documents = [secrets.token_bytes(40) for _ in range(3)]
        digests = b"".join(hashlib.sha256(d).digest() for d in documents)

        def check(result):
            for i, document in enumerate(documents):
                if result.item_status[i] == 0:
                    gpki.verify_raw(cls.points[LABEL], curves.P256,
                                    result.signatures[64 * i:64 * i + 64], document)
        return {"sign": pb.Sign(key_label=LABEL, digests=digests)}, check

    @classmethod
    def op_agree(cls, custody=MEMORY):
        _, peer = curves.BRAINPOOL.keypair()

        def check(result):
            assert curves.BRAINPOOL.contains(curves.decode(result.epks))
            assert list(result.custody[1:3]) == [custody, custody] and result.key_blobs[0]
        return {"agree": pb.Agree(curve=2, peers=peer, shared_infos=[b"info"], length=48,
                                  custody=custody)}, check

    @classmethod
    def op_agree_token(cls):
        return cls.op_agree(TOKEN)

    @classmethod
    def sets(cls):
        return {"key_sets": [cls.done.key_set], "eids": cls.done.card.eid,
                "kvns": bytes([cls.done.kvn])}

    @classmethod
    def op_reseal(cls):
        def check(result):
            assert list(result.key_sets) == [cls.done.key_set]
        return {"reseal": pb.Reseal(**cls.sets())}, check

    @classmethod
    def op_rewrap(cls):
        keys = cls.done.card.keys

        def check(result):
            assert aes_key_unwrap_with_padding(KEK, result.wrapped[0]) == \
                keys.enc + keys.mac + keys.dek
            gpki.verify_raw(cls.points["checkpoint"], curves.P256, result.signatures,
                            result.manifests[0])
        return {"rewrap": pb.Rewrap(kek_label=KEK_LABEL, **cls.sets())}, check

    @classmethod
    def op_scp80_wrap(cls):
        done, payload = cls.done, secrets.token_bytes(20)
        counter = 1 + secrets.randbelow(1 << 30)

        def check(result):
            spi, _, _, tar, at, plain = cards.open_command(done.card.keys, result.packets[0])
            assert (spi, tar, at, plain) == (b"\x16\x39", b"\0\0\1", counter, payload)
        return {"scp80_wrap": beta.wrap(done.card, done.key_set, done.kvn, counter, payload)}, check

    # -- one request --

    def ask(self, operation):
        """Its statuses; a result must be right, and a failure one that may be tried again."""
        request, check = operation()
        reply = self.client.call(deadline_us=4_000_000, timeout=PATIENCE, **request)
        if reply.status != 0:
            self.assertIn(NAMES[reply.status], RETRY, reply.detail)
            return {NAMES[reply.status]}
        result = getattr(reply, next(iter(request)))
        statuses = set(names(result.item_status))
        self.assertLessEqual(statuses, RETRY | {"OK"})
        if "OK" in statuses:
            check(result)
        return statuses

    def served(self, operation):
        """Everything is as before; PATIENCE after the fault's end at the latest."""
        start = time.monotonic()
        while self.ask(operation) != {"OK"}:
            self.assertLess(time.monotonic() - start, PATIENCE, "not served again")
            time.sleep(0.02)
        return time.monotonic() - start

    # -- the sweep --

    def calls_of(self, operation):
        """{function: how often a request calls it}: the least of a few, as others call as well."""
        least = {}
        for _ in range(4):
            before = self.script.calls()
            self.assertEqual(self.ask(operation), {"OK"})
            after = self.script.calls()
            for name, count in after.items():
                made = count - before[name]
                least[name] = min(least.get(name, made), made)
        return {name: count for name, count in least.items() if count > 0}

    def faults(self):
        """(operation, function, which call, deed) of all of them."""
        out = []
        for name, operation in self.operations.items():
            for call, count in self.calls_of(operation).items():
                self.assertIn(call, pkcs11_faults.ALLOWED)
                deeds = [f"rv {value}" for value in pkcs11_faults.ALLOWED[call]] + list(DEEDS)
                out += [(name, call, nth, deed) for nth in range(1, count + 1) for deed in deeds]
        return out

    def test_each_call_fails_in_each_way(self):
        every = self.faults()
        print(f"\nseed {SEED}: {len(every)} faults of {len(self.operations)} operations")
        chosen = every if LONG else random.Random(SEED).sample(every, SAMPLE)
        statuses, slowest = {}, (0.0, None)
        for name, call, nth, deed in chosen:
            with self.subTest(operation=name, fault=f"{call} {nth} {deed}", seed=SEED):
                operation = self.operations[name]
                self.script.play(f"on {call} nth {nth} {deed}")
                for status in self.ask(operation):
                    statuses[status] = statuses.get(status, 0) + 1
                self.script.play()
                took = self.served(operation)
                slowest = max(slowest, (took, f"{name}: {call} {nth} {deed}"))
        with self.assertRaises(NoReply):  # no second answer to any of them
            self.client.receive(0.5)
        print(f"{len(chosen)} faults tried; answered {statuses}; the longest until served again "
              f"{slowest[0]:.2f} s, {slowest[1]}")
        self.assertGreater(sum(n for s, n in statuses.items() if s != "OK"), len(chosen) // 4)


if __name__ == "__main__":
    unittest.main()
