"""The blocks of the network: only what the active channels need is read and computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from streaming.kernels.dense import OPTIONS
from streaming.kernels.layout import (
    CHANNELS,
    DILATION,
    HOLDS,
    OUTPUTS,
    PADDED_CHANNELS,
    RECORD,
    RECORDS,
    RESIDUAL,
    RING,
    SLOTS,
    TAPS,
)
from streaming.kernels.simd import ROWS, add_rows, multiply_rows


@njit(**OPTIONS)
def fill_group(plan: Any, channels: Any, count: int) -> int:
    """Fill the last group of a list of channels with the silent one and return the new length."""
    while count % ROWS:
        channels[count] = plan[CHANNELS]
        count += 1
    return count


@njit(**OPTIONS)
def compute_block(
    plan: Any,
    block: Any,
    weights: Any,
    state: Any,
    frame: int,
    channels: Any,
    count: int,
    x: Any,
    x_start: int,
    y: Any,
    outputs: Any,
    output_start: int,
    starts: Any,
    sums: Any,
    slots: Any,
) -> None:
    """Add a block's output for one frame to ``y``, and the weights of its active channels to the probes' outputs.

    Args:
        plan: of the network.
        block: fields of the block.
        weights: of the network.
        state: of the stream.
        frame: number of the frame.
        channels: active ones, in whole groups of eight; what fills the last group is the silent channel.
        count: how many.
        x: input of the block from ``x_start`` on.
        x_start: see there.
        y: residual stream that the output is added to; not ``x``.
        outputs: linear outputs of the probes from ``output_start`` on.
        output_start: see there.
        starts: scratch, (8,).
        sums: scratch, (8,).
        slots: scratch, (tap,).
    """
    zero = np.float32(0)
    length, record, taps, probes = plan[RESIDUAL], plan[RECORD], plan[TAPS], plan[OUTPUTS]
    padded = plan[PADDED_CHANNELS]
    for tap in range(taps):  # the last one is the current frame
        slot = (frame - (taps - 1 - tap) * block[DILATION]) % block[SLOTS]
        slots[tap] = block[RING] + slot * padded
    now = slots[taps - 1]
    if block[HOLDS]:
        before = block[RING] + (frame - 1) % block[SLOTS] * padded
        for c in range(np.uint64(padded)):
            state[np.uint64(now) + c] = state[np.uint64(before) + c]
    else:
        for c in range(np.uint64(now), np.uint64(now + padded)):
            state[c] = zero
    biases = 2 * length + probes
    for first in range(0, count, ROWS):
        for row in range(ROWS):
            starts[row] = block[RECORDS] + channels[first + row] * record
        multiply_rows(weights, starts, x, x_start, length, sums)
        for row in range(ROWS):
            bias, c = np.uint64(starts[row] + biases), channels[first + row]
            value = max(sums[row] + weights[bias], zero)
            state[np.uint64(now + c)] = value
            total = weights[bias + np.uint64(1)]
            for tap in range(taps):
                total += weights[bias + np.uint64(2 + tap)] * state[np.uint64(slots[tap] + c)]
            sums[row] = max(total, zero)
        add_rows(weights, starts, length, sums, y, 0, length)
        if probes:
            for row in range(ROWS):
                sums[row] = np.float32(1)
            add_rows(weights, starts, 2 * length, sums, outputs, output_start, probes)
