"""What the probes say: linear outputs to probabilities, posteriors and values, as they are and smoothed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from streaming.kernels.dense import OPTIONS
from streaming.kernels.elementary import LOG2_E, logistic, power_of_two
from streaming.kernels.layout import (
    BLOCKS,
    CHANNELS,
    OCTAVES,
    OUTPUT_BIAS,
    OUTPUTS,
    POSTERIORS,
    PROBABILITY,
    RECORD,
    RECORDS,
    RESIDUAL,
)

# Below this an average is set to zero: numbers that small are a hundred times slower to compute with.
FADED = np.float32(1e-20)


@njit(**OPTIONS)
def sum_active(plan: Any, blocks: Any, weights: Any, masks: Any, frame: int, outputs: Any, start: int) -> int:
    """Compute the linear outputs of one frame from its masks, and return how many channels are active.

    Args:
        plan: of the network.
        blocks: of the network.
        weights: of the network.
        masks: shape (frame, block, channel).
        frame: which one.
        outputs: written from ``start`` on.
        start: see there.
    """
    probes, active = plan[OUTPUTS], 0
    for i in range(probes):
        outputs[start + i] = weights[plan[OUTPUT_BIAS] + i]
    for b in range(plan[BLOCKS]):
        for c in range(plan[CHANNELS]):
            if masks[frame, b, c]:
                active += 1
                row = np.uint64(blocks[b, RECORDS] + c * plan[RECORD] + 2 * plan[RESIDUAL])
                for i in range(np.uint64(probes)):
                    outputs[np.uint64(start) + i] += weights[row + i]
    return active


@njit(**OPTIONS)
def soften(values: Any, start: int, count: int) -> None:
    """Replace logits by their softmax."""
    largest = values[start]
    for i in range(start + 1, start + count):
        largest = max(largest, values[i])
    total = np.float32(0)
    for i in range(start, start + count):
        values[i] = power_of_two(LOG2_E * (values[i] - largest))
        total += values[i]
    for i in range(start, start + count):
        values[i] /= total


@njit(**OPTIONS)
def finish(
    heads: Any, linear: Any, start: int, frame: int, share: Any, state: Any, memory: int, results: Any, row: int
) -> None:
    """Turn the linear outputs of one frame into what they mean, and average them with those of earlier frames.

    Averages are leaky, ``y += share * (x - y)`` from the first frame's value: of probabilities, and of values in the
    unit in which the probe is linear (octaves of an F0). Those of a probe that is true of averages alone are means of
    all frames until there are as many as it was fitted on, and leaky from then on.

    Args:
        heads: kind, number of outputs and averaged frames, shape (output, 3).
        linear: from ``start`` on, changed.
        start: see there.
        frame: number of the frame in the stream, from 0.
        share: weight of the new frame.
        state: averages from ``memory`` on, changed.
        memory: see there.
        results: written at ``row``: as they are and smoothed, shape (2, frame, output).
        row: see there.
    """
    i, count = 0, heads.shape[0]
    while i < count:
        if heads[i, 0] == POSTERIORS:
            soften(linear, start + i, heads[i, 1])
            i += heads[i, 1]
            continue
        if heads[i, 0] == PROBABILITY:
            linear[start + i] = logistic(linear[start + i])
        i += 1
    for i in range(count):
        value = linear[start + i]
        weight = share
        if heads[i, 2] > 0:
            weight = np.float32(1) / np.float32(min(frame + 1, heads[i, 2]))
        average = value if frame == 0 else state[memory + i] + weight * (value - state[memory + i])
        if abs(average) < FADED:
            average = np.float32(0)
        state[memory + i] = average
        if heads[i, 0] == OCTAVES:
            value, average = power_of_two(value), power_of_two(average)
        results[0, row, i], results[1, row, i] = value, average
