"""Both verifiers of audit logs, asked the same: eckactl's in one process, and tools/audit_verify.py."""
import functools
import os
import pathlib
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(os.environ["ECKA_SOURCE"])
BUILD = pathlib.Path(os.environ["ECKA_BUILD"])
ECKACTL = BUILD / "service" / "ctl" / "eckactl"
PYTHON = SOURCE / "tools" / "audit_verify.py"
LONG = bool(os.environ.get("ECKA_TEST_LONG"))

sys.path.insert(0, str(PYTHON.parent))
import audit_verify  # noqa: E402

# The same signatures come again and again; what one verifies to does not change.
audit_verify.signature_holds = functools.lru_cache(None)(audit_verify.signature_holds)


class Disagree(AssertionError):
    pass


class Verifiers:
    """ask() returns the findings that both have, as [(file, line, index, kind)]."""

    def __init__(self, key):
        self.folder = tempfile.TemporaryDirectory(prefix="eckad-audit.")
        self.path = pathlib.Path(self.folder.name)
        self.key_file = self.path / "key.pem"
        self.key_file.write_bytes(key.pem)
        self.keys = audit_verify.load_keys(key.pem)
        self.process = subprocess.Popen([BUILD / "tests" / "audit" / "verify_many", self.key_file],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        ended = self.process.wait()
        self.folder.cleanup()
        assert ended == 0, f"verify_many ended with {ended}"

    def ask(self, *directories, checkpoints=(), origin=None, whole=True, unfinished=False,
            proof=None):
        words = ["whole"] * whole + ["unfinished"] * unfinished
        words += [f"checkpoint={file}" for file in checkpoints]
        words += [f"origin={origin}"] if origin else []
        words += [f"proof={proof}"] if proof else []
        c = self.ask_c(words + [str(directory) for directory in directories])
        python = self.ask_python([str(directory) for directory in directories], checkpoints, origin,
                                 whole, unfinished, proof)
        if c != python:
            raise Disagree(f"eckactl: {c}\naudit_verify.py: {python}")
        return c

    def ask_c(self, words):
        self.process.stdin.write("\t".join(words) + "\n")
        self.process.stdin.flush()
        found = []
        while (line := self.process.stdout.readline()) != ".\n":
            assert line, "verify_many is gone"
            file, number, index, kind = line.rstrip("\n").split("\t")
            found.append((file, int(number), int(index), kind))
        return found

    def peak_kib(self):
        """The most memory that verify_many had so far; wait4() would tell of its parent's, too."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0])

    def ask_python(self, directories, checkpoints, origin, whole, unfinished, proof):
        held = [(str(file), pathlib.Path(file).read_bytes()) for file in checkpoints]
        verifier = audit_verify.Verifier(self.keys, origin, held, whole, unfinished)
        if not proof:
            return [finding.place() for finding in verifier.run(directories).findings]
        try:
            audit_verify.verify_proof(verifier, str(proof), pathlib.Path(proof).read_bytes())
            return []
        except audit_verify.Finding as finding:
            return [finding.place()]
