"""eckactl from outside: key files, and the supervisor with programs that only pretend.

ECKACTL is copied beside shell scripts named eckad and eckad-custodian, which it then runs.
"""
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest

ECKACTL = sys.argv.pop(1)

# What each configuration file says is what its program does; every step is noted in a journal.
PRETENDER = r"""#!/bin/sh
me=$(basename "$2")
journal=$(dirname "$2")/journal
note() { echo "$me $1" >>"$journal"; }
trap 'note term; sleep 0.2; note end; exit 0' TERM
note start
. "$2"
"""
READY = 'echo "$me: ready" >&2\n'
SERVE = "while :; do sleep 0.05; done\n"


class Up(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="eckactl-"))
        self.addCleanup(shutil.rmtree, self.dir)
        shutil.copy(ECKACTL, self.dir / "eckactl")
        for name in "eckad", "eckad-custodian":
            (self.dir / name).write_text(PRETENDER)
            (self.dir / name).chmod(0o755)
        self.process = None
        self.addCleanup(self.kill)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stderr.close()

    def start(self, eckad=READY + SERVE, **custodians):
        args = [str(self.dir / "eckactl"), "up", "--eckad", str(self.dir / "main")]
        (self.dir / "main").write_text(eckad)
        for name, script in custodians.items():
            (self.dir / name).write_text(script)
            args += ["--custodian", str(self.dir / name)]
        self.process = subprocess.Popen(args, stderr=subprocess.PIPE, text=True)

    def read_until(self, text):
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if text in line:
                return lines
        self.fail(f"never said {text!r}: {lines}")

    def journal(self):
        return (self.dir / "journal").read_text().splitlines()

    def wait_for_journal(self, entry, count=1):
        end = time.monotonic() + 10
        while self.journal().count(entry) < count:
            self.assertLess(time.monotonic(), end, f"{entry} not in {self.journal()}")
            time.sleep(0.02)

    def children(self):
        """Live processes that run out of our folder, the supervisor aside."""
        found = []
        for proc in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                command = (proc / "cmdline").read_bytes().decode()
            except OSError:
                continue
            if str(self.dir) in command and int(proc.name) != self.process.pid:
                found.append(int(proc.name))
        return found

    def assert_no_child(self):
        end = time.monotonic() + 10
        while self.children():
            self.assertLess(time.monotonic(), end, f"left behind: {self.children()}")
            time.sleep(0.02)

    def test_starts_and_drains_in_order(self):
        self.start(c1=READY + SERVE, c2="sleep 0.3\n" + READY + SERVE)
        self.read_until("eckactl: up")
        self.assertEqual(self.journal()[-1], "main start", "eckad waits for the custodians")
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(15), 0)
        journal = self.journal()
        self.assertLess(journal.index("main end"), journal.index("c1 term"), journal)
        self.assertLess(journal.index("main end"), journal.index("c2 term"), journal)
        self.assertEqual(journal.count("c1 end") + journal.count("c2 end"), 2)
        self.assert_no_child()

    def test_restarts_what_crashes(self):
        once = f'[ -e {self.dir}/crashed ] || {{ : >{self.dir}/crashed; {READY.strip()}; kill -9 $$; }}\n'
        self.start(eckad=once + READY + SERVE, c1=READY + SERVE)
        self.read_until("killed by signal 9")
        self.wait_for_journal("main start", 2)
        self.assertEqual(self.journal().count("c1 start"), 1)
        self.process.send_signal(signal.SIGINT)
        self.assertEqual(self.process.wait(15), 0)
        self.assert_no_child()

    def test_gives_up_on_what_refuses_to_start(self):
        self.start(c1=READY + SERVE, c2="echo 'bad token' >&2; exit 1\n")
        said = "".join(self.read_until("put right"))
        self.assertEqual(said.count("bad token"), 5)
        self.assertEqual(self.process.wait(15), 1)
        self.assertEqual(self.journal().count("c2 start"), 5)
        self.assertNotIn("main start", self.journal())
        self.assert_no_child()

    def test_a_wrong_pin_is_not_tried_again(self):
        self.start(c1=READY + SERVE, c2="echo 'wrong PIN' >&2; exit 3\n")
        said = "".join(self.read_until("put right"))
        self.assertIn("exited with status 3 and is not started again", said)
        self.assertEqual(self.process.wait(15), 1)
        self.assertEqual(self.journal().count("c2 start"), 1)
        self.assert_no_child()

    def once(self, name, script):
        """What a program does in its first life."""
        return f"[ -e {self.dir}/{name} ] || {{ : >{self.dir}/{name}; {script} }}\n"

    def test_a_pin_refused_later_takes_nobody_else_down(self):
        """It was right at the start: that custodian stays down, and the others serve."""
        gone = READY + f"while [ ! -e {self.dir}/now ]; do sleep 0.05; done; exit 3\n"
        self.start(c1=READY + SERVE, c2=gone)
        self.read_until("eckactl: up")
        (self.dir / "now").touch()
        self.read_until("the other custodians serve on")
        time.sleep(0.5)
        self.assertEqual(self.journal().count("c2 start"), 1)
        self.assertEqual(self.journal().count("main start"), 1)
        self.assertNotIn("main term", self.journal())
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(15)
        self.assert_no_child()

    def test_pins_refused_by_all_end_it(self):
        gone = READY + f"while [ ! -e {self.dir}/now ]; do sleep 0.05; done; exit 3\n"
        self.start(c1=gone, c2=gone)
        self.read_until("eckactl: up")
        (self.dir / "now").touch()
        self.assertEqual(self.process.wait(15), 1)
        self.assert_no_child()

    def test_who_was_ready_once_is_never_given_up(self):
        """Its token may be away for as long as it likes."""
        self.start(c1=READY + SERVE, c2=self.once("ran", READY.strip() + "; sleep 0.2; exit 1;") +
                   f"[ $(grep -c 'c2 start' $journal) -gt 7 ] || exit 1\n" + READY + SERVE)
        self.read_until("eckactl: up")
        self.wait_for_journal("c2 start", 8)
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(15), 0)
        self.assertEqual(self.journal().count("main start"), 1)
        self.assert_no_child()

    def test_a_recycled_custodian_is_started_at_once(self):
        """Again and again, with no pause that grows."""
        self.start(c1=READY + f"[ $(grep -c 'c1 start' $journal) -gt 20 ] || exit 4\n" + SERVE)
        self.read_until("exited with status 4 and is started again")
        self.wait_for_journal("c1 start", 21)  # within the 10 s it allows: growing, it took 40
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(15), 0)
        self.assert_no_child()

    def test_a_second_signal_does_not_wait(self):
        self.start(eckad="trap 'note term' TERM\n" + READY + SERVE, c1=READY + SERVE)
        self.read_until("eckactl: up")
        self.process.send_signal(signal.SIGTERM)
        self.wait_for_journal("main term")
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(15), 1)
        self.assert_no_child()

    def test_leaves_nothing_when_killed(self):
        self.start(c1=READY + SERVE)
        self.read_until("eckactl: up")
        # at least: a shell that is about to become sleep still looks like its parent
        self.assertGreaterEqual(len(self.children()), 2)
        self.process.kill()
        self.process.wait()
        self.assert_no_child()


class Keys(unittest.TestCase):
    def run_eckactl(self, *args):
        return subprocess.run([ECKACTL, *map(str, args)], capture_output=True, text=True,
                              check=False)

    def test_keygen(self):
        with tempfile.TemporaryDirectory() as d:
            path = pathlib.Path(d) / "k"
            self.assertEqual(self.run_eckactl("keygen", path).returncode, 0)
            lines = path.read_text().splitlines()
            self.assertEqual(lines[0], "eckad-curve-key 1")
            self.assertRegex(lines[1], r"^public \S{40}$")
            self.assertRegex(lines[2], r"^secret \S{40}$")
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            public = pathlib.Path(str(path) + ".pub")
            self.assertEqual(public.read_text().splitlines(), lines[:2])
            again = self.run_eckactl("keygen", path)
            self.assertEqual(again.returncode, 1)
            self.assertIn("left as it is", again.stderr)
            self.assertEqual(path.read_text().splitlines(), lines)

    def test_misuse_is_status_2(self):
        for args in [(), ("bogus",), ("keygen",), ("keygen", "-x"), ("up",), ("status",),
                     ("keys", "init"), ("up", "--eckad", "a"), ("up", "--custodian", "a")]:
            result = self.run_eckactl(*args)
            self.assertEqual(result.returncode, 2, args)
            self.assertIn("eckactl", result.stderr)
        self.assertEqual(self.run_eckactl("--help").returncode, 0)
        for command in ("policy", "reload", "status", "up", "keygen"):
            done = self.run_eckactl(command, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn(f"eckactl {command} ", done.stdout)

    def test_keys_init_becomes_the_custodian(self):
        with tempfile.TemporaryDirectory() as d:
            shutil.copy(ECKACTL, d)
            custodian = pathlib.Path(d) / "eckad-custodian"
            custodian.write_text('#!/bin/sh\necho "$@"\nexit 7\n')
            custodian.chmod(0o755)
            result = subprocess.run([f"{d}/eckactl", "keys", "init", "--custodian", "c.yaml",
                                     "--missing-only"], capture_output=True, text=True, check=False)
            self.assertEqual(result.returncode, 7)
            self.assertEqual(result.stdout.split(),
                             ["--config", "c.yaml", "--ceremony", "keys-init", "--missing-only"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
