"""Layers that are computed whole, frame by frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from streaming.kernels.simd import ROWS, add_rows, multiply_rows

# No fast mathematics: what a compiler contracts into fused multiply-adds depends on what it inlines, and a loop that
# was just compiled would give other results than the same one from disk. Fused ones are asked for by name (``simd``).
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": False}


@njit(**OPTIONS)
def multiply(
    weights: Any,
    start: int,
    bias: int,
    rows: int,
    length: int,
    x: Any,
    x_start: int,
    y: Any,
    y_start: int,
    starts: Any,
    sums: Any,
) -> None:
    """``y = W x + b``: rows of ``length`` weights from ``start`` on, rows and length multiples of eight."""
    for first in range(0, rows, ROWS):
        for row in range(ROWS):
            starts[row] = start + (first + row) * length
        multiply_rows(weights, starts, x, x_start, length, sums)
        for row in range(ROWS):
            y[y_start + first + row] = sums[row] + weights[bias + first + row]


@njit(**OPTIONS)
def add_product(
    weights: Any,
    start: int,
    rows: int,
    length: int,
    x: Any,
    x_start: int,
    y: Any,
    y_start: int,
    starts: Any,
    sums: Any,
) -> None:
    """``y += W x``: as :func:`multiply`."""
    for first in range(0, rows, ROWS):
        for row in range(ROWS):
            starts[row] = start + (first + row) * length
        multiply_rows(weights, starts, x, x_start, length, sums)
        for row in range(ROWS):
            y[y_start + first + row] += sums[row]


@njit(**OPTIONS)
def multiply_transposed(
    weights: Any,
    start: int,
    bias: int,
    rows: int,
    length: int,
    x: Any,
    x_start: int,
    y: Any,
    starts: Any,
    gains: Any,
) -> None:
    """``y[j] = b[j] + sum_i x[x_start + i] W[i, j]``: rows of ``length`` weights from ``start`` on."""
    for j in range(np.uint64(length)):
        y[j] = weights[np.uint64(bias) + j]
    for first in range(0, rows, ROWS):
        for row in range(ROWS):
            starts[row] = start + (first + row) * length
            gains[row] = x[x_start + first + row]
        add_rows(weights, starts, 0, gains, y, 0, length)


@njit(**OPTIONS)
def rectify(x: Any, start: int, length: int) -> None:
    """Set negative values to 0."""
    for i in range(np.uint64(start), np.uint64(start + length)):
        x[i] = max(x[i], np.float32(0))
