"""What was already prepared: one line per finished recording, so that an interrupted preparation can go on."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from corpora.conversion import Job, Outcome
from datamodules.corpus import CorpusError
from storage.full_disk import naming
from storage.whole_files import is_part, write_whole


class Journal:
    """Outcomes by the key of their job, kept in a file of JSON lines.

    A line is added after the recording itself was written, so a killed process can only forget recordings, and those
    are written again. A last line that was cut off is ignored.

    Args:
        path: of the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[str, dict[str, object]] = {}
        if path.is_file():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    entry = json.loads(line)
                    self._lines[entry["key"]] = entry

    def find(self, key: str, job: Job) -> Outcome | None:
        """Return the outcome of a finished job if its file is still there, as large as it was."""
        try:
            entry = self._lines[key]
            path = job.target if entry["written"] else job.recording.file
            if path.stat().st_size != entry["bytes"]:
                return None
            return Outcome(path, int(str(entry["frames"])), int(str(entry["clipped"])))
        except (KeyError, ValueError, OSError):
            return None

    @contextlib.contextmanager
    def appending(self) -> Iterator[TextIO]:
        """Open the file at its end, on a line of its own."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+", encoding="utf-8") as file:
            if file.tell():  # the last line may have been cut off
                file.write("\n")
            yield file

    def add(self, file: TextIO, key: str, job: Job, outcome: Outcome) -> None:
        """Append a finished job and make it visible to others at once."""
        entry = {
            "key": key,
            "written": outcome.path == job.target,
            "frames": outcome.frames,
            "clipped": outcome.clipped,
            "bytes": outcome.path.stat().st_size,
        }
        with naming(self.path):
            file.write(json.dumps(entry) + "\n")
            file.flush()
        self._lines[key] = entry

    def keep(self, keys: Iterable[str]) -> None:
        """Rewrite the file with these jobs only."""
        lines = [json.dumps(self._lines[key]) + "\n" for key in keys if key in self._lines]
        write_whole(self.path, "".join(lines).encode())


@contextlib.contextmanager
def locked(path: Path, busy: str | None) -> Iterator[None]:
    """Hold a lock file; the system releases it even if the process is killed.

    Args:
        path: of the lock file.
        busy: message if another process holds it; None waits for it.

    Raises:
        CorpusError: with the message ``busy``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
        except BlockingIOError as error:
            raise CorpusError(busy or "") from error
        yield


def remove_partial(folder: Path) -> None:
    """Remove files that a killed process was writing."""
    for path in folder.rglob(".*"):
        if is_part(path):
            path.unlink(missing_ok=True)
