"""Recursive elimination: fit, drop the features with the least weights, fit again."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from probes.moments import Moments
from probes.selection.outputs import correlations


def elimination_order(moments: Moments, l2: float = 0.1, drop: float = 0.1, keep: int = 8) -> NDArray[np.int64]:
    """Order features by how long they survive recursive elimination (Guyon et al., 2002) with a ridge fit.

    Features and outputs are standardised; a feature's weight is the sum of squares over outputs. Each round solves the
    normal equations of the features left, a part of the one Gram matrix. Constant features go first.

    Args:
        moments: features and outputs.
        l2: strength of the ridge fits (objective in ``RidgeProbe``).
        drop: share of the features left that each round drops, at least one feature.
        keep: the last features are ordered by their weights, without further rounds.

    Returns:
        All features, best first, shape (feature,).

    Raises:
        ValueError: if a setting is out of range.
    """
    if l2 <= 0 or not 0 < drop < 1 or keep < 1:
        raise ValueError(f"l2 > 0, drop in (0, 1) and keep >= 1 expected, got {l2}, {drop} and {keep}")
    active, gram, cross = correlations(moments)
    names = np.flatnonzero(active)
    dropped = [np.flatnonzero(~active)]
    square, right = torch.from_numpy(gram), torch.from_numpy(np.ascontiguousarray(cross))
    while names.size:
        by_weight = np.argsort(_weights(square, right, l2), kind="stable")
        count = by_weight.size if names.size <= keep else min(max(1, int(drop * names.size)), names.size - keep)
        dropped.append(names[by_weight[:count]])
        left = np.sort(by_weight[count:])
        index = torch.from_numpy(left)
        square, right, names = square[index][:, index], right[index], names[left]
    return np.concatenate(dropped)[::-1].copy()


def _weights(gram: torch.Tensor, cross: torch.Tensor, l2: float) -> NDArray[np.float64]:
    """Sum of squared standardised ridge weights over outputs, shape (feature,)."""
    regular = gram.clone()
    regular.diagonal().add_(l2)
    solution = torch.cholesky_solve(cross, torch.linalg.cholesky(regular))
    weights: NDArray[np.float64] = solution.square().sum(dim=1).numpy()
    return weights
