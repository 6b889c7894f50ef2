#!/usr/bin/env python3
"""What ecka.so does for programs on OpenSSL: `openssl speed` and threads of our own, with it and
without it in turn, medians.

    ossl.py BUILD_DIR [--runs N] [--seconds N] [--only REGEX] [--json FILE]

The JSON is eckabench's (docs/eckabench.md), with intervals from six runs on.
"""
import argparse
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import tempfile

CONFIG = """openssl_conf = init
[init]
providers = providers
alg_section = algorithms
[algorithms]
default_properties = ?provider=ecka
[providers]
default = default_provider
ecka = ecka_provider
[default_provider]
activate = 1
[ecka_provider]
module = {module}
activate = 1
"""
SPEED_LINE = re.compile(r"^ *256 bits (ecdsa|ecdh) \(\w+\)((?: +[\d.]+s?)+)$", re.M)


def speed(algorithm, processes, seconds):
    """The command; processes: 0 for one without -multi."""
    command = ["openssl", "speed", "-seconds", str(seconds)]
    command += ["-multi", str(processes)] if processes else []
    return command + [algorithm]


def rates_of_speed(output):
    kind, columns = SPEED_LINE.search(output).groups()
    rates = [float(c) for c in columns.split() if not c.endswith("s")]
    return dict(zip(("sign", "verify") if kind == "ecdsa" else ("derive",), rates))


def cases(build, seconds):
    """(name, command, how its output is read)"""
    for processes in (0, 1, 2):
        how = f"-multi {processes}" if processes else "alone"
        for algorithm in ("ecdsap256", "ecdsabrp256r1", "ecdhp256"):
            yield f"speed {algorithm} {how}", speed(algorithm, processes, seconds), rates_of_speed
    for kind in ("prehashed", "message", "strangers"):
        for threads in (1, 2):
            yield (f"EVP {kind}, {threads} thread{'s' if threads > 1 else ''}",
                   [str(build / "bench" / "evp_threads"), kind, str(threads), str(seconds)],
                   lambda output: dict(zip(("verify", "by CPU"), map(float, output.split()))))


def run(command, config):
    done = subprocess.run(command, env={**os.environ, "OPENSSL_CONF": config}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def identity(name, what):
    """ossl/speed-ecdsap256-alone-verify"""
    return "ossl/" + re.sub(r"[^a-z0-9.]+", "-", f"{name} {what}".lower()).strip("-")


class Collector:
    """`eckabench collect`, which writes the document."""

    def __init__(self, build, path):
        command = [str(build / "bench" / "eckabench"), "collect", "--json", str(path)]
        said = os.environ.get("ECKABENCH_COMMAND") or shlex.join(["bench/ossl.py", *sys.argv[1:]])
        self.process = path and subprocess.Popen(command, stdin=subprocess.PIPE, text=True,
                                                 env={**os.environ, "ECKABENCH_COMMAND": said})

    def add(self, name, what, rounds):
        if self.process:
            json.dump({"id": identity(name, what), "title": f"{name}: {what}", "unit": "op/s",
                       "peer": "the same without ecka.so", "rounds": rounds}, self.process.stdin)
            self.process.stdin.write("\n")
            self.process.stdin.flush()

    def finish(self):
        if self.process:
            self.process.stdin.close()
            if self.process.wait() != 0:
                sys.exit("the results could not be written")


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("build", type=pathlib.Path)
    options.add_argument("--runs", type=int, default=7)
    options.add_argument("--seconds", type=int, default=1)
    options.add_argument("--only", type=re.compile, default=re.compile(""), help="cases so called")
    options.add_argument("--json", type=pathlib.Path)
    args = options.parse_args()
    collector = Collector(args.build, args.json)
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "openssl.cnf"
        config.write_text(CONFIG.format(module=args.build.resolve() / "providers/ossl/ecka.so"))
        print(f"{'':34} {'':6} {'without':>10} {'with':>10} {'ratio':>7}  spread of ratios")
        for name, command, read in cases(args.build, args.seconds):
            if not args.only.search(name):
                continue
            pairs = [(read(run(command, str(config))), read(run(command, "/dev/null")))
                     for _ in range(args.runs)]
            for what in pairs[0][0]:
                rounds = [(having[what], without[what]) for having, without in pairs]
                ratios = sorted(a / b for a, b in rounds)
                having, without = (statistics.median(side) for side in zip(*rounds))
                print(f"{name:34} {what:6} {without:10.0f} {having:10.0f}"
                      f" {statistics.median(ratios):7.2f}  {ratios[0]:.2f}..{ratios[-1]:.2f}",
                      flush=True)
                collector.add(name, what, rounds)
    collector.finish()


if __name__ == "__main__":
    main()
