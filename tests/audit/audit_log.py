"""Makes audit logs as docs/audit.md says they are, with a key of its own; a log is {file name: bytes}."""
import base64
import datetime
import hashlib
import pathlib
import random
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ORIGIN = "eckad.example/c1"
START = datetime.datetime(2026, 11, 24, 1, 38, 18, 123456)
OPS = ("establish", "confirm", "sign", "agree", "reseal", "rewrap", "key-set-create")
EID = "89049032000000000000000000000000"


class Key:
    def __init__(self):
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.spki = self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.pem = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.id = hashlib.sha256(self.spki).digest()[:4]

    def sign(self, text):
        return self.private.sign(text, ec.ECDSA(hashes.SHA256()))


class Tree:
    """MTH of RFC 6962, section 2.1, as it stands there; perfect subtrees are remembered."""

    def __init__(self):
        self.leaves, self.perfect = [], {}

    def append(self, line):
        self.leaves.append(hashlib.sha256(b"\0" + line).digest())

    def root(self, begin=0, end=None):
        end = len(self.leaves) if end is None else end
        size = end - begin
        if size < 2:
            return self.leaves[begin] if size else hashlib.sha256().digest()
        if (begin, end) in self.perfect:
            return self.perfect[begin, end]
        k = 1 << (size - 1).bit_length() - 1
        root = hashlib.sha256(b"\1" + self.root(begin, begin + k) + self.root(begin + k, end)).digest()
        if size == 2 * k:
            self.perfect[begin, end] = root
        return root

    def nodes(self):
        """The roots of the perfect subtrees that the leaves fill, largest first."""
        nodes, at = [], 0
        while at < len(self.leaves):
            size = 1 << (len(self.leaves) - at).bit_length() - 1
            nodes.append(self.root(at, at + size))
            at += size
        return nodes


def note(key, origin, size, root, fresh):
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\nnew {fresh}\n"
    signature = base64.b64encode(key.id + key.sign(text.encode())).decode()
    return f"{text}\n\u2014 {origin} {signature}\n".encode()


def leaf_line(index, op=None, principal="beta", eid=None, kvn=1, key="eckad sr-establish 1",
              sha256=None, status="OK", count=1, detail=""):
    time = START + datetime.timedelta(microseconds=index * 1_111_111)
    eid = EID[:-6] + f"{index % 10**6:06}" if eid is None else eid
    sha256 = hashlib.sha256(b"%d" % index).hexdigest() if sha256 is None else sha256
    return (f'{{"time":"{time:%Y-%m-%dT%H:%M:%S.%f}Z","op":"{op or OPS[index % len(OPS)]}",'
            f'"principal":"{principal}","eid":"{eid}","kvn":{kvn},"key":"{key}","sha256":"{sha256}",'
            f'"status":"{status}","count":{count},"detail":"{detail}"}}').encode()


class Log:
    """Leaves in batches, each under a checkpoint; a new segment where rotate() is called."""

    def __init__(self, key, origin=ORIGIN):
        self.key, self.origin = key, origin
        self.tree, self.segments, self.notes = Tree(), {}, {}
        self.name = None

    def __len__(self):
        return len(self.tree.leaves)

    def batch(self, lines):
        if self.name is None:
            self.name = f"{len(self):016}.log"
            nodes = ",".join(f'"{node.hex()}"' for node in self.tree.nodes())
            self.put(f'{{"segment":1,"origin":"{self.origin}","first":{len(self)},'
                     f'"nodes":[{nodes}]}}'.encode())
        for line in lines:
            self.tree.append(line)
            self.put(line)
        size = len(self)
        self.notes[size] = note(self.key, self.origin, size, self.tree.root(), len(lines))
        self.put(checkpoint_line(self.notes[size]))

    def leaves(self, count):
        """One more batch of so many."""
        start = len(self)
        self.batch([leaf_line(i) for i in range(start, start + count)])

    def rotate(self):
        self.name = None

    def put(self, line):
        self.segments.setdefault(self.name, bytearray()).extend(line + b"\n")


def checkpoint_line(text):
    return b'{"checkpoint":"' + text.replace(b"\n", b"\\n") + b'"}'


def make(key, batches, rotate_after=(), origin=ORIGIN):
    """Of so many leaves a batch; a new segment after these batches."""
    log = Log(key, origin)
    for number, count in enumerate(batches):
        log.leaves(count)
        if number in rotate_after:
            log.rotate()
    return log


def make_random(key, rng=None, leaves=3000, origin=ORIGIN):
    """Batches of 1 to 256, a segment about every 600 leaves."""
    rng, log = rng or random.Random(1), Log(key, origin)
    while len(log) < leaves:
        start = len(log)
        log.batch([leaf_line(i, principal=rng.choice(("beta", "gamma", "")),
                             status=rng.choice(("OK", "OK", "RECEIPT_MISMATCH")),
                             eid=rng.choice((None, "")), kvn=rng.choice((-1, 0, 7, 15)),
                             detail=rng.choice(("", "step 15", "~!#$%&'()*+,-./:;<=>?@[]^_`{|}")))
                   for i in range(start, start + rng.choice((1, 2, 3, 17, 64, 256)))])
        if rng.random() < 0.1:
            log.rotate()
    return log


def write(segments, directory):
    """Makes the directory hold these files and no other."""
    directory = pathlib.Path(directory)
    directory.mkdir(exist_ok=True)
    for path in directory.iterdir():
        if path.name not in segments:
            path.unlink()
    for name, data in segments.items():
        (directory / name).write_bytes(data)
    return directory


def example():
    """The log of docs/audit.md's example: a start, two cards, a refusal; then a rotation, and a stop."""
    log = Log(Key())
    card = {"eid": "89049032000000000000000000000017", "kvn": 1}
    other = {"eid": "89049032000000000000000000000025", "kvn": 1}
    own = {"eid": "", "kvn": -1, "key": "", "sha256": ""}
    log.batch([leaf_line(0, "start", **{**own, "principal": "c1"}, detail="token eckad, backend ifma")])
    log.batch([leaf_line(1, "establish", **card), leaf_line(2, "establish", **other)])
    log.batch([leaf_line(3, "confirm", **card, key="eckad keyset 1"),
               leaf_line(4, "confirm", **other, key="eckad keyset 1"),
               leaf_line(5, "refused", **own, status="RECEIPT_MISMATCH", count=2, detail="confirm")])
    log.rotate()
    log.batch([leaf_line(6, "sign", eid="", kvn=-1, key="invoices", principal="billing")])
    log.batch([leaf_line(7, "stop", **{**own, "principal": "c1"})])
    return log


if __name__ == "__main__":
    (folder,) = sys.argv[1:]
    made = example()
    write(made.segments, folder)
    (pathlib.Path(folder) / "checkpoint.pem").write_bytes(made.key.pem)
