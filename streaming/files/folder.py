"""Enhancing many files side by side.

Threads, not processes: kernels, codecs and resampler release Python's lock, the weights are shared, and nothing is
imported or compiled again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

from streaming.files.enhancement import FileReport, Stopped
from streaming.files.plan import FileJob

WAIT_S = 0.2  # between looks at whether the user wants to stop


class FileObserver(Protocol):
    """Is told about files in the thread that waits, in the order in which they end."""

    def done(self, job: FileJob, report: FileReport) -> None:
        """Take the report of a file that is written."""

    def failed(self, job: FileJob, error: Exception) -> None:
        """Take the reason why a file is not written."""


@dataclass(frozen=True)
class Stopper:
    """Tells all threads at once that they shall stop."""

    event: threading.Event

    def __call__(self) -> bool:
        """Tell whether to stop."""
        return self.event.is_set()


def enhance_files(
    jobs: Sequence[FileJob],
    work: Callable[[FileJob, Callable[[], bool]], FileReport],
    observer: FileObserver,
    workers: int,
) -> None:
    """Do the work for every file; one that fails does not stop the others.

    Args:
        jobs: files, the first ones begin first.
        work: enhances one file in one of several threads; the second argument tells whether it shall stop.
        observer: is told about every file.
        workers: files at a time.

    Raises:
        ValueError: if ``workers`` is not positive.
        KeyboardInterrupt: after all threads have ended; files that were not complete have left nothing.
    """
    if workers < 1:
        raise ValueError(f"--jobs must be positive, got {workers}")
    stopped = Stopper(threading.Event())
    with ThreadPoolExecutor(workers) as pool:
        waiting = {pool.submit(work, job, stopped): job for job in jobs}
        try:
            while waiting:
                ended, _ = wait(waiting, timeout=WAIT_S, return_when=FIRST_COMPLETED)
                for future in ended:
                    _tell(waiting.pop(future), future, observer)
        except BaseException:
            stopped.event.set()
            for future in waiting:
                future.cancel()
            raise


def _tell(job: FileJob, future: Future[FileReport], observer: FileObserver) -> None:
    """Hand the result of a file on; errors other than those of the file itself are raised."""
    try:
        report = future.result()
    except (ValueError, OSError) as error:
        observer.failed(job, error)
    except Stopped:
        pass
    else:
        observer.done(job, report)
