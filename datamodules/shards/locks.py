"""Locks between processes of one machine, given back by the system when a process dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on a file, which is made and stays.

    Args:
        path: of the lock file.
        wait: wait for another holder.

    Raises:
        BlockingIOError: if another process holds the lock and ``wait`` is False.
    """
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
