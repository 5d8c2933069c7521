"""Score of a probe against the number of features it may use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.intervals import Intervals
from probes.reservoir import FrameRows
from probes.selection.curve_settings import CurveSettings
from probes.selection.fewest import fewest_features
from probes.selection.held_out import HeldOutProblem
from probes.selection.ranking import METHODS, RankingMethod
from probes.selection.subset_fits import SubsetFit
from probes.tasks import ProbeTask


@dataclass(frozen=True)
class SelectionPoint:
    """One probe of the best features.

    Attributes:
        task, method: names.
        count: features used.
        metric: what is scored.
        cv_score: of the probe of the other utterances of the fit set, on those held out.
        score, low, high: of the probe of all fit rows, on the score rows; bounds NaN if not asked for.
        converged: whether both fits met their tolerance.
    """

    task: str
    method: str
    count: int
    metric: str
    cv_score: float
    score: float
    low: float
    high: float
    converged: bool


@dataclass(frozen=True)
class SelectionCurve:
    """All points of one task and method.

    Attributes:
        task, method, metric: names.
        order: all features, best first, shape (feature,); from the utterances that are not held out.
        points: by increasing count, the last with all features.
        c_star: fewest features whose ``cv_score`` is within the tolerance of that of all; None if all are no
            better than a constant answer.
    """

    task: str
    method: str
    metric: str
    order: NDArray[np.int64]
    points: tuple[SelectionPoint, ...]
    c_star: int | None

    @property
    def score_at_c_star(self) -> float:
        """Score with ``c_star`` features on the score rows; NaN without."""
        return next((point.score for point in self.points if point.count == self.c_star), math.nan)

    @property
    def full_score(self) -> float:
        """Score with all features on the score rows."""
        return self.points[-1].score


def selection_curves(
    task: ProbeTask,
    fit: FrameRows,
    score: FrameRows,
    settings: CurveSettings | None = None,
    methods: Sequence[RankingMethod] = METHODS,
    intervals: Intervals | None = None,
) -> list[SelectionCurve]:
    """Rank the features of a task by several methods and score the best of each.

    A part of the fit utterances is held out. Rankings and the fits behind ``cv_score`` see the others only, so
    that C* is chosen without the score rows and on utterances that took no part in the ranking. ``score`` is that of
    fits on all fit rows with the features of the same ranking.

    Args:
        task: the task.
        fit: fit rows.
        score: score rows, of other speakers and recordings.
        settings: settings; defaults without.
        methods: rankings to compare.
        intervals: gives bounds of the scores on the score rows; None leaves them NaN.

    Returns:
        One curve per method, in order.

    Raises:
        ValueError: if there are fewer utterances than parts, no rows that count, or a metric is not known.
    """
    problem = HeldOutProblem(task, fit, score, settings or CurveSettings())
    return [_curve(problem, method, intervals) for method in methods]


def _curve(problem: HeldOutProblem, method: RankingMethod, intervals: Intervals | None) -> SelectionCurve:
    settings, total = problem.settings, problem.num_features
    order = problem.rank(method)
    known: dict[int, tuple[float, bool]] = {}

    def cv_score(count: int) -> float:
        if count not in known:
            known[count] = problem.cv_score(order[:count])
        return known[count][0]

    counts = [*sorted({count for count in settings.counts if count < total}), total]
    for count in counts:
        cv_score(count)
    c_star = fewest_features(cv_score, counts, settings.tolerance, problem.chance, settings.resolution)
    fits = {count: problem.final_fit(order[:count]) for count in sorted(known)}
    points = _points(problem, method, known, fits, intervals)
    return SelectionCurve(problem.task.name, method, problem.metric, order, points, c_star)


def _points(
    problem: HeldOutProblem,
    method: RankingMethod,
    known: dict[int, tuple[float, bool]],
    fits: dict[int, SubsetFit],
    intervals: Intervals | None,
) -> tuple[SelectionPoint, ...]:
    points = []
    for (count, fit), (score, low, high) in zip(
        fits.items(), problem.final_scores(list(fits.values()), intervals), strict=True
    ):
        cv_score, cv_converged = known[count]
        converged = cv_converged and fit.converged
        points.append(
            SelectionPoint(problem.task.name, method, count, problem.metric, cv_score, score, low, high, converged)
        )
    return tuple(points)
