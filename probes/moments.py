"""Sufficient statistics of a linear fit: sums and products in float64, without keeping frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# A column whose variance is below this share of its mean square does not vary: float64 sums of equal numbers
# leave about 1e-13, and a channel that differs once in a million frames still has 1e-6.
CONSTANT_SHARE = 1e-12

# Rows converted to floating point at once. It bounds memory, and keeps counts of ones below 2**24, so that float32
# products of binary columns are exact.
CHUNK_ROWS = 4096


class NormalEquations(NamedTuple):
    """Standardised second moments of the columns that vary.

    Attributes:
        active: shape (feature,), True for columns that vary.
        gram: ``Z'Z / n``, shape (active feature, active feature).
        cross: ``Z'(Y - mean) / n``, shape (active feature, output).
        x_mean, x_scale, y_mean: statistics used, shapes (feature,), (feature,) and (output,).
    """

    active: NDArray[np.bool_]
    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    x_mean: NDArray[np.float64]
    x_scale: NDArray[np.float64]
    y_mean: NDArray[np.float64]


class Moments:
    """Count, sums and second moments of features X and outputs Y that share their rows.

    Args:
        num_features: columns of X.
        num_outputs: columns of Y.

    Attributes:
        count: rows seen.
        x_sum, y_sum: column sums, shapes (feature,) and (output,).
        xx, xy, yy: uncentred products X'X, X'Y, Y'Y.

    Example:
        >>> moments = Moments(2, 1).update(np.array([[0, 1], [1, 1]], dtype=np.uint8), np.array([[1.0], [3.0]]))
        >>> moments.x_mean.tolist(), moments.x_scale.tolist(), moments.y_mean.tolist()
        ([0.5, 1.0], [0.5, 0.0], [2.0])
    """

    def __init__(self, num_features: int, num_outputs: int) -> None:
        if num_features < 1 or num_outputs < 1:
            raise ValueError(f"num_features and num_outputs must be positive, got {num_features} and {num_outputs}")
        self.count = 0
        self.x_sum = np.zeros(num_features)
        self.y_sum = np.zeros(num_outputs)
        self.xx = np.zeros((num_features, num_features))
        self.xy = np.zeros((num_features, num_outputs))
        self.yy = np.zeros((num_outputs, num_outputs))

    @classmethod
    def total(cls, parts: Iterable[Moments]) -> Moments:
        """Add up moments into new ones; the parts stay as they are.

        Raises:
            ValueError: if there are no parts, or their shapes differ.
        """
        parts = list(parts)
        if not parts:
            raise ValueError("moments of at least one part are needed, got none")
        result = cls(*parts[0].xy.shape)
        for part in parts:
            result.merge(part)
        return result

    def update(self, x: NDArray[Any], y: NDArray[Any]) -> Moments:
        """Add rows.

        Args:
            x: shape (row, feature); bool or uint8 holds 0/1, anything else is taken as float64.
            y: shape (row, output), finite.

        Returns:
            self.

        Raises:
            ValueError: if shapes disagree, values are not finite, or integer features are not 0/1.
        """
        y = np.asarray(y, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != self.x_sum.size:
            raise ValueError(f"x must have shape (row, {self.x_sum.size}), got {x.shape}")
        if y.shape != (x.shape[0], self.y_sum.size):
            raise ValueError(f"y must have shape ({x.shape[0]}, {self.y_sum.size}), got {y.shape}")
        if not np.isfinite(y).all():
            raise ValueError("y must be finite: leave out frames whose target is unknown before updating")
        for start in range(0, x.shape[0], CHUNK_ROWS):
            self._update_chunk(x[start : start + CHUNK_ROWS], y[start : start + CHUNK_ROWS])
        return self

    def _update_chunk(self, x: NDArray[Any], y: NDArray[np.float64]) -> None:
        if is_binary(x):
            ones = x.astype(np.float32)
            # Sums of ones, at most CHUNK_ROWS: exact in float32 and twice as fast. numpy uses syrk for A'A.
            self.xx += ones.T @ ones
            wide = ones.astype(np.float64)
        else:
            wide = x.astype(np.float64)
            if not np.isfinite(wide).all():
                raise ValueError("x must be finite")
            self.xx += wide.T @ wide
        self.count += x.shape[0]
        self.x_sum += wide.sum(axis=0)
        self.y_sum += y.sum(axis=0)
        self.xy += wide.T @ y
        self.yy += y.T @ y

    def merge(self, other: Moments) -> Moments:
        """Add the rows of another set (another rank, another fold) and return self.

        Raises:
            ValueError: if the shapes differ.
        """
        return self._combine(other, 1)

    def subtract(self, other: Moments) -> Moments:
        """Remove rows added before (a fold held out of the total) and return self.

        Raises:
            ValueError: if the shapes differ, or more rows are removed than are there.
        """
        if other.count > self.count:
            raise ValueError(f"cannot remove {other.count} rows from {self.count}")
        return self._combine(other, -1)

    def _combine(self, other: Moments, sign: int) -> Moments:
        if self.xy.shape != other.xy.shape:
            raise ValueError(f"moments of shape {self.xy.shape} and {other.xy.shape} (feature, output) do not combine")
        self.count += sign * other.count
        for name in ("x_sum", "y_sum", "xx", "xy", "yy"):
            if sign > 0:
                getattr(self, name)[...] += getattr(other, name)
            else:
                getattr(self, name)[...] -= getattr(other, name)
        return self

    @property
    def x_mean(self) -> NDArray[np.float64]:
        """Column means of X, shape (feature,); zero without rows."""
        return self.x_sum / max(self.count, 1)

    @property
    def y_mean(self) -> NDArray[np.float64]:
        """Column means of Y, shape (output,); zero without rows."""
        return self.y_sum / max(self.count, 1)

    @property
    def x_scale(self) -> NDArray[np.float64]:
        """Population standard deviation of X, shape (feature,); exactly 0 for constant columns."""
        return scale_of(self.x_mean, np.diagonal(self.xx) / max(self.count, 1))

    @property
    def y_centred_squares(self) -> NDArray[np.float64]:
        """Sum of squares of Y about its mean, shape (output,)."""
        return np.maximum(np.diagonal(self.yy) - self.count * self.y_mean**2, 0.0)

    def normal_equations(self) -> NormalEquations:
        """Standardise: centre and scale X, centre Y, divide by the count; constant columns are left out.

        Raises:
            ValueError: if there are no rows.
        """
        if self.count == 0:
            raise ValueError("cannot standardise moments without rows")
        x_mean, x_scale, y_mean = self.x_mean, self.x_scale, self.y_mean
        active = x_scale > 0
        mean, scale = x_mean[active], x_scale[active]
        gram = self.xx.copy() if active.all() else self.xx[np.ix_(active, active)]
        gram /= self.count
        gram -= np.outer(mean, mean)
        gram /= scale
        gram /= scale[:, None]
        cross = (self.xy[active] / self.count - np.outer(mean, y_mean)) / scale[:, None]
        return NormalEquations(active, gram, cross, x_mean, x_scale, y_mean)

    def residual_squares(self, coef: NDArray[np.float64], intercept: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the sum of squared residuals of a linear prediction on these rows.

        Args:
            coef: weights of the raw features, shape (output, feature).
            intercept: shape (output,).

        Returns:
            Shape (output,).
        """
        mean = self.x_mean
        along = coef @ mean
        # Everything about the means of these rows first, then the offset: subtracts small numbers, not large ones.
        spread = np.einsum("of,of->o", coef @ self.xx, coef) - self.count * along**2
        shared = np.einsum("of,fo->o", coef, self.xy) - self.count * along * self.y_mean
        offset = self.y_mean - along - intercept
        squares: NDArray[np.float64] = self.y_centred_squares - 2 * shared + spread + self.count * offset**2
        return squares.clip(min=0.0)


def is_binary(x: NDArray[Any]) -> bool:
    """Say whether features are 0/1 by type: bool, or unsigned bytes.

    Raises:
        ValueError: if unsigned bytes hold other values than 0 and 1.

    Example:
        >>> is_binary(np.array([[True, False]])), is_binary(np.array([[0.0, 1.0]]))
        (True, False)
    """
    if x.dtype == np.bool_:
        return True
    if x.dtype != np.uint8:
        return False
    if x.size and x.max() > 1:
        raise ValueError(f"features of type uint8 must be 0 or 1, got {x.max()}")
    return True


def scale_of(mean: NDArray[np.float64], mean_square: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute standard deviations from first and second moments, exactly 0 for constant columns.

    Example:
        >>> scale_of(np.array([0.5, 1.0]), np.array([0.5, 1.0])).tolist()
        [0.5, 0.0]
    """
    variance = mean_square - mean**2
    return np.sqrt(np.where(variance > CONSTANT_SHARE * mean_square, variance, 0.0))


def column_statistics(x: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute mean and scale of every column of rows that are at hand.

    Args:
        x: shape (row, feature), at least one row.

    Returns:
        Mean and population standard deviation, shapes (feature,); the scale of a constant column is 0.

    Example:
        >>> [array.tolist() for array in column_statistics(np.array([[True, True], [False, True]]))]
        [[0.5, 1.0], [0.5, 0.0]]
    """
    if is_binary(x):
        mean = np.count_nonzero(x, axis=0) / x.shape[0]
        return mean, scale_of(mean, mean)
    wide = x.astype(np.float64)
    mean = wide.mean(axis=0)
    variance = np.square(wide - mean).mean(axis=0)
    return mean, np.sqrt(np.where(variance > CONSTANT_SHARE * (variance + mean**2), variance, 0.0))
