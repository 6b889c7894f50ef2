"""Log entries in the journal: their fields, and when eckad chooses the journal. What it sends goes to
a socket of the test's instead of the system's.
"""
import os
import queue
import re
import socket
import threading
import time
import unittest

import zmq

from deployment import BUILD, SOURCE, Deployment
from ecka_client import Client

WAIT_SECONDS = 30
MANY = 30  # of a kind that is logged 10 times a second at most
EVENT = re.compile(r"^EVENT\((\w+), (\w+), (\w+),", re.M)
PRIORITY = {"INFO": "6", "WARNING": "4", "ALARM": "1"}  # syslog(3)


def events():
    """{name: (level, subject)} of log_events.def."""
    text = (SOURCE / "service" / "observe" / "log_events.def").read_text(encoding="utf-8")
    return {name: (level, subject) for name, level, subject in EVENT.findall(text)}


class Journal(unittest.TestCase):
    def setUp(self):
        self.deployment = d = Deployment(supervised=False)
        self.addCleanup(d.stop)
        self.path = d.path / "journal"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(str(self.path))
        d.env.update(LD_PRELOAD=str(BUILD / "tests" / "preload" / "journal_elsewhere.so"),
                     ECKA_JOURNAL=str(self.path))
        self.entries, self.arrived = [], queue.Queue()
        # An entry waits for the journal to take it, so somebody must.
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        try:
            while datagram := self.socket.recv(1 << 16):
                self.arrived.put(datagram)
        except OSError:
            pass  # the test is over

    def configure(self, line):
        self.deployment.set_config(f"log: {line}\n" + self.deployment.config())

    def spawn(self):
        d = self.deployment
        return d.spawn("eckad", [d.program("eckad"), "--config", str(d.path / "eckad.yaml")])

    def until(self, **fields):
        """The first entry with these fields, as a dictionary."""
        while True:
            lines = self.arrived.get(timeout=WAIT_SECONDS).decode().splitlines()
            entry = dict(line.split("=", 1) for line in lines)
            self.assertEqual(len(entry), len(lines), "a field twice, or none of the simple form")
            self.entries.append(entry)
            if fields.items() <= entry.items():
                return entry

    def test_fields(self):
        d = self.deployment
        self.configure("journald")
        eckad = self.spawn()
        ready = self.until(ECKAD_EVENT="READY")
        self.assertTrue(ready.pop("CODE_FILE").endswith("service/main.c"))
        self.assertGreater(int(ready.pop("CODE_LINE")), 0)
        self.assertEqual(ready, {"MESSAGE": "ready", "PRIORITY": "6", "SYSLOG_IDENTIFIER": "eckad",
                                 "ECKAD_EVENT": "READY", "CODE_FUNC": "serve"})
        self.assertIn(d.endpoint, [e.get("ECKAD_ENDPOINT") for e in self.entries])
        d.start_custodian(1)
        up = self.until(ECKAD_EVENT="CUSTODIAN_UP")
        self.assertEqual((up["ECKAD_CUSTODIAN"], up["MESSAGE"]), ("c1", "custodian c1: up"))
        d.processes["c1"].kill()
        lost = self.until(ECKAD_EVENT="CUSTODIAN_LOST")
        self.assertEqual((lost["ECKAD_CUSTODIAN"], lost["PRIORITY"]), ("c1", "4"))

        for _ in range(3):  # all of a turn within a second, on a machine that is not too slow
            strangers = [Client(d.endpoint, d.server_key, zmq.curve_keypair()) for _ in range(MANY)]
            refused = self.until(ECKAD_EVENT="CONNECTION_REFUSED")
            time.sleep(1.1)
            for client in strangers:
                client.close()
        strangers = [Client(d.endpoint, d.server_key, zmq.curve_keypair())]
        while "ECKAD_HELD_BACK" not in refused:
            refused = self.until(ECKAD_EVENT="CONNECTION_REFUSED")
        self.assertGreater(int(refused["ECKAD_HELD_BACK"]), 0)
        strangers[0].close()

        self.assertEqual(eckad.stop(), 0)
        self.until(ECKAD_EVENT="DRAINED")
        for entry in self.entries:
            level, subject = events()[entry["ECKAD_EVENT"]]
            self.assertEqual(entry["PRIORITY"], PRIORITY[level])
            own = {name for name in entry if name.startswith("ECKAD_")} - {"ECKAD_EVENT",
                                                                          "ECKAD_HELD_BACK"}
            self.assertEqual(own, {f"ECKAD_{subject}"} - {"ECKAD_NONE"}, entry)
        # The backend is chosen before the configuration is read.
        for line in eckad.output().splitlines():
            self.assertRegex(line, "^eckad: backend ")

    def test_auto_follows_stderr(self):
        log = self.deployment.path / "eckad.log"
        log.touch()
        st = os.stat(log)
        self.deployment.env["JOURNAL_STREAM"] = f"{st.st_dev}:{st.st_ino}"
        eckad = self.spawn()
        self.until(ECKAD_EVENT="READY")
        self.assertEqual(eckad.stop(), 0)
        self.assertEqual(eckad.output(), "")

        self.deployment.env["JOURNAL_STREAM"] = f"{st.st_dev}:{st.st_ino + 1}"
        self.spawn().wait_for("eckad: ready")

    def test_stderr_it_is_when_said(self):
        self.configure("stderr")
        log = self.deployment.path / "eckad.log"
        log.touch()
        st = os.stat(log)
        self.deployment.env["JOURNAL_STREAM"] = f"{st.st_dev}:{st.st_ino}"
        self.spawn().wait_for("eckad: ready")

    def test_no_journal(self):
        self.configure("journald")
        self.path.unlink()
        status, output = self.deployment.run_eckad()
        self.assertEqual(status, 1)
        self.assertIn("log is journald, but no journal is here", output)


if __name__ == "__main__":
    unittest.main()
