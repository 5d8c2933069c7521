"""Rating jobs: the signals of one utterance, and all that is to be measured on each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from datamodules.rating.dnsmos import DNSMOS_MEASURES
from datamodules.rating.measures import rate_utterance


@dataclass(frozen=True)
class RatingJob:
    """What is to be rated of one utterance.

    Attributes:
        name: of the utterance, for messages.
        clean: reference, shape (sample,).
        signals: suffix of the scores' names to a signal of the same shape.
        measures: suffix to names out of ``MEASURES``.
        sample_rate: Hz.
    """

    name: str
    clean: NDArray[np.float32]
    signals: Mapping[str, NDArray[np.float32]]
    measures: Mapping[str, tuple[str, ...]]
    sample_rate: int


@dataclass(frozen=True)
class Rated:
    """What came of a job.

    Attributes:
        scores: measure and suffix to value; NaN where it is not defined, or failed.
        failures: what failed for no known cause, one line each.
    """

    scores: Mapping[str, float]
    failures: tuple[str, ...]


def rate_job(job: RatingJob) -> Rated:
    """Rate the signals of an utterance; a measure that fails leaves the others."""
    scores: dict[str, float] = {}
    failures = []
    clean = torch.from_numpy(job.clean)
    for suffix, signal in job.signals.items():
        degraded = torch.from_numpy(signal)
        single = [(name,) for name in job.measures[suffix] if name not in DNSMOS_MEASURES]
        together = tuple(name for name in job.measures[suffix] if name in DNSMOS_MEASURES)  # one run gives them all
        for names in filter(None, [*single, together]):
            try:
                rated = rate_utterance(degraded, clean, job.sample_rate, names)
            except Exception as error:
                failed = ", ".join(name + suffix for name in names)
                failures.append(f"{job.name}: {failed}: {type(error).__name__}: {error}")
                rated = dict.fromkeys(names, math.nan)
            scores |= {name + suffix: value for name, value in rated.items()}
    return Rated(scores, tuple(failures))
