"""The fewest features that score nearly as well as all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise


def fewest_features(
    score: Callable[[int], float],
    counts: Sequence[int],
    tolerance: float = 0.01,
    chance: float = 0.0,
    resolution: float = 2**0.25,
) -> int | None:
    """Find C*: the fewest features whose score is at least ``1 - tolerance`` times that of the largest count.

    The first count of the grid that is good enough and the one before it, which is not, are brought together by
    bisection: counts between them are fitted and scored, nothing is interpolated.

    Args:
        score: score of the best ``count`` features on held-out rows; called once per count.
        counts: the grid, increasing; the last is all features.
        tolerance: relative loss allowed.
        chance: score of a constant answer. If all features do no better, there is nothing to select.
        resolution: bisection stops when the two counts are within this factor.

    Returns:
        The count; None if the score of all features is not above ``chance`` (or NaN).

    Raises:
        ValueError: if the grid is not increasing, or a setting is out of range.

    Example:
        >>> fewest_features(lambda count: min(count, 20) / 20, [8, 16, 32, 64])
        21
    """
    if not counts or counts[0] < 1 or any(a >= b for a, b in pairwise(counts)):
        raise ValueError(f"counts must be positive and increasing, got {list(counts)}")
    if not 0 < tolerance < 1 or resolution <= 1:
        raise ValueError(f"tolerance in (0, 1) and resolution > 1 expected, got {tolerance} and {resolution}")
    full = score(counts[-1])
    if not full > chance:
        return None
    # 1 % of a negative score would ask for more than all features give.
    threshold = full - tolerance * abs(full)
    good = next(index for index, count in enumerate(counts) if index == len(counts) - 1 or score(count) >= threshold)
    high = counts[good]
    low = counts[good - 1] if good else high
    while high / low > resolution and high - low > 1:
        middle = min(max(round((low * high) ** 0.5), low + 1), high - 1)
        if score(middle) >= threshold:
            high = middle
        else:
            low = middle
    return high
