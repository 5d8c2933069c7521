"""Whether probabilities mean what they say: reliability by bins and the expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CALIBRATION_BINS = 15  # of Guo et al., "On Calibration of Modern Neural Networks", 2017


@dataclass(frozen=True)
class ReliabilityBin:
    """One bin of probability.

    Attributes:
        bin_low, bin_high: edges.
        mean_probability: of the rows in it; NaN without rows.
        share_true: share of them whose target is 1; NaN without rows.
        count: rows in it.
    """

    bin_low: float
    bin_high: float
    mean_probability: float
    share_true: float
    count: int


def probability_bins(probability: NDArray[Any], bins: int = CALIBRATION_BINS) -> NDArray[np.int64]:
    """Assign probabilities to bins of equal width; an edge belongs to the bin above, 1 to the last bin.

    Args:
        probability: in [0, 1], shape (row,).
        bins: number of bins.

    Returns:
        Shape (row,), from 0 to ``bins - 1``.

    Raises:
        ValueError: if ``bins`` is not positive.

    Example:
        >>> probability_bins(np.array([0.0, 0.24, 0.25, 1.0]), bins=4).tolist()
        [0, 0, 1, 3]
    """
    if bins < 1:
        raise ValueError(f"bins must be positive, got {bins}")
    return np.clip(np.floor(probability * bins), 0, bins - 1).astype(np.int64)


def reliability_bins(
    target: NDArray[Any], probability: NDArray[Any], bins: int = CALIBRATION_BINS
) -> list[ReliabilityBin]:
    """Compare mean probability and share of true rows in bins of equal width.

    Args:
        target: 0/1, shape (row,).
        probability: of 1, shape (row,).
        bins: number of bins.

    Returns:
        Every bin, from low to high.

    Raises:
        ValueError: if ``bins`` is not positive.

    Example:
        >>> reliability_bins(np.array([0, 1, 1]), np.array([0.2, 0.4, 0.9]), bins=2)[1]
        ReliabilityBin(bin_low=0.5, bin_high=1.0, mean_probability=0.9, share_true=1.0, count=1)
    """
    index = probability_bins(probability, bins)
    counts = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = np.bincount(index, probability, minlength=bins) / counts
        shares = np.bincount(index, target.astype(np.float64), minlength=bins) / counts
    edges = np.linspace(0, 1, bins + 1)
    columns = (edges[:-1], edges[1:], means, shares, counts)
    return [ReliabilityBin(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def expected_calibration_error(target: NDArray[Any], probability: NDArray[Any], bins: int = CALIBRATION_BINS) -> float:
    """Average over rows how far the mean probability of their bin is from its share of true rows.

    Args:
        target: 0/1, shape (row,).
        probability: of 1, shape (row,).
        bins: number of bins of equal width.

    Returns:
        From 0 to 1; NaN without rows.

    Raises:
        ValueError: if ``bins`` is not positive.

    Example:
        >>> round(expected_calibration_error(np.array([0, 1, 1, 1]), np.full(4, 0.5)), 6)
        0.25
    """
    if target.size == 0:
        return float("nan")
    gaps = np.bincount(probability_bins(probability, bins), probability - target.astype(np.float64), minlength=bins)
    return float(np.abs(gaps).sum() / target.size)
