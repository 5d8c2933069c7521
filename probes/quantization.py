"""Linear probes with weights of eight bits or of three values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from probes.linear import linear_output
from probes.logistic import LogisticProbe
from probes.ridge import RidgeProbe

Precision = Literal["int8", "ternary"]
INT8_LIMIT = 127
# Scales tried for int8, as shares of the one that reaches the largest weight.
CLIP_SHARES = np.geomspace(1.0, 0.02, 40)


@dataclass(frozen=True)
class QuantizedProbe:
    """A fitted linear probe whose weights are small integers times one scale per output.

    For binary features an output is an intercept plus the scale times the sum of the codes of the active channels:
    integer additions, and one multiplication per output.

    Attributes:
        source: the probe it was made from.
        precision: ``int8`` or ``ternary``.
        codes: -127 to 127, or -1, 0, 1; shape (output, feature).
        scale: shape (output,).
        intercept: shape (output,).
    """

    source: LogisticProbe | RidgeProbe
    precision: Precision
    codes: NDArray[np.int8]
    scale: NDArray[np.float64]
    intercept: NDArray[np.float64]

    @property
    def coef_(self) -> NDArray[np.float64]:
        """Weights of the raw features that the codes stand for, shape (output, feature)."""
        return self.codes * self.scale[:, None]

    @property
    def bytes(self) -> int:
        """Size: one byte per weight (int8) or two bits (ternary), and scale and intercept of each output in float32."""
        outputs, features = self.codes.shape
        per_output = features if self.precision == "int8" else -(-2 * features // 8)
        return outputs * (per_output + 8)

    def decision(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Compute the linear outputs, shape (row, output).

        Args:
            x: shape (row, feature).

        Raises:
            ValueError: if the number of features differs from the fit.
        """
        sums = linear_output(x, self.codes.astype(np.float64), np.zeros(len(self.codes)))
        return sums * self.scale + self.intercept

    def predict_proba(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Compute posteriors as ``LogisticProbe.predict_proba`` does.

        Raises:
            ValueError: if the source predicts values, or the number of features differs.
        """
        if not isinstance(self.source, LogisticProbe):
            raise ValueError("predict_proba needs a probe of classes, this one predicts values")
        return self.source.posterior(self.decision(x))

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """Predict classes or values as the source does.

        Raises:
            ValueError: if the number of features differs.
        """
        if isinstance(self.source, LogisticProbe):
            labels: NDArray[Any] = self.source.classes_[self.predict_proba(x).argmax(axis=1)]
            return labels
        values = self.decision(x)
        return values if self.source.coef_.ndim == 2 else values[:, 0]


def quantize_probe(
    probe: LogisticProbe | RidgeProbe, precision: Precision, feature_mean: NDArray[Any]
) -> QuantizedProbe:
    """Quantize the weights of a fitted probe.

    What is quantized are the weights of the raw features, since these are summed over active channels. Errors are
    weighed by the variance of their feature (as found in the fit): a rare channel has a large weight that hardly
    matters, and features taken as uncorrelated, this is the error of the output. The intercept is set so that the mean
    output over the fit rows stays as it was: the mean prediction of values, the mean logit of classes.

    Args:
        probe: fitted.
        precision: ``int8`` or ``ternary``.
        feature_mean: mean of every feature over the fit rows, shape (feature,).

    Returns:
        The quantized probe.

    Raises:
        ValueError: if there is no such precision, or the number of features differs.
    """
    if precision not in get_args(Precision):
        raise ValueError(f"precision must be one of {get_args(Precision)}, got {precision!r}")
    coef, standard = np.atleast_2d(probe.coef_), np.atleast_2d(probe.standard_coef_)
    mean = np.asarray(feature_mean, dtype=np.float64)
    if mean.shape != coef.shape[1:]:
        raise ValueError(f"feature_mean must have shape ({coef.shape[1]},), got {mean.shape}")
    # The ratio of both kinds of weights is the standard deviation; where the weight is 0, any code but 0 is wrong.
    deviation = np.divide(standard, coef, out=np.ones_like(coef), where=coef != 0)
    quantize = ternary_weights if precision == "ternary" else int8_weights
    pairs = [quantize(row, importance) for row, importance in zip(coef, deviation**2, strict=True)]
    codes, scale = np.stack([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    intercept = np.atleast_1d(probe.intercept_) + (coef - codes * scale[:, None]) @ mean
    return QuantizedProbe(probe, precision, codes, scale, intercept)


def ternary_weights(weights: NDArray[np.float64], importance: NDArray[np.float64]) -> tuple[NDArray[np.int8], float]:
    """Find the codes and scale with the least error ``sum v (w - s t)^2``, t in -1, 0, 1.

    For a given scale the best code of each weight is its sign if ``|w| > s / 2``, else 0, whatever its importance: the
    best set S of nonzero codes consists of the largest ``|w|``. For a given S the best scale is the weighted mean of
    ``|w|`` and the error falls short of ``sum v w^2`` by ``(sum_S v |w|)^2 / sum_S v``. So all thresholds are tried
    along the sorted weights. Li et al. (2016, Ternary Weight Networks, eq. 6) approximate it by ``0.7 * mean |w|``.

    Args:
        weights: shape (feature,).
        importance: v, not negative, shape (feature,).

    Returns:
        Codes, shape (feature,), and scale, 0 if all weights are 0.

    Example:
        >>> codes, scale = ternary_weights(np.array([2.0, -2.2, 0.1]), np.ones(3))
        >>> codes.tolist(), round(scale, 3)
        ([1, -1, 0], 2.1)
    """
    size = np.abs(weights)
    order = np.argsort(-size, kind="stable")
    weight, moment = np.cumsum(importance[order]), np.cumsum((importance * size)[order])
    gain = np.divide(moment**2, weight, out=np.zeros_like(weight), where=weight > 0)
    codes = np.zeros(weights.size, dtype=np.int8)
    if not size.size or gain.max() == 0:
        return codes, 0.0
    best = int(gain.argmax())
    codes[order[: best + 1]] = np.sign(weights[order[: best + 1]]).astype(np.int8)
    return codes, float(moment[best] / weight[best])


def int8_weights(weights: NDArray[np.float64], importance: NDArray[np.float64]) -> tuple[NDArray[np.int8], float]:
    """Find symmetric eight-bit codes and a scale with little error ``sum v (w - s c)^2``.

    Scales from the one that reaches the largest weight down to a fiftieth of it are compared; a few large weights that
    matter little may be clipped so that the others are finer.

    Args:
        weights: shape (feature,).
        importance: v, not negative, shape (feature,).

    Returns:
        Codes, shape (feature,), and scale, 0 if all weights are 0.

    Example:
        >>> codes, scale = int8_weights(np.array([1.27, -0.5]), np.ones(2))
        >>> codes.tolist(), round(scale, 3)
        ([127, -50], 0.01)
    """
    largest = np.abs(weights).max(initial=0.0)
    if largest == 0:
        return np.zeros(weights.size, dtype=np.int8), 0.0
    scales = largest / INT8_LIMIT * CLIP_SHARES
    codes = np.rint(weights / scales[:, None]).clip(-INT8_LIMIT, INT8_LIMIT)
    errors = (importance * (weights - codes * scales[:, None]) ** 2).sum(axis=1)
    best = int(errors.argmin())
    return codes[best].astype(np.int8), float(scales[best])
