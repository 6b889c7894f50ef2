"""libecka.so exports ecka_* and nothing else, and every function of ecka.h."""
import re
import subprocess
import sys

library, header = sys.argv[1:]
symbols = subprocess.run(["nm", "-D", "--defined-only", library], check=True,
                         capture_output=True, text=True).stdout
exported = {line.split()[-1] for line in symbols.splitlines()}
declared = set(re.findall(r"ECKA_API [^;]*?\b(ecka_\w+)\(", open(header, encoding="utf-8").read()))

assert len(declared) > 10, f"ecka.h was not understood: {declared}"
assert exported == declared, f"differ from ecka.h: {exported ^ declared}"

needed = subprocess.run(["readelf", "-d", library], check=True, capture_output=True,
                        text=True).stdout
soname = re.search(r"soname: \[(.*)\]", needed).group(1)
assert soname == "libecka.so.0", soname
