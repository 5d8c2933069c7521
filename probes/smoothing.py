"""Smooth predictions along time, causally, and say what that costs in latency."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter


def leaky_average(values: NDArray[Any], utterances: NDArray[Any], tau_frames: float) -> NDArray[np.float64]:
    """Average predictions along each utterance with exponentially fading memory.

    ``y_t = y_{t-1} + (x_t - y_{t-1}) / tau``, started at ``y_0 = x_0``. Causal, no look-ahead; streaming keeps one
    number per output. Probabilities stay probabilities: every result is a weighted mean of inputs so far.

    Args:
        values: predictions of consecutive frames, shape (row,) or (row, output), finite. Smooth all frames and leave
            out those that do not count (unvoiced ones) afterwards; a stride would make ``tau_frames`` count strides.
        utterances: utterance of every row, shape (row,); rows of one utterance are in order of time, the rows of
            different ones may be mixed.
        tau_frames: time constant in frames, at least 1; 1 changes nothing.

    Returns:
        Shape as ``values``.

    Raises:
        ValueError: if ``tau_frames`` is less than 1, shapes disagree or a value is not finite.

    Example:
        >>> leaky_average(np.array([0.0, 1.0, 1.0, 8.0]), np.array([0, 0, 0, 1]), tau_frames=2).tolist()
        [0.0, 0.5, 0.75, 8.0]
    """
    values, utterances = np.asarray(values, dtype=np.float64), np.asarray(utterances)
    latency_frames(tau_frames)
    if values.ndim not in (1, 2) or utterances.shape != values.shape[:1]:
        raise ValueError(
            f"values must be (row,) or (row, output) and utterances (row,), got {values.shape} and {utterances.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError("values must be finite: one NaN would last to the end of its utterance")
    if not values.size:
        return values.copy()
    _, index = np.unique(utterances, return_inverse=True)
    by_utterance = np.argsort(index, kind="stable")
    counts = np.bincount(index)
    position = np.arange(index.size) - np.repeat(np.cumsum(counts) - counts, counts)
    columns = values.reshape(values.shape[0], -1)
    # One line per utterance, (utterance, frame, output); what follows a short one is dropped again.
    lines = np.zeros((counts.size, counts.max(), columns.shape[1]))
    lines[index[by_utterance], position] = columns[by_utterance]
    gain = 1 / tau_frames
    smooth, _ = lfilter([gain], [1.0, gain - 1.0], lines, axis=1, zi=(1 - gain) * lines[:, :1])
    result = np.empty_like(columns)
    result[by_utterance] = smooth[index[by_utterance], position]
    return result.reshape(values.shape)


def latency_frames(tau_frames: float) -> float:
    """Compute the delay of slow changes behind ``leaky_average``, in frames.

    With ``a = 1 / tau`` the filter is ``H(z) = a / (1 - (1 - a) / z)``. Its impulse response ``a (1 - a)^n`` sums to 1,
    and its mean time, the group delay at zero frequency, is ``(1 - a) / a = tau - 1``: a ramp comes out that many
    frames late. A step reaches 63 % after about ``tau`` frames.

    Args:
        tau_frames: time constant in frames.

    Returns:
        Frames, not rounded.

    Raises:
        ValueError: if ``tau_frames`` is less than 1 or not finite.

    Example:
        >>> latency_frames(4)
        3.0
    """
    if not 1 <= tau_frames < np.inf:
        raise ValueError(f"tau_frames must be at least 1 and finite, got {tau_frames}")
    return float(tau_frames) - 1.0


def smoothing_latency_ms(tau_frames: float, hop_length: int, sample_rate: int) -> float:
    """Compute the delay that smoothing adds to that of the framing.

    Args:
        tau_frames: time constant in frames.
        hop_length: samples from frame to frame.
        sample_rate: samples per second.

    Returns:
        Milliseconds.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> smoothing_latency_ms(4, hop_length=256, sample_rate=16000)
        48.0
    """
    if hop_length < 1 or sample_rate < 1:
        raise ValueError(f"hop_length and sample_rate must be positive, got {hop_length} and {sample_rate}")
    return latency_frames(tau_frames) * 1000.0 * hop_length / sample_rate
