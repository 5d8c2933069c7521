"""Conversion in several processes, which end when the process that started them is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait

from corpora.conversion import Job, Outcome, convert
from datamodules.corpus import CorpusError

JOBS_PER_MESSAGE = 4  # a recording takes about 0.1 s; more per message would lose more when the process is killed


def _follow_parent() -> None:
    """End with the parent process: a killed one cannot tell its workers, which would wait for work forever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Ctrl-C the parent ends them
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel
        threading.Thread(target=lambda: (wait([sentinel]), os._exit(1)), daemon=True).start()


def convert_all(jobs: Sequence[Job], workers: int) -> Generator[Outcome, None, None]:
    """Do all jobs and yield their outcomes in order.

    Args:
        jobs: independent of each other.
        workers: processes; 1 works in this one.

    Raises:
        CorpusError: if a worker was killed, or as :func:`corpora.conversion.convert`.
        OSError: if a result cannot be written.
    """
    if workers == 1 or len(jobs) <= 1:
        yield from map(convert, jobs)
        return
    # Started anew instead of forked, so that they share no thread, lock or open file with this process.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), context, _follow_parent) as pool:
        try:
            yield from pool.map(convert, jobs, chunksize=JOBS_PER_MESSAGE)
        except BrokenProcessPool as error:
            raise CorpusError("a worker process was killed, perhaps for lack of memory; try fewer --workers") from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
