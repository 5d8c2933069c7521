"""Means of scores over groups of utterances, and differences between systems with their bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from reports.quality_scores import DECIMALS, DENSE, NOISY, SCORED, ScoreTable

BIN_DB = 5.0  # width of the SNR bins where no edges are given
RESAMPLES_AT_ONCE = 200  # bounds the memory: so many copies of all differences
OVERALL = "all"


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made.

    Attributes:
        resamples: draws of as many utterances as there are, with replacement.
        confidence: of the interval, in (0, 1).
        seed: of the draws, the same for every interval.

    Raises:
        ValueError: if a number is out of range.
    """

    resamples: int = 2000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resamples < 100:
            raise ValueError(f"resamples must be at least 100, got {self.resamples}")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence must lie in (0, 1), got {self.confidence}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")


@dataclass(frozen=True)
class Difference:
    """Mean difference of two systems on the same utterances; None where there is no such number.

    Attributes:
        pairs: utterances that both are rated on.
        mean: of the differences.
        low, high: ends of the interval; None for fewer than two pairs.
    """

    pairs: int
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class GroupScore:
    """One measure in one group of utterances; means are of the utterances that a system is rated on, None if of none.

    Attributes:
        group: name.
        measure: name.
        utterances: in the group.
        rated_noisy, rated, rated_dense: utterances with a score of the noisy input, the network, the dense network.
        noisy, enhanced, dense: means.
        to_noisy, to_dense: network less the other, on the utterances that both are rated on.
    """

    group: str
    measure: str
    utterances: int
    rated_noisy: int
    rated: int
    rated_dense: int
    noisy: float | None
    enhanced: float | None
    dense: float | None
    to_noisy: Difference
    to_dense: Difference

    def cells(self) -> dict[str, str | int | float | None]:
        """Return the numbers by the names that they have in files."""
        cells: dict[str, str | int | float | None] = {
            name: getattr(self, name)
            for name in ("measure", "utterances", "rated_noisy", "rated", "rated_dense", "noisy", "enhanced", "dense")
        }
        for name, difference in (("minus_noisy", self.to_noisy), ("minus_dense", self.to_dense)):
            cells |= {
                name: difference.mean,
                f"{name}_low": difference.low,
                f"{name}_high": difference.high,
                f"{name}_pairs": difference.pairs,
            }
        return {name: round(cell, DECIMALS) if isinstance(cell, float) else cell for name, cell in cells.items()}


def _mean(values: NDArray[np.float64]) -> float | None:
    """Return the mean of what is finite, or None."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else None


def mean_difference(
    first: NDArray[np.float64], second: NDArray[np.float64], settings: Bootstrap | None = None
) -> Difference:
    """Compare two systems on the utterances that both are rated on.

    Utterances are resampled, each with the scores of both systems, and the interval is that of the percentiles: how
    hard an utterance is does not widen it, as far as it moves both scores alike.

    Args:
        first: scores of a system, shape (utterance,); NaN where there is none.
        second: scores of the other on the same utterances.
        settings: of the bootstrap.

    Returns:
        ``first - second``.

    Example:
        >>> mean_difference(np.array([1.0, 2.0, 3.0]), np.array([0.5, 1.5, np.nan]))
        Difference(pairs=2, mean=0.5, low=0.5, high=0.5)
    """
    settings = settings or Bootstrap()
    differences = first - second
    differences = differences[np.isfinite(differences)]
    pairs = len(differences)
    if pairs < 2:
        return Difference(pairs, _mean(differences), None, None)
    interval = bootstrap(
        (differences,),
        np.mean,
        n_resamples=settings.resamples,
        batch=RESAMPLES_AT_ONCE,
        vectorized=True,
        confidence_level=settings.confidence,
        method="percentile",
        rng=np.random.default_rng(settings.seed),
    ).confidence_interval
    return Difference(pairs, _mean(differences), float(interval.low), float(interval.high))


def snr_groups(snr_db: NDArray[np.float64], edges_db: Sequence[float] | None = None) -> dict[str, NDArray[np.bool_]]:
    """Bin utterances by SNR; an utterance on an edge belongs to the bin above.

    Args:
        snr_db: shape (utterance,).
        edges_db: ascending; what lies outside has a bin of its own on either side. None makes bins of 5 dB.

    Returns:
        Name of each bin that is not empty to the utterances in it, from low to high.

    Raises:
        ValueError: if the edges do not ascend.

    Example:
        >>> list(snr_groups(np.array([-3.0, 12.0, 5.0])))
        ['-5 to 0 dB', '5 to 10 dB', '10 to 15 dB']
    """
    finite = snr_db[np.isfinite(snr_db)]
    if edges_db is None and finite.size:
        first, last = math.floor(finite.min() / BIN_DB), math.floor(finite.max() / BIN_DB) + 1
        edges_db = [BIN_DB * number for number in range(first, last + 1)]
    edges = np.asarray(edges_db or [], dtype=np.float64)
    if np.any(np.diff(edges) <= 0):
        raise ValueError(f"snr_edges_db must ascend, got {edges.tolist()}")
    names = [f"{low:g} to {high:g} dB" for low, high in pairwise(edges)]
    if edges.size:
        names = [f"below {edges[0]:g} dB", *names, f"{edges[-1]:g} dB and above"]
    position = np.searchsorted(edges, snr_db, side="right")
    groups = {name: np.isfinite(snr_db) & (position == number) for number, name in enumerate(names)}
    groups["no SNR"] = ~np.isfinite(snr_db)  # nothing but speech, or no speech at all
    return {name: members for name, members in groups.items() if members.any()}


def label_groups(labels: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Group utterances by a label, in the order of its names."""
    return {label: np.array([other == label for other in labels]) for label in sorted(set(labels))}


def group_scores(
    table: ScoreTable, groups: Mapping[str, NDArray[np.bool_]] | None = None, settings: Bootstrap | None = None
) -> list[GroupScore]:
    """Summarise every measure in every group.

    Args:
        table: scores per utterance.
        groups: name to the utterances of the group, shape (utterance,); None takes all utterances as one.
        settings: of the bootstrap.

    Returns:
        Group by group, measures in the order of the table.
    """
    groups = {OVERALL: np.ones(len(table.rows), dtype=bool)} if groups is None else groups
    scores = []
    for group, members in groups.items():
        for measure in table.measures:
            noisy, enhanced, dense = (table.column(measure, system)[members] for system in (NOISY, SCORED, DENSE))
            score = GroupScore(
                group=group,
                measure=measure,
                utterances=int(members.sum()),
                rated_noisy=int(np.isfinite(noisy).sum()),
                rated=int(np.isfinite(enhanced).sum()),
                rated_dense=int(np.isfinite(dense).sum()),
                noisy=_mean(noisy),
                enhanced=_mean(enhanced),
                dense=_mean(dense),
                to_noisy=mean_difference(enhanced, noisy, settings),
                to_dense=mean_difference(enhanced, dense, settings),
            )
            scores.append(score)
    return scores
