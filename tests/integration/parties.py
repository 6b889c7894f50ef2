"""The parties of SM-SR Change as processes of their own, and two eckads for the two Betas: what the
tests of them share.
"""
import re
import sqlite3
import subprocess
import time

import zmq
import zmq.utils.monitor

import es_pb2 as es
from deployment import SANITIZER, Deployment, Process

PATIENCE = ("--peer-patience-ms", "600", "--card-patience-ms", "900", "--card-attempts", "8",
            "--sync", "process")
SECONDS = 120  # for what takes a few


class Parties:
    """Six processes on one deployment; each can be ended and started again by its name."""

    def __init__(self, deployment, directory, count, endpoints, keys, first=1, patience=PATIENCE,
                 stock=()):
        self.deployment, self.path, self.patience = deployment, directory, patience
        self.path.mkdir()
        self.eids = self.path / "eids"
        self.endpoints, self.keys = endpoints, keys
        self.processes, self.ended = {}, []
        self.run("stock", "--dir", deployment.path, "--store", self.path / "alpha.db", "--cards",
                 self.path / "cards.db", "--eids", self.eids, "--count", count, "--eids-from",
                 first, *stock)

    def at(self, name):
        return f"ipc://{self.path}/{name}"

    def key_of(self, party):
        """(public, secret)"""
        key = self.deployment.read_key(f"parties/{party}.key")
        return key["public"].encode(), key["secret"].encode()

    def command(self, *args):
        return [self.deployment.program("smsr-change"), *map(str, args)]

    def run(self, *args, expect=0):
        done = subprocess.run(self.command(*args), env=self.deployment.env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False)
        if expect not in (None, done.returncode) or SANITIZER.search(done.stdout):
            raise AssertionError(f"{args} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def arguments(self, name):
        path = self.deployment.path
        if name == "network":
            return ("network", "--dir", path, "--cards", self.path / "cards.db")
        if name == "alpha":
            return ("alpha", "--dir", path, "--store", self.path / "alpha.db", "--beta",
                    self.at("beta1"), "--beta", self.at("beta2"), "--network", self.at("network"),
                    *self.patience)
        n = int(name[-1]) - 1
        return ("beta", "--dir", path, "--store", self.path / "beta.db", "--alpha",
                self.at("alpha"), "--network", self.at("network"), "--endpoint", self.endpoints[n],
                "--server-key", path / "eckad.key.pub", "--key-file", self.keys[n], "--second-set",
                *self.patience)

    def start(self, *names, extra=()):
        for name in names:
            log = self.path / f"{name}.log"
            before = log.read_text().count("ready") if log.exists() else 0
            process = Process(name, self.command(*self.arguments(name), "--listen", self.at(name),
                                                 *extra), self.deployment.env, log)
            self.processes[name] = process
            process.wait_for("ready", before + 1)
        return self

    def kill(self, name):
        self.processes.pop(name).kill()

    def stop(self):
        for name, process in self.processes.items():
            status = process.stop()
            if status != 0 or SANITIZER.search(process.output()):
                self.ended.append(f"{name} ended with {status}:\n{process.output()}")
        self.processes.clear()
        if self.ended:
            raise AssertionError("\n".join(self.ended))

    def kill_all(self):
        for name in list(self.processes):
            self.kill(name)

    def orders(self, command, *args, name="operator"):
        return (command, "--keys", self.deployment.path / "parties", "--listen", self.at(name),
                "--alpha", self.at("alpha"), "--beta", self.at("beta1"), "--beta",
                self.at("beta2"), *self.patience, *args)

    def all_eids(self):
        return self.eids.read_text().split()

    def rows(self, store, sql):
        with sqlite3.connect(self.path / store) as db:
            return db.execute(sql).fetchall()


class Voice:
    """A party made of pyzmq: it listens `here` and speaks to the one `there`, whose key is the
    server key. Keys are pairs (public, secret); without any it speaks in the clear.
    """

    def __init__(self, here, there, own=None, server_key=None):
        self.here, self.context = here, zmq.Context()
        self.pull, self.push = self.context.socket(zmq.PULL), self.context.socket(zmq.PUSH)
        self.push.linger = self.pull.linger = 0
        if own is not None:
            self.pull.curve_server = True
            self.pull.curve_secretkey = self.push.curve_secretkey = own[1]
            self.push.curve_publickey, self.push.curve_serverkey = own[0], server_key
        self.monitor = self.push.get_monitor_socket()
        self.pull.bind(here)
        self.push.connect(there)

    def close(self):
        self.push.disable_monitor()
        for socket in self.monitor, self.pull, self.push:
            socket.close()
        self.context.term()

    def say(self, envelope):
        self.push.send(envelope.SerializeToString())

    def hear(self, seconds=20):
        """The next message; None when none comes in time."""
        return (es.Envelope.FromString(self.pull.recv())
                if self.pull.poll(int(1000 * seconds)) else None)

    def wait_event(self, *events, seconds=20):
        """(event, value) of the next one of these on the connection; None when none comes."""
        until = time.monotonic() + seconds
        while self.monitor.poll(max(0, int(1000 * (until - time.monotonic())))):
            event = zmq.utils.monitor.recv_monitor_message(self.monitor)
            if event["event"] in events:
                return event["event"], event["value"]
        return None


def envelope(sender, receiver, eid, reply_to="", change_id=bytes(16), attempt=0, **body):
    """An Envelope of proto/smsr/es.proto; parties as its enum has them."""
    out = es.Envelope(version=1, eid=bytes.fromhex(eid), change_id=change_id, attempt=attempt,
                      reply_to=reply_to, **body)
    setattr(out, "from", sender)
    out.to = receiver
    return out


def two_eckads(test):
    """(deployment, endpoints, key files): a custodian and an eckad for each of two Betas, who are
    one principal with a key each. It ends with the class of the test.
    """
    d = Deployment(custodians=2, supervised=False)
    test.addClassCleanup(d.stop)
    one = d.config()
    custodians = re.findall(r"^  - \{ name: c\d.*\n", one, re.M)
    second = one.replace(custodians[0], "")
    for file in "sock", "pid":
        second = second.replace(f"eckad.{file}", f"second.{file}")
    (d.path / "second.yaml").write_text(re.sub(r"^http:.*\n", "", second, flags=re.M))
    d.set_config(one.replace(custodians[1], ""))
    subprocess.run([d.program("eckactl"), "keygen", d.path / "beta-too.key"], check=True,
                   stdout=subprocess.DEVNULL)
    other = d.read_key("beta-too.key.pub")["public"]
    d.set_policy(re.sub(r"(name: beta\n    keys: \[)", rf"\1'{other}', ", d.policy()))
    d.start()
    d.start_eckad("second")
    return (d, [d.endpoint, d.endpoint.replace("eckad.sock", "second.sock")],
            [d.path / "beta.key", d.path / "beta-too.key"])
