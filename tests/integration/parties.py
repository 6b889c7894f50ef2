"""The parties of SM-SR Change as processes of their own, and two eckads for the two Betas: what the
tests of them share.
"""
import re
import sqlite3
import subprocess

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
        return (command, "--listen", self.at(name), "--alpha", self.at("alpha"), "--beta",
                self.at("beta1"), "--beta", self.at("beta2"), *self.patience, *args)

    def all_eids(self):
        return self.eids.read_text().split()

    def rows(self, store, sql):
        with sqlite3.connect(self.path / store) as db:
            return db.execute(sql).fetchall()


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
