"""System calls that an intruder needs are closed to both daemons: a preloaded library makes them from
inside, as one would, and the kernel stops it.
"""
import os
import pathlib
import resource
import signal
import socket
import subprocess
import time
import unittest

import ecka_pb2 as pb
from deployment import BUILD, Deployment

WAIT_SECONDS = 20
DEADLY = ("execve", "fork", "ptrace", "socket")
REFUSED = {"eckad": ("code", "write", "kill"), "c1": ("code", "unix", "kill")}
ALLOWED = {"eckad": ("unix",), "c1": ("write",)}


def threads(pid):
    """{thread's name: its status fields} of a process."""
    out = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        out[task.name] = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return out


class Confined(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment = d = Deployment(supervised=False)
        cls.addClassCleanup(d.stop)
        cls.stray = d.path / "stray"
        d.env.update(LD_PRELOAD=str(BUILD / "tests" / "preload" / "stray_call.so"),
                     ECKA_STRAY=str(cls.stray))

    def start(self, name):
        d = self.deployment
        old = d.processes.pop(name, None)
        if old is not None:
            old.stop()
        (d.path / f"{name}.log").unlink(missing_ok=True)
        return d.start_eckad() if name == "eckad" else d.start_custodian(1)

    def wake(self, name):
        """Something to do, so that it comes by poll()."""
        if name == "eckad":
            self.deployment.client().submit(info=pb.Info())
        else:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.connect(str(self.deployment.path / "run" / "custodian-1.sock"))

    def make(self, name, process, call):
        """Has a call made; True when the process lives on."""
        (self.deployment.path / "stray.new").write_text(call)
        (self.deployment.path / "stray.new").rename(self.stray)
        self.wake(name)
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            if process.popen.poll() is not None:
                return False
            if f"stray {call}: " in process.output():
                return True
            time.sleep(0.01)
        raise AssertionError(f"{name} never came to {call}:\n{process.output()}")

    def stopped(self, name):
        for call in DEADLY:
            with self.subTest(process=name, call=call):
                process = self.start(name)
                self.assertFalse(self.make(name, process, call), process.output())
                self.assertEqual(process.popen.returncode, -signal.SIGSYS)
                self.assertNotIn(f"stray {call}", process.output())
                del self.deployment.processes[name]
        process = self.start(name)
        for call in REFUSED[name]:
            with self.subTest(process=name, call=call):
                self.assertTrue(self.make(name, process, call))
                self.assertIn(f"stray {call}: EPERM", process.output())
        for call in ALLOWED[name]:  # the test can tell
            self.assertTrue(self.make(name, process, call))
            self.assertIn(f"stray {call}: done", process.output())

    def test_eckad_is_stopped(self):
        self.stopped("eckad")

    def test_a_custodian_is_stopped(self):
        self.stopped("c1")

    def test_before_confinement_each_goes_through(self):
        """So the calls are real ones, and it is the filter that stops them."""
        d = self.deployment
        for program in ("eckad", "eckad-custodian"):
            for call in sorted({*DEADLY, "code", "write", "unix", "kill"}):
                with self.subTest(program=program, call=call):
                    done = subprocess.run([d.program(program)], capture_output=True, text=True,
                                          env={**d.env, "ECKA_STRAY_AT_START": call}, check=False,
                                          timeout=WAIT_SECONDS)
                    if call == "execve":  # it has become another program, which ends well
                        self.assertEqual((done.returncode, done.stderr), (0, ""))
                    else:
                        self.assertIn(f"stray {call}: done", done.stderr)

    def test_every_thread(self):
        eckad, custodian = self.start("eckad"), self.start("c1")
        self.assertGreater(len(threads(eckad.pid)), 4)
        for process in (eckad, custodian):
            for task, fields in threads(process.pid).items():
                self.assertEqual((fields["Seccomp"], fields["NoNewPrivs"]), ("2", "1"), task)

    def test_a_vendors_module_may_have_sockets_and_nothing_more(self):
        config = pathlib.Path(self.deployment.custodian_config(1))
        strict = config.read_text()
        self.addCleanup(config.write_text, strict)
        config.write_text(strict + "sandbox: vendor\n")
        process = self.start("c1")
        self.assertIn("sandbox: vendor", process.output())
        for call in ("socket", "code"):
            self.assertTrue(self.make("c1", process, call))
            self.assertIn(f"stray {call}: done", process.output())
        self.assertFalse(self.make("c1", process, "ptrace"))
        self.assertEqual(process.popen.returncode, -signal.SIGSYS)
        del self.deployment.processes["c1"]

        config.write_text(strict + "sandbox: off\n")
        process = self.start("c1")
        self.assertIn("sandbox: none", process.output())
        self.assertTrue(self.make("c1", process, "fork"))
        config.write_text(strict + "sandbox: some\n")
        process.stop()
        del self.deployment.processes["c1"]
        done = subprocess.run([self.deployment.program("eckad-custodian"), "--config", config],
                              env=self.deployment.env, capture_output=True, text=True, check=False,
                              timeout=WAIT_SECONDS)
        self.assertEqual(done.returncode, 1)
        self.assertIn("sandbox", done.stderr)

    def test_no_core(self):
        """Killed as by a fault, with the limits raised from outside where one may, none leaves a
        dump; a process that did nothing about it does."""
        def dumps(pid):
            try:
                resource.prlimit(pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
            except PermissionError:
                _, hard = resource.prlimit(pid, resource.RLIMIT_CORE)
                resource.prlimit(pid, resource.RLIMIT_CORE, (hard, hard))
            os.kill(pid, signal.SIGSEGV)
            return os.WCOREDUMP(os.waitpid(pid, 0)[1])

        where = self.deployment.path / "cores"
        where.mkdir(exist_ok=True)
        sleeper = subprocess.Popen(["sleep", "60"], cwd=where)  # waited for by its pid
        if not dumps(sleeper.pid):
            self.skipTest("no process of this machine leaves a dump")
        sleeper.returncode = -signal.SIGSEGV
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        for name in ("eckad", "c1"):
            os.chdir(where)
            process = self.start(name)
            os.chdir(here)
            self.assertFalse(dumps(process.pid), f"{name} left a core dump")
            process.popen.returncode = -signal.SIGSEGV
            del self.deployment.processes[name]


if __name__ == "__main__":
    unittest.main()
