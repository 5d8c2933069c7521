"""Which channels of a block are computed in a frame, as a list of their positions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from streaming.kernels.dense import OPTIONS, add_product, multiply, multiply_transposed, rectify
from streaming.kernels.layout import (
    AVERAGE,
    CHANNELS,
    EVERY,
    EXPAND,
    EXPAND_BIAS,
    FIXED,
    FIXED_COUNT,
    FIXED_START,
    GATE,
    HELD,
    HYSTERESIS,
    MEMORY,
    MEMORY_STATE,
    MEMORY_TAPS,
    MEMORY_WEIGHT,
    NO_MEMORY,
    PADDED_CHANNELS,
    PADDED_FREQUENCIES,
    RANDOM,
    RESIDUAL,
    SEED,
    SKIP,
    STEM,
    STEM_BIAS,
    THRESHOLD,
    WIDTH,
)
from streaming.kernels.simd import positive_bits

LANES = 8
# Positions of the bits that are set, for every number of eight bits; behind them, zeros.
BIT_POSITIONS = np.zeros((256, LANES), dtype=np.int64)
for _number in range(256):
    _set = [bit for bit in range(LANES) if _number >> bit & 1]
    BIT_POSITIONS[_number, : len(_set)] = _set
BIT_COUNTS = np.array([bin(number).count("1") for number in range(256)], dtype=np.int64)
# Below this a memory that fades is set to zero: numbers that small are a hundred times slower to compute with.
FADED = np.float32(1e-20)


@njit(**OPTIONS)
def remember(block: Any, weights: Any, state: Any, hidden: Any, start: int, frame: int) -> None:
    """Let the hidden units of a gate remember past frames."""
    width, memory, taps = block[WIDTH], block[MEMORY_STATE], block[MEMORY_TAPS]
    if block[MEMORY] == AVERAGE:
        retention = weights[block[MEMORY_WEIGHT]]
        for i in range(width):
            average = retention * state[memory + i] + (np.float32(1) - retention) * hidden[start + i]
            if abs(average) < FADED:
                average = np.float32(0)
            state[memory + i] = average
            hidden[start + i] = average
        return
    newest = frame % taps
    for i in range(width):
        state[memory + newest * width + i] = hidden[start + i]
        total = np.float32(0)
        for tap in range(taps):
            slot = (newest + 1 + tap) % taps
            total += weights[block[MEMORY_WEIGHT] + tap * width + i] * state[memory + slot * width + i]
        hidden[start + i] = total


@njit(**OPTIONS)
def list_positive(logits: Any, padded: int, channels: Any) -> int:
    """Write the positions of positive logits into ``channels``, rising, and return how many there are."""
    count = 0
    for first in range(0, padded, LANES):
        bits = positive_bits(logits, first)
        for i in range(LANES):
            channels[count + i] = BIT_POSITIONS[bits, i] + first
        count += BIT_COUNTS[bits]
    return count


@njit(**OPTIONS)
def hold(block: Any, weights: Any, state: Any, logits: Any, count: int) -> None:
    """Move the logits so that a channel that is on stays on within the margin, and one that is off stays off."""
    half, held = weights[block[HYSTERESIS]], block[HELD]
    for c in range(count):
        if logits[c] > half:
            state[held + c] = np.float32(1)
        elif logits[c] <= -half:
            state[held + c] = np.float32(0)
        logits[c] = state[held + c] - np.float32(0.5)


@njit(**OPTIONS)
def scramble(value: Any) -> Any:
    """Scramble 32 bits (the finalizer of MurmurHash3, as ``networks.constant_gates``)."""
    value = ((value ^ (value >> np.uint64(16))) * np.uint64(0x85EBCA6B)) & np.uint64(0xFFFFFFFF)
    value = ((value ^ (value >> np.uint64(13))) * np.uint64(0xC2B2AE35)) & np.uint64(0xFFFFFFFF)
    return value ^ (value >> np.uint64(16))


@njit(**OPTIONS)
def list_random(block: Any, threshold: Any, count: int, frame: int, channels: Any) -> int:
    """Write the channels that are drawn for a frame into ``channels`` and return how many there are."""
    key = scramble(np.uint64(frame) ^ scramble(np.uint64(block[SEED] + 1)))
    found = 0
    for c in range(count):
        drawn = np.float32(scramble(np.uint64(c) ^ key) >> np.uint64(8)) / np.float32(1 << 24)
        channels[found] = c
        found += drawn > threshold
    return found


@njit(**OPTIONS)
def decide(
    plan: Any,
    block: Any,
    weights: Any,
    fixed: Any,
    state: Any,
    frame: int,
    residual: Any,
    position: int,
    magnitudes: Any,
    bin_start: int,
    hidden: Any,
    hidden_start: int,
    logits: Any,
    channels: Any,
    starts: Any,
    sums: Any,
) -> int:
    """List the active channels of a block in a frame and return how many there are.

    Args:
        plan: of the network.
        block: fields of the block.
        weights: of the network.
        fixed: channels of all gates that are the same in every frame.
        state: of the stream.
        frame: number of the frame.
        residual: input of the block from ``position`` on.
        position: see there.
        magnitudes: compressed, those of the frame from ``bin_start`` on.
        bin_start: see there.
        hidden: hidden units of the gate from ``hidden_start`` on, written by a gate with a stem and read by others.
        hidden_start: see there.
        logits: scratch, at least (padded channel,).
        channels: the list, with room for a group more.
        starts: scratch, (8,).
        sums: scratch, (8,).
    """
    count, kind = plan[CHANNELS], block[GATE]
    if kind == EVERY:
        for c in range(count):
            channels[c] = c
        return count
    if kind == FIXED:
        for i in range(block[FIXED_COUNT]):
            channels[i] = fixed[block[FIXED_START] + i]
        return block[FIXED_COUNT]
    if kind == RANDOM:
        return list_random(block, weights[block[THRESHOLD]], count, frame, channels)
    width = block[WIDTH]
    if block[STEM] >= 0:
        length = plan[RESIDUAL]
        multiply(
            weights,
            block[STEM],
            block[STEM_BIAS],
            width,
            length,
            residual,
            position,
            hidden,
            hidden_start,
            starts,
            sums,
        )
        if block[SKIP] >= 0:
            add_product(
                weights,
                block[SKIP],
                width,
                plan[PADDED_FREQUENCIES],
                magnitudes,
                bin_start,
                hidden,
                hidden_start,
                starts,
                sums,
            )
        if block[MEMORY] != NO_MEMORY:
            remember(block, weights, state, hidden, hidden_start, frame)
        rectify(hidden, hidden_start, width)
    padded = plan[PADDED_CHANNELS]
    multiply_transposed(
        weights, block[EXPAND], block[EXPAND_BIAS], width, padded, hidden, hidden_start, logits, starts, sums
    )
    if block[HYSTERESIS] >= 0:
        hold(block, weights, state, logits, count)
    return list_positive(logits, padded, channels)
