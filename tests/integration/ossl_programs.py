"""Programs on OpenSSL with and without ecka.so, and what its counters said at their end."""
import json
import os
import pathlib
import re
import subprocess

from deployment import BUILD, SOURCE, Process

OPENSSL = "openssl"
MODULE = BUILD / "providers" / "ossl" / "ecka.so"
SECONDS = 60
COUNTERS = ("verify_kernel", "verify_delegated", "store_sign")

SAMPLE = (SOURCE / "providers" / "ossl" / "openssl.cnf").read_text()
REQUEST = "\n[req]\ndistinguished_name = name\n[name]\n"


def configured(text, **settings):
    """The sample with these settings in the places where it shows them."""
    for name, value in settings.items():
        text, n = re.subn(rf"^#?{re.escape(name)} = .*$", f"{name} = {value}", text, flags=re.M)
        assert n == 1, f"{n} lines for {name}"
    return text


class Programs:
    """A folder with the sample configuration, settled for it."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.statistics = self.path / "statistics"
        self.config = self.path / "openssl.cnf"
        self.configure()

    def configure(self, public=None, **settings):
        """public: {label: file of its public key}"""
        text = configured(SAMPLE, module=MODULE, statistics=self.statistics, **settings)
        lines = "".join(f"{label} = {file}\n" for label, file in (public or {}).items())
        assert text.rstrip().splitlines()[-2] == "[ecka_keys]"
        self.config.write_text(text + lines + REQUEST)

    def env(self, with_ecka=True):
        plain = self.path / "plain.cnf"
        plain.write_text(REQUEST)
        return {**os.environ, "OPENSSL_CONF": str(self.config if with_ecka else plain)}

    def lines(self):
        if not self.statistics.exists():
            return []
        return [json.loads(line) for line in self.statistics.read_text().splitlines()]

    def counters(self, **which):
        """The sums of the processes that ended; which: their program or pid."""
        lines = [line for line in self.lines() if all(line[k] == v for k, v in which.items())]
        return {name: sum(line[name] for line in lines) for name in COUNTERS}

    def run(self, *command, with_ecka=True, stdin=None):
        """(status, output, counters)"""
        with subprocess.Popen([str(part) for part in command], env=self.env(with_ecka),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, cwd=self.path) as process:
            try:
                output, _ = process.communicate(stdin, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return (process.returncode, output.decode(errors="replace"),
                self.counters(pid=process.pid))

    def plain(self, *command, stdin=None):
        """Without ecka.so; it must succeed."""
        status, output, _ = self.run(*command, with_ecka=False, stdin=stdin)
        assert status == 0, f"{command}:\n{output}"
        return output

    def spawn(self, name, *command):
        return Process(name, [str(part) for part in command], self.env(),
                       self.path / f"{name}.log")

    # -- certificates, made without ecka.so --

    def ca(self, name="ca", group="P-256"):
        self.plain(OPENSSL, "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   f"ec_paramgen_curve:{group}", "-nodes", "-keyout", f"{name}.key", "-out",
                   f"{name}.pem", "-subj", f"/CN={name}", "-days", "30",
                   "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, name, ca="ca", group="P-256"):
        """NAME.key, a file, and NAME.pem."""
        self.plain(OPENSSL, "req", "-new", "-newkey", "ec", "-pkeyopt",
                   f"ec_paramgen_curve:{group}", "-nodes", "-keyout", f"{name}.key", "-out",
                   f"{name}.csr", "-subj", f"/CN={name}")
        self.certify(name, ca)

    def certify(self, name, ca="ca"):
        (self.path / "san").write_text("subjectAltName = DNS:localhost, IP:127.0.0.1\n")
        self.plain(OPENSSL, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey",
                   f"{ca}.key", "-out", f"{name}.pem", "-days", "30", "-extfile", "san")

    def tamper(self, name, tampered):
        """A copy of NAME.pem with one bit of its signature changed."""
        self.plain(OPENSSL, "x509", "-in", f"{name}.pem", "-outform", "DER", "-out", "t.der")
        der = bytearray((self.path / "t.der").read_bytes())
        der[-1] ^= 1
        (self.path / "t.der").write_bytes(der)
        self.plain(OPENSSL, "x509", "-inform", "DER", "-in", "t.der", "-out", f"{tampered}.pem")
