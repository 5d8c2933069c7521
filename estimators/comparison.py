"""Runs estimators over the utterances that probes are scored on, and keeps what they say beside the targets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.process_pool import ProcessError, ProcessPool
from estimators.base import Estimates, Estimator, Waveform, usable
from networks.framing import FrameGrid

Utterance = tuple[Waveform, Mapping[str, NDArray[Any]], int | str]


class EstimateJob(NamedTuple):
    """One utterance and the estimators that hear it."""

    estimators: tuple[Estimator, ...]
    waveform: Waveform
    grid: FrameGrid


@dataclass(frozen=True)
class Comparison:
    """What every estimator said of every frame, row by row beside the targets; rows are in the order of the input.

    Attributes:
        targets: name -> shape (row,).
        utterances: utterance of every row, shape (row,).
        estimates: estimator -> name (see :meth:`Estimator.estimate`) -> shape (row,).
        left_out: estimator -> why it could not be used.
    """

    targets: dict[str, NDArray[Any]]
    utterances: NDArray[Any]
    estimates: dict[str, Estimates]
    left_out: dict[str, str]


def compare(
    utterances: Iterable[Utterance], estimators: Sequence[Estimator], grid: FrameGrid, workers: int = 0
) -> Comparison:
    """Run every usable estimator on every utterance.

    Args:
        utterances: noisy waveform, shape (sample,); targets, name -> shape (frame,); and a name of the utterance. They
            are taken one by one, and only as far ahead as the processes need.
        estimators: with different names; those whose packages are missing are left out.
        grid: sample-to-frame alignment.
        workers: processes that share the utterances; 0 does all in this one. The result is the same.

    Returns:
        All frames of all utterances.

    Raises:
        ValueError: if there are no utterances, names of estimators repeat, or targets differ in names or frames.
        RuntimeError: if an estimator fails, naming the utterance.
    """
    chosen, left_out = usable(tuple(estimators))
    targets: list[dict[str, NDArray[Any]]] = []
    names: list[int | str] = []
    pending: list[Future[dict[str, Estimates]]] = []
    with closing(ProcessPool(estimate_all, workers if chosen else 0)) as pool:
        for waveform, own_targets, name in utterances:
            targets.append(_checked(own_targets, name, grid.num_frames(len(waveform)), targets))
            names.append(name)
            pending.append(pool.submit(EstimateJob(tuple(chosen), waveform, grid)))
        if not names:
            raise ValueError("utterances must hold at least one, got none")
        estimates = list(_results(pending, names))
    lengths = [len(next(iter(values.values()))) for values in targets]
    return Comparison(
        targets={key: np.concatenate([values[key] for values in targets]) for key in targets[0]},
        utterances=np.repeat(np.array(names), lengths),
        estimates={
            estimator.name: {
                key: np.concatenate([found[estimator.name][key] for found in estimates])
                for key in estimates[0][estimator.name]
            }
            for estimator in chosen
        },
        left_out=left_out,
    )


def estimate_all(job: EstimateJob) -> dict[str, Estimates]:
    """Run all estimators of a job; known by its name in the processes."""
    return {estimator.name: estimator.estimate(job.waveform, job.grid) for estimator in job.estimators}


def _checked(
    targets: Mapping[str, NDArray[Any]], name: int | str, num_frames: int, before: list[dict[str, NDArray[Any]]]
) -> dict[str, NDArray[Any]]:
    """Return the targets of an utterance as arrays, all with its frames and with the names of those before."""
    arrays = {key: np.asarray(values) for key, values in targets.items()}
    if not arrays or (before and arrays.keys() != before[0].keys()):
        expected = sorted(before[0]) if before else "at least one"
        raise ValueError(f"utterance {name!r}: expected the targets {expected}, got {sorted(arrays)}")
    for key, values in arrays.items():
        if values.shape != (num_frames,):
            raise ValueError(f"utterance {name!r}: target {key!r} must have shape ({num_frames},), got {values.shape}")
    return arrays


def _results(pending: list[Future[dict[str, Estimates]]], names: list[int | str]) -> Iterator[dict[str, Estimates]]:
    """Yield the results in the order of the utterances."""
    for future, name in zip(pending, names, strict=True):
        try:
            yield future.result()
        except ProcessError as error:
            raise RuntimeError(f"utterance {name!r}: {error}") from error
