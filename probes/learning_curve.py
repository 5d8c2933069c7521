"""How scores grow with the number of utterances that probes are fitted on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.evaluation import score_classes, score_values, scored_rows
from probes.fitting import FitSettings, counting, fit_tasks
from probes.intervals import Intervals
from probes.reservoir import FrameRows
from probes.tasks import ProbeTask


@dataclass(frozen=True)
class LearningPoint:
    """One score of probes fitted on a number of utterances.

    Attributes:
        task: name of the task.
        metric: name of the score.
        utterances: number of utterances that could be fitted on.
        score: on all score rows; NaN where undefined.
        low, high: ends of its interval; NaN if not asked for.
        l2: strength of the penalty that was chosen; NaN without a fit.
    """

    task: str
    metric: str
    utterances: int
    score: float
    low: float
    high: float
    l2: float


def nested_utterances(utterances: NDArray[Any], counts: Sequence[int], seed: int = 0) -> list[NDArray[Any]]:
    """Draw sets of utterances of which each larger one contains the smaller ones.

    Args:
        utterances: utterance of every row, shape (row,).
        counts: size of each set.
        seed: seed of the order in which utterances are taken.

    Returns:
        One set per count, in order.

    Raises:
        ValueError: if a count is not positive or larger than the number of utterances.

    Example:
        >>> small, large = nested_utterances(np.repeat(np.arange(9), 3), [2, 5])
        >>> set(small) < set(large), large.size
        (True, 5)
    """
    unique = np.unique(utterances)
    for count in counts:
        if not 1 <= count <= unique.size:
            raise ValueError(f"counts must be from 1 to {unique.size}, the utterances there are, got {count}")
    order = np.random.default_rng(seed).permutation(unique)
    return [order[:count] for count in counts]


def learning_curve(
    rows_fit: FrameRows,
    rows_score: FrameRows,
    tasks: Sequence[ProbeTask],
    counts: Sequence[int],
    seed: int = 0,
    settings: FitSettings | None = None,
    intervals: Intervals | None = None,
) -> list[LearningPoint]:
    """Fit probes on nested sets of the fit utterances and score each on all score rows.

    A curve that still rises at its end says that more data would be probed better; one that is flat, that the masks
    are what limits. Strengths are chosen anew at every point; shuffled labels are not fitted.

    Args:
        rows_fit: rows of the fit set, such as ``ProbeSuite.fit_rows``.
        rows_score: rows of the score set, such as ``ProbeSuite.score_rows``.
        tasks: what to probe, names distinct.
        counts: numbers of utterances to fit on.
        seed: seed of the sets.
        settings: of the fits; None takes the defaults.
        intervals: gives bounds of the scores on the score rows; None leaves them NaN.

    Returns:
        Points by count, task and score, in the order of the arguments; ``utterances`` is the count, also where fewer
        of them have rows that count for the task.

    Raises:
        ValueError: if a count or a setting is out of range, or a target is missing.
    """
    fits = replace(settings or FitSettings(), shuffled_control=False)
    points = []
    for count, members in zip(counts, nested_utterances(rows_fit.utterances, counts, seed), strict=True):
        fitted = fit_tasks(tasks, rows_fit.take(np.isin(rows_fit.utterances, members)), fits)
        for task in tasks:
            scored = scored_rows(fitted[task.name], counting(rows_score, task))
            arrays = task, scored.target, scored.prediction, scored.utterances
            scores = (score_values if task.kind == "value" else score_classes)(*arrays)
            bounds = {} if intervals is None else intervals(*arrays)
            probe = fitted[task.name].probe
            l2 = math.nan if probe is None else float(np.ravel(probe.l2_)[0])
            for metric, score in scores.items():
                low, high = bounds.get(metric, (math.nan, math.nan))
                points.append(LearningPoint(task.name, metric, count, score, low, high, l2))
    return points
