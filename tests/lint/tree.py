"""What the lint tests share: the files of the tree and a small reporter."""
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ROOMS = ("proto", "providers", "hsm", "service", "smsr", "bench", "tests")


def files(*suffixes, rooms=ROOMS, root=ROOT):
    """Paths below the rooms that end in one of the suffixes, relative to the root."""
    for room in rooms:
        for folder, folders, names in os.walk(root / room):
            folders[:] = sorted(f for f in folders if f != "__pycache__")
            for name in sorted(names):
                if name.endswith(suffixes):
                    yield (pathlib.Path(folder) / name).relative_to(root).as_posix()


def read(path, root=ROOT):
    return (root / path).read_text(encoding="utf-8")


def finish(faults, looked_at):
    """Prints the faults and ends the program; a lint that looked at nothing has failed."""
    for fault in faults:
        print(fault)
    print(f"{looked_at} files, {len(faults)} faults")
    sys.exit(1 if faults or looked_at == 0 else 0)
