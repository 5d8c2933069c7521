"""A pool of processes that outlives the death of any of them: what one was doing is done again, once, by another.

The standard pools give up all jobs when a process dies. These processes are new interpreters that only import what
their function needs: they are no copies of a process that runs torch's threads and data workers, they do not import
its main script again, and one thread per process is settled before any library is loaded. What runs in them is
:func:`main` of this file.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Any, Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")
THREAD_LIMITS = tuple(f"{name}_NUM_THREADS" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA", "NUMEXPR"))
ATTEMPTS = 2  # a process may be killed because the machine was out of memory for a moment
BACKLOG = 32  # jobs per process that may wait; their data is in memory
READY = "ready"


class ProcessError(RuntimeError):
    """A job that could not be done, or processes that do not start."""


class _DiedError(Exception):
    """The process ended before it answered."""


class _Process:
    """One process; started at once, without waiting for it."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        environment = {**os.environ, **dict.fromkeys(THREAD_LIMITS, "1"), "PYTHONPATH": paths}
        command = [sys.executable, "-m", "datamodules.process_pool"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self.ready = False
        self._function = function

    def _send(self, value: Any) -> None:
        assert self.process.stdin is not None
        try:
            pickle.dump(value, self.process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
            self.process.stdin.flush()
        except (OSError, ValueError) as error:  # a broken pipe, or one that stop() closed
            raise _DiedError from error

    def _receive(self) -> Any:
        assert self.process.stdout is not None
        try:
            return pickle.load(self.process.stdout)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
            raise _DiedError from error

    def call(self, job: Any) -> tuple[bool, Any]:
        """Return whether a job was done, and its result or a traceback."""
        if not self.ready:
            self._send(self._function)
            self.ready = self._receive() == READY
        self._send(job)
        return self._receive()

    def stop(self) -> int:
        """End the process and return its exit status, negative for a signal."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=0.2)  # one that died by itself says how
        self.process.kill()
        status = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        return status


class ProcessPool(Generic[Job, Result]):
    """Applies a function to jobs in several processes.

    Args:
        function: of one job; known by its module and name in every process.
        workers: processes; 0 does every job in this one, when it is submitted.

    Raises:
        ValueError: if ``workers`` is negative.
    """

    def __init__(self, function: Callable[[Job], Result], workers: int) -> None:
        if workers < 0:
            raise ValueError(f"workers must not be negative, got {workers}")
        self._function = function
        self._closed = False
        self._broken: ProcessError | None = None
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(workers, "process-pool") if workers else None  # each waits for one process
        self._slots = BoundedSemaphore(max(1, workers * BACKLOG))
        self._started = [_Process(function) for _ in range(workers)]
        for process in self._started:
            self._idle.put(process)

    def submit(self, job: Job) -> Future[Result]:
        """Return the result to come; waits while too many jobs wait.

        The future raises :class:`ProcessError` if the function raised, or the process died twice over this job.
        """
        if self._threads is None:
            done: Future[Result] = Future()
            try:
                done.set_result(self._function(job))
            except Exception as error:
                done.set_exception(ProcessError(f"{type(error).__name__}: {error}"))
            return done
        self._slots.acquire()
        future = self._threads.submit(self._do, job)
        future.add_done_callback(lambda _: self._slots.release())
        return future

    def _do(self, job: Job) -> Result:
        """Do a job in an idle process, and in a new one if that dies."""
        process, status = self._idle.get(), 0
        try:
            for _ in range(ATTEMPTS):
                if self._broken is not None:
                    raise self._broken
                try:
                    done, result = process.call(job)
                except _DiedError:
                    status = process.stop()
                    process = self._successor(process, status)
                else:
                    if done:
                        return result
                    raise ProcessError(result)
            raise ProcessError(f"its process died {ATTEMPTS} times (exit status {status})")
        finally:
            self._idle.put(process)

    def _successor(self, process: _Process, status: int) -> _Process:
        """Start a process in place of one that died, unless there is no sense in it."""
        if self._closed:
            raise ProcessError("the pool was closed")
        if not process.ready:
            self._broken = ProcessError(f"a process could not start (exit status {status}); its own message is above")
            raise self._broken
        successor = _Process(self._function)
        self._started.append(successor)
        return successor

    def close(self) -> None:
        """End all processes; jobs that are not done are given up."""
        self._closed = True
        for process in self._started:
            process.process.kill()
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
        for process in self._started:
            process.stop()


def main() -> None:
    """Read a function, then answer every job until there is none: ``(True, result)`` or ``(False, traceback)``."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a package prints must not stand among the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the one that started us ends us
    jobs = sys.stdin.buffer
    function = pickle.load(jobs)
    pickle.dump(READY, answers)
    answers.flush()
    while True:
        try:
            job = pickle.load(jobs)
        except EOFError:
            return
        try:
            answer = (True, function(job))
        except Exception:
            answer = (False, traceback.format_exc())
        try:
            pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
            answers.flush()
        except BrokenPipeError:  # nobody waits for it any more
            os._exit(1)  # and closing the pipe would try once more


if __name__ == "__main__":
    main()
