"""Apply linear weights to many frames in little memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.moments import CHUNK_ROWS, is_binary


def linear_output(x: NDArray[Any], coef: NDArray[Any], intercept: NDArray[Any]) -> NDArray[np.float64]:
    """Compute ``x @ coef.T + intercept``.

    Binary features only add up weights; float32 is accurate to about 1e-6 of their size there and halves the traffic.

    Args:
        x: shape (row, feature).
        coef: shape (output, feature).
        intercept: shape (output,).

    Returns:
        Shape (row, output).

    Raises:
        ValueError: if the number of features differs.

    Example:
        >>> linear_output(np.array([[True, True]]), np.array([[1.0, 2.0]]), np.array([0.5])).tolist()
        [[3.5]]
    """
    if x.ndim != 2 or x.shape[1] != coef.shape[1]:
        raise ValueError(f"features must have shape (row, {coef.shape[1]}), got {x.shape}")
    dtype = np.dtype(np.float32) if is_binary(x) else np.dtype(np.float64)
    weights = coef.T.astype(dtype)
    output: NDArray[np.float64] = np.empty((x.shape[0], coef.shape[0]))
    for start in range(0, x.shape[0], CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        np.matmul(x[rows].astype(dtype), weights, out=output[rows])
    output += intercept
    return output


def l2_grid(l2: object) -> tuple[float, ...]:
    """Check penalty strengths and return them from strong to weak.

    Args:
        l2: one number, or several to choose from.

    Returns:
        Distinct strengths, decreasing.

    Raises:
        ValueError: if there is none, or one is not positive and finite.

    Example:
        >>> l2_grid(0.5), l2_grid([0.1, 1.0])
        ((0.5,), (1.0, 0.1))
    """
    values = np.atleast_1d(np.asarray(l2, dtype=np.float64))
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all() or (values <= 0).any():
        raise ValueError(f"l2 must be one positive number or several, got {l2!r}")
    return tuple(sorted({float(value) for value in values}, reverse=True))
