"""Files side by side: failures are told and stop nothing, an interruption stops everything."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from streaming.files.enhancement import FileReport, Stopped
from streaming.files.folder import enhance_files
from streaming.files.plan import FileJob
from streaming.files.property_summary import PropertySummary

JOBS = [FileJob(Path(f"{name}.wav"), Path(f"out/{name}.wav"), name) for name in "abcdef"]
REPORT = FileReport(1.0, 0.1, 0, PropertySummary(), None)


class Observer:
    def __init__(self, interrupt_after: int | None = None) -> None:
        self.ended: dict[str, str] = {}
        self.interrupt_after = interrupt_after

    def done(self, job: FileJob, report: FileReport) -> None:
        self.ended[job.label] = "done"
        if len(self.ended) == self.interrupt_after:
            raise KeyboardInterrupt

    def failed(self, job: FileJob, error: Exception) -> None:
        self.ended[job.label] = str(error)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_bad_file_stops_no_other(workers: int) -> None:
    def work(job: FileJob, stopped: Callable[[], bool]) -> FileReport:
        if job.label == "b":
            raise ValueError("bad b")
        if job.label == "d":
            raise OSError("no space")
        return REPORT

    observer = Observer()
    enhance_files(JOBS, work, observer, workers)
    assert observer.ended == dict.fromkeys("acef", "done") | {"b": "bad b", "d": "no space"}


def test_files_are_worked_on_side_by_side() -> None:
    together = threading.Barrier(3, timeout=10)  # breaks unless three are there at once

    def work(job: FileJob, stopped: Callable[[], bool]) -> FileReport:
        together.wait()
        return REPORT

    observer = Observer()
    enhance_files(JOBS, work, observer, workers=3)
    assert len(observer.ended) == 6


def test_an_interruption_stops_those_that_run_and_those_that_wait() -> None:
    begun: list[str] = []
    stopped_in: list[str] = []

    def work(job: FileJob, stopped: Callable[[], bool]) -> FileReport:
        begun.append(job.label)
        if job.label == "a":
            return REPORT
        while not stopped():
            threading.Event().wait(0.01)
        stopped_in.append(job.label)
        raise Stopped

    with pytest.raises(KeyboardInterrupt):
        enhance_files(JOBS, work, Observer(interrupt_after=1), workers=2)
    assert set(stopped_in) == set(begun) - {"a"}
    assert len(begun) < len(JOBS)


def test_a_mistake_of_ours_is_raised() -> None:
    def work(job: FileJob, stopped: Callable[[], bool]) -> FileReport:
        raise AssertionError("ours")

    with pytest.raises(AssertionError, match="ours"):
        enhance_files(JOBS, work, Observer(), workers=2)


def test_at_least_one_file_at_a_time() -> None:
    with pytest.raises(ValueError, match="--jobs must be positive, got 0"):
        enhance_files(JOBS, lambda job, stopped: REPORT, Observer(), workers=0)
