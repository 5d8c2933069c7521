"""Mutual information of every binary feature with a target, exact, from counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.moments import CHUNK_ROWS
from probes.reservoir import FrameRows
from probes.tasks import ProbeTask


def quantile_bins(values: NDArray[Any], bins: int) -> NDArray[np.int64]:
    """Cut values into bins with nearly equal counts; equal values share a bin, so there may be fewer bins.

    Args:
        values: shape (row,), finite.
        bins: number of bins.

    Returns:
        Bin of every row, shape (row,).

    Example:
        >>> quantile_bins(np.array([5.0, 1.0, 3.0, 9.0]), 2).tolist()
        [1, 0, 0, 1]
    """
    inner = np.quantile(values, np.arange(1, bins) / bins)
    return np.searchsorted(np.unique(inner), values, side="left")


def mutual_information(counts: NDArray[Any], class_counts: NDArray[Any]) -> NDArray[np.float64]:
    """Compute the mutual information of binary features with a label.

    ``I(X; Y) = sum over x, y of p(x, y) * ln(p(x, y) / (p(x) p(y)))`` of the observed shares.

    Args:
        counts: rows of each class in which each feature is on, shape (feature, class).
        class_counts: rows of each class, shape (class,).

    Returns:
        Nats, shape (feature,).

    Example:
        >>> counts = np.array([[2, 0], [1, 1]])
        >>> mutual_information(counts, np.array([2, 2])).round(3).tolist()
        [0.693, 0.0]
    """
    rows = class_counts.sum()
    joint = np.stack([class_counts - counts, counts], axis=1) / rows
    expected = joint.sum(axis=2, keepdims=True) * (class_counts / rows)
    # Empty cells add nothing: 0 * ln 0 = 0.
    ratio = np.divide(joint, expected, out=np.ones_like(joint), where=joint > 0)
    information: NDArray[np.float64] = (joint * np.log(ratio)).sum(axis=(1, 2))
    return information.clip(min=0.0)


def feature_information(task: ProbeTask, rows: FrameRows, bins: int = 10) -> NDArray[np.float64]:
    """Compute the mutual information of every feature with the target of a task.

    Args:
        task: the task.
        rows: rows that count for it, binary features.
        bins: quantile bins of a value.

    Returns:
        Nats, shape (feature,).

    Raises:
        ValueError: if the features are not binary, or ``bins`` is less than 2.
    """
    if not rows.packed:
        raise ValueError("method 'mutual_information' needs binary features (bool or 0/1 uint8), got floats")
    if bins < 2:
        raise ValueError(f"information_bins must be at least 2, got {bins}")
    encoded = task.encode(rows.targets[task.target])
    labels = quantile_bins(encoded, bins) if task.kind == "value" else encoded
    classes, index, class_counts = np.unique(labels, return_inverse=True, return_counts=True)
    indicators = np.eye(classes.size, dtype=np.float32)[index]
    counts = np.zeros((rows.num_features, classes.size))
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = slice(start, start + CHUNK_ROWS)
        # Sums of ones, at most CHUNK_ROWS: exact in float32.
        counts += rows.dense(chunk).astype(np.float32).T @ indicators[chunk]
    return mutual_information(counts, class_counts)
