"""Rates noisy and enhanced speech while the network goes on, in processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from datamodules.process_pool import ProcessPool
from datamodules.rating.measures import PESQ_MODES, unavailable
from datamodules.rating.utterance import Rated, RatingJob, rate_job
from probes.intervals import percentile_interval, resample_counts
from probing.settings import IntervalSettings
from reproduction.rows import QUALITY, Score

MEASURES = ("pesq_wb", "stoi", "estoi", "si_sdr_db")
NOISY, ENHANCED, GAIN = "noisy", "enhanced", "gain"


def missing_measures(sample_rate: int) -> dict[str, str]:
    """Say which measures cannot be rated here, and why.

    Args:
        sample_rate: Hz.

    Example:
        >>> missing_measures(44100)["pesq_wb"]
        'it is defined at [8000, 16000] Hz'
    """
    reasons = {name: reason for name in MEASURES if (reason := unavailable(name)) is not None}
    if sample_rate not in PESQ_MODES:
        reasons["pesq_wb"] = f"it is defined at {sorted(PESQ_MODES)} Hz"
    return reasons


class QualityRating:
    """Rates mixtures as they come.

    Args:
        sample_rate: Hz.
        workers: processes; None takes the cores there are.
    """

    def __init__(self, sample_rate: int, workers: int | None) -> None:
        self.sample_rate = sample_rate
        self.missing = missing_measures(sample_rate)
        self.measures = tuple(name for name in MEASURES if name not in self.missing)
        count = len(os.sched_getaffinity(0)) if workers is None else workers
        self._pool: ProcessPool[RatingJob, Rated] = ProcessPool(rate_job, count)
        self._futures: list[Future[Rated]] = []

    def rate(self, noisy: NDArray[np.float32], enhanced: NDArray[np.float32], clean: NDArray[np.float32]) -> None:
        """Take a mixture, each signal of shape (sample,)."""
        signals = {NOISY: noisy.copy(), ENHANCED: enhanced}
        per_system = dict.fromkeys(signals, self.measures)
        job = RatingJob(f"mixture {len(self._futures)}", clean.copy(), signals, per_system, self.sample_rate)
        self._futures.append(self._pool.submit(job))

    def table(self) -> dict[str, dict[str, NDArray[np.float64]]]:
        """Wait for all ratings and return them: measure to noisy or enhanced to shape (mixture,), NaN if unknown.

        Raises:
            ValueError: if a measure failed for no known cause.
        """
        rated = [future.result() for future in self._futures]
        failures = [line for item in rated for line in item.failures]
        if failures:
            raise ValueError(f"quality could not be rated: {failures[0]} ({len(failures)} in all)")
        return {
            measure: {
                system: np.array([item.scores[measure + system] for item in rated]) for system in (NOISY, ENHANCED)
            }
            for measure in self.measures
        }

    def close(self) -> None:
        """End the processes."""
        self._pool.close()


def quality_scores(table: dict[str, dict[str, NDArray[np.float64]]], settings: IntervalSettings) -> Iterator[Score]:
    """Yield means of noisy and enhanced speech and of the gain, over the mixtures that can be rated.

    Args:
        table: as ``QualityRating.table`` returns it.
        settings: of the intervals, over mixtures.

    Example:
        >>> rated = {"pesq_wb": {"noisy": np.array([1.0, 1.2]), "enhanced": np.array([1.5, 1.7])}}
        >>> [(row.name, round(row.score, 2)) for row in quality_scores(rated, IntervalSettings())]
        [('quality/pesq_wb/noisy', 1.1), ('quality/pesq_wb/enhanced', 1.6), ('quality/pesq_wb/gain', 0.5)]
    """
    for measure, systems in table.items():
        values = np.stack([systems[NOISY], systems[ENHANCED]], axis=1)
        values = values[np.isfinite(values).all(axis=1)]
        if not len(values):
            continue
        shares = resample_counts(len(values), settings.resamples, settings.seed) / len(values)
        columns = {NOISY: values[:, 0], ENHANCED: values[:, 1], GAIN: values[:, 1] - values[:, 0]}
        for of, column in columns.items():
            interval = percentile_interval(shares @ column, settings.confidence)
            yield Score(f"{QUALITY}/{measure}/{of}", float(column.mean()), *interval, len(values))
