"""The way of samples through the engine: hops in, frames through the network, hops and properties out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from streaming.kernels.dense import OPTIONS
from streaming.kernels.layout import (
    BATCH,
    FILLED,
    FRAME_NUMBER,
    HOP,
    INPUT,
    OUTPUTS,
    OVERLAP,
    PADDED_FREQUENCIES,
    SMOOTHED,
    SMOOTHING,
    WINDOW,
)
from streaming.kernels.outputs import finish
from streaming.kernels.spectra import analyze, compress, synthesize, take_hop

LIMIT = np.float32(1e6)  # of a sample whose full scale is 1; squares of larger ones need not be finite


@njit(**OPTIONS)
def count_unusable(samples: Any) -> int:
    """Count the samples that are not finite or far beyond full scale."""
    count = 0
    for i in range(np.uint64(samples.size)):
        count += not (abs(samples[i]) <= LIMIT)
    return count


@njit(**OPTIONS)
def collect(
    plan: Any, weights: Any, state: Any, clock: Any, samples: Any, position: int, re: Any, im: Any, magnitudes: Any,
    spare: Any, starts: Any, sums: Any,
) -> tuple[int, int]:  # fmt: skip
    """Analyse the frames that samples from ``position`` on complete, ``BATCH`` at most.

    Returns:
        Number of frames, and the position up to which samples were taken.
    """
    length, hop, bins = plan[WINDOW], plan[HOP], plan[PADDED_FREQUENCIES]
    window = state[plan[INPUT] : plan[INPUT] + length]
    filled, frames = clock[FILLED], 0
    while position < samples.size and frames < BATCH:
        taken = min(length - filled, samples.size - position)
        for i in range(np.uint64(taken)):
            window[np.uint64(filled) + i] = samples[np.uint64(position) + i]
        filled += taken
        position += taken
        if filled == length:
            analyze(plan, weights, window, re, im, frames * bins, spare, starts, sums)
            compress(plan, weights, re, im, frames * bins, magnitudes, frames * bins)
            frames += 1
            filled = length - hop
            for i in range(np.uint64(filled)):
                window[i] = window[i + np.uint64(hop)]
    clock[FILLED] = filled
    return frames, position


@njit(**OPTIONS)
def deliver(
    plan: Any, weights: Any, heads: Any, state: Any, clock: Any, frames: int, estimates: Any, re: Any, im: Any,
    outputs: Any, samples: Any, position: int, results: Any, row: int, spare: Any, starts: Any, sums: Any,
) -> int:  # fmt: skip
    """Synthesise frames, finish their properties, and move the clock on.

    Returns:
        The position up to which samples were written.
    """
    length, hop, bins, probes = plan[WINDOW], plan[HOP], plan[PADDED_FREQUENCIES], plan[OUTPUTS]
    overlap = state[plan[OVERLAP] : plan[OVERLAP] + length]
    share = np.float32(1) / weights[plan[SMOOTHING]]
    for t in range(frames):
        frame = clock[FRAME_NUMBER] + t
        synthesize(plan, weights, estimates, t * bins, re, im, t * bins, overlap, spare, starts, sums)
        skipped = min(hop, max(0, length // 2 - frame * hop))  # before the start of the signal
        position += take_hop(plan, weights, overlap, frame, samples, position, skipped)
        finish(heads, outputs, t * probes, frame, share, state, plan[SMOOTHED], results, row + t)
    clock[FRAME_NUMBER] += frames
    return position
