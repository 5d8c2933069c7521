"""From samples to compressed magnitudes and back, hop by hop."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from streaming.kernels.dense import OPTIONS, multiply
from streaming.kernels.elementary import logistic, power
from streaming.kernels.fourier import join, separate, transform
from streaming.kernels.layout import (
    ANALYSIS_WINDOW,
    EXACT_ROOTS,
    EXACT_WINDOW,
    EXPONENT,
    FAST_TRANSFORM,
    FLOOR,
    FREQUENCIES,
    HOP,
    INVERSE_MATRIX,
    MATRIX,
    NO_BIAS,
    NORMS,
    PADDED_FREQUENCIES,
    PADDED_WINDOW,
    ROOT_COUNT,
    ROOTS,
    WINDOW,
)


@njit(**OPTIONS)
def analyze(
    plan: Any, weights: Any, window: Any, re: Any, im: Any, start: int, spare: Any, starts: Any, sums: Any
) -> None:
    """Compute the spectrum of one frame, in double precision.

    A power law lifts bins that hold hardly more than rounding errors, and gates see the difference.

    Args:
        plan: of the network.
        weights: of the network.
        window: samples of the frame, shape (sample,).
        re: real part from ``start`` on, written.
        im: imaginary part, the same.
        start: see there.
        spare: scratch, shape (4, padded window).
        starts: scratch, (8,).
        sums: scratch, (8,).
    """
    length = np.uint64(plan[WINDOW])
    if not plan[FAST_TRANSFORM]:
        bins, padded, taper = plan[PADDED_FREQUENCIES], plan[PADDED_WINDOW], np.uint64(plan[ANALYSIS_WINDOW])
        row = spare[0]
        for i in range(length):
            row[i] = weights[taper + i] * window[i]
        for i in range(length, np.uint64(padded)):
            row[i] = np.float32(0)
        multiply(weights, plan[MATRIX], plan[NO_BIAS], bins, padded, row, 0, re, start, starts, sums)
        sine = plan[MATRIX] + bins * padded
        multiply(weights, sine, plan[NO_BIAS], bins, padded, row, 0, im, start, starts, sums)
        return
    half, size = length // np.uint64(2), plan[ROOT_COUNT]
    exact = weights[plan[EXACT_WINDOW] : plan[EXACT_WINDOW] + 2 * plan[WINDOW]].view(np.float64)
    table = weights[plan[EXACT_ROOTS] : plan[EXACT_ROOTS] + 4 * size].view(np.float64)
    parts = spare.reshape(spare.size).view(np.float64).reshape((4, plan[PADDED_WINDOW] // 2))
    even, odd = parts[0], parts[1]
    for i in range(half):
        j = np.uint64(2) * i
        even[i] = exact[j] * window[j]
        odd[i] = exact[j + np.uint64(1)] * window[j + np.uint64(1)]
    swapped = transform(even, odd, parts[2], parts[3], table[:size], table[size:], half)
    first, last = 2 if swapped else 0, size - (plan[WINDOW] // 4 + 1)
    separate(parts[first], parts[first + 1], re, im, start, table[last:size], table[size + last :], half)


@njit(**OPTIONS)
def roots(plan: Any, weights: Any) -> tuple[Any, Any, int]:
    """Return the factors of the transform, real and imaginary, and where those of the whole frame start."""
    size = plan[ROOT_COUNT]
    begin, end = plan[ROOTS], plan[ROOTS] + size
    return weights[begin:end], weights[end : end + size], size - (plan[WINDOW] // 4 + 1)


@njit(**OPTIONS)
def compress(plan: Any, weights: Any, re: Any, im: Any, start: int, magnitudes: Any, position: int) -> None:
    """Write ``(|X| + floor)^exponent`` of one frame."""
    exponent, remainder, floor = weights[plan[EXPONENT]], weights[plan[EXPONENT] + 1], weights[plan[FLOOR]]
    for k in range(np.uint64(plan[FREQUENCIES])):
        x, y = re[np.uint64(start) + k], im[np.uint64(start) + k]
        magnitudes[np.uint64(position) + k] = power(np.sqrt(x * x + y * y) + floor, exponent, remainder)


@njit(**OPTIONS)
def synthesize(
    plan: Any,
    weights: Any,
    estimates: Any,
    position: int,
    re: Any,
    im: Any,
    start: int,
    overlap: Any,
    spare: Any,
    starts: Any,
    sums: Any,
) -> None:
    """Mask the spectrum of one frame and add its windowed waveform to what earlier frames left.

    Args:
        plan: of the network.
        weights: of the network.
        estimates: spectral mask before the logistic function, from ``position`` on.
        position: see there.
        re: real part of the spectrum from ``start`` on, changed.
        im: imaginary part, the same.
        start: see there.
        overlap: sum of the windowed waveforms so far, shape (window,); changed.
        spare: scratch, shape (4, padded window).
        starts: scratch, (8,).
        sums: scratch, (8,).
    """
    length, taper = np.uint64(plan[WINDOW]), np.uint64(plan[ANALYSIS_WINDOW])
    for k in range(np.uint64(plan[FREQUENCIES])):
        gain = logistic(estimates[np.uint64(position) + k])
        re[np.uint64(start) + k] *= gain
        im[np.uint64(start) + k] *= gain
    if not plan[FAST_TRANSFORM]:
        bins, padded = plan[PADDED_FREQUENCIES], plan[PADDED_WINDOW]
        row, part = spare[0], spare[1]
        multiply(weights, plan[INVERSE_MATRIX], plan[NO_BIAS], padded, bins, re, start, row, 0, starts, sums)
        sine = plan[INVERSE_MATRIX] + bins * padded
        multiply(weights, sine, plan[NO_BIAS], padded, bins, im, start, part, 0, starts, sums)
        for i in range(length):
            overlap[i] += weights[taper + i] * (row[i] + part[i])
        return
    half = length // np.uint64(2)
    root_re, root_im, last = roots(plan, weights)
    join(re, im, start, spare[0], spare[1], root_re[last:], root_im[last:], half)
    # with real and imaginary parts exchanged the same transform is the inverse one
    swapped = transform(spare[1], spare[0], spare[3], spare[2], root_re, root_im, half)
    first = 2 if swapped else 0
    even, odd = spare[first], spare[first + 1]
    for i in range(half):
        j = np.uint64(2) * i
        overlap[j] += weights[taper + j] * even[i]
        overlap[j + np.uint64(1)] += weights[taper + j + np.uint64(1)] * odd[i]


@njit(**OPTIONS)
def take_hop(plan: Any, weights: Any, overlap: Any, frame: int, samples: Any, position: int, skipped: int) -> int:
    """Write the samples that no later frame changes, but the first ``skipped``, and return how many were written."""
    hop, length = np.uint64(plan[HOP]), np.uint64(plan[WINDOW])
    windows = min(frame, plan[WINDOW] // plan[HOP] - 1)  # of frames before this one that reach the hop
    norms = np.uint64(plan[NORMS] + windows * plan[HOP])
    for i in range(np.uint64(skipped), hop):
        samples[np.uint64(position) + i - np.uint64(skipped)] = overlap[i] * weights[norms + i]
    for i in range(length - hop):
        overlap[i] = overlap[i + hop]
    for i in range(length - hop, length):
        overlap[i] = np.float32(0)
    return plan[HOP] - skipped
