"""Lets the disk run full under training, preparation and caching, then makes room: what is said, and what is left?

    python -m benchmarks.full_disk               # as root: mounts a small file system of its own (tmpfs)

The file system has room for a part of the work. The work must end with status 1 and name a file, everything under a
final name must be whole, and when there is room, the same command must come to the end of an uninterrupted run. Prints
Markdown; exit status 1 otherwise.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.killed_work import Work, start, wait
from benchmarks.stop_and_go import NAMES, cases

SIZES = {"pitch cache": "24k"}  # of the file system; tracks are small
SIZE, ROOM = "200k", "256m"


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system of a size, such as ``300k``."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_and_make_room(work: Work, folder: Path, size: str) -> tuple[str, bool]:
    """Return what was said about the full disk, and whether everything was as it must be."""
    whole = folder / "uninterrupted"
    whole.mkdir(parents=True)
    done = wait(start(work.run, whole)) == 0
    log = folder / "log.txt"

    def logged(here: Path) -> int:  # the log of this script is not on the disk that runs full
        return work.run(here / "small")

    with small_disk(folder / "small", size) as small:
        failed = wait(start(logged, folder)) == 1
        said = [line for line in log.read_text().splitlines() if "error: " in line]
        intact = not work.torn(small)
        subprocess.run(["mount", "-o", f"remount,size={ROOM}", str(small)], check=True)
        equal = wait(start(logged, folder)) == 0 and work.result(small) == work.result(whole)
    message = "error: " + said[-1].rpartition("error: ")[2] if said else "nothing"
    return message.replace(f"{small}/", ""), done and failed and intact and equal and bool(said)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=NAMES, help="this kind of work; may be given several times")
    options = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)  # children are forked: no thread of torch may be at work
    failed = False
    print("| work | what is said | as it must be, and done when there was room |\n|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="full_disk-") as folder:
        for work in cases(Path(folder), options.only or NAMES, epochs=3):
            said, right = fill_and_make_room(work, Path(folder) / "disks" / work.name, SIZES.get(work.name, SIZE))
            print(f"| {work.name} | `{said}` | {'yes' if right else 'NO'} |", flush=True)
            failed = failed or not right
    sys.exit(failed)


if __name__ == "__main__":
    main()
