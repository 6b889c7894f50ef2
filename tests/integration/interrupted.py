"""The parties of SM-SR Change under interruptions that a seed draws: each process lives until one of
its writes or messages, which is its last, and begins anew; messages are lost, repeated and late
(tests/preload/interruptions.c).
"""
import collections
import json
import random
import subprocess
import time

from deployment import BUILD, SANITIZER
from parties import SECONDS, Parties

PATIENCE = ("--peer-patience-ms", "250", "--card-patience-ms", "300", "--card-attempts", "30",
            "--sync", "process")
VALIDITY_S = 12
TRIES = 10           # orders of one eUICC in one life of the Fleet Owner
ROUNDS = 8           # of such lives that came to their end and left some out; the last ones are calm
CALM_AFTER = 5
# Of 1000 messages of each party.
LOST, REPEATED, LATE = 15, 15, 10
# Writes and messages in a life, on average: its end is drawn.
MOMENTS = {"network": 500, "alpha": 900, "beta1": 700, "beta2": 700, "fleet": 120}
CHANGES_A_SERVICE = 15  # that end between two kills of an eckad or a custodian, on average
TOLD = -9  # what the end of an interrupted process looks like


class Lane(Parties):
    """One set of parties with its own stores. jobs: changes at a time; with one a seed repeats what
    happened, but for what time does.
    """

    def __init__(self, deployment, directory, count, endpoints, keys, seed, number, jobs):
        super().__init__(deployment, directory, count, endpoints, keys, first=1 + number * 1000000,
                         patience=PATIENCE)
        self.seed, self.number, self.jobs = seed, number, jobs
        self.lives, self.kills, self.rounds = collections.Counter(), collections.Counter(), 0
        self.out = self.path / "out.jsonl"
        self.begun_at = {}  # how long the log of a process was when it began
        self.done = self.calm = False

    def environment(self, name):
        if self.calm:
            return self.deployment.env
        choices = random.Random(f"{self.seed} {self.number} {name} {self.lives[name]}")
        last = 1 + int(choices.expovariate(1 / MOMENTS[name]))
        return {**self.deployment.env,
                "LD_PRELOAD": str(BUILD / "tests" / "preload" / "interruptions.so"),
                "ECKA_INTERRUPTIONS": f"{choices.getrandbits(63)} {last} {LOST} {REPEATED} {LATE}",
                "ECKA_SENT": str(self.path / f"{name}.sent")}

    def arguments(self, name):
        if name == "fleet":
            return self.orders("fleet", "--eids", self.eids, "--rate", "1000000", "--jobs",
                               self.jobs, "--tries", TRIES, "--validity", VALIDITY_S, "--out",
                               self.out)
        return (*super().arguments(name), "--listen", self.at(name))

    def begin(self, name):
        with open(self.path / f"{name}.log", "ab") as log:
            self.begun_at[name] = log.tell()
            self.processes[name] = subprocess.Popen(
                self.command(*self.arguments(name)), env=self.environment(name), stdout=log,
                stderr=log, stdin=subprocess.DEVNULL)
        self.lives[name] += 1

    def begin_all(self):
        for name in MOMENTS:
            self.begin(name)

    def wait_ready(self, name):
        until = time.monotonic() + SECONDS
        while b"ready" not in (self.path / f"{name}.log").read_bytes()[self.begun_at[name]:]:
            if time.monotonic() > until:
                raise AssertionError(f"{name} is never ready:\n{self.log(name)}")
            time.sleep(0.01)

    def kill(self, name):
        process = self.processes.pop(name)
        if process.poll() is None:
            process.kill()
        process.wait()

    def become_calm(self):
        """No more interruptions: every process begins once more, and lives."""
        self.kill_all()
        self.calm = True
        self.begin_all()

    def turn(self):
        """Begins anew what has ended; done when the Fleet Owner says that every change executed."""
        for name, process in list(self.processes.items()):
            status = process.poll()
            if status is None:
                continue
            if status == TOLD:
                self.kills[name] += 1
            elif name != "fleet" or status not in (0, 1):
                raise AssertionError(f"{name} ended with {status}:\n{self.log(name)}")
            elif status == 0:
                self.done = True
                del self.processes[name]
                continue
            else:
                self.end_round()
            self.begin(name)

    def end_round(self):
        self.rounds += 1
        if self.rounds == ROUNDS:
            raise AssertionError(f"lane {self.number}: some stayed Alpha's: {self.left()}")
        if self.rounds == CALM_AFTER and not self.calm:
            del self.processes["fleet"]
            self.become_calm()
            self.kill("fleet")

    def log(self, name):
        return (self.path / f"{name}.log").read_text(errors="replace")[-2000:]

    def outcomes(self):
        """{EID: its last outcome}; a line that an end cut off is none."""
        out = {}
        for line in self.out.read_text().splitlines():
            try:
                outcome = json.loads(line)
            except ValueError:
                continue
            out[outcome["eid"]] = outcome
        return out

    def changes(self):
        """How many changes have."""
        return self.out.read_bytes().count(b"\n") if self.out.exists() else 0

    def left(self):
        return [outcome for outcome in self.outcomes().values()
                if not outcome["result"].startswith("Executed")]

    def settle(self, seconds):
        """In calm, until Beta has done what it does."""
        self.become_calm()
        self.kill("fleet")
        for name in self.processes:
            self.wait_ready(name)
        until = time.monotonic() + seconds
        busy = "SELECT eid, state FROM euicc WHERE state NOT IN ('idle', 'notifying', 'done')"
        while self.rows("beta.db", busy):
            if time.monotonic() > until:
                raise AssertionError(f"never ends: {self.rows('beta.db', busy)}")
            time.sleep(0.05)

    def end(self, *names):
        """Told to end, each says that it ended well."""
        for name in names or list(self.processes):
            process = self.processes.pop(name)
            process.terminate()
            if process.wait(60) != 0 or SANITIZER.search(self.log(name)):
                raise AssertionError(f"{name} ended with {process.returncode}:\n{self.log(name)}")

    def fates(self):
        """How many messages to parties were sent, lost, repeated, late."""
        fates = collections.Counter()
        for path in self.path.glob("*.sent"):
            fates.update(fate for fate, _ in sent(path))
        return fates


class Service:
    """The eckads and custodians of all lanes: after so many changes, drawn by the seed, one of them
    is killed and begins anew.
    """

    NAMES = ("eckad", "second", "c1", "c2")

    def __init__(self, deployment, seed):
        self.deployment, self.choices = deployment, random.Random(f"{seed} service")
        self.kills = collections.Counter()
        self.next = self.draw()

    def draw(self):
        return 1 + int(self.choices.expovariate(1 / CHANGES_A_SERVICE))

    def turn(self, changes):
        """changes: how many have ended."""
        if changes < self.next:
            return
        self.next = changes + self.draw()
        name = self.choices.choice(self.NAMES)
        self.deployment.processes.pop(name).kill()
        if name in ("c1", "c2"):
            self.deployment.start_custodian(int(name[1:]))
        else:
            self.deployment.start_eckad(name)
        self.kills[name] += 1


def sent(path):
    """(what became of it, the Envelope when it was for a card) of each message in a file."""
    octets, at = path.read_bytes(), 0
    while at < len(octets):
        length = int.from_bytes(octets[at + 1:at + 5], "big")
        yield chr(octets[at]), octets[at + 5:at + 5 + length]
        at += 5 + length


def say_again(path, octets):
    """One more message in such a file."""
    with open(path, "ab") as file:
        file.write(b"s" + len(octets).to_bytes(4, "big") + octets)
