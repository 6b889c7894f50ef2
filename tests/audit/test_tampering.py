"""What is done to a log, and that both verifiers find it and say the same of it.

A small log of three segments is changed in every place there is; a large one in places drawn by
chance, from a seed that is printed and taken back as ECKA_TEST_SEED.
"""
import os
import random
import unittest

import audit_log
from verifiers import LONG, Verifiers

SEED = int(os.environ.get("ECKA_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
RANDOM_CHANGES = 3000 if LONG else 150
BITS = range(8)


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.key = audit_log.Key()
        cls.verifiers = Verifiers(cls.key)
        cls.addClassCleanup(cls.verifiers.close)
        cls.rng = random.Random(SEED)
        print(f"ECKA_TEST_SEED={SEED}")

    def setUp(self):
        self.path = self.verifiers.path / "log"
        self.path.mkdir(exist_ok=True)
        self.held = self.verifiers.path / "held"
        self.on_disk = {}

    def write(self, segments):
        """Only what differs from what is there."""
        for name in set(self.on_disk) - set(segments):
            (self.path / name).unlink()
        for name, data in segments.items():
            if self.on_disk.get(name) != data:
                (self.path / name).write_bytes(data)
        self.on_disk = dict(segments)

    def tearDown(self):
        self.write({})

    def found(self, segments, what, **asked):
        self.write(segments)
        findings = self.verifiers.ask(self.path, **asked)
        self.assertTrue(findings, f"not found: {what}")
        return findings

    def holds(self, segments, **asked):
        self.write(segments)
        self.assertEqual(self.verifiers.ask(self.path, **asked), [])


def lines_of(data):
    return data.splitlines(keepends=True)


class SmallLog(Case):
    def setUp(self):
        super().setUp()
        self.log = audit_log.make(self.key, [1, 2, 3, 1, 2], rotate_after=(1, 3))
        self.segments = {name: bytes(data) for name, data in self.log.segments.items()}
        self.assertEqual(len(self.segments), 3)
        self.held.write_bytes(self.log.notes[9])
        self.holds(self.segments, checkpoints=[self.held])

    def changed(self, name, data):
        return {**self.segments, name: data}

    def rearranged(self, name, lines):
        return self.changed(name, b"".join(lines))

    def test_every_byte_flipped(self):
        """Of all three kinds of line, line feeds included."""
        for name, data in self.segments.items():
            for at in range(len(data)):
                for bit in BITS if LONG else [self.rng.choice(BITS)]:
                    flipped = bytearray(data)
                    flipped[at] ^= 1 << bit
                    self.found(self.changed(name, bytes(flipped)), (name, at, bit))

    def test_every_byte_dropped_or_doubled(self):
        for name, data in self.segments.items():
            for at in range(len(data)):
                self.found(self.changed(name, data[:at] + data[at + 1:]), (name, at))
                if LONG:
                    self.found(self.changed(name, data[:at] + data[at:at + 1] + data[at:]),
                               (name, at))

    def test_every_truncation(self):
        """Also at a checkpoint, where only a later one tells."""
        for name, data in self.segments.items():
            later = [other for other in self.segments if other > name]
            for at in range(len(data)):
                self.found(self.changed(name, data[:at]), (name, at), checkpoints=[self.held])
                if not later and data[:at].endswith(b'\\n"}\n'):
                    self.holds(self.changed(name, data[:at]))

    def test_every_line_dropped_doubled_or_swapped(self):
        for name, data in self.segments.items():
            lines = lines_of(data)
            for i, line in enumerate(lines):
                self.found(self.rearranged(name, lines[:i] + lines[i + 1:]), (name, i),
                           checkpoints=[self.held])
                self.found(self.rearranged(name, lines[:i] + [line] + lines[i:]), (name, i))
                for j in range(i + 1, len(lines)):
                    swapped = list(lines)
                    swapped[i], swapped[j] = swapped[j], swapped[i]
                    self.found(self.rearranged(name, swapped), (name, i, j))

    def test_every_line_of_another_place(self):
        """Each line in the place of each, over segments."""
        every = [line for data in self.segments.values() for line in lines_of(data)]
        for name, data in self.segments.items():
            lines = lines_of(data)
            for i, line in enumerate(lines):
                for other in every:
                    if other != line:
                        self.found(self.rearranged(name, lines[:i] + [other] + lines[i + 1:]),
                                   (name, i, other))

    def test_every_segment_dropped(self):
        kinds = {}
        for name in self.segments:
            rest = {other: data for other, data in self.segments.items() if other != name}
            kinds[name] = [kind for *_, kind in self.found(rest, name, checkpoints=[self.held])]
        self.assertEqual(list(kinds.values()), [["beginning"], ["gap"], ["rollback"]])

    def test_every_segment_in_the_place_of_another(self):
        for name in self.segments:
            for other, data in self.segments.items():
                if other != name:
                    self.found(self.changed(name, data), (name, other))
                    self.found({**self.segments, name: data, other: self.segments[name]},
                               (name, other))
            self.found({**self.segments, "0000000000000099.log": self.segments[name]}, name)

    def test_every_cut_between_segments(self):
        """A boundary that moved, with the checkpoints where they were."""
        names = sorted(self.segments)
        for name, following in zip(names, names[1:]):
            head, *rest = lines_of(self.segments[following])
            for count in range(1, len(rest) + 1):
                self.found({**self.segments, name: self.segments[name] + b"".join(rest[:count]),
                            following: head + b"".join(rest[count:])}, (name, count))

    def test_lines_as_long_as_can_be(self):
        """Longer than a line can be, longer than what is read at once, and one in many pieces."""
        last = sorted(self.segments)[-1]
        for length in (4000, 4435, 4436, 4437, 1 << 18, (1 << 18) + 1, 1 << 20):
            for line in (b"x" * length, b"x" * length + b"\n"):
                long = self.changed(last, self.segments[last] + line)
                (found,) = self.found(long, length)
                whole = line.endswith(b"\n") or length > 4436
                self.assertEqual(found[1:], (5, 9, "malformed" if whole else "unfinished"))
                if length <= 4436:
                    self.holds(long, unfinished=True)
                else:
                    self.found(long, length, unfinished=True)

    def test_a_leaf_that_was_rewritten_with_its_batch(self):
        """Whoever rewrites leaves would have to sign, too."""
        forger = audit_log.Key()
        forged = audit_log.make(forger, [1, 2, 3, 1, 2], rotate_after=(1, 3))
        self.assertEqual({kind for *_, kind in self.found(forged.segments, "forged")}, {"key"})

    def test_the_log_of_another_custodian(self):
        """Signed by the same key: the origin tells them apart."""
        other = audit_log.make(self.key, [1, 2, 3, 1, 2], rotate_after=(1, 3),
                               origin="eckad.example/c2")
        self.holds(other.segments)
        for asked in ({"origin": audit_log.ORIGIN}, {"checkpoints": [self.held]}):
            kinds = {kind for *_, kind in self.found(other.segments, asked, **asked)}
            self.assertEqual(kinds, {"origin"})
        name = sorted(other.segments)[1]
        self.found(self.changed(name, other.segments[name]), name)

    def test_checkpoints_that_are_held(self):
        """Each earlier one holds; each byte of one counts."""
        for size, note in self.log.notes.items():
            self.held.write_bytes(note)
            self.holds(self.segments, checkpoints=[self.held])
            self.held.write_bytes(audit_log.checkpoint_line(note) + b"\n")
            self.holds(self.segments, checkpoints=[self.held])
        self.held.write_bytes(note + "\u2014 witness.example AAAAAAAA\n".encode())
        self.holds(self.segments, checkpoints=[self.held])
        other = audit_log.note(audit_log.Key(), audit_log.ORIGIN, 9, self.log.tree.root(), 2)
        both = note.split(b"\n\n")[0] + b"\n\n" + other.split(b"\n\n")[1] + note.split(b"\n\n")[1]
        self.held.write_bytes(both)  # one key known, one not
        self.holds(self.segments, checkpoints=[self.held])
        self.held.write_bytes(other)
        self.assertEqual([kind for *_, kind in self.found(self.segments, "other",
                                                          checkpoints=[self.held])], ["key"])
        for at in range(len(note)):
            flipped = bytearray(note)
            flipped[at] ^= 1 << self.rng.choice(BITS)
            self.held.write_bytes(flipped)
            self.found(self.segments, at, checkpoints=[self.held])

    def test_a_fork_and_a_rollback(self):
        """Two logs that the key signed, one of them for others' eyes."""
        fork = audit_log.Log(self.key)
        fork.batch([audit_log.leaf_line(0)])
        fork.batch([audit_log.leaf_line(1), audit_log.leaf_line(2, principal="mallory")])
        self.held.write_bytes(fork.notes[3])
        self.assertEqual([kind for *_, kind in self.found(self.segments, "fork",
                                                          checkpoints=[self.held])], ["fork"])
        self.held.write_bytes(self.log.notes[9])
        self.assertEqual([kind for *_, kind in self.found(fork.segments, "rollback",
                                                          checkpoints=[self.held])], ["rollback"])

    def test_what_a_crash_leaves(self):
        """Only behind the last checkpoint, and only when asked."""
        last = sorted(self.segments)[-1]
        for left in (audit_log.leaf_line(9) + b"\n", audit_log.leaf_line(9)[:40], b"\0" * 4096,
                     audit_log.leaf_line(9) + b"\n" + audit_log.checkpoint_line(self.log.notes[9])):
            torn = self.changed(last, self.segments[last] + left)
            self.found(torn, left)
            self.holds(torn, unfinished=True)
        first = sorted(self.segments)[0]
        self.found(self.changed(first, self.segments[first] + left), left, unfinished=True)
        fresh = {**self.segments, "0000000000000009.log": b""}
        self.found(fresh, "empty segment")
        self.holds(fresh, unfinished=True)
        self.found({"0000000000000000.log": b""}, "nothing else", unfinished=True)
        self.found({}, "nothing at all")


class LargeLog(Case):
    def setUp(self):
        super().setUp()
        self.log = audit_log.make_random(self.key, self.rng)
        self.segments = {name: bytes(data) for name, data in self.log.segments.items()}
        self.held.write_bytes(self.log.notes[max(self.log.notes)])
        self.holds(self.segments, checkpoints=[self.held])

    def change(self, segments):
        """One change drawn by chance; None where it changed nothing."""
        name = self.rng.choice(sorted(segments))
        data, lines = segments[name], lines_of(segments[name])
        i, j = self.rng.randrange(len(lines)), self.rng.randrange(len(lines))
        what = self.rng.choice(("flip", "drop", "double", "swap", "truncate", "lose", "move"))
        if what == "flip":
            at = self.rng.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ 1 << self.rng.choice(BITS)]) + data[at + 1:]
        elif what == "drop":
            data = b"".join(lines[:i] + lines[i + 1:])
        elif what == "double":
            data = b"".join(lines[:i] + [lines[i]] + lines[i:])
        elif what == "swap":
            lines[i], lines[j] = lines[j], lines[i]
            data = b"".join(lines)
        elif what == "truncate":
            data = data[:self.rng.randrange(len(data))]
        elif what == "move":
            line = lines.pop(i)
            data = b"".join(lines[:j] + [line] + lines[j:])
        else:
            return what, {other: text for other, text in segments.items() if other != name}
        return what, {**segments, name: data}

    def test_changes_by_chance(self):
        for _ in range(RANDOM_CHANGES):
            what, changed = self.change(self.segments)
            if changed != self.segments:
                self.found(changed, what, checkpoints=[self.held])

    def test_a_rollback_shows_against_any_later_checkpoint(self):
        sizes = sorted(self.log.notes)
        name = max(self.segments)
        lines = lines_of(self.segments[name])
        first = int(name[:16])
        self.assertGreater(sizes[-1], first)
        kept = next(i for i, line in enumerate(lines) if line.startswith(b'{"checkpoint"')) + 1
        size = first + kept - 2
        older = {**self.segments, name: b"".join(lines[:kept])}
        self.holds(older)
        for later in [s for s in sizes if s > size]:
            self.held.write_bytes(self.log.notes[later])
            findings = self.found(older, later, checkpoints=[self.held])
            self.assertEqual([kind for *_, kind in findings], ["rollback"])
        for earlier in [s for s in sizes if s <= size][-3:]:
            self.held.write_bytes(self.log.notes[earlier])
            self.holds(older, checkpoints=[self.held])


if __name__ == "__main__":
    unittest.main()
