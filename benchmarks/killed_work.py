"""Work that is killed at random moments and goes on: the machinery of `benchmarks/stop_and_go.py`.

One process imports everything and forks a child for every attempt, so that a kill costs no start of the interpreter.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from storage.whole_files import is_part

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
EARLIEST = 0.02  # share of the time of an uninterrupted run before which nothing is killed
PATIENCE_S = 120.0  # for a child that was asked to stop


class Work(Protocol):
    """Something that takes a while, writes into a folder, and goes on there after it was stopped."""

    name: str

    def run(self, folder: Path) -> int:
        """Do what is left, and return the exit status."""

    def torn(self, folder: Path) -> list[Path]:
        """Return the files that are broken under their final names."""

    def result(self, folder: Path) -> str:
        """Return a digest of what the finished work left."""


@dataclass
class Tally:
    """What became of the kills of one kind of work.

    Attributes:
        signals: name of a signal to how many were sent to a child that was at work.
        finished: runs that were killed, went on and came to their end.
        equal: of these, how many left what an uninterrupted run leaves.
        torn: broken files found after a kill.
        caught_writing: kills that left a temporary file, so that they hit while one was being written.
        seconds: of the uninterrupted run.
        problems: attempts that ended otherwise than they should.
    """

    signals: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    equal: int = 0
    torn: int = 0
    caught_writing: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def visible_files(folder: Path) -> list[Path]:
    """Return the files below a folder, sorted, without hidden ones and those in hidden folders."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def folder_digest(folder: Path) -> str:
    """Return a digest of the names and contents of all visible files in a folder."""
    lines = [f"{path.relative_to(folder)} {file_digest(path)}" for path in visible_files(folder)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def start(work: Callable[[Path], int], folder: Path) -> int:
    """Fork a child that works in a folder, its output in ``log.txt``, and return its process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    status = 99  # an error that nobody expected
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        tqdm.set_lock(threading.RLock())  # its own is shared with the parent, which would wait for a killed child
        with (folder / "log.txt").open("a") as log, redirect_stdout(log), redirect_stderr(log):
            try:
                status = work(folder)
            except KeyboardInterrupt:
                status = 128 + signal.SIGINT
            except BaseException:
                traceback.print_exc()
    finally:
        os._exit(status)


def kill_after(child: int, number: int, delay_s: float) -> tuple[bool, int]:
    """Send a signal to a child that is still at work after a while, and wait for its end.

    Returns:
        Whether the signal was sent, and the exit status as a shell counts it.
    """
    deadline = time.monotonic() + delay_s
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return False, _shell_status(status)
        time.sleep(min(0.002, max(0.0, deadline - time.monotonic())))
    os.kill(child, number)
    return True, wait(child)


def wait(child: int) -> int:
    """Wait for a child and return its exit status as a shell counts it; one that takes too long is killed."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return _shell_status(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


def _shell_status(status: int) -> int:
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def stop_and_go(work: Work, folder: Path, times: int, kills_per_run: int, seed: int, progress: bool = True) -> Tally:
    """Kill work at random moments until it was killed often enough, let it go on, and compare.

    Args:
        work: to be killed.
        folder: empty, for all runs.
        times: kills in all.
        kills_per_run: of one run, before it is left to come to its end.
        seed: of moments and signals.
        progress: show a bar.
    """
    rng, tally = random.Random(seed), Tally()
    reference = folder / "uninterrupted"
    reference.mkdir(parents=True)
    started = time.monotonic()
    status = wait(start(work.run, reference))
    tally.seconds = time.monotonic() - started
    if status:
        raise RuntimeError(f"{work.name}: the uninterrupted run ended with {status}; see {reference / 'log.txt'}")
    expected = work.result(reference)
    bar = tqdm(total=times, desc=work.name, unit="kill", disable=not progress)
    run = 0
    while tally.signals.total() < times:
        here = folder / f"killed_{run}"
        here.mkdir()
        for _ in range(min(kills_per_run, times - tally.signals.total())):
            number = SIGNALS[tally.signals.total() % len(SIGNALS)]
            child = start(work.run, here)
            sent, status = kill_after(child, number, rng.uniform(EARLIEST, 1.0) * tally.seconds)
            if not sent and status == 0:
                break  # it came to its end before
            _note(tally, work, here, number, status)
            bar.update()
        _finish(tally, work, here, expected)
        run += 1
    bar.close()
    return tally


def _note(tally: Tally, work: Work, folder: Path, number: int, status: int) -> None:
    """Count a kill and what it left."""
    tally.signals[signal.Signals(number).name] += 1
    if status not in (0, 128 + number):  # 0: it ended while the signal was under way
        tally.problems.append(f"{folder}: status {status} after {signal.Signals(number).name}")
    tally.caught_writing += any(is_part(path) for path in folder.rglob(".*"))
    torn = work.torn(folder)
    tally.torn += len(torn)
    tally.problems += [f"torn: {path}" for path in torn]


def _finish(tally: Tally, work: Work, folder: Path, expected: str) -> None:
    """Let a run come to its end and compare."""
    status = wait(start(work.run, folder))
    if status:
        tally.problems.append(f"{folder}: status {status} of the run that was left to come to its end")
        return
    tally.finished += 1
    if work.result(folder) == expected:
        tally.equal += 1
    else:
        tally.problems.append(f"{folder}: not what the uninterrupted run left")
