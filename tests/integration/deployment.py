"""A throw-away deployment: provisioned by tools/provision, started, and ended by pid.

    with Deployment(custodians=2) as d: ...

Supervised (the default) it runs under `eckactl up`; otherwise the test starts and stops the
processes itself. Ending it checks that every process ended well and that no sanitizer complained.
"""
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import zmq

import curves
import ecka_client
import gpki

SOURCE = pathlib.Path(os.environ["ECKA_SOURCE"])
BUILD = pathlib.Path(os.environ["ECKA_BUILD"])
OPERATIONS = ("Verify", "VerifyChain", "Establish", "Confirm", "Scp80Wrap", "Scp80Unwrap", "Info")
START_SECONDS = 60  # an ASan build on a busy machine; a good start takes one
STOP_SECONDS = 60
SANITIZER = re.compile(r"(ERROR|WARNING): (Address|Leak|Thread)Sanitizer|runtime error:")


class Process:
    """A program with its output in a log file."""

    def __init__(self, name, command, env, log):
        self.name, self.log = name, log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(command, env=env, stdout=out, stderr=out,
                                          stdin=subprocess.DEVNULL)
        self.pid = self.popen.pid

    def output(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, text, times=1):
        deadline = time.monotonic() + START_SECONDS
        while self.output().count(text) < times:
            if self.popen.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.popen.returncode}:\n"
                                     f"{self.output()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} never said '{text}':\n{self.output()}")
            time.sleep(0.02)

    def stop(self):
        """SIGTERM; the exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"{self.name} did not end:\n{self.output()}") from None

    def kill(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()


class Deployment:
    def __init__(self, custodians=1, supervised=True, extra_args=()):
        self.supervised, self.custodians = supervised, custodians
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="eckad-"))
        self.processes, self.clients = {}, []
        try:
            provision = subprocess.run(
                [SOURCE / "tools" / "provision", self.path, "--bin", BUILD,
                 "--custodians", str(custodians), *extra_args],
                capture_output=True, text=True, check=False, timeout=120)
            if provision.returncode != 0:
                raise AssertionError(f"provision failed: {provision.stdout}{provision.stderr}")
            exports = re.findall(r"^export (\w+)='(.*)'$", (self.path / "env").read_text(), re.M)
            self.env = {**os.environ, **dict(exports)}
            self.endpoint = self.env["ECKA_ENDPOINT"]
            self.server_key = self.read_key("eckad.key.pub")["public"].encode()
            self.keys = {"beta": self._pair("beta.key")}
        except BaseException:
            shutil.rmtree(self.path, ignore_errors=True)
            raise

    # -- configuration, before start() --

    def read_key(self, name):
        lines = (self.path / name).read_text().splitlines()
        assert lines[0] == "eckad-curve-key 1", lines[0]
        return dict(line.split(" ", 1) for line in lines[1:])

    def _pair(self, name):
        key = self.read_key(name)
        return key["public"].encode(), key["secret"].encode()

    def config(self):
        return (self.path / "eckad.yaml").read_text()

    def set_config(self, text):
        (self.path / "eckad.yaml").write_text(text)

    def policy(self):
        return (self.path / "policy.yaml").read_text()

    def set_policy(self, text):
        (self.path / "policy.yaml").write_text(text)

    def add_principal(self, name, operations=OPERATIONS, **more):
        """more: further fields of it, as YAML."""
        public, secret = zmq.curve_keypair()
        self.keys[name] = (public, secret)
        fields = "".join(f"    {field}: {value}\n" for field, value in more.items())
        self.set_policy(self.policy().rstrip("\n") + f"\n  - name: {name}\n"
                        f"    keys: ['{public.decode()}']\n"
                        f"    operations: [{', '.join(operations)}]\n" + fields)

    def pin_ci(self, name, ci, sha256=None):
        self._pin("ci", name, ci.der, sha256 or ci.sha256.hex(), "")

    def pin_eum(self, name, eum, ca_id, sha256=None):
        self._pin("eum", name, eum.der, sha256 or eum.sha256.hex(), f', ca_id: "{ca_id.hex()}"')

    def _pin(self, kind, name, der, sha256, more):
        (self.path / "trust" / name).write_bytes(der)
        head = f"  {kind}:\n"
        assert self.policy().count(head) == 1, f"no '{kind}:' in the trust block"
        self.set_policy(self.policy().replace(
            head, f'{head}    - {{ file: {name}, sha256: "{sha256}"{more} }}\n'))

    def sr_certificates(self):
        """{curve number: (sr_key_id, point)} of the certificates in sr-certs."""
        out = {}
        for file in sorted((self.path / "sr-certs").glob("*.der")):
            der = file.read_bytes()
            ((_, body),) = gpki.tlvs(der)
            key = dict(gpki.tlvs(dict(gpki.tlvs(body))[0x7F49]))
            curve = next(c for c in curves.ALL if c.ref == key[0xF0][0])
            out[curve.number] = (hashlib.sha256(der).digest(), key[0xB0])
        return out

    # -- processes --

    def spawn(self, name, command):
        process = Process(name, command, self.env, self.path / f"{name}.log")
        self.processes[name] = process
        return process

    def program(self, name):
        return str(self.path / "bin" / name)

    def custodian_config(self, i):
        return str(self.path / f"c{i}.yaml")

    def start(self):
        if self.supervised:
            command = [self.program("eckactl"), "up", "--eckad", str(self.path / "eckad.yaml")]
            for i in range(1, self.custodians + 1):
                command += ["--custodian", self.custodian_config(i)]
            self.spawn("up", command).wait_for("eckactl: up")
        else:
            for i in range(1, self.custodians + 1):
                self.start_custodian(i)
            self.start_eckad()
        return self

    def start_custodian(self, i):
        process = self.spawn(f"c{i}", [self.program("eckad-custodian"), "--config",
                                       self.custodian_config(i)])
        process.wait_for(f"eckad-custodian c{i}: ready")
        return process

    def start_eckad(self, name="eckad"):
        """Also again, after it ended; name: of its configuration and its log."""
        log = self.path / f"{name}.log"
        before = log.read_text().count("eckad: ready") if log.exists() else 0
        process = self.spawn(name, [self.program("eckad"), "--config",
                                    str(self.path / f"{name}.yaml")])
        process.wait_for("eckad: ready", before + 1)
        return process

    def run_eckad(self):
        """Runs eckad to its end, for configurations that must not start: (status, output)."""
        done = subprocess.run([self.program("eckad"), "--config", str(self.path / "eckad.yaml")],
                              env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=START_SECONDS, check=False)
        return done.returncode, done.stdout

    def children(self):
        """{program name and configuration: pid} of what the supervisor runs now."""
        up = self.processes["up"].pid
        out = {}
        for pid in pathlib.Path(f"/proc/{up}/task/{up}/children").read_text().split():
            try:
                args = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            config = [pathlib.Path(a).stem for a in args if a.endswith(".yaml")]
            out[config[-1] if config else args[0]] = int(pid)
        return out

    # -- clients and tools --

    def client(self, principal="beta", **options):
        client = ecka_client.Client(self.endpoint, self.server_key, self.keys[principal], **options)
        self.clients.append(client)
        return client

    def smsr_change(self, *args, timeout=300):
        """`smsr-change run` with these arguments; its output. It must succeed."""
        done = subprocess.run(
            [self.program("smsr-change"), "run", "--dir", str(self.path), "--endpoint",
             self.endpoint, "--server-key", str(self.path / "eckad.key.pub"), "--key-file",
             str(self.path / "beta.key"), *map(str, args)],
            env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=timeout, check=False)
        if done.returncode != 0 or SANITIZER.search(done.stdout):
            raise AssertionError(f"smsr-change {args} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def audit(self, verb, *args):
        """`eckactl audit` with the checkpoint key; it must succeed."""
        done = subprocess.run([self.program("eckactl"), "audit", verb, "--key",
                               str(self.path / "checkpoint.pem"), *map(str, args)], env=self.env,
                              capture_output=True, text=True, timeout=START_SECONDS, check=False)
        if done.returncode != 0:
            raise AssertionError(f"audit {verb} {args} ended with {done.returncode}:\n"
                                 f"{done.stdout}{done.stderr}")
        return done.stdout

    # -- the end --

    def audit_faults(self):
        """Whatever happened: each custodian's log verifies, to where it may have been killed."""
        faults = []
        for folder in sorted(self.path.glob("audit-c*")):
            try:
                self.audit("verify", "--whole", "--unfinished", folder)
            except AssertionError as error:
                faults.append(str(error))
        return faults

    def stop(self):
        """Ends every process, eckad first; complains about a bad end or a sanitizer's report."""
        for client in self.clients:
            client.close()
        faults = []
        order = sorted(self.processes.values(), key=lambda p: p.name not in ("eckad", "up"))
        for process in order:
            ended = process.popen.poll()
            try:
                status = process.stop()
                if ended is None and status != 0:
                    faults.append(f"{process.name} ended with {status}:\n{process.output()}")
            except AssertionError as error:
                faults.append(str(error))
            if SANITIZER.search(process.output()):
                faults.append(f"{process.name}:\n{process.output()}")
        self.processes.clear()
        faults += self.audit_faults()
        shutil.rmtree(self.path, ignore_errors=True)
        if faults:
            raise AssertionError("\n".join(faults))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()
            return
        try:
            self.stop()
        except AssertionError as error:
            print(error)
