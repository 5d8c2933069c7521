"""What the best features of two tasks share, against chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom


@dataclass(frozen=True)
class Overlap:
    """The best features of two tasks compared.

    Attributes:
        task_a, task_b: names of the tasks.
        count: features taken from each.
        shared: features in both.
        jaccard: shared over distinct features.
        expected_jaccard: its mean for two random choices of as many features.
    """

    task_a: str
    task_b: str
    count: int
    shared: int
    jaccard: float
    expected_jaccard: float


def expected_jaccard(total: int, count: int) -> float:
    """Compute the mean Jaccard index of two independent random choices.

    The number shared is hypergeometric: of ``total`` features, ``count`` are marked and ``count`` drawn.

    Args:
        total: number of features.
        count: features in each choice.

    Returns:
        Between 0 and 1.

    Example:
        >>> expected_jaccard(2, 1), expected_jaccard(8, 8)
        (0.5, 1.0)
    """
    shared = np.arange(count + 1)
    return float((hypergeom.pmf(shared, total, count, count) * shared / (2 * count - shared)).sum())


def overlaps(orders: Mapping[str, NDArray[np.int64]], counts: Sequence[int]) -> list[Overlap]:
    """Compare the best features of all pairs of tasks.

    Args:
        orders: task -> all features, best first, shape (feature,).
        counts: numbers of best features compared.

    Returns:
        One entry per pair and count.

    Raises:
        ValueError: if the orders differ in length, or a count is not between 1 and that length.

    Example:
        >>> orders = {"vad": np.array([0, 1, 2, 3]), "snr_db": np.array([1, 2, 3, 0])}
        >>> [(item.shared, round(item.jaccard, 3)) for item in overlaps(orders, [2])]
        [(1, 0.333)]
    """
    sizes = {order.size for order in orders.values()}
    if len(sizes) > 1:
        raise ValueError(f"orders must have one length, got { ({name: order.size for name, order in orders.items()}) }")
    total = max(sizes, default=0)
    found = []
    for count in counts:
        if orders and not 1 <= count <= total:
            raise ValueError(f"counts must be between 1 and {total}, got {count}")
        expected = expected_jaccard(total, count)
        for a, b in combinations(orders, 2):
            shared = np.intersect1d(orders[a][:count], orders[b][:count]).size
            found.append(Overlap(a, b, count, shared, shared / (2 * count - shared), expected))
    return found
