#!/usr/bin/env python3
"""Verifies eckad's audit logs, by docs/audit.md alone: none of eckad's code is used.

    audit_verify.py --key FILE [option]... DIR...    a log: all directories that hold its segments
    audit_verify.py --key FILE --proof FILE          a proof that `eckactl audit prove` wrote

    --key FILE         public checkpoint keys, PEM; may be repeated
    --checkpoint FILE  a checkpoint that was seen before or elsewhere; may be repeated
    --origin TEXT      whose log it has to be
    --whole            the log has to begin with leaf 0
    --unfinished       what a crash left after the last checkpoint is no finding

Exit status: 0 all holds, 1 a finding, 2 misused. Needs Python 3.9 and python3-cryptography.
"""
import argparse
import base64
import binascii
import datetime
import fcntl
import functools
import hashlib
import os
import pathlib
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

# -- the lines: docs/audit.md, "The lines" --

TEXT = rb"[ !#-\[\]-~]"
NUMBER = rb"(?:0|[1-9][0-9]{0,19})"
ORIGIN = rb"[!#-*,-\[\]-~]{1,64}"
NODE = rb'"[0-9a-f]{64}"'
BASE64 = rb"[A-Za-z0-9+/]+={0,2}"

SEGMENT = re.compile(
    rb'\{"segment":1,"origin":"(' + ORIGIN + rb')","first":(' + NUMBER + rb'),"nodes":\[((?:' +
    NODE + rb"(?:," + NODE + rb')*)?)\]\}')
LEAF = re.compile(
    rb'\{"time":"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})\.[0-9]{6}Z",'
    rb'"op":"[a-z0-9-]{1,32}","principal":"' + TEXT + rb'{0,64}","eid":"(?:[0-9a-f]{32})?",'
    rb'"kvn":(?:-1|0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]),"key":"' + TEXT + rb'{0,96}",'
    rb'"sha256":"(?:[0-9a-f]{64})?","status":"[A-Z0-9_]{1,32}","count":(' + NUMBER + rb"),"
    rb'"detail":"' + TEXT + rb'{0,256}"\}')
CHECKPOINT = re.compile(
    rb'\{"checkpoint":"((' + ORIGIN + rb")\\n" + NUMBER + rb"\\n" + BASE64 + rb"\\nnew " + NUMBER +
    rb"\\n\\n\xe2\x80\x94 \2 " + BASE64 + rb'\\n)"\}')
NOTE = re.compile(rb"((" + ORIGIN + rb")\n(" + NUMBER + rb")\n(" + BASE64 + rb")\nnew (" + NUMBER + rb")\n)\n"
                  rb"((?:\xe2\x80\x94 [^ \n]+ [^\n]*\n)+)")
LINE_MAX = 64 + 64 + 20 + 64 * 67  # the longest segment line
NUMBER_MAX = 2**64 - 1
SEGMENT_NAME = re.compile(r"[0-9]{16}\.log")


class Malformed(Exception):
    pass


def number(text):
    value = int(text)
    if value > NUMBER_MAX:
        raise Malformed
    return value


def decode_base64(text):
    """The bytes, if this is the one way to write them."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Malformed from None
    if base64.b64encode(data) != text:
        raise Malformed
    return data


def der_integer(der, at):
    if der[at:at + 1] != b"\x02" or at + 2 > len(der):
        raise Malformed
    end = at + 2 + der[at + 1]
    return int.from_bytes(der[at + 2:end], "big"), end


def check_der(der):
    """ECDSA-Sig-Value in DER, r and s of 32 bytes at most."""
    if len(der) < 2 or der[0] != 0x30:
        raise Malformed
    r, at = der_integer(der, 2)
    s, _ = der_integer(der, at)
    if max(r, s) >= 2**256:
        raise Malformed
    body = b"".join(bytes([2, n.bit_length() // 8 + 1]) + n.to_bytes(n.bit_length() // 8 + 1, "big")
                    for n in (r, s))
    if der != bytes([0x30, len(body)]) + body:
        raise Malformed


class Checkpoint:
    """A note: text that is signed, and its signatures as (id, DER)."""

    def __init__(self, note, alone=False):
        if not (match := NOTE.fullmatch(note)):
            raise Malformed
        self.text, self.origin = match[1], match[2]
        self.size, self.root = number(match[3]), decode_base64(match[4])
        self.fresh = number(match[5])
        if len(self.root) != 32 or not 0 < self.fresh <= self.size:
            raise Malformed
        self.signatures = []
        for line in match[6].decode("utf-8", "surrogateescape").split("\n")[:-1]:
            name, signature = (part.encode("utf-8", "surrogateescape")
                               for part in line[2:].split(" ", 1))
            if name == self.origin:  # others are witnesses'
                self.take(signature, alone)
        if not self.signatures:
            raise Malformed

    def take(self, signature, alone):
        try:
            data = decode_base64(signature)
            check_der(data[4:])
            self.signatures.append((data[:4], data[4:]))
        except Malformed:
            if alone:
                raise


def parse(line):
    """("segment", origin, first, nodes), ("leaf",) or ("checkpoint", Checkpoint)."""
    if match := LEAF.fullmatch(line):
        try:
            if datetime.datetime(*map(int, match.groups()[:6])).year < 1970 or not number(match[7]):
                raise Malformed
        except ValueError:
            raise Malformed from None
        return ("leaf",)
    if match := CHECKPOINT.fullmatch(line):
        return "checkpoint", Checkpoint(match[1].replace(b"\\n", b"\n"), alone=True)
    if not (match := SEGMENT.fullmatch(line)):
        raise Malformed
    first = number(match[2])
    nodes = [bytes.fromhex(node.strip('"')) for node in match[3].decode().split(",") if node]
    if len(nodes) != bin(first).count("1"):
        raise Malformed
    return "segment", match[1], first, nodes


# -- the tree: RFC 6962, section 2.1 --

def leaf_hash(line):
    return hashlib.sha256(b"\0" + line).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """The first `size` leaves, as the roots of the perfect subtrees that they fill."""

    def __init__(self, size=0, nodes=()):
        self.size, self.nodes = size, list(nodes)

    def append(self, line):
        node, size = leaf_hash(line), self.size
        while size & 1:
            node, size = node_hash(self.nodes.pop(), node), size >> 1
        self.nodes.append(node)
        self.size += 1

    def root(self):
        if not self.nodes:
            return hashlib.sha256(b"").digest()
        return functools.reduce(lambda right, left: node_hash(left, right), reversed(self.nodes))


def climb(index, last, node, path, both=None):
    """Up a path from a node (RFC 9162, 2.1.3.2 and 2.1.4.2); None where it has another length.

    `both` starts as the node and climbs the whole path, node only where siblings stand left of it.
    """
    for sibling in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            node, both = node_hash(sibling, node), both and node_hash(sibling, both)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        elif both:
            both = node_hash(both, sibling)
        else:
            node = node_hash(node, sibling)
        index, last = index >> 1, last >> 1
    return None if last else (node, both)


def inclusion_holds(index, size, leaf, path, root):
    return climb(index, size - 1, leaf, path) == (root, None)


def consistency_holds(old, new, old_root, new_root, path):
    """For 0 < old < new."""
    path = ([old_root] if old & (old - 1) == 0 else []) + list(path)
    index, last = old - 1, new - 1
    while index & 1:
        index, last = index >> 1, last >> 1
    return bool(path) and climb(index, last, path[0], path[1:], path[0]) == (old_root, new_root)


# -- keys --

PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.S)


def load_keys(pem):
    """{id: public key} of a file of PEM keys; ValueError when it holds none, or another kind."""
    keys = {}
    for block in PEM.findall(pem):
        key = serialization.load_pem_public_key(block + b"\n")
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
            raise ValueError("not a P-256 key")
        der = key.public_bytes(serialization.Encoding.DER,
                               serialization.PublicFormat.SubjectPublicKeyInfo)
        keys[hashlib.sha256(der).digest()[:4]] = key
    if not keys:
        raise ValueError("no PUBLIC KEY in PEM")
    return keys


def signature_holds(key, der, text):
    try:
        key.verify(der, text, ec.ECDSA(hashes.SHA256()))
        return True
    except InvalidSignature:
        return False


# -- findings --

class Finding(Exception):
    """What is wrong, where: kind is one of docs/audit.md's; index is the next leaf's."""

    def __init__(self, file, line, index, kind, sentence):
        super().__init__(sentence)
        self.file, self.line, self.index = file, line, index
        self.kind, self.sentence = kind, sentence

    def place(self):
        return self.file, self.line, self.index, self.kind

    def __str__(self):
        return f"{self.file}:{self.line}: leaf {self.index}: {self.kind}: {self.sentence}"


class Verifier:
    def __init__(self, keys, origin=None, checkpoints=(), whole=False, unfinished=False):
        self.keys, self.origin = keys, origin and origin.encode()
        self.whole, self.unfinished = whole, unfinished
        self.findings, self.notes = [], []
        self.tree = None  # what stands before is not known
        self.began, self.checkpoints = None, 0
        self.fresh = 0  # leaves since the last checkpoint
        self.last = None  # the last checkpoint that holds
        self.held = [self.held_checkpoint(file, note) for file, note in checkpoints]

    @property
    def index(self):
        return self.tree.size if self.tree else 0

    # -- checkpoints --

    def check_signature(self, checkpoint, where):
        """The first signature of a known key decides."""
        for key_id, der in checkpoint.signatures:
            if key_id in self.keys:
                if not signature_holds(self.keys[key_id], der, checkpoint.text):
                    raise Finding(*where, "signature", "the signature does not verify")
                return
        raise Finding(*where, "key", f"signed by key {checkpoint.signatures[0][0].hex()}, which was "
                      "not given")

    def check_origin(self, origin, where):
        self.origin = self.origin or origin
        if origin != self.origin:
            raise Finding(*where, "origin", f"of {origin.decode()}, not of {self.origin.decode()}")

    def held_checkpoint(self, file, note):
        """[file, Checkpoint or None, its Finding or None], to be compared on the way."""
        try:
            match = CHECKPOINT.fullmatch(note.rstrip(b"\n"))
            checkpoint = Checkpoint(match[1].replace(b"\\n", b"\n") if match else note)
        except Malformed:
            return [file, None, Finding(file, 1, 0, "malformed", "it is no checkpoint")]
        try:
            self.check_signature(checkpoint, (file, 1, checkpoint.size))
        except Finding as finding:
            return [file, None, finding]
        return [file, checkpoint, None]

    def compare_held(self):
        """With the tree as it is after a leaf, or at the beginning of a segment."""
        for held in self.held:
            checkpoint = held[1]
            if checkpoint and (checkpoint.origin, checkpoint.size) == (self.origin, self.tree.size):
                held[1] = None  # compared
                if checkpoint.root != self.tree.root():
                    held[2] = Finding(held[0], 1, checkpoint.size, "fork",
                                      "signed for other leaves than stand in the log")

    def judge_held(self):
        for file, checkpoint, finding in self.held:
            if checkpoint:
                where = (file, 1, checkpoint.size)
                if self.origin and checkpoint.origin != self.origin:
                    finding = Finding(*where, "origin", f"of {checkpoint.origin.decode()}, another log")
                elif self.tree and checkpoint.size > self.tree.size:
                    finding = Finding(*where, "rollback", "the log has only "
                                      f"{self.tree.size} leaves: it was cut or is an older state")
                elif self.began is not None and checkpoint.size < self.began:
                    finding = Finding(*where, "before", f"the log given begins at leaf {self.began}: "
                                      "give the archive of what was before, too")
                else:
                    finding = Finding(*where, "untold", "what it covers could not be verified")
            if finding:
                self.findings.append(finding)

    # -- lines --

    def begin_segment(self, name, parsed, where):
        _, origin, first, nodes = parsed
        self.check_origin(origin, where)
        if name != f"{first:016}.log":
            raise Finding(*where, "name", f"the segment of leaf {first} is not called that")
        if self.began is None:
            self.began = first
            if first and self.whole:
                self.findings.append(Finding(*where, "beginning", f"leaves 0 to {first - 1} are "
                                             "missing"))
        if self.tree is None:
            self.tree = Tree(first, nodes)
        elif first > self.tree.size:
            self.findings.append(Finding(*where, "gap", f"leaves {self.tree.size} to {first - 1} are "
                                         "missing"))
            self.tree = Tree(first, nodes)
        elif first < self.tree.size:
            raise Finding(*where, "overlap", f"leaf {first} stands in the segment before, too")
        elif nodes != self.tree.nodes:
            raise Finding(*where, "nodes", "the leaves before are not those of the segments before")
        self.fresh = 0
        self.compare_held()

    def take_checkpoint(self, checkpoint, where):
        self.check_signature(checkpoint, where)
        if checkpoint.size != self.tree.size:
            raise Finding(*where, "size", f"signed for {checkpoint.size} leaves, and {self.tree.size} "
                          "stand before it")
        if checkpoint.fresh != self.fresh:
            raise Finding(*where, "batch", f"signed for {checkpoint.fresh} new leaves, and {self.fresh} "
                          "stand since the checkpoint before")
        if checkpoint.root != self.tree.root():
            raise Finding(*where, "root", "signed for other leaves than stand before it")
        self.last, self.fresh = checkpoint, 0
        self.checkpoints += 1

    def take_line(self, name, line, before, where):
        """One line, of what kind it is; `before` is the kind of the line before it."""
        try:
            parsed = parse(line)
        except Malformed:
            raise Finding(*where, "malformed", "no line of an audit log") from None
        kind = parsed[0]
        if (kind == "segment") != (before is None) or (kind, before) in (
                ("checkpoint", "segment"), ("checkpoint", "checkpoint")):
            raise Finding(*where, "place", f"a {kind} cannot stand here")
        if kind == "segment":
            self.begin_segment(name, parsed, where)
        elif kind == "leaf":
            self.tree.append(line)
            self.fresh += 1
            self.compare_held()
        else:
            self.check_origin(parsed[1].origin, where)
            self.take_checkpoint(parsed[1], where)
        return kind

    def take_segment(self, path, size):
        before, number_, covered, left = None, 0, 0, size
        with open(path, "rb") as file:
            while left:
                line = file.readline(min(left, LINE_MAX + 1))
                left -= len(line)
                number_ += 1
                where = (path, number_, self.index)
                if not line.endswith(b"\n"):
                    if len(line) > LINE_MAX:
                        raise Finding(*where, "malformed", "no line of an audit log")
                    raise Finding(*where, "unfinished", "it ends within a line")
                before = self.take_line(os.path.basename(path), line[:-1], before, where)
                covered = number_ if before == "checkpoint" else covered
        if before != "checkpoint":
            raise Finding(path, covered + 1, self.index, "unfinished",
                          "what stands after the last checkpoint is under none")

    # -- a log --

    def run(self, directories):
        segments = self.segments(directories)
        if self.unfinished and segments:
            path, size = segments.pop()
            end = end_of_checkpoints(path, size)
            if end:
                segments.append((path, end))
            if end < size:
                self.notes.append(f"{path}: {size - end} bytes after the last checkpoint, not looked at")
        for path, size in segments:
            try:
                self.take_segment(path, size)
                continue
            except Finding as finding:
                self.findings.append(finding)
            except OSError as error:
                self.findings.append(Finding(path, 0, self.index, "unreadable", error.strerror))
            self.tree = None
        if self.began is None and not self.findings:
            self.findings.append(Finding(directories[0], 0, 0, "missing", "no segment is there"))
        self.judge_held()
        return self

    def segments(self, directories):
        """[(path, bytes)] in order; of two with one name the longer, if one begins as the other."""
        found = {}
        for directory in directories:
            for name, size in sizes_at_rest(directory):
                path = os.path.join(directory, name)
                if name in found:
                    path, size = self.longer(found[name], (path, size))
                found[name] = path, size
        return [found[name] for name in sorted(found)]

    def longer(self, one, other):
        shared, line = min(one[1], other[1]), 1
        with open(one[0], "rb") as a, open(other[0], "rb") as b:
            while shared:
                left, right = (file.readline(min(shared, LINE_MAX)) for file in (a, b))
                if not left:
                    raise OSError(f"{one[0]} or {other[0]} became shorter")
                if left != right:
                    self.findings.append(Finding(other[0], line, 0, "differs", f"from {one[0]}"))
                    return one
                shared -= len(left)
                line += left.endswith(b"\n")
        self.notes.append(f"{other[0]}: also {one[0]}")
        return one if one[1] >= other[1] else other


def sizes_at_rest(directory):
    """[(name, bytes)], taken while no writer is within a commit: writers lock the directory."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        return [(entry.name, entry.stat().st_size) for entry in os.scandir(directory)
                if SEGMENT_NAME.fullmatch(entry.name)]
    finally:
        os.close(handle)


def is_checkpoint(line):
    try:
        return parse(line)[0] == "checkpoint"
    except Malformed:
        return False


def end_of_checkpoints(path, size):
    """Where the last checkpoint ends."""
    end = at = 0
    with open(path, "rb") as file:
        while at < size:
            line = file.readline(min(size - at, LINE_MAX + 1))
            at += len(line)
            if len(line) > LINE_MAX and not line.endswith(b"\n"):
                return size  # reading on will find it
            end = at if line.endswith(b"\n") and is_checkpoint(line[:-1]) else end
    return end


# -- proofs --

def verify_proof(verifier, file, data):
    """Of either kind; returns a sentence, raises Finding."""
    head, _, rest = data.partition(b"\n")
    try:
        if head == b"c2sp.org/tlog-proof@v1":
            return verify_inclusion(verifier, file, rest)
        if head == b"eckad-consistency-proof@v1":
            return verify_consistency(verifier, file, rest)
    except Malformed:
        pass
    raise Finding(file, 1, 0, "malformed", "it is no proof")


def hashes_of(lines):
    path = [decode_base64(line) for line in lines]
    if len(path) > 65 or any(len(node) != 32 for node in path):
        raise Malformed
    return path


def known_checkpoint(verifier, file, note):
    checkpoint, where = Checkpoint(note), (file, 1, 0)
    verifier.check_origin(checkpoint.origin, where)
    verifier.check_signature(checkpoint, where)
    return checkpoint


def verify_inclusion(verifier, file, data):
    head, blank, note = data.partition(b"\n\n")
    extra, index, *path = (head + b"\n").split(b"\n")
    if not blank or not extra.startswith(b"extra ") or not index.startswith(b"index "):
        raise Malformed
    leaf, path = decode_base64(extra[6:]), hashes_of(path[:-1])
    if not re.fullmatch(NUMBER, index[6:]) or parse(leaf) != ("leaf",):
        raise Malformed
    index = number(index[6:])
    checkpoint = known_checkpoint(verifier, file, note)
    if index >= checkpoint.size:
        raise Malformed
    if not inclusion_holds(index, checkpoint.size, leaf_hash(leaf), path, checkpoint.root):
        raise Finding(file, 1, 0, "proof", "the path does not lead to the checkpoint's root")
    return (f"leaf {index} of {checkpoint.origin.decode()} is under the checkpoint of "
            f"{checkpoint.size} leaves:\n{leaf.decode()}")


def verify_consistency(verifier, file, data):
    head, blank, notes = (b"\n" + data).partition(b"\n\n")
    parts = re.fullmatch(rb"((?:[^\n]+\n){4}\n(?:[^\n]+\n)+)\n((?:[^\n]+\n){4}\n(?:[^\n]+\n)+)", notes)
    if not blank or not parts:
        raise Malformed
    path = hashes_of(head.split(b"\n")[1:])
    old, new = (known_checkpoint(verifier, file, note) for note in parts.groups())
    if not 0 < old.size <= new.size or (path and old.size == new.size):
        raise Malformed
    if old.size == new.size:
        good = old.root == new.root
    else:
        good = consistency_holds(old.size, new.size, old.root, new.root, path)
    if not good:
        raise Finding(file, 1, 0, "proof", "the path does not lead to both roots")
    return (f"the first {old.size} leaves of {old.origin.decode()} are the same under the checkpoint "
            f"of {new.size} leaves")


# -- the program --

def report(verifier):
    for note in verifier.notes:
        print(note)
    for finding in verifier.findings:
        print(finding)
    if verifier.last and not verifier.findings:
        print(f"{verifier.last.origin.decode()}: leaves {verifier.began} to {verifier.tree.size - 1}, "
              f"{verifier.checkpoints} checkpoints: all holds")
    return 1 if verifier.findings else 0


def main(arguments):
    parser = argparse.ArgumentParser(usage=__doc__, add_help=True)
    parser.add_argument("--key", action="append", required=True)
    parser.add_argument("--checkpoint", action="append", default=[])
    parser.add_argument("--origin")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--unfinished", action="store_true")
    parser.add_argument("--proof")
    parser.add_argument("directories", nargs="*", metavar="DIR")
    asked = parser.parse_args(arguments)
    if bool(asked.proof) == bool(asked.directories):
        parser.error("give directories, or one --proof")
    try:
        keys = {}
        for path in asked.key:
            keys.update(load_keys(pathlib.Path(path).read_bytes()))
        checkpoints = [(path, pathlib.Path(path).read_bytes()) for path in asked.checkpoint]
        verifier = Verifier(keys, asked.origin, checkpoints, asked.whole, asked.unfinished)
        if asked.proof:
            try:
                print(verify_proof(verifier, asked.proof, pathlib.Path(asked.proof).read_bytes()))
            except Finding as finding:
                verifier.findings.append(finding)
            return report(verifier)
        return report(verifier.run(asked.directories))
    except (OSError, ValueError) as error:
        print(f"audit_verify.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
