"""Truncated WAV files: libsndfile reads what is left of them without a word, so their chunks are measured here."""

from __future__ import annotations

import struct
from pathlib import Path

# Written by programs that do not know the length beforehand; nothing can be said about those files.
UNKNOWN_SIZES = (0, 0x7FFFFFFF, 0xFFFFFFFF)


def missing_bytes(path: Path) -> int:
    """Return how many bytes of audio a WAV file announces but does not hold; 0 for complete and for other files.

    Raises:
        OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        header = file.read(12)
        if len(header) < 12 or header[:4] != b"RIFF" or header[8:] != b"WAVE":
            return 0
        end = path.stat().st_size
        while len(chunk := file.read(8)) == 8:
            kind, size = struct.unpack("<4sI", chunk)
            if kind == b"data":
                return 0 if size in UNKNOWN_SIZES else max(0, file.tell() + size - end)
            file.seek(size + size % 2, 1)  # chunks are padded to even sizes
    return 0
