"""PESQ of many utterances in processes of their own, beside the training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from datamodules.process_pool import ProcessPool
from datamodules.rating import PESQ_MODES, rate_utterance, unavailable


class MetricError(ValueError):
    """A discriminator cannot be trained here; the message names the key and says why."""


class PesqJob(NamedTuple):
    """An utterance to be rated.

    Attributes:
        enhanced: shape (sample,).
        clean: reference of the same length.
        sample_rate: 8000 or 16000 Hz.
    """

    enhanced: NDArray[np.float32]
    clean: NDArray[np.float32]
    sample_rate: int


def rate_pesq(job: PesqJob) -> float:
    """Return PESQ (about 1 to 4.64); NaN where it is not defined: no speech, under a quarter of a second, silence."""
    if not np.isfinite(job.enhanced).all():
        return math.nan
    enhanced, clean = torch.from_numpy(job.enhanced), torch.from_numpy(job.clean)
    return rate_utterance(enhanced, clean, job.sample_rate, ("pesq_wb",))["pesq_wb"]


class PesqPool:
    """Rates utterances in parallel; results depend neither on the number of processes nor on when they are ready.

    Args:
        sample_rate: 8000 or 16000 Hz.
        processes: how many.

    Raises:
        MetricError: if PESQ is not defined at the sample rate, or its package is not installed.
    """

    def __init__(self, sample_rate: int, processes: int) -> None:
        if sample_rate not in PESQ_MODES:
            raise MetricError(
                f"model.objective.metric_discriminator needs data.grid.sample_rate in {sorted(PESQ_MODES)} Hz, "
                f"got {sample_rate}"
            )
        reason = unavailable("pesq_wb")
        if reason is not None:
            raise MetricError(
                f"model.objective.metric_discriminator needs PESQ: {reason}; pip install 'dyncp[pesq]' "
                "(it needs a C compiler)"
            )
        self.sample_rate = sample_rate
        self._pool = ProcessPool(rate_pesq, processes)

    def submit(
        self, enhanced: Sequence[NDArray[np.float32]], clean: Sequence[NDArray[np.float32]]
    ) -> list[Future[float]]:
        """Begin to rate utterances and return at once.

        Args:
            enhanced: each of shape (sample,).
            clean: as many references of the same lengths.
        """
        pairs = zip(enhanced, clean, strict=True)
        return [self._pool.submit(PesqJob(*pair, self.sample_rate)) for pair in pairs]

    def close(self) -> None:
        """End the processes; what is not rated yet is dropped."""
        self._pool.close()
