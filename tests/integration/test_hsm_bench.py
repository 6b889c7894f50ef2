"""eckabench hsm on tokens that work, on one that somebody else wrote, and on one that fails.

How fast is not a test: the times are far too short for that, and this machine is busy.
"""
import csv
import os
import pathlib
import pty
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from scripted import MODULE, Script

SOURCE, BUILD = pathlib.Path(os.environ["ECKA_SOURCE"]), pathlib.Path(os.environ["ECKA_BUILD"])
sys.path.insert(0, str(SOURCE / "bench"))
import contract  # noqa: E402  (it lies beside what it is about)

ECKABENCH, TOKEN_TOOL = BUILD / "bench" / "eckabench", BUILD / "tests" / "pkcs11" / "token-tool"
SOFTHSM = next(path for pattern in ("softhsm/libsofthsm2.so", "*/softhsm/libsofthsm2.so")
               for path in sorted(pathlib.Path("/usr/lib").glob(pattern)))
SOFTOKN = next(iter(sorted(pathlib.Path("/usr/lib").glob("*/libsoftokn3.so"))), None)
ONE = "direct/ecdsa-sign/P-256/p1/t1/closed"
LANES = {"direct", "libp11"}
# Two processes that sign every 5 ms: at most 40 a batch of 100 ms, so that the 300th signature comes
# after six batches at least, and before the eight that may be enough.
TWO = ("--only", "direct/ecdsa-sign/P-256/p2/t1/closed", "--processes", "2", "--threads", "1",
       "--sessions", "1", "--seconds", "5")
STEADY = "on C_Sign delay 5"


class Token:
    """A SoftHSM token with a PIN in a file, and a module that a script may make fail."""

    def __init__(self, test, label="eckabench test"):
        folder = tempfile.TemporaryDirectory(prefix="hsm-")
        test.addCleanup(folder.cleanup)
        self.path, self.label, self.pin = pathlib.Path(folder.name), label, secrets.token_hex(12)
        (self.path / "tokens").mkdir()
        (self.path / "softhsm2.conf").write_text(
            f"directories.tokendir = {self.path}/tokens\nobjectstore.backend = file\n"
            "log.level = ERROR\n")
        pin_file = self.path / "pin"
        pin_file.touch(mode=0o600)
        pin_file.write_text(self.pin)
        self.script = Script(self.path, SOFTHSM)
        self.env = {**os.environ, **self.script.env,
                    "SOFTHSM2_CONF": str(self.path / "softhsm2.conf")}
        self.env.pop("ECKABENCH_COMMAND", None)
        subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", label, "--pin",
                        self.pin, "--so-pin", self.pin], env=self.env, check=True,
                       stdout=subprocess.DEVNULL)

    def command(self, *args, module=SOFTHSM):
        return [str(ECKABENCH), "hsm", "--module", str(module), "--token", self.label,
                "--pin-file", str(self.path / "pin"), "--json", str(self.path / "out.json"), *args]

    def bench(self, *args, module=SOFTHSM):
        return subprocess.run(self.command(*args, module=module), env=self.env, check=False,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def faulty(self, lines, *args):
        """A run with this fault; its results."""
        self.script.play(*lines.splitlines())
        done = self.bench("--seconds", "1", *args, module=MODULE)
        document = contract.read(self.path / "out.json")
        return done, document, document["results"]

    def keys(self):
        """Private and secret keys that are in the token, whoever asks."""
        said = subprocess.run([str(TOKEN_TOOL), str(SOFTHSM), self.label, self.pin, "probe"],
                              env=self.env, check=True, capture_output=True, text=True).stdout
        return len(said.splitlines())


class OnSoftHSM(unittest.TestCase):
    def test_a_throw_away_token_and_every_operation(self):
        with tempfile.TemporaryDirectory(prefix="hsm-") as folder:
            out, table = f"{folder}/out.json", f"{folder}/out.csv"
            env = {**os.environ, "TMPDIR": folder}
            done = subprocess.run([str(ECKABENCH), "hsm", "--quick", "--seconds", "4", "--json",
                                   out, "--csv", table], env=env, check=False, capture_output=True,
                                  text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            document = contract.read(out)
            self.assertEqual(sorted(os.listdir(folder)), ["out.csv", "out.json"],
                             "the throw-away token is gone")
            with open(table, encoding="utf-8", newline="") as file:
                rows = {row["id"]: row for row in csv.DictReader(file)}
        self.assertTrue(document["complete"], document)
        subject = document["subject"]
        self.assertEqual((subject["manufacturer"], subject["objects_before"],
                          subject["objects_after"]), ("SoftHSM", 0, 0))
        results = {r["id"]: r for r in document["results"]}
        self.assertEqual(len(results), len(document["results"]), "ids are unique")
        operations = {"ecdsa-sign", "ecdh", "ecdh-x963", "agree", "keygen", "aes-cmac", "aes-gcm",
                      "wrap", "unwrap", "random", "session-open", "find"}
        self.assertEqual({r["operation"] for r in results.values()}, operations)
        self.assertEqual({r["lane"] for r in results.values()}, LANES)
        for name, r in results.items():
            self.assertEqual(r["status"], "ok", r)
            self.assertTrue(0 <= r["low"] <= r["value"] <= r["high"] and r["value"] > 0, r)
            self.assertGreaterEqual(r["samples"], 4)
            self.assertGreaterEqual(r["latency_us"]["max"], r["latency_us"].get("p50", 0))
            for percentile, (low, high) in r["latency_us"]["intervals"].items():
                self.assertTrue(low <= r["latency_us"][percentile] <= high, r)
            if r["loop"] == "closed":
                self.assertAlmostEqual(float(rows[name]["value"]) / r["value"], 1, places=3)
        self.assertEqual(results[f"hsm/{ONE}"]["peer"]["name"], "a plain loop of C_Sign")
        self.assertIn("ratio", results["hsm/libp11/ecdsa-sign/P-256/p1/t1/closed"])
        self.assertIn("ratio", results["hsm/direct/ecdsa-sign/P-256/p2/t1/closed"])
        self.assertTrue(all(len(line) <= 80 for line in done.stdout.splitlines()), done.stdout)
        advice = document["advice"][0]
        self.assertIn("custodians:\n  - { name: c1,", advice["yaml"])
        self.assertIn("processes", advice["because"])
        for curve in document["curves"]:
            self.assertEqual(curve["points"], sorted(curve["points"], key=lambda p: p["offered"]))

    def test_misuse_has_a_sentence(self):
        for args, status, said in (
                (["--processes", "1,0"], 2, "--processes takes"),
                (["--seconds", "soon"], 2, "--seconds takes"),
                (["--keys", "drawer"], 2, "--keys is"),
                (["--module", str(SOFTHSM), "--throw-away"], 2, "--throw-away"),
                (["more"], 2, "'more' is none"),
                (["--only", "rsa"], 2, "no case has 'rsa'"),
                (["--module", "/usr/bin/env", "--token", "x"], 1, "is no PKCS#11 module")):
            with self.subTest(args):
                done = subprocess.run([str(ECKABENCH), "hsm", *args], check=False, text=True,
                                      capture_output=True, stdin=subprocess.DEVNULL)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertIn(said, done.stderr)

    def test_a_pin_that_everybody_may_read_is_refused(self):
        token = Token(self)
        (token.path / "pin").chmod(0o644)
        done = token.bench("--quick", "--seconds", "1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("open to everybody", done.stderr)
        self.assertFalse(contract.read(token.path / "out.json")["complete"])

    def test_somebody_elses_token_is_asked_for(self):
        token = Token(self, "production")
        done = token.bench("--quick", "--seconds", "1", "--only", ONE)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--yes", done.stderr)
        self.assertNotIn("C_OpenSession", {k for k, n in token.script.calls().items() if n})
        self.assertFalse((token.path / "out.json").exists())
        done = token.bench("--quick", "--seconds", "1", "--only", ONE, "--yes")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(token.keys(), 0)

    def test_a_terminal_is_asked(self):
        token = Token(self, "production")
        for answer, status in ((b"n\n", 2), (b"\n", 2), (b"y\n", 0)):
            with self.subTest(answer):
                ours, theirs = pty.openpty()
                os.write(ours, answer)
                done = subprocess.run(token.command("--quick", "--seconds", "1", "--only", ONE),
                                      env=token.env, check=False, capture_output=True, text=True,
                                      stdin=theirs)
                os.close(ours)
                os.close(theirs)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertIn("'production'", done.stderr)
                self.assertIn("in sessions and end with them", done.stderr)

    def test_a_wrong_pin_is_tried_once(self):
        token = Token(self)
        (token.path / "pin").write_text("wrong")
        token.script.play()
        done = token.bench("--quick", "--seconds", "1", module=MODULE)
        self.assertEqual(done.returncode, 1)
        self.assertIn("CKR_PIN_INCORRECT", done.stderr)
        self.assertEqual(token.script.calls()["C_Login"], 1)

    def test_the_pin_is_in_no_argument_and_no_environment(self):
        token = Token(self)
        command = token.command("--quick", "--seconds", "1", "--only", "ecdsa-sign/P-256/p1")
        process = subprocess.Popen(command, env=token.env, stdout=subprocess.DEVNULL,
                                   start_new_session=True)
        seen = 0
        while process.poll() is None:
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    if os.getsid(int(pid)) != process.pid:
                        continue
                    for name in ("cmdline", "environ"):
                        said = pathlib.Path("/proc", pid, name).read_bytes()
                        self.assertNotIn(token.pin.encode(), said)
                    seen += 1
                except OSError:
                    continue
            time.sleep(0.02)
        self.assertEqual(process.returncode, 0)
        self.assertGreater(seen, 10)

    def test_a_pin_from_a_descriptor(self):
        token = Token(self)
        with open(token.path / "pin", encoding="ascii") as file:
            command = token.command("--quick", "--seconds", "1", "--only", ONE, "--pin-file",
                                    f"fd:{file.fileno()}")
            subprocess.run(command, env=token.env, check=True, stdout=subprocess.DEVNULL,
                           pass_fds=[file.fileno()])

    def test_what_a_killed_run_left_the_next_one_takes_away(self):
        token = Token(self)
        process = subprocess.Popen(token.command(*TWO), env=token.env, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while (len(list(token.path.glob("tokens/*/*.object"))) < 4
               and time.monotonic() < deadline):  # two halves of a key a process
            time.sleep(0.02)
        time.sleep(0.3)
        process.kill()
        process.wait()
        self.assertEqual(token.keys(), 2, "keys are token objects, as a custodian's are")
        self.assertEqual(token.bench("--quick", "--seconds", "1", "--only", "random").returncode, 0)
        self.assertEqual(token.keys(), 0)

    def test_an_interrupted_run_keeps_what_it_had(self):
        token = Token(self)
        out = token.path / "out.json"
        process = subprocess.Popen(token.command("--seconds", "6", "--only", "direct/ecd",
                                                 "--processes", "1", "--threads", "1"),
                                   env=token.env, stdout=subprocess.DEVNULL)
        while process.poll() is None and not (out.exists() and contract.read(out)["results"]):
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=30), 1)
        document = contract.read(out)
        self.assertFalse(document["complete"])
        self.assertIn("interrupted", document["stopped"])
        self.assertTrue(any("value" in r for r in document["results"]), document["results"])
        self.assertEqual(token.keys(), 0)


class ThroughEckad(unittest.TestCase):
    """A deployment: each layer beside the others, and advice that eckad and a custodian take."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="h-")
        cls.addClassCleanup(folder.cleanup)
        cls.dir, out = pathlib.Path(folder.name, "d"), pathlib.Path(folder.name, "out.json")
        subprocess.run([SOURCE / "tools" / "provision", cls.dir, "--bin", BUILD, "--custodians",
                        "2"], check=True, stdout=subprocess.DEVNULL)
        cls.refused = subprocess.run([str(ECKABENCH), "hsm", "--dir", str(cls.dir)], check=False,
                                     capture_output=True, text=True, stdin=subprocess.DEVNULL)
        subprocess.run([str(ECKABENCH), "hsm", "--dir", str(cls.dir), "--yes", "--quick",
                        "--seconds", "3", "--threads", "1", "--only", "P-256/p", "--json",
                        str(out)], check=True, stdout=subprocess.DEVNULL)
        cls.document = contract.read(out)
        cls.results = {r["id"].removeprefix("hsm/"): r for r in cls.document["results"]}

    def test_its_token_is_asked_for_too(self):
        self.assertEqual(self.refused.returncode, 2)
        self.assertIn("'eckad' is not eckabench's own", self.refused.stderr)

    def test_each_layer_beside_raw_cryptoki(self):
        for lane, operation in (("libp11", "ecdsa-sign"), ("libp11", "ecdh"),
                                ("service", "ecdsa-sign"), ("service", "agree")):
            r = self.results[f"{lane}/{operation}/P-256/p1/t1/closed"]
            self.assertEqual(r["status"], "ok", r)
            self.assertEqual(r["peer"]["name"], "direct, one process, one thread")
            self.assertTrue(0 < r["ratio"]["low"] <= r["ratio"]["value"] <= r["ratio"]["high"], r)
        many = self.results["service/ecdsa-sign/P-256/p1/t1/s64/closed"]
        self.assertEqual((many["status"], many["sessions"]), ("ok", 64))

    def test_the_token_holds_what_it_held(self):
        subject = self.document["subject"]
        self.assertEqual(subject["token_label"], "eckad")
        self.assertGreater(subject["objects_before"], 5)
        self.assertEqual(subject["objects_after"], subject["objects_before"])

    def advised(self, source, target):
        """A configuration with the lines that are advised for such a file in place of its own."""
        lines, keep = [], False
        for part in self.document["advice"]:
            for line in part["yaml"].splitlines():
                if line.startswith("# "):
                    keep = line == ("# eckad.yaml" if source == "eckad.yaml"
                                    else "# c1.yaml and the others")
                elif keep:
                    lines.append(line)
        names = {line.split(":")[0] for line in lines if line[0] != " "}
        kept, ours = [], False
        for line in (self.dir / source).read_text().splitlines():
            ours = line.split(":")[0] in names if line[0] != " " else ours
            kept += [] if ours else [line]
        (self.dir / target).write_text("\n".join(kept + lines) + "\n")
        return self.dir / target, names

    def test_eckad_takes_the_advice(self):
        config, names = self.advised("eckad.yaml", "advised.yaml")
        self.assertLessEqual({"custodians", "custodian_timeout_ms"}, names)
        subprocess.run([self.dir / "bin" / "eckactl", "policy", "check", "--config", config],
                       check=True, stdout=subprocess.DEVNULL)

    def test_a_custodian_takes_the_advice(self):
        config, names = self.advised("c1.yaml", "advised-c1.yaml")
        self.assertEqual(names, {"token", "call_timeout_ms", "sandbox"})
        custodian = subprocess.Popen(
            [self.dir / "bin" / "eckad-custodian", "--config", config], stderr=subprocess.PIPE,
            text=True, env={**os.environ, "SOFTHSM2_CONF": str(self.dir / "softhsm2.conf")})
        said = []
        for line in custodian.stderr:
            said.append(line)
            if line.endswith(": ready\n"):
                break
        custodian.terminate()
        custodian.communicate()
        self.assertTrue(said and said[-1].endswith(": ready\n"), said)


class OnNss(unittest.TestCase):
    @unittest.skipIf(SOFTOKN is None, "libnss3 is not installed")
    def test_it_runs_unchanged_apart_from_options(self):
        with tempfile.TemporaryDirectory(prefix="hsm-") as folder:
            pin, out = pathlib.Path(folder, "pin"), f"{folder}/out.json"
            pin.touch(mode=0o600)
            pin.write_text(secrets.token_hex(8))
            os.mkdir(f"{folder}/db")
            subprocess.run(["certutil", "-N", "-d", f"sql:{folder}/db", "-f", pin], check=True)
            done = subprocess.run(
                [str(ECKABENCH), "hsm", "--quick", "--seconds", "2", "--only", "p1/t1/closed",
                 "--module", str(SOFTOKN),
                 "--module-args", f"configdir='sql:{folder}/db' certPrefix='' keyPrefix='' "
                 "secmod='secmod.db' flags=", "--token", "NSS Certificate DB", "--pin-file", pin,
                 "--yes", "--json", out], check=False, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            document = contract.read(out)
        results = document["results"]
        subject = document["subject"]
        self.assertEqual(subject["objects_after"], subject["objects_before"])
        for r in results:
            lacks = r.get("curve") == "brainpoolP256r1"
            self.assertEqual(r["status"], "unsupported" if lacks else "ok", r)
            self.assertEqual("CKR_" in r.get("why", ""), lacks, r)
        self.assertIn("sandbox: vendor", document["advice"][1]["yaml"])
        self.assertTrue(all(len(line) <= 80 for line in done.stdout.splitlines()), done.stdout)


class OnATokenThatFails(unittest.TestCase):
    def setUp(self):
        self.token = Token(self)

    def test_it_stalls(self):
        done, document, (r, *_) = self.token.faulty(f"{STEADY}\non C_Sign nth 300 hang", *TWO,
                                                 "--watchdog", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(r["status"], "partial", r)
        self.assertIn("stalled: C_Sign did not return within 1 s", r["why"])
        self.assertGreater(r["value"], 0, "what was measured before is kept")
        self.assertGreater(r["latency_us"]["count"], 200)
        self.assertEqual(document["subject"]["objects_after"], 0)

    def test_it_dies(self):
        _, document, (r, *_) = self.token.faulty(f"{STEADY}\non C_Sign nth 300 crash", *TWO)
        self.assertEqual(r["status"], "partial", r)
        self.assertRegex(r["why"], "process [12] of 2 died by SIGABRT in C_Sign after [0-9]+ ")
        self.assertGreater(r["value"], 0, "what was measured before is kept")
        self.assertEqual(document["subject"]["objects_after"], 0)

    def test_it_errs_now_and_then(self):
        _, _, (r, *_) = self.token.faulty("on C_Sign every 50 rv CKR_DEVICE_ERROR", "--only", ONE)
        self.assertEqual(r["status"], "partial", r)
        self.assertGreater(r["errors"]["CKR_DEVICE_ERROR"], 10)
        self.assertIn("CKR_DEVICE_ERROR", r["why"])
        self.assertGreater(r["value"], 0)
        share = r["errors"]["CKR_DEVICE_ERROR"] / (r["latency_us"]["count"] + 1)
        self.assertTrue(0.01 < share < 0.04, r)

    def test_it_is_gone(self):
        _, _, (r, *_) = self.token.faulty(f"{STEADY}\non C_Sign nth 300 vanish for 3000", *TWO)
        self.assertEqual(r["status"], "partial", r)
        self.assertIn("no operation succeeds any more", r["why"])
        self.assertIn("CKR_DEVICE_REMOVED", r["errors"])

    def test_it_never_starts(self):
        """Three operations in a row, and the rest is left alone; all of it is written."""
        self.token.script.play("on C_GenerateRandom,C_GenerateKeyPair,C_GenerateKey crash")
        done = self.token.bench("--quick", "--seconds", "5", module=MODULE)
        document = contract.read(self.token.path / "out.json")
        self.assertFalse(document["complete"])
        self.assertIn("died", document["stopped"])
        self.assertEqual({r["status"] for r in document["results"]}, {"failed", "skipped"})
        self.assertEqual(done.returncode, 1)

    def test_what_it_lacks_is_unsupported(self):
        for line, only, said in (
                ("on C_DigestKey rv CKR_KEY_INDIGESTIBLE", "ecdh-x963/P-256",
                 "C_DigestKey answered CKR_KEY_INDIGESTIBLE"),
                ("on C_SignInit rv CKR_MECHANISM_INVALID", "direct/aes-cmac",
                 "C_SignInit answered CKR_MECHANISM_INVALID"),
                ("on C_WrapKey rv CKR_FUNCTION_NOT_SUPPORTED", "direct/wrap",
                 "C_WrapKey answered CKR_FUNCTION_NOT_SUPPORTED")):
            with self.subTest(line):
                done, _, results = self.token.faulty(line, "--quick", "--only", only)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual({(r["status"], r["why"]) for r in results},
                                 {("unsupported", said)})

    def test_a_wrong_signature_is_not_measured(self):
        _, _, (r,) = self.token.faulty("on C_Sign flip", "--quick", "--only", ONE)
        self.assertEqual((r["status"], r["why"]), ("failed", "the result is wrong"))

    def test_a_token_without_session_objects(self):
        """Its keys are token objects then, and are taken away again."""
        for way in ("session", "token"):
            _, document, (r, *_) = self.token.faulty(
                "on C_GenerateKeyPair nth 1 rv CKR_SESSION_READ_ONLY", "--quick", "--only", ONE,
                "--keys", way)
            self.assertEqual(r["status"], "ok" if way == "session" else r["status"], r)
            self.assertEqual(document["subject"]["objects_after"], 0)
            self.assertEqual(self.token.keys(), 0)


if __name__ == "__main__":
    unittest.main()
