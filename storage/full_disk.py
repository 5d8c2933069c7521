"""A full disk, told with the name of the file: the system's own error names none."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# No space left, the user's quota used up, and a file larger than the process may write.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
MIB = 2**20


class DiskFullError(OSError):
    """Something cannot be written for want of space; the message names the file and says what to do."""

    def __str__(self) -> str:
        """Return the system's message, the space that is left, and what became of the file."""
        folder = Path(self.filename).absolute().parent
        while not folder.is_dir() and folder != folder.parent:
            folder = folder.parent
        try:
            free = f"{shutil.disk_usage(folder).free / MIB:.1f} MiB are free there; "
        except OSError:
            free = ""
        return f"{super().__str__()} ({free}free some space: what was written before is kept)"


def is_full(error: BaseException) -> bool:
    """Tell whether an error is that of a full disk, a used-up quota or a limit on the size of files."""
    return isinstance(error, OSError) and error.errno in FULL


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Give an error of the system the name of the file that is being written; that of a full disk says what to do.

    Args:
        path: of the file.

    Raises:
        DiskFullError: instead of the system's error of a full disk.
        OSError: any other one of the block.
    """
    try:
        yield
    except DiskFullError:
        raise
    except OSError as error:
        if error.errno is None:  # not from the system
            raise
        if is_full(error):
            raise DiskFullError(error.errno, os.strerror(error.errno), str(path)) from error
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
