"""A custodian alone: its token, its certificates, and the messages that eckad would send it.

Nothing here shares code with the custodian but proto/custody/custody.proto and the names in
proto/status.def.
"""
import hashlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

import curves
import custody_pb2
import gpki
import scripted

SOURCE = pathlib.Path(os.environ["ECKA_SOURCE"])
BUILD = pathlib.Path(os.environ["ECKA_BUILD"])
PROGRAM = BUILD / "hsm" / "eckad-custodian"
ECKACTL = BUILD / "service" / "ctl" / "eckactl"
STATUS = {name: int(code) for name, code in re.findall(
    r"^STATUS\((\w+), (\d+),", (SOURCE / "proto" / "status.def").read_text(), re.M)}
NAME_OF = {code: name for name, code in STATUS.items()}
SR_ESTABLISH, GENERIC_SIGN, TICKET, KEYSET, KEK, CHECKPOINT = 1, 2, 3, 4, 5, 6
FRAME_MAX = 128 * 1024
START_SECONDS = 30
SANITIZER = re.compile(r"ERROR: (Address|Leak)Sanitizer|runtime error:")


def softhsm_module():
    for path in sorted(pathlib.Path("/usr/lib").glob("**/softhsm/libsofthsm2.so")):
        return path
    raise AssertionError("SoftHSM is not installed")


def key_id(purpose, generation):
    """CKA_ID, in hex."""
    return (b"ecka\x01" + bytes([purpose]) + generation.to_bytes(4, "big")).hex()


class Token:
    """A directory with an empty SoftHSM, PIN files and a custodian's configuration."""

    def __init__(self, pin="1234", label="eckad"):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="custodian-"))
        for name in ("tokens", "run", "sr-certs"):
            (self.path / name).mkdir()
        self.module = softhsm_module()
        (self.path / "softhsm2.conf").write_text(
            f"directories.tokendir = {self.path}/tokens\nobjectstore.backend = file\n"
            "log.level = ERROR\n")
        self.env = {**os.environ, "SOFTHSM2_CONF": str(self.path / "softhsm2.conf")}
        self.write_pin("pin", pin)
        self.write_pin("so-pin", "87654321")
        self.uri = f"pkcs11:token={label}?module-path={self.module}"
        self.configure()
        self.processes = []

    def write_pin(self, name, pin, mode=0o600):
        file = self.path / name
        file.write_text(pin + "\n")
        file.chmod(mode)

    def configure(self, name="c1", **changes):
        values = {"name": name, "socket": f"run/{name}.sock", "token": self.uri,
                  "pin_file": "pin", "sr_certs": "sr-certs", "lock_file": "run/lock", **changes}
        (self.path / f"{name}.yaml").write_text("".join(
            f'{key}: {value}\n' if isinstance(value, (int, dict)) else f'{key}: "{value}"\n'
            for key, value in values.items() if value is not None))

    def put_script(self, **changes):
        """The scripted module in the place of SoftHSM's; its script says nothing yet."""
        script = scripted.Script(self.path, self.module)
        self.env.update(script.env)
        self.uri = self.uri.replace(str(self.module), str(scripted.MODULE))
        self.configure(**changes)
        return script

    def grant_tars(self, *grants):
        """Adds (principal, TAR) pairs to the configuration as it stands."""
        with open(self.path / "c1.yaml", "a", encoding="utf-8") as file:
            file.write("tars:\n" + "".join(f"  - {{ principal: {name}, tar: 0x{tar:06X} }}\n"
                                           for name, tar in grants))

    def command(self, *args, name="c1"):
        return [str(PROGRAM), "--config", str(self.path / f"{name}.yaml"), *args]

    def keys(self, verb, *args, ok=True):
        """`eckactl keys`: (exit status, stdout, stderr); with ok it has to succeed."""
        done = subprocess.run(
            [ECKACTL, "keys", verb, *map(str, args), "--custodian", self.path / "c1.yaml"],
            env=self.env, capture_output=True, text=True, timeout=START_SECONDS, check=False)
        if ok and done.returncode != 0 or SANITIZER.search(done.stderr):
            raise AssertionError(f"keys {verb} {args} ended with {done.returncode}:\n{done.stderr}")
        return done.returncode, done.stdout, done.stderr

    def file(self, name, octets):
        path = self.path / name
        path.write_bytes(octets)
        path.chmod(0o600)
        return path

    def ceremony(self, *args):
        """(exit status, [purpose, generation, curve, label, point], log)"""
        done = subprocess.run(self.command("--ceremony", "keys-init", *args), env=self.env,
                              capture_output=True, text=True, timeout=START_SECONDS, check=False)
        keys = [re.fullmatch(r"key (\S+) (\d+) (\S+) (eckad \S+ \d+) (\S+)", line).groups()
                for line in done.stdout.splitlines()]
        return done.returncode, keys, done.stderr

    def first_ceremony(self):
        status, keys, log = self.ceremony("--init-token", "--so-pin-file",
                                          str(self.path / "so-pin"))
        assert status == 0, log
        return keys

    def import_kek(self, name, value):
        """Brings a KEK in as another HSM's operator would: wrapped under the transport key."""
        transport = serialization.load_pem_public_key(
            self.keys("import-kek", "--begin")[1].encode())
        sha1 = hashes.SHA1()
        wrapped = transport.encrypt(value, padding.OAEP(padding.MGF1(sha1), sha1, None))
        self.keys("import-kek", "--name", name, "--finish", self.file("kek.wrapped", wrapped))

    def run_tool(self, *args, label="eckad", pin="1234"):
        return subprocess.run([BUILD / "tests" / "pkcs11" / "token-tool", self.module, label, pin,
                               *args], env=self.env, capture_output=True, text=True,
                              timeout=START_SECONDS, check=False)

    def tool(self, *args, **who):
        """Does something with the token behind the custodian's back; its output in lines."""
        done = self.run_tool(*args, **who)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def certify(self, name, curve, point, role=b"\x02"):
        """CERT.SR.ECDSA for a point; its sr_key_id. A custodian does not ask who signed it."""
        fields = [(0x93, b"\x01"), (0x42, b"CI"), (0x5F20, b"SM-SR"), (0x95, b"\x88"),
                  (0x5F24, b"\x20\x40\x12\x31"), (0x73, gpki.tlv(0xC8, role)),
                  (0x7F49, gpki.tlv(0xB0, point) + gpki.tlv(0xF0, bytes([curve.ref])))]
        der = gpki.seal_7f21(fields, gpki.new_key())
        (self.path / "sr-certs" / name).write_bytes(der)
        return hashlib.sha256(der).digest()

    def run_to_its_end(self):
        """Starts a custodian that must not start: (exit status, log)."""
        done = subprocess.run(self.command(), env=self.env, capture_output=True, text=True,
                              timeout=START_SECONDS, check=False)
        return done.returncode, done.stderr

    def start(self, name="c1"):
        process = Custodian(self, name)
        self.processes.append(process)
        return process

    def stop(self):
        try:
            for process in self.processes:
                process.stop()
        finally:
            shutil.rmtree(self.path, ignore_errors=True)


class Custodian:
    def __init__(self, token, name="c1"):
        self.socket_path = str(token.path / "run" / f"{name}.sock")
        self.log = token.path / f"{name}-{len(token.processes)}.log"
        with open(self.log, "wb") as log:
            self.popen = subprocess.Popen(token.command(name=name), env=token.env, stdout=log,
                                          stderr=log)
        self.wait_for(f"eckad-custodian {name}: ready")

    def wait_for(self, sentence, times=1):
        deadline = time.monotonic() + START_SECONDS
        while self.output().count(sentence) < times:
            if self.popen.poll() is not None or time.monotonic() > deadline:
                self.popen.kill()
                raise AssertionError(f"the custodian never said '{sentence}':\n{self.output()}")
            time.sleep(0.01)

    def reload(self):
        """SIGHUP, and waits until it is done."""
        before = self.output().count("reloaded: ")
        self.popen.send_signal(signal.SIGHUP)
        self.wait_for("reloaded: ", before + 1)

    def output(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        status = self.popen.wait(START_SECONDS)
        if status != 0 or SANITIZER.search(self.output()):
            raise AssertionError(f"the custodian ended with {status}:\n{self.output()}")


class Link:
    """One connection, as eckad's custody lane has it."""

    def __init__(self, custodian):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * FRAME_MAX)
        self.socket.connect(custodian.socket_path)  # waits when the backlog is full
        self.socket.settimeout(START_SECONDS)
        self.next_id = 1

    def close(self):
        self.socket.close()

    def exchange(self, frame):
        self.socket.send(frame)
        answer = custody_pb2.Answer()
        answer.ParseFromString(self.socket.recv(2 * FRAME_MAX))
        return answer

    def batch(self, kind, items):
        """[(status name, answered item)] of a batch of this kind."""
        message = custody_pb2.Batch(id=self.next_id)
        self.next_id += 1
        getattr(message, kind).items.extend(items)
        answer = self.exchange(message.SerializeToString())
        assert answer.id == message.id and answer.status == 0, answer
        assert answer.WhichOneof("kind") == kind
        answered = getattr(answer, kind).items
        assert len(answered) == len(items)
        return [(NAME_OF[item.status], item) for item in answered]

    def one(self, kind, item):
        return self.batch(kind, [item])[0]

    def hello(self):
        message = custody_pb2.Batch(id=77, hello=custody_pb2.Hello(version=1))
        answer = self.exchange(message.SerializeToString())
        assert answer.id == 77 and answer.status == 0
        return answer.hello


def establish_item(card, sr, scenario=0x08, **changes):
    fields = {"principal": "beta", "eid": card.eid, "curve": card.curve.number,
              "pk_ecasd": card.point, "sr_key_id": sr, "rc": card.rc or card.challenge(),
              "kvn": 1, "scenario": scenario, "key_usage": 0x10, "counter": 0,
              "expiry": int(time.time()) + 3600}
    if scenario & 0x04:
        fields.update(host_id=b"HOST", sin=card.sin, sdin=card.sdin)
    fields.update(changes)
    return custody_pb2.EstablishItem(**fields)


CURVES = {curve.name: curve for curve in curves.ALL}
