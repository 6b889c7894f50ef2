"""Runs a program under what a systemd unit leaves it, as far as a test may without systemd: system
calls, address families, memory that is not code, resource limits and the umask.

    unit_limits.py UNIT PROGRAM ARGUMENT...
"""
import ctypes
import errno
import os
import pathlib
import re
import resource
import subprocess
import sys

ALLOW, NO_NEW_PRIVS = 0x7FFF0000, 38
EQUAL, MASKED_EQUAL = 4, 7  # enum scmp_compare
PROT_WRITE, PROT_EXEC = 2, 4
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64),
                ("b", ctypes.c_uint64)]


def settings(unit):
    """{name: [values]} of a unit's [Service] section."""
    out = {}
    body = pathlib.Path(unit).read_text(encoding="utf-8").split("[Service]", 1)[1]
    for name, value in re.findall(r"^(\w+)=(.*)$", body.split("\n[", 1)[0], re.M):
        out.setdefault(name, []).append(value.strip())
    return out


def members(name):
    """The calls of a set of systemd's, sets within it included."""
    done = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name], check=True,
                          capture_output=True, text=True)
    lines = [line.strip() for line in done.stdout.splitlines() if line.startswith("    ")]
    calls = {line for line in lines if re.fullmatch(r"\w+", line)}
    return calls.union(*(members(line) for line in lines if line.startswith("@")))


def allowed_calls(values):
    """As systemd.exec(5) has it: the first line makes it an allow list, later ones add or remove."""
    calls = members("@default") | {"execve"}
    for value in values:
        names = value.removeprefix("~").split()
        named = set().union(*(members(n) if n.startswith("@") else {n} for n in names))
        calls = calls - named if value.startswith("~") else calls | named
    return calls


class Filter:
    def __init__(self):
        self.lib = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self.lib.seccomp_init.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.lib.seccomp_init(0x00050000 | errno.EPERM))

    def allow(self, call, *conditions):
        number = self.lib.seccomp_syscall_resolve_name(call.encode())
        if number == -1:
            return  # of a kernel that libseccomp does not know yet
        array = (Compare * len(conditions))(*conditions)
        rc = self.lib.seccomp_rule_add_array(self.context, ALLOW, number, len(conditions), array)
        assert rc == 0, (call, rc)

    def load(self):
        assert self.lib.seccomp_load(self.context) == 0, "the kernel does not take the filter"


def confine(unit):
    s, f = settings(unit), Filter()
    special = {"socket", "mmap", "mprotect", "shmat", "pkey_mprotect"}
    for call in sorted(allowed_calls(s["SystemCallFilter"]) - special):
        f.allow(call)
    for family in s["RestrictAddressFamilies"][-1].split():
        f.allow("socket", Compare(0, EQUAL, FAMILIES[family], 0))
    f.allow("mmap", Compare(2, MASKED_EQUAL, PROT_WRITE, 0))  # MemoryDenyWriteExecute=
    f.allow("mmap", Compare(2, MASKED_EQUAL, PROT_EXEC, 0))
    f.allow("mprotect", Compare(2, MASKED_EQUAL, PROT_EXEC, 0))
    for name in ("CORE", "MEMLOCK", "NOFILE"):
        number, unit_of = re.fullmatch(r"(\d+)([KMG]?)", s[f"Limit{name}"][-1]).groups()
        which = getattr(resource, f"RLIMIT_{name}")
        most = resource.getrlimit(which)[1]  # systemd may raise it, a test may not
        limit = int(number) * SIZES[unit_of]
        limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(which, (limit, limit))
    os.umask(int(s["UMask"][-1], 8))
    f.load()


if __name__ == "__main__":
    confine(sys.argv[1])
    os.execv(sys.argv[2], sys.argv[2:])
