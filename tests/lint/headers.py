"""Each header compiles alone.

Usage: headers.py BUILD_DIR COMPILER...: the compiler and the flags of the project's dependencies.
"""
import concurrent.futures
import subprocess
import sys

import tree


# Headers of intrinsics need the flags of the library that they belong to.
FLAGS = {"providers/ec/ifma/": ["-O1", "-mavx2", "-mbmi2", "-mavx512f", "-mavx512dq", "-mavx512vl",
                                "-mavx512bw", "-mavx512ifma", "-mavx512vbmi2"]}


def compile_alone(header, build, compiler):
    command = compiler + ["-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra",
                          "-Werror", "-I", str(tree.ROOT), "-I", f"{build}/proto",
                          "-include", header, "-x", "c", "/dev/null"]
    command += [flag for room, flags in FLAGS.items() if header.startswith(room) for flag in flags]
    result = subprocess.run(command, cwd=tree.ROOT, capture_output=True, text=True, check=False)
    return [] if result.returncode == 0 else [f"{header}:\n{result.stderr}"]


if __name__ == "__main__":
    headers = list(tree.files(".h"))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda h: compile_alone(h, sys.argv[1], sys.argv[2:]), headers)
        tree.finish([fault for faults in results for fault in faults], len(headers))
