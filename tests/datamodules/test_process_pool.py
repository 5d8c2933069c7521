"""Rating in processes: the same numbers as in this one, and no job lost or unnamed when one of them dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from datamodules.process_pool import ProcessError, ProcessPool
from datamodules.rating import MEASURES
from datamodules.rating.dnsmos import DNSMOS_MEASURES
from datamodules.rating.utterance import Rated, RatingJob, rate_job
from datamodules.synthetic_speech import draw_voice, synthesize_utterance

COMPARED = tuple(name for name in MEASURES if name not in DNSMOS_MEASURES)
PLANTED = """
import os, signal, sys, time

def work(job):
    kind, value = job
    print("what a package prints is no answer")
    if kind == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "dies once" and not os.path.exists(value):
        open(value, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "raises":
        raise ValueError(f"no such {value}")
    if kind == "sleeps":
        time.sleep(value)
    if kind == "threads":
        import torch
        return [torch.get_num_threads(), os.environ["OPENBLAS_NUM_THREADS"]]
    return value
"""


def job_of(number: int) -> RatingJob:
    rng = np.random.default_rng(number)
    clean = synthesize_utterance(draw_voice("F", rng), 16000, 16000, rng).waveform
    noisy = clean + 0.02 * rng.standard_normal(16000).astype(np.float32)
    return RatingJob(
        name=f"utterance {number}",
        clean=clean,
        signals={"": (noisy * 0.5 + clean * 0.5).astype(np.float32), "_noisy": noisy.astype(np.float32)},
        measures={"": COMPARED, "_noisy": COMPARED[1:]},
        sample_rate=16000,
    )


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Return a module that processes can import, with a function that misbehaves on demand."""
    (tmp_path / "planted_work.py").write_text(PLANTED)
    monkeypatch.syspath_prepend(str(tmp_path))
    import planted_work  # type: ignore

    yield planted_work
    monkeypatch.delitem(__import__("sys").modules, "planted_work")


def test_processes_rate_exactly_as_this_one_and_leave_its_random_numbers_alone() -> None:
    jobs = [job_of(number) for number in range(4)]
    np.random.seed(3)
    serial = [rate_job(job) for job in jobs]
    drawn = np.random.standard_normal()
    np.random.seed(3)
    assert drawn == np.random.standard_normal()
    pools: list[ProcessPool[RatingJob, Rated]] = [ProcessPool(rate_job, workers) for workers in (0, 2)]
    for pool in pools:
        futures = [pool.submit(job) for job in jobs]
        assert [future.result() for future in futures] == serial
        pool.close()
    assert {*serial[0].scores} == {*COMPARED} | {f"{name}_noisy" for name in COMPARED[1:]}
    assert all(np.isfinite(list(rated.scores.values())).all() and not rated.failures for rated in serial)
    assert len({rated.scores["estoi"] for rated in serial}) == 4


def test_a_death_costs_one_job_and_says_so(planted: ModuleType, tmp_path: Path) -> None:
    pool: ProcessPool[tuple[str, object], object] = ProcessPool(planted.work, 2)
    jobs = [("gives", 0), ("dies", 1), ("gives", 2), ("raises", "thing"), ("dies once", str(tmp_path / "died"))]
    futures = [pool.submit(job) for job in [*jobs, *(("gives", number) for number in range(5, 12))]]
    with pytest.raises(ProcessError, match=r"its process died 2 times \(exit status -9\)"):
        futures[1].result(timeout=60)
    with pytest.raises(ProcessError, match="ValueError: no such thing"):
        futures[3].result(timeout=60)
    assert futures[4].result(timeout=60) == str(tmp_path / "died"), "a job is done again when its process dies"
    others = [future.result(timeout=60) for number, future in enumerate(futures) if number not in (1, 3, 4)]
    assert others == [0, 2, *range(5, 12)]
    assert pool.submit(("threads", 0)).result(timeout=60) == [1, "1"]
    pool.close()


def test_a_process_killed_from_outside_is_replaced(planted: ModuleType) -> None:
    pool: ProcessPool[tuple[str, float], float] = ProcessPool(planted.work, 1)
    assert pool.submit(("gives", 1.0)).result(timeout=60) == 1.0
    sleeping = pool.submit(("sleeps", 0.5))
    time.sleep(0.1)
    os.kill(pool._started[0].process.pid, signal.SIGKILL)
    assert sleeping.result(timeout=60) == 0.5
    assert len(pool._started) == 2
    pool.close()


def test_closing_ends_what_is_going_on(planted: ModuleType) -> None:
    pool: ProcessPool[tuple[str, float], float] = ProcessPool(planted.work, 1)
    pool.submit(("gives", 1.0)).result(timeout=60)
    futures = [pool.submit(("sleeps", 100.0)) for _ in range(3)]
    time.sleep(0.1)
    started = time.monotonic()
    pool.close()
    assert time.monotonic() - started < 20
    assert all(future.cancelled() or isinstance(future.exception(), ProcessError) for future in futures)
    assert all(worker.process.poll() is not None for worker in pool._started)


def test_processes_that_cannot_start_fail_every_job_at_once(planted: ModuleType, tmp_path: Path) -> None:
    pool: ProcessPool[tuple[str, int], int] = ProcessPool(planted.work, 1)
    (tmp_path / "planted_work.py").write_text("raise ImportError('nothing here')")
    futures = [pool.submit(("gives", number)) for number in range(3)]
    for future in futures:
        with pytest.raises(ProcessError, match="could not start"):
            future.result(timeout=60)
    assert len(pool._started) == 1
    pool.close()
    with pytest.raises(ValueError, match="workers must not be negative, got -1"):
        ProcessPool(planted.work, -1)


def test_a_failure_names_the_utterance_and_leaves_the_other_scores() -> None:
    job = job_of(7)
    broken = job.signals[""].copy()
    broken[100] = np.nan
    rated = rate_job(RatingJob(job.name, job.clean, {"": broken, "_noisy": job.signals["_noisy"]}, job.measures, 16000))
    assert len(rated.failures) == len(COMPARED)
    assert rated.failures[1] == "utterance 7: stoi: ValueError: the signal is not finite (NaN or infinite)"
    assert all(np.isnan(rated.scores[name]) for name in COMPARED)
    assert all(np.isfinite(rated.scores[f"{name}_noisy"]) for name in COMPARED[1:])
