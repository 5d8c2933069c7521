"""The network over some frames, block by block, so that a block's weights are read once for all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from streaming.kernels.blocks import compute_block, fill_group
from streaming.kernels.dense import OPTIONS, multiply, rectify
from streaming.kernels.gates import decide
from streaming.kernels.layout import (
    BACKEND,
    BACKEND_BIAS,
    BLOCKS,
    CHANNELS,
    FRONTEND,
    FRONTEND_BIAS,
    HIDDEN,
    OUTPUT_BIAS,
    OUTPUTS,
    PADDED_FREQUENCIES,
    RESIDUAL,
)


@njit(**OPTIONS)
def list_forced(masks: Any, frame: int, block: int, count: int, channels: Any) -> int:
    """List the channels that a given mask switches on."""
    found = 0
    for c in range(count):
        channels[found] = c
        found += masks[frame, block, c]
    return found


@njit(**OPTIONS)
def estimate(
    plan: Any,
    blocks: Any,
    weights: Any,
    fixed: Any,
    state: Any,
    frame: int,
    frames: int,
    magnitudes: Any,
    estimates: Any,
    outputs: Any,
    utilization: Any,
    masks: Any,
    forced: Any,
    scratch: Any,
    positions: Any,
) -> None:
    """Compute the backend's outputs (before the sigmoid) and the probes' linear outputs of some frames.

    Args:
        plan: lengths and positions, see ``layout``.
        blocks: the same of every block, shape (block, field).
        weights: all weights.
        fixed: channels of gates that are the same in every frame.
        state: of the stream, changed.
        frame: number of the first frame.
        frames: how many.
        magnitudes: compressed, (frame, padded frequency) in one row.
        estimates: written, in the same layout.
        outputs: written, (frame, output) in one row.
        utilization: written, share of active channels of each frame, shape (frame,).
        masks: written if it is not empty, uint8, shape (frame, block, channel).
        forced: masks to compute with instead of the gates', or empty.
        scratch: floats, see ``workspace`` for its parts.
        positions: integers, the same.
    """
    length, bins, channels = plan[RESIDUAL], plan[PADDED_FREQUENCIES], plan[CHANNELS]
    residual, hidden, logits, summed, sums = scratch
    listed, starts, slots = positions
    total = np.float32(plan[BLOCKS] * channels)
    probes, width = plan[OUTPUTS], plan[HIDDEN]
    for t in range(frames):
        multiply(
            weights, plan[FRONTEND], plan[FRONTEND_BIAS], length, bins, magnitudes, t * bins, residual, t * length,
            starts, sums,
        )  # fmt: skip
        rectify(residual, t * length, length)
        utilization[t] = 0
        for i in range(probes):
            outputs[t * probes + i] = weights[plan[OUTPUT_BIAS] + i]
    for b in range(plan[BLOCKS]):
        block = blocks[b]
        for t in range(frames):
            if forced.size:
                count = list_forced(forced, t, b, channels, listed)
            else:
                count = decide(
                    plan, block, weights, fixed, state, frame + t, residual, t * length, magnitudes, t * bins, hidden,
                    t * width, logits, listed, starts, sums,
                )  # fmt: skip
            utilization[t] += np.float32(count) / total
            if masks.size:
                masks[t, b, :] = 0
                for i in range(count):
                    masks[t, b, listed[i]] = 1
            for i in range(np.uint64(length)):
                summed[i] = residual[np.uint64(t * length) + i]
            compute_block(
                plan, block, weights, state, frame + t, listed, fill_group(plan, listed, count), residual, t * length,
                summed, outputs, t * probes, starts, sums, slots,
            )  # fmt: skip
            for i in range(np.uint64(length)):
                residual[np.uint64(t * length) + i] = summed[i]
    for t in range(frames):
        multiply(
            weights, plan[BACKEND], plan[BACKEND_BIAS], bins, length, residual, t * length, estimates, t * bins,
            starts, sums,
        )  # fmt: skip
