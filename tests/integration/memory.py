"""What a process holds in its memory, read from outside while it is stopped."""
import os
import pathlib
import signal
import time


def state(pid):
    """The process's state letter (proc(5)): T is stopped."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def wait_stopped(pid, seconds=10):
    deadline = time.monotonic() + seconds
    while state(pid) != "T":
        if time.monotonic() > deadline:
            raise AssertionError(f"process {pid} did not stop")
        time.sleep(0.001)


def maps(pid):
    return pathlib.Path(f"/proc/{pid}/maps").read_text()


def writable(pid):
    """The bytes of every writable mapping: a secret that came to exist can be nowhere else."""
    out = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps(pid).splitlines():
            span, rights = line.split()[:2]
            if rights[:2] != "rw":
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            try:
                memory.seek(start)
                out.append(memory.read(end - start))
            except OSError:
                continue
    return out


def snapshot(pid):
    """writable() of a running process, stopped for the moment."""
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_stopped(pid)
        return writable(pid)
    finally:
        os.kill(pid, signal.SIGCONT)


def holds(regions, needle):
    """Whether the needle is there, in either byte order."""
    return any(n in region for region in regions for n in (needle, needle[::-1]))
