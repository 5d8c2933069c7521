"""The fewest features that a task needs, found by several rankings, and what tasks share."""

from __future__ import annotations

from typing import Any

import numpy as np

from probes.selection import METHODS, CurveSettings, SelectionCurve, overlaps, selection_curves
from probing.data import StudyData
from probing.outcome import Outcome
from reports.probing.rows import FewestFeatures, Overlap, SelectionPoint

RANDOM = "random"


def selection(data: StudyData, outcome: Outcome) -> None:
    """Rank and score; tells the features at C* of the ranking that needs the fewest, by task."""
    settings = data.settings
    curve_settings = CurveSettings(
        counts=settings.selection_counts,
        ridge_l2=settings.fits.ridge_l2,
        logistic_l2=settings.fits.logistic_l2,
        logistic_rows=settings.fits.logistic_rows,
        max_iter=settings.fits.max_iter,
        seed=settings.fits.seed,
    )
    curves: dict[str, list[SelectionCurve]] = {}
    for name in settings.selection_tasks:
        outcome.say(name)
        task = settings.task(name)
        curves[name] = selection_curves(task, data.fit_masks, data.score_masks, curve_settings, METHODS, data.intervals)
        outcome.add(_tables(curves[name]))
    for method in METHODS:
        if method == RANDOM:  # one order for all tasks, to be compared with other rankings and not with itself
            continue
        orders = {name: _curve(found, method).order for name, found in curves.items()}
        count = min(settings.overlap_count, data.fit_masks.num_features)
        outcome.add({"overlap": [Overlap(method, **vars(item)) for item in overlaps(orders, [count])]})
    outcome.told["selected"] = {name: best_features(found) for name, found in curves.items()}


def _curve(curves: list[SelectionCurve], method: str) -> SelectionCurve:
    return next(curve for curve in curves if curve.method == method)


def _tables(curves: list[SelectionCurve]) -> dict[str, list[Any]]:
    points = [
        SelectionPoint(p.task, p.method, p.count, p.metric, p.cv_score, p.score, p.low, p.high)
        for curve in curves
        for p in curve.points
    ]
    fewest = [FewestFeatures(c.task, c.method, c.c_star, c.metric, c.score_at_c_star, c.full_score) for c in curves]
    return {"selection": points, "fewest": fewest}


def best_features(curves: list[SelectionCurve]) -> list[int]:
    """Return the features at the least C* of all rankings but the random one, rising; all if there is no C*."""
    known = [curve for curve in curves if curve.method != RANDOM and curve.c_star is not None]
    if not known:
        return list(range(curves[0].order.size))
    best = min(known, key=lambda curve: curve.c_star or 0)
    return sorted(np.sort(best.order[: best.c_star]).tolist())
