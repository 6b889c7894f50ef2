"""eckactl audit at its command line, and tools/audit_verify.py at its own."""
import fcntl
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import unittest

import audit_log
from verifiers import ECKACTL, PYTHON, Verifiers

VERBS = ("verify", "show", "prove", "follow", "export")


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.key = audit_log.Key()
        cls.verifiers = Verifiers(cls.key)
        cls.addClassCleanup(cls.verifiers.close)

    def setUp(self):
        self.path = self.verifiers.path / self.id().rsplit(".", 1)[-1]
        self.path.mkdir()
        self.key_file = str(self.verifiers.key_file)
        self.log = audit_log.make(self.key, [1, 2, 3, 1, 2], rotate_after=(1, 3))
        self.folder = audit_log.write(self.log.segments, self.path / "log")
        self.last = self.path / "last"
        self.last.write_bytes(self.log.notes[9])

    def run_program(self, *command):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              check=False)
        return done.returncode, done.stdout, done.stderr

    def audit(self, verb, *args, status=0, key=True):
        keys = ["--key", self.key_file] if key else []
        ended, out, log = self.run_program(ECKACTL, "audit", verb, *keys, *args)
        self.assertEqual(ended, status, out + log)
        return out, log

    def both(self, *args, status=0):
        """verify, by both programs."""
        out, _ = self.audit("verify", *args, status=status)
        ended, python_out, log = self.run_program("/usr/bin/python3", PYTHON, "--key", self.key_file,
                                                  *args)
        self.assertEqual(ended, status, python_out + log)
        places = [[line.split(": ")[:3] for line in text.splitlines() if ": leaf " in line]
                  for text in (out, python_out)]
        self.assertEqual(*places)
        return out


class Verify(Case):
    def test_what_holds(self):
        out = self.both("--whole", "--checkpoint", self.last, "--origin", audit_log.ORIGIN, self.folder)
        self.assertIn("eckad.example/c1: leaves 0 to 8, 5 checkpoints: all holds", out)
        self.assertIn(self.log.notes[9].decode().split("\n\n", maxsplit=1)[0], out)

    def test_findings_name_file_line_and_leaf(self):
        name = sorted(self.log.segments)[1]
        file = self.folder / name
        file.write_bytes(file.read_bytes().replace(b'"eid":"89', b'"eid":"88', 1))
        out = self.both(self.folder, status=1)
        self.assertIn(f"{file}:5: leaf 6: root: ", out)
        self.assertIn("\nroot: leaves since the checkpoint before this one were changed", out)

    def test_misuse(self):
        empty = self.path / "empty.pem"
        empty.write_text("no key")
        for args in ((), (self.path / "nowhere",), ("--checkpoint", self.path / "nowhere", self.folder),
                     ("--key", empty, self.folder), ("--key", self.path / "nowhere", self.folder),
                     ("--proof", self.last, self.folder), ("--nonsense", self.folder)):
            self.both(*args, status=2)
        self.audit("verify", self.folder, key=False, status=2)
        self.audit("verify", "--json", self.folder, status=2)
        self.audit("export", "--from", "3", "--to", "2", "--out", "x", self.folder, status=2)
        self.audit("prove", self.folder, status=2)
        self.audit("show", "--eid", "89", self.folder, status=2)
        self.audit("show", "--since", "yesterday", self.folder, status=2)
        self.audit("show", "--from", "-1", self.folder, status=2)
        self.assertEqual(self.run_program(ECKACTL, "audit")[0], 2)
        self.assertEqual(self.run_program(ECKACTL, "audit", "nonsense")[0], 2)

    def test_each_verb_explains_itself(self):
        overview = self.run_program(ECKACTL, "audit", "--help")[1]
        for verb in VERBS:
            self.assertIn(f"eckactl audit {verb} ", overview)
            self.assertIn(f"eckactl audit {verb} ", self.audit(verb, "--help")[0])

    def test_another_key(self):
        other = self.path / "other.pem"
        other.write_bytes(audit_log.Key().pem)
        ended, out, _ = self.run_program(ECKACTL, "audit", "verify", "--key", other, self.folder)
        self.assertEqual(ended, 1)
        self.assertIn(f"signed by key {self.key.id.hex()}, which was not given", out)

    def test_a_rotated_checkpoint_key(self):
        """Both generations in one file of PEM, with text between them."""
        newer = audit_log.Key()
        self.log.key = newer
        self.log.leaves(2)
        audit_log.write(self.log.segments, self.folder)
        self.audit("verify", self.folder, status=1)
        both = self.path / "both.pem"
        both.write_bytes(b"checkpoint 1\n" + self.key.pem + b"checkpoint 2\n" + newer.pem)
        self.both("--key", both, self.folder)

    def test_memory_does_not_grow_with_the_log(self):
        large = audit_log.Log(self.key)
        while len(large) < 40000:
            large.leaves(500)
            if len(large) % 8000 == 0:
                large.rotate()
        folder = audit_log.write(large.segments, self.path / "large")
        peaks = []
        for log in (self.folder, folder):
            self.assertEqual(self.verifiers.ask_c(["whole", str(log)]), [])
            peaks.append(self.verifiers.peak_kib())
        self.assertGreater(sum(file.stat().st_size for file in folder.iterdir()), 8 << 20)
        self.assertLess(peaks[1] - peaks[0], 1024)


class Segments(Case):
    def test_an_archive_beside_the_log(self):
        """Segments may go elsewhere; what is there keeps verifying, and with the archive the whole."""
        archive = self.path / "archive"
        archive.mkdir()
        for name in sorted(self.log.segments)[:2]:
            (self.folder / name).rename(archive / name)
        out = self.both("--checkpoint", self.last, self.folder)
        self.assertIn("leaves 7 to 8, 1 checkpoints: all holds\nleaves 0 to 6 are not in", out)
        self.both("--whole", self.folder, status=1)
        self.both("--whole", "--checkpoint", self.last, self.folder, archive)
        self.both("--whole", "--checkpoint", self.last, archive, self.folder)
        early = self.path / "early"
        early.write_bytes(self.log.notes[3])
        self.assertIn(f"{early}:1: leaf 3: before:",
                      self.both("--checkpoint", early, self.folder, status=1))

    def test_a_copy_that_is_being_made(self):
        """Of two files of one name the longer counts, if the other is its beginning."""
        archive = audit_log.write(self.log.segments, self.path / "archive")
        self.assertIn(f": also {self.folder}/", self.both("--whole", self.folder, archive))
        name = sorted(self.log.segments)[2]
        short = self.log.segments[name][:200]
        (archive / name).write_bytes(short)
        self.both("--whole", "--checkpoint", self.last, self.folder, archive)
        self.both("--whole", "--checkpoint", self.last, archive, self.folder)
        (archive / name).write_bytes(short[:-1] + b"?")
        self.assertIn(f"{archive}/{name}:1: leaf 0: differs:",
                      self.both(self.folder, archive, status=1))

    def test_other_files_are_left_alone(self):
        (self.folder / "README").write_text("not a segment")
        (self.folder / "0000000000000009.log.gz").write_text("nor this")
        self.both("--whole", self.folder)

    def test_what_cannot_be_read(self):
        name = sorted(self.log.segments)[1]
        (self.folder / name).unlink()
        (self.folder / name).mkdir()
        self.assertIn("unreadable", self.both(self.folder, status=1))


class Show(Case):
    def shown(self, *args):
        out, _ = self.audit("show", "--json", *args, self.folder)
        return [json.loads(line) for line in out.splitlines()]

    def test_json_is_the_leaf_and_its_index(self):
        leaves = self.shown()
        self.assertEqual([leaf["index"] for leaf in leaves], list(range(9)))
        for leaf in leaves:
            index = leaf.pop("index")
            self.assertEqual(json.dumps(leaf, separators=(",", ":")).encode(),
                             audit_log.leaf_line(index))

    def test_filters(self):
        time = self.shown()[4]["time"]
        for args, wanted in (
                (("--op", "sign"), [2]), (("--op", "establish"), [0, 7]), (("--op", "no"), []),
                (("--eid", audit_log.EID[:-1] + "5"), [5]), (("--principal", "beta"), list(range(9))),
                (("--principal", "bet"), []), (("--label", "eckad sr-establish 1"), list(range(9))),
                (("--status", "DENIED"), []), (("--from", "3", "--to", "5"), [3, 4, 5]),
                (("--since", time), [4, 5, 6, 7, 8]), (("--until", time), [0, 1, 2, 3]),
                (("--since", time, "--until", time[:-7] + "999999Z"), [4]),
                (("--since", "2026-11-24T01:38:2"), [2, 3, 4, 5, 6, 7, 8]),
                (("--until", "2026-11-24"), []), (("--since", "2026-11-24"), list(range(9)))):
            self.assertEqual([leaf["index"] for leaf in self.shown(*args)], wanted, args)

    def test_the_page(self):
        log = audit_log.Log(self.key)
        log.batch([audit_log.leaf_line(0, op="start", principal="", eid="", kvn=-1, key="", sha256="",
                                       detail="token eckad")])
        folder = audit_log.write(log.segments, self.path / "other")
        out, _ = self.audit("show", folder)
        self.assertEqual(out, '0 2026-11-24T01:38:18.123456Z OK start - - - - 1 - "token eckad"\n')

    def test_it_says_what_it_did_not_verify(self):
        _, log = self.audit("show", self.folder, key=False)
        self.assertIn("no signature was verified", log)
        file = self.folder / min(self.log.segments)
        file.write_bytes(file.read_bytes().replace(b'"kvn":1', b'"kvn":2', 1))
        out, log = self.audit("show", self.folder, key=False, status=1)
        self.assertIn(":3: leaf 1: root:", log)
        self.assertIn(" 02 ", out)


class Prove(Case):
    def proof(self, *args):
        return self.audit("prove", *args, self.folder)[0].encode()

    def asked(self, proof, **args):
        file = self.path / "proof"
        file.write_bytes(proof)
        return self.verifiers.ask(proof=file, **args)

    def flipped(self, proof):
        rng = random.Random(1)
        for at in range(len(proof)):
            changed = bytearray(proof)
            changed[at] ^= 1 << rng.randrange(8)
            yield at, bytes(changed)

    def test_every_leaf_under_every_checkpoint(self):
        for size, note in self.log.notes.items():
            self.last.write_bytes(note)
            for index in range(size):
                proof = self.proof("--leaf", index, "--checkpoint", self.last)
                self.assertTrue(proof.startswith(b"c2sp.org/tlog-proof@v1\nextra "))
                self.assertTrue(proof.endswith(b"\n\n" + note))
                self.assertEqual(self.asked(proof), [])
            self.audit("prove", "--leaf", size, "--checkpoint", self.last, self.folder, status=1)

    def test_every_pair_of_checkpoints(self):
        older = self.path / "older"
        for old, old_note in self.log.notes.items():
            older.write_bytes(old_note)
            for size, note in self.log.notes.items():
                self.last.write_bytes(note)
                args = ("--older", older, "--checkpoint", self.last)
                if old > size:
                    self.audit("prove", *args, self.folder, status=1)
                    continue
                proof = self.proof(*args)
                self.assertTrue(proof.startswith(b"eckad-consistency-proof@v1\n"))
                self.assertTrue(proof.endswith(b"\n\n" + old_note + b"\n" + note))
                self.assertEqual(self.asked(proof), [])

    def test_every_byte_of_a_proof_counts(self):
        older = self.path / "older"
        older.write_bytes(self.log.notes[3])
        for args in (("--leaf", "4"), ("--older", older)):
            proof = self.proof(*args)
            for at, changed in self.flipped(proof):
                self.assertTrue(self.asked(changed), (args, at))
            for end in range(len(proof)):
                self.assertTrue(self.asked(proof[:end]), (args, end))

    def test_a_proof_of_another_log(self):
        other = audit_log.make(self.key, [1, 2, 3, 1, 2], origin="eckad.example/c2")
        self.folder = audit_log.write(other.segments, self.path / "other")
        proof = self.proof("--leaf", "4")
        self.assertEqual(self.asked(proof), [])
        self.assertEqual([kind for *_, kind in self.asked(proof, origin=audit_log.ORIGIN)], ["origin"])

    def test_both_programs_print_what_it_proves(self):
        file = self.path / "out"
        self.audit("prove", "--leaf", "4", "--out", file, self.folder)
        out = self.both("--proof", file)
        self.assertEqual(out, "leaf 4 of eckad.example/c1 is under the checkpoint of 9 leaves:\n" +
                         audit_log.leaf_line(4).decode() + "\n")
        self.audit("prove", "--leaf", "4", "--out", file, self.folder, status=1)
        file.write_bytes(file.read_bytes().replace(b"index 4", b"index 5"))
        self.both("--proof", file, status=1)

    def test_nothing_is_proven_of_a_log_that_does_not_hold(self):
        file = self.folder / max(self.log.segments)
        file.write_bytes(file.read_bytes().replace(b'"kvn":1', b'"kvn":2', 1))
        out, _ = self.audit("prove", "--leaf", "1", self.folder, status=1)
        self.assertEqual(out, "")

    def test_what_is_not_there(self):
        (self.folder / min(self.log.segments)).unlink()
        self.audit("prove", "--leaf", "3", self.folder)
        _, log = self.audit("prove", "--leaf", "2", self.folder, status=1)
        self.assertIn("give the archive", log)


class Export(Case):
    def test_every_range(self):
        sizes = [0, *self.log.notes]
        for first in range(9):
            for last in range(first, 9):
                out = self.path / f"{first}-{last}"
                self.audit("export", "--from", first, "--to", last, "--out", out, self.folder)
                begin = max(size for size in sizes if size <= first)
                end = min(size for size in sizes if size > last)
                (file,) = out.iterdir()
                self.assertEqual(file.name, f"{begin:016}.log")
                leaves = [line for line in file.read_bytes().splitlines()
                          if line.startswith(b'{"time"')]
                self.assertEqual(leaves, [audit_log.leaf_line(i) for i in range(begin, end)])
                held = self.path / "end"
                held.write_bytes(self.log.notes[end])
                self.assertEqual(self.verifiers.ask(out, checkpoints=[held], whole=False), [])

    def test_what_is_refused(self):
        out = self.path / "out"
        self.audit("export", "--from", "0", "--to", "9", "--out", out, self.folder, status=1)
        self.assertFalse(out.exists())
        self.audit("export", "--from", "0", "--to", "8", "--out", self.folder, self.folder, status=1)
        file = self.folder / max(self.log.segments)
        file.write_bytes(file.read_bytes().replace(b'"kvn":1', b'"kvn":2', 1))
        self.audit("export", "--from", "0", "--to", "1", "--out", out, self.folder, status=1)
        self.assertFalse(out.exists())


class Follow(Case):
    """The test is the writer: each batch is one write under the directory's lock."""

    def setUp(self):
        super().setUp()
        self.log = audit_log.make(self.key, [1, 2])
        shutil.rmtree(self.folder)
        self.on_disk = audit_log.write(self.log.segments, self.folder)
        self.process = subprocess.Popen(
            [ECKACTL, "audit", "follow", "--key", self.key_file, "--json", self.folder],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.process.stdout.close)
        self.addCleanup(self.process.stderr.close)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)
        self.assertIn("3 leaves hold; following", self.process.stderr.readline())

    def write(self):
        handle = os.open(self.folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        for name, data in self.log.segments.items():
            with open(self.folder / name, "ab") as file:
                file.write(data[file.tell():])
        os.close(handle)

    def batch(self, count):
        begin = len(self.log)
        self.log.leaves(count)
        self.write()
        return list(range(begin, begin + count))

    def seen(self, count):
        return [json.loads(self.process.stdout.readline())["index"] for _ in range(count)]

    def ended(self, status):
        out, log = self.process.communicate(timeout=60)
        self.assertEqual(self.process.returncode, status, log)
        return out, log

    def test_it_goes_on_over_rotation(self):
        for count in (1, 3):
            self.assertEqual(self.batch(count), self.seen(count))
        for count in (2, 1):
            self.log.rotate()
            self.assertEqual(self.batch(count), self.seen(count))
        old = self.folder / min(self.log.segments)
        old.rename(self.path / old.name)  # to the archive
        del self.log.segments[old.name]
        self.assertEqual(self.batch(1), self.seen(1))
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.ended(0)[0], "")

    def test_several_segments_at_once(self):
        expected = []
        for count in (1, 2, 3):
            expected += list(range(len(self.log), len(self.log) + count))
            self.log.leaves(count)
            self.log.rotate()
        self.write()
        self.assertEqual(expected, self.seen(6))

    def test_a_changed_leaf_ends_it(self):
        self.assertEqual(self.batch(2), self.seen(2))
        data = self.log.segments[self.log.name]
        begin = len(data)
        self.log.leaves(2)
        self.log.segments[self.log.name][begin:] = data[begin:].replace(b'"kvn":1', b'"kvn":2')
        self.write()
        out, log = self.ended(1)
        self.assertEqual(out, "")  # what does not hold is not shown
        self.assertIn(f"{self.folder / self.log.name}:12: leaf 7: root:", log)

    def test_a_crash_and_what_follows_it(self):
        """Leaves that no checkpoint covers are not shown; the next start cuts them off."""
        file = self.folder / self.log.name
        size = file.stat().st_size
        with open(file, "ab") as log:
            log.write(audit_log.leaf_line(3, detail="never released") + b"\n{\"time\":")
        self.assertIsNone(self.process.poll())
        os.truncate(file, size)
        self.assertEqual(self.batch(1), self.seen(1))
        self.process.send_signal(signal.SIGINT)
        self.ended(0)

    def test_a_rollback_ends_it(self):
        file = self.folder / self.log.name
        kept = file.read_bytes()
        self.assertEqual(self.batch(2), self.seen(2))
        file.write_bytes(kept)
        self.assertIn(": rollback:", self.ended(1)[1])

    def test_another_file_in_its_place_ends_it(self):
        file = self.folder / self.log.name
        copy = self.path / "copy"
        shutil.copy(file, copy)
        copy.rename(file)
        self.assertIn(": differs:", self.ended(1)[1])

    def test_a_segment_that_is_gone_ends_it(self):
        (self.folder / self.log.name).unlink()
        self.assertIn(": missing:", self.ended(1)[1])


if __name__ == "__main__":
    unittest.main()
