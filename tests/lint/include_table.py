"""Who may include whom.

proto < providers < hsm < service < smsr < bench, tests: a room includes itself and rooms to its
left; hsm is reached only as a process; smsr sees of service only the client. Foreign headers and
calls that a room must not know stand in FORBIDDEN and RESERVED. The program first proves on seeded
violations that it would see one.
"""
import re

import tree

ORDER = {"proto": 0, "providers": 1, "hsm": 2, "service": 3, "smsr": 4, "bench": 5, "tests": 5}
GENERATED = {"ecka.pb-c.h", "custody.pb-c.h", "es.pb-c.h"}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+([<"])([^>"]+)[>"]', re.M)

# Headers only some places may include: (pattern of header, pattern of path that may).
RESERVED = [
    (r"zmq(_utils)?\.h$", r"service/front/(frontend|monitor)\.c$|service/client/|smsr/transport\.c$|bench/|tests/"),
    (r"(p11-kit-1/)?p11-kit/|(.*/)?pkcs11.*\.h$|libp11\.h$", r"hsm/|bench/hsm/|bench/raw_sign\.c$|tests/pkcs11/"),
    (r"microhttpd\.h$", r"service/observe/http\.c$"),
    (r"systemd/", r"service/observe/log\.c$"),
]

# Headers a room must not include at all: (room, pattern of header, reason).
FORBIDDEN = [
    ("proto", r"openssl/|sodium|zmq", "proto computes nothing and sends nothing"),
    ("proto", r"sys/|unistd\.h|fcntl\.h|poll\.h|netinet/|arpa/", "proto does no I/O"),
    ("proto", r"time\.h|pthread\.h|threads\.h|stdatomic\.h", "proto knows no clock and no thread"),
    ("providers", r"sys/socket\.h|sys/un\.h|netinet/|arpa/|zmq", "providers opens no socket"),
    ("providers", r"pthread\.h|threads\.h", "providers starts no thread"),
]

# Exceptions to these: (path, header, reason).
EXCEPTED = [
    ("providers/ossl/process.c", "pthread.h", "a module in others' programs is told of their forks"),
]

# Calls a room must not make.
CALLS = [
    ("proto", r"\b(fopen|printf|fprintf|puts|perror|malloc|calloc|realloc)\s*\(",
     "proto does no I/O and takes memory from its caller"),
]

COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)


def direction(path, room, header):
    """A fault of the rooms' direction, or None."""
    if header in GENERATED:
        return None
    target = header.split("/", 1)[0]
    if target not in ORDER:
        return f"{path}: \"{header}\" is not named from the root"
    if target == room or room in ("bench", "tests"):
        return None
    if ORDER[target] > ORDER[room]:
        return f"{path}: {room} must not see {header}"
    if target == "hsm":
        return f"{path}: hsm is reached only as a process, not through {header}"
    if room == "smsr" and target == "service" and not header.startswith("service/client/"):
        return f"{path}: smsr is a client, and must not see {header}"
    return None


def faults_of(path, text):
    room = path.split("/", 1)[0]
    faults = []
    for kind, header in INCLUDE.findall(text):
        reserved = [may for what, may in RESERVED if re.match(what, header)]
        if any(not re.match(may, path) for may in reserved):
            faults.append(f"{path}: {header} is reserved to other places")
        for where, what, reason in FORBIDDEN:
            if (room == where and kind == "<" and re.match(what, header)
                    and (path, header) not in [e[:2] for e in EXCEPTED]):
                faults.append(f"{path}: includes {header}, but {reason}")
        if kind == '"':
            faults.append(direction(path, room, header))
    code = COMMENT.sub(" ", text)
    for where, what, reason in CALLS:
        call = re.search(what, code) if room == where else None
        if call:
            faults.append(f"{path}: calls {call.group(1)}(), but {reason}")
    return [fault for fault in faults if fault]


SEEDED = [
    ("proto/a.c", '#include "providers/provider.h"\n'),
    ("proto/a.c", "#include <openssl/evp.h>\n"),
    ("proto/a.c", "#include <time.h>\n"),
    ("proto/a.c", "void f(void)\n{\n    printf(\"x\");\n}\n"),
    ("providers/a.c", "#include <pthread.h>\n"),
    ("providers/ossl/lanes.c", "#include <pthread.h>\n"),
    ("providers/ossl/process.c", "#include <threads.h>\n"),
    ("providers/ossl/store.c", '#include "service/client/ecka.h"\n'),
    ("providers/a.c", "# include <p11-kit/pkcs11.h>\n"),
    ("service/a.c", '#include "hsm/sealed/blob.h"\n'),
    ("service/batcher.c", "#include <zmq.h>\n"),
    ("service/a.c", "#include <libp11.h>\n"),
    ("service/observe/metrics.c", "#include <microhttpd.h>\n"),
    ("service/main.c", "#include <systemd/sd-journal.h>\n"),
    ("smsr/a.c", '#include "service/job.h"\n'),
    ("smsr/a.c", '#include "bench/a.h"\n'),
    ("smsr/card/euicc.c", "#include <zmq.h>\n"),
    ("hsm/a.c", '#include "service/config.h"\n'),
    ("bench/kernels.c", "#include <p11-kit/pkcs11.h>\n"),
    ("hsm/a.c", '#include "blob.h"\n'),
]
ALLOWED = [
    ("proto/a.c", '#include "proto/a.h"\n#include <string.h>\n/* printf("x") is a comment */\n'),
    ("proto/wire/wire.h", '#include "ecka.pb-c.h"\n'),
    ("hsm/a.c", '#include "providers/provider.h"\n#include <p11-kit/pkcs11.h>\n#include <libp11.h>\n'),
    ("service/front/frontend.c", '#include <zmq.h>\n#include "proto/status.h"\n'),
    ("smsr/beta.c", '#include "service/client/ecka.h"\n'),
    ("providers/ossl/process.c", "#include <pthread.h>\n"),
    ("service/client/ossl_remote_key.c", '#include "providers/ossl/remote_key.h"\n'),
    ("tests/unit/hsm/a.c", '#include "hsm/sealed/blob.h"\n'),
]


def prove():
    missed = [f"not caught: {path}: {text!r}" for path, text in SEEDED if not faults_of(path, text)]
    wrong = [f"wrongly caught: {fault}" for path, text in ALLOWED for fault in faults_of(path, text)]
    return missed + wrong


if __name__ == "__main__":
    found, count = prove(), 0
    for name in tree.files(".c", ".h"):
        found += faults_of(name, tree.read(name))
        count += 1
    tree.finish(found, count)
