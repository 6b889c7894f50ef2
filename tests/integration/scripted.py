"""The scripted PKCS#11 module (tests/pkcs11/README.md) as tests command it.

    script = Script(folder, softhsm_module)
    env.update(script.env)            # for the process that loads Script.MODULE
    script.play("on C_Sign nth 3 rv CKR_DEVICE_ERROR")
"""
import os
import pathlib
import re
import struct

MODULE = pathlib.Path(os.environ["ECKA_BUILD"]) / "tests" / "pkcs11" / "scripted.so"
CALLS = re.findall(r"^CALL\w*\((C_\w+),", (pathlib.Path(os.environ["ECKA_SOURCE"]) / "tests" /
                   "pkcs11" / "scripted_calls.def").read_text(), re.M)
RULES_MAX = 64
HEADER = 5  # numbers before the counts

# A token that says of every key that it was made there and has no use but one.
MADE_HERE = ("say CKA_LOCAL true", "say CKA_ALWAYS_SENSITIVE true",
             "say CKA_NEVER_EXTRACTABLE true", "say CKA_DECRYPT false", "say CKA_UNWRAP false",
             "say CKA_DERIVE false", "say CKA_SIGN_RECOVER false")


class Script:
    def __init__(self, folder, real):
        self.path, self.counts = pathlib.Path(folder) / "script", pathlib.Path(folder) / "counts"
        self.env = {"ECKA_P11_MODULE": str(real), "ECKA_P11_SCRIPT": str(self.path),
                    "ECKA_P11_COUNTS": str(self.counts)}
        self.number = 0
        self.play()

    def play(self, *lines):
        """Another script, at once and whole; its rules' counts begin at 0."""
        self.number += 1
        new = self.path.with_suffix(".new")
        new.write_text("\n".join((f"# {self.number}", *lines, "")))
        new.rename(self.path)

    def _numbers(self):
        octets = self.counts.read_bytes() if self.counts.exists() else b""
        count = HEADER + len(CALLS) + RULES_MAX
        return struct.unpack(f"<{count}Q", octets.ljust(8 * count, b"\0"))

    def calls(self):
        """{name: how often it was called}, of all processes since the file began."""
        return dict(zip(CALLS, self._numbers()[HEADER:]))

    def hits(self, rule=0):
        """How many calls a rule of the script was about, its turn or not; the first is 0."""
        return self._numbers()[HEADER + len(CALLS) + rule]
