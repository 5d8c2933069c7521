"""The target of a task as outputs of a linear fit, and the moments that rankings share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.fitting import counting, fold_moments
from probes.moments import Moments, scale_of
from probes.reservoir import FrameRows
from probes.tasks import ProbeTask


def counting_rows(rows: FrameRows, task: ProbeTask) -> FrameRows:
    """Keep the rows that count for a task.

    Args:
        rows: rows with the target of the task, and that of its ``where``.
        task: the task.

    Returns:
        The rows with a known target.

    Raises:
        ValueError: if no row counts, or the target does not fit the kind of the task.
    """
    counted = counting(rows, task)
    if not len(counted):
        raise ValueError(f"task {task.name!r} needs rows with a known target, got none among {len(rows)} rows")
    return counted


def linear_outputs(task: ProbeTask, rows: FrameRows) -> NDArray[np.float64]:
    """Lay out a target as columns: an indicator per class that occurs, one column for two classes or a value.

    Args:
        task: the task.
        rows: rows that count for it.

    Returns:
        Shape (row, output).
    """
    encoded = task.encode(rows.targets[task.target])
    if task.kind == "value":
        return encoded[:, None]
    classes = np.unique(encoded)
    if classes.size <= 2:
        # The other class has the same column with the sign changed.
        return (encoded == classes[-1])[:, None].astype(np.float64)
    return (encoded[:, None] == classes).astype(np.float64)


def output_moments(task: ProbeTask, rows: FrameRows, fold: NDArray[Any] | None = None, folds: int = 1) -> list[Moments]:
    """Compute the moments of the features and ``linear_outputs``.

    Args:
        task: the task.
        rows: rows that count for it.
        fold: fold of every row, shape (row,); None puts all rows into one.
        folds: number of folds.

    Returns:
        One set of moments per fold.
    """
    assigned = np.zeros(len(rows), dtype=np.int64) if fold is None else fold
    return fold_moments(rows, linear_outputs(task, rows), assigned, folds)


def features_of_moments(moments: Moments, features: NDArray[np.int64]) -> Moments:
    """Keep some features, in the order given; the rows need not be seen again.

    Args:
        moments: of all features.
        features: indices, shape (kept,).

    Returns:
        New moments.

    Example:
        >>> moments = Moments(2, 1).update(np.array([[0.0, 1.0], [0.0, 3.0]]), np.array([[1.0], [2.0]]))
        >>> features_of_moments(moments, np.array([1])).xx.tolist()
        [[10.0]]
    """
    kept = Moments(features.size, moments.y_sum.size)
    kept.count, kept.y_sum, kept.yy = moments.count, moments.y_sum.copy(), moments.yy.copy()
    kept.x_sum, kept.xy = moments.x_sum[features], moments.xy[features]
    kept.xx = moments.xx[np.ix_(features, features)]
    return kept


def correlations(moments: Moments) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Compute correlations among features and between features and outputs.

    Outputs are standardised, so that rare classes count as much as frequent ones; those that do not vary are left out.

    Args:
        moments: features and outputs.

    Returns:
        Which features vary, shape (feature,); correlations among these, shape (varying, varying); with the outputs,
        shape (varying, varying output).
    """
    equations = moments.normal_equations()
    scale = scale_of(moments.y_mean, np.diagonal(moments.yy) / moments.count)
    return equations.active, equations.gram, equations.cross[:, scale > 0] / scale[scale > 0]


def strongest_correlation(moments: Moments) -> NDArray[np.float64]:
    """Compute the largest absolute correlation of every feature with an output, 0 for constant features."""
    active, _, cross = correlations(moments)
    strongest = np.zeros(active.size)
    strongest[active] = np.abs(cross).max(axis=1, initial=0.0)
    return strongest
