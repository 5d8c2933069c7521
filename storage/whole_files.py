"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.full_disk import naming

PART = ".part"  # in the names of files that are being written
LEFT_OVER_S = 3600.0  # a file is written in seconds: one that did not change for an hour was left by a killed process


@contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[Path]:
    """Give a temporary name beside ``path``; what is written there takes its place at the end.

    A reader never sees half a file, and an error leaves the previous one. The folder is made if needed.

    Args:
        path: the file to write.
        durable: bring content and name to the disk before returning, so that they also outlive a loss of power.

    Yields:
        The temporary name, with the same suffix, since writers of images go by it.

    Raises:
        OSError: if it cannot be written; names ``path``, and says what to do where the disk is full.
    """
    with _taking_place(path, f".{path.stem}.{os.getpid()}{PART}{path.suffix}", durable) as temporary:
        yield temporary


def write_whole(path: Path, content: bytes | memoryview, durable: bool = False) -> None:
    """Write a file under a temporary name and rename it; an error leaves what was there before, and nothing else.

    Args:
        path: the file to write; its folder is made if needed.
        content: of the file.
        durable: bring content and name to the disk before returning, so that they also outlive a loss of power.

    Raises:
        OSError: if it cannot be written; names ``path``, and says what to do where the disk is full.
    """
    with _taking_place(path, f".{path.name}.{os.getpid()}{PART}", durable) as temporary:
        temporary.write_bytes(content)


def write_text_whole(path: Path, text: str, durable: bool = False) -> None:
    """Write a text file in UTF-8 as :func:`write_whole` does."""
    write_whole(path, text.encode("utf-8"), durable)


def is_part(path: Path) -> bool:
    """Tell whether a name is the temporary one of a file that is being written.

    Example:
        >>> is_part(Path(".last.123.part.ckpt")), is_part(Path("last.ckpt"))
        (True, False)
    """
    return path.name.startswith(".") and (path.suffix == PART or Path(path.stem).suffix == PART)


def remove_left_overs(folder: Path, older_than_s: float = LEFT_OVER_S) -> list[Path]:
    """Remove what killed processes were writing in a folder.

    Args:
        folder: it may not exist; its subfolders are left alone.
        older_than_s: seconds without a change after which nobody is writing a file any more.

    Returns:
        What was removed.
    """
    removed = []
    newest = time.time() - older_than_s
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):  # another process was faster
            if is_part(path) and path.stat().st_mtime <= newest:
                path.unlink()
                removed.append(path)
    return removed


@contextmanager
def _taking_place(path: Path, name: str, durable: bool) -> Iterator[Path]:
    """Give a name beside ``path`` that becomes ``path`` at the end."""
    temporary = path.with_name(name)
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if durable:
                _synchronize(temporary)
            temporary.replace(path)
            if durable:
                _synchronize(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def _synchronize(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    if os.name == "nt" and path.is_dir():  # folders cannot be opened there
        return
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
