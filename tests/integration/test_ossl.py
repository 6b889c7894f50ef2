"""ecka.so under programs that never heard of eckad: openssl's own, curl and nginx.

Each case has a twin that was tampered with and must fail, and in both the counter moves that says
who computed.
"""
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from deployment import BUILD, SOURCE, Deployment
from ossl_programs import OPENSSL, Programs

LABEL = "demo-sign"  # provision's
SIGNERS = BUILD / "tests" / "integration" / "ossl_signers"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port):
    deadline = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, f"nobody listens on {port}"
        time.sleep(0.05)


def flip_last(path):
    octets = bytearray(path.read_bytes())
    octets[-1] ^= 1
    path.write_bytes(octets)


class Case(unittest.TestCase):
    def setUp(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="ecka-ossl-"))
        self.addCleanup(shutil.rmtree, self.path)
        self.programs = Programs(self.path)

    def fails_on_the_kernels(self, *command, says=None, stdin=None):
        status, output, counters = self.programs.run(*command, stdin=stdin)
        self.assertNotEqual(status, 0, output)
        self.assertGreater(counters["verify_kernel"], 0, output)
        self.assertEqual(counters["verify_delegated"], 0, output)
        if says:
            self.assertIn(says, output)

    def passes_on_the_kernels(self, *command, stdin=None):
        status, output, counters = self.programs.run(*command, stdin=stdin)
        self.assertEqual(status, 0, output)
        self.assertGreater(counters["verify_kernel"], 0, output)
        self.assertEqual(counters["verify_delegated"], 0, output)


class Tools(Case):
    def sgp26(self, name):
        text = (SOURCE / "tests" / "vectors" / "sgp26.vec").read_text()
        der = re.search(rf"^\[{name}\]\n(?:[^\[].*\n)*?certificate = (\w+)", text, re.M).group(1)
        return self.der_to_pem(name, bytes.fromhex(der))

    def der_to_pem(self, name, der):
        file = self.path / f"{name}.pem"
        self.programs.plain(OPENSSL, "x509", "-inform", "DER", "-out", file, stdin=der)
        return file

    def test_verify_an_sgp26_chain(self):
        """EUM under CI; then the EUM with one bit of its signature, and of its body, changed."""
        ci, eum = self.sgp26("ci-nist"), self.sgp26("eum-nist")
        self.programs.tamper("eum-nist", "tampered")
        self.passes_on_the_kernels(OPENSSL, "verify", "-check_ss_sig", "-CAfile", ci, eum)
        self.fails_on_the_kernels(OPENSSL, "verify", "-CAfile", ci, self.path / "tampered.pem",
                                  says="certificate signature failure")
        brainpool = self.sgp26("ci-brp")
        self.passes_on_the_kernels(OPENSSL, "verify", "-check_ss_sig", "-CAfile", brainpool,
                                   brainpool)

    def test_dgst_verify(self):
        message, signature = self.path / "message", self.path / "signature"
        for group in ("P-256", "brainpoolP256r1"):
            for digest in ("-sha256", "-sha384", "-sha1"):
                self.programs.plain(OPENSSL, "genpkey", "-algorithm", "EC", "-pkeyopt",
                                    f"group:{group}", "-out", "k.pem")
                self.programs.plain(OPENSSL, "pkey", "-in", "k.pem", "-pubout", "-out", "p.pem")
                message.write_bytes(b"a message")
                self.programs.plain(OPENSSL, "dgst", digest, "-sign", "k.pem", "-out", signature,
                                    message)
                verify = (OPENSSL, "dgst", digest, "-verify", "p.pem", "-signature", signature,
                          message)
                self.passes_on_the_kernels(*verify)
                message.write_bytes(b"A message")
                self.fails_on_the_kernels(*verify)

    def test_cms_verify(self):
        self.programs.ca()
        self.programs.issue("signer")
        (self.path / "content").write_bytes(b"content")
        self.programs.plain(OPENSSL, "cms", "-sign", "-in", "content", "-signer", "signer.pem",
                            "-inkey", "signer.key", "-outform", "DER", "-out", "cms", "-nodetach",
                            "-binary")
        verify = (OPENSSL, "cms", "-verify", "-inform", "DER", "-in", "cms", "-CAfile", "ca.pem",
                  "-purpose", "any", "-out", "out")
        self.passes_on_the_kernels(*verify)
        self.assertEqual((self.path / "out").read_bytes(), b"content")
        flip_last(self.path / "cms")
        self.fails_on_the_kernels(*verify)

    def test_other_curves_are_delegated(self):
        for group in ("P-384", "P-521", "secp256k1"):
            self.programs.ca(group=group)
            self.programs.issue("leaf", group=group)
            self.programs.tamper("leaf", "tampered")
            for name, good in (("leaf", True), ("tampered", False)):
                status, output, counters = self.programs.run(
                    OPENSSL, "verify", "-CAfile", "ca.pem", f"{name}.pem")
                self.assertEqual(status == 0, good, output)
                self.assertEqual(counters["verify_kernel"], 0)
                self.assertGreater(counters["verify_delegated"], 0)

    def test_without_kernels_all_is_delegated(self):
        """A backend that does not exist: the module loads, and nothing is lost."""
        self.programs.ca()
        status, output, counters = self.programs.run(
            "env", "ECKA_BACKEND=none-such", OPENSSL, "verify", "-check_ss_sig", "-CAfile",
            "ca.pem", "ca.pem")
        self.assertEqual(status, 0, output)
        self.assertEqual(counters["verify_kernel"], 0)
        self.assertGreater(counters["verify_delegated"], 0)

    def test_ecka_eg_on_the_command_line(self):
        """The agreement and its KDF, against the default provider's ECDH and X963KDF."""
        run = self.programs.plain
        for side in ("a", "b"):
            run(OPENSSL, "genpkey", "-algorithm", "EC", "-pkeyopt", "group:brainpoolP256r1", "-out",
                f"{side}.pem")
            run(OPENSSL, "pkey", "-in", f"{side}.pem", "-pubout", "-out", f"{side}.pub")
        text = re.sub(r"[\s:]", "", run(OPENSSL, "pkey", "-in", "a.pem", "-noout", "-text"))
        secret = re.search(r"priv(\w{64})pub", text).group(1)
        text = re.sub(r"[\s:]", "", run(OPENSSL, "pkey", "-in", "b.pem", "-noout", "-text"))
        peer = re.search(r"pub(04\w{128})ASN1", text).group(1)
        run(OPENSSL, "pkeyutl", "-derive", "-inkey", "a.pem", "-peerkey", "b.pub", "-out", "z")
        z = (self.path / "z").read_bytes().hex()
        expected = run(OPENSSL, "kdf", "-keylen", "48", "-kdfopt", "digest:SHA256", "-kdfopt",
                       f"hexsecret:{z}", "-kdfopt", "hexinfo:881005", "X963KDF")
        command = [OPENSSL, "kdf", "-keylen", "48", "-kdfopt", "group:brainpoolP256r1", "-kdfopt",
                   f"hexsecret:{secret}", "-kdfopt", f"hexpeer:{peer}", "-kdfopt", "hexinfo:881005",
                   "ECKA-EG"]
        status, output, _ = self.programs.run(*command)
        self.assertEqual((status, output), (0, expected))
        command[8] = command[8][:-1] + ("0" if command[8][-1] != "0" else "1")
        status, output, _ = self.programs.run(*command)
        self.assertNotEqual(status, 0, output)


class Handshake(Case):
    """s_server and s_client, TLS 1.3 with client certificates."""

    def serve(self, key, cert, groups):
        self.server_port = free_port()
        server = self.programs.spawn(
            "s_server", OPENSSL, "s_server", "-accept", f"127.0.0.1:{self.server_port}", "-key",
            key, "-cert", self.path / cert, "-CAfile", self.path / "ca.pem", "-Verify", "1", "-verify_return_error",
            "-tls1_3", "-groups", groups, "-naccept", "1", "-www")
        self.addCleanup(server.kill)
        server.wait_for("ACCEPT")
        return server

    def connect(self, cert, groups):
        """(whether the page came, what was said, s_client's counters)"""
        status, output, client = self.programs.run(
            OPENSSL, "s_client", "-connect", f"127.0.0.1:{self.server_port}", "-CAfile", "ca.pem",
            "-cert", f"{cert}.pem", "-key", "client.key", "-verify_return_error", "-tls1_3",
            "-groups", groups, "-ign_eof", stdin=b"GET / HTTP/1.0\r\n\r\n")
        return status == 0 and "200 ok" in output, output, client

    def handshake(self, key, cert="server", client_cert="client", groups="P-256"):
        (self.path / "s_server.log").write_text("")
        server = self.serve(key, f"{cert}.pem", groups)
        good, output, client = self.connect(client_cert, groups)
        server.popen.wait(60)
        return good, output + server.output(), client, self.programs.counters(pid=server.pid)


class Files(Handshake):
    def test_p384_works_as_without(self):
        self.programs.ca(group="P-384")
        self.programs.issue("server", group="P-384")
        self.programs.issue("client", group="P-384")
        good, output, client, served = self.handshake(self.path / "server.key", groups="P-384")
        self.assertTrue(good, output)
        self.assertGreater(client["verify_delegated"], 0)
        self.assertGreater(served["verify_delegated"], 0)
        self.assertEqual(client["verify_kernel"] + served["verify_kernel"], 0)


class Service(Handshake):
    """Keys behind a running eckad, in SoftHSM."""

    def setUp(self):
        super().setUp()
        self.deployment = Deployment()
        self.addCleanup(self.deployment.stop)
        subprocess.run([self.deployment.program("eckactl"), "keygen", self.path / "tls.key"],
                       check=True, stdout=subprocess.DEVNULL)
        public = re.search(r"^public (.*)$", (self.path / "tls.key.pub").read_text(), re.M).group(1)
        self.deployment.set_policy(
            self.deployment.policy().rstrip("\n") + "\n  - name: tls\n"
            f"    keys: ['{public}']\n    operations: [Sign]\n    sign_keys: [{LABEL}]\n")
        pem = subprocess.run(
            [self.deployment.program("eckactl"), "keys", "list", "--custodian",
             self.deployment.custodian_config(1), "--pem", "generic-sign"],
            env=self.deployment.env, capture_output=True, text=True, check=True).stdout
        (self.path / "token.pem").write_text(pem)
        self.configure("token.pem")
        self.deployment.start()
        self.programs.ca()

    def configure(self, public, **more):
        self.programs.configure({LABEL: self.path / public}, **{
            "endpoint": self.deployment.endpoint, "key_file": self.path / "tls.key",
            "server_key_file": self.deployment.path / "eckad.key.pub", "keys": "ecka_keys", **more})

    def certified(self):
        """server.pem for the token's key, requested by its own signature; and a client's."""
        status, output, counters = self.programs.run(
            OPENSSL, "req", "-new", "-key", f"ecka:key={LABEL}", "-subj", "/CN=server", "-out",
            "server.csr")
        self.assertEqual((status, counters["store_sign"]), (0, 1), output)
        self.programs.plain(OPENSSL, "req", "-in", "server.csr", "-noout", "-verify")
        self.programs.certify("server")
        self.programs.issue("client")

    def test_mutual_tls_with_a_key_in_the_token(self):
        self.certified()
        key = f"ecka:key={LABEL}"
        good, output, client, served = self.handshake(key)
        self.assertTrue(good, output)
        self.assertEqual(served["store_sign"], 1)
        self.assertGreater(served["verify_kernel"], 1)
        self.assertGreater(client["verify_kernel"], 1)
        self.assertEqual(client["verify_delegated"] + served["verify_delegated"], 0)

        self.programs.tamper("client", "tampered")
        good, output, _, served = self.handshake(key, client_cert="tampered")
        self.assertFalse(good, output)
        self.assertGreater(served["verify_kernel"], 0)

        self.programs.tamper("server", "tampered")
        good, output, client, _ = self.handshake(key, cert="tampered")
        self.assertFalse(good, output)
        self.assertGreater(client["verify_kernel"], 0)

    def sign(self):
        (self.path / "message").write_bytes(b"a message")
        return self.programs.run(OPENSSL, "dgst", "-sha256", "-sign", f"ecka:key={LABEL}", "-out",
                                 "signature", "message")

    def test_what_the_token_signs_others_verify(self):
        status, output, counters = self.sign()
        self.assertEqual((status, counters["store_sign"]), (0, 1), output)
        verify = (OPENSSL, "dgst", "-sha256", "-verify", "token.pem", "-signature", "signature",
                  "message")
        self.programs.plain(*verify)
        (self.path / "message").write_bytes(b"A message")
        status, output, _ = self.programs.run(*verify, with_ecka=False)
        self.assertNotEqual(status, 0, output)

    def test_a_key_that_is_not_the_tokens(self):
        """A signature that does not fit the configured public key is not handed out."""
        self.programs.plain(OPENSSL, "pkey", "-in", "ca.key", "-pubout", "-out", "other.pem")
        self.configure("other.pem")
        status, output, counters = self.sign()
        self.assertNotEqual(status, 0, output)
        self.assertIn("does not fit the configured public key", output)
        self.assertEqual(counters["store_sign"], 0)

    def test_what_eckad_refuses(self):
        self.deployment.set_policy(self.deployment.policy().replace(
            f"sign_keys: [{LABEL}]", "sign_keys: [another]"))
        subprocess.run([self.deployment.program("eckactl"), "reload", "--config",
                        self.deployment.path / "eckad.yaml"], check=True,
                       stdout=subprocess.DEVNULL)
        status, output, counters = self.sign()
        self.assertNotEqual(status, 0, output)
        self.assertIn("eckad refused", output)
        self.assertIn("DENIED", output)
        self.assertEqual(counters["store_sign"], 0)

    def test_another_endpoint_answers(self):
        server_key = self.deployment.path / "eckad.key.pub"
        self.configure("token.pem", endpoint=f"ipc://{self.path}/nobody.sock",
                       endpoint2=self.deployment.endpoint, server_key_file2=server_key)
        status, output, counters = self.sign()
        self.assertEqual((status, counters["store_sign"]), (0, 1), output)

    def test_nobody_answers(self):
        self.configure("token.pem", endpoint=f"ipc://{self.path}/nobody.sock", deadline_ms=300)
        status, output, _ = self.sign()
        self.assertNotEqual(status, 0, output)
        self.assertIn("eckad did not answer", output)
        status, output, _ = self.programs.run(OPENSSL, "pkey", "-in", f"ecka:key={LABEL}",
                                              "-noout")  # loading asks nobody
        self.assertEqual(status, 0, output)

    def test_threads_share_a_connection_and_a_child_makes_its_own(self):
        before = len(self.programs.lines())
        status, output, _ = self.programs.run(SIGNERS, f"ecka:key={LABEL}", 8, 25)
        self.assertEqual(status, 0, output)
        for line in ("before: 1 threads, 0 sockets", "signed: 200 of 200", "child: 200 of 200",
                     "parent: 200 of 200"):
            self.assertIn(line, output)
        ended = self.programs.lines()[before:]
        self.assertEqual(sorted(line["store_sign"] for line in ended), [200, 400])


class Web(Case):
    """curl against nginx, both with ecka.so by configuration; their keys are files."""

    NGINX = """daemon off;
user {user};
worker_processes 2;
pid {path}/nginx.pid;
error_log {path}/nginx.error;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;
    fastcgi_temp_path {path}/fastcgi; uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi;
    ssl_protocols TLSv1.3;
    ssl_ecdh_curve prime256v1;
    ssl_client_certificate {path}/ca.pem;
    ssl_verify_client on;
    server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {path}/server.pem;
              ssl_certificate_key {path}/server.key; return 200 "served\\n"; }}
    server {{ listen 127.0.0.1:{other} ssl; ssl_certificate {path}/server-tampered.pem;
              ssl_certificate_key {path}/server.key; return 200 "served\\n"; }}
}}
"""

    def setUp(self):
        super().setUp()
        self.programs.ca()
        for name in ("server", "client"):
            self.programs.issue(name)
            self.programs.tamper(name, f"{name}-tampered")
        self.port, self.other = free_port(), free_port()
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout
        (self.path / "nginx.conf").write_text(self.NGINX.format(
            path=self.path, port=self.port, other=self.other, user=user.strip()))
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        self.nginx = self.programs.spawn("nginx", nginx, "-p", self.path, "-c",
                                         self.path / "nginx.conf", "-e",
                                         self.path / "nginx.error")
        self.addCleanup(self.nginx.kill)
        wait_for_port(self.port)

    def curl(self, client="client", port=None, **how):
        return self.programs.run("curl", "-sS", "--cacert", "ca.pem", "--cert", f"{client}.pem",
                                 "--key", "client.key", f"https://localhost:{port or self.port}/",
                                 "--resolve", f"localhost:{port or self.port}:127.0.0.1", **how)

    def nginx_counters(self):
        self.assertEqual(self.nginx.stop(), 0, self.nginx.output())
        return self.programs.counters(program="nginx")

    def test_good(self):
        for _ in range(3):
            status, output, counters = self.curl()
            self.assertEqual((status, output), (0, "served\n"))
            self.assertGreater(counters["verify_kernel"], 1)
            self.assertEqual(counters["verify_delegated"], 0)
        served = self.nginx_counters()
        self.assertGreaterEqual(served["verify_kernel"], 6)  # a certificate and a handshake each
        self.assertEqual(served["verify_delegated"], 0)

    def test_tampered_client(self):
        _, output, _ = self.curl("client-tampered")
        self.assertIn("400", output)
        self.assertNotIn("served", output)
        self.assertGreater(self.nginx_counters()["verify_kernel"], 0)

    def test_tampered_server(self):
        status, output, counters = self.curl(port=self.other)
        self.assertNotEqual(status, 0, output)
        self.assertNotIn("served", output)
        without, its_output, _ = self.curl(port=self.other, with_ecka=False)
        self.assertEqual((status, output), (without, its_output))  # not to be told apart
        self.assertGreater(counters["verify_kernel"], 0)


if __name__ == "__main__":
    unittest.main()
