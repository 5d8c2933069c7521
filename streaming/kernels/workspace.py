"""Scratch memory of a stream, allocated once."""

from __future__ import annotations

from typing import Any

from numba import njit

from streaming.kernels.dense import OPTIONS
from streaming.kernels.layout import (
    BATCH,
    HIDDEN,
    OUTPUTS,
    PADDED_CHANNELS,
    PADDED_FREQUENCIES,
    PADDED_WINDOW,
    RESIDUAL,
    TAPS,
)
from streaming.kernels.simd import ROWS


@njit(**OPTIONS)
def work_size(plan: Any) -> int:
    """Return how many floats :func:`split_floats` needs."""
    frame = 4 * plan[PADDED_FREQUENCIES] + plan[RESIDUAL] + plan[HIDDEN] + plan[OUTPUTS]
    return BATCH * frame + plan[PADDED_CHANNELS] + plan[RESIDUAL] + 4 * plan[PADDED_WINDOW] + ROWS


@njit(**OPTIONS)
def position_count(plan: Any) -> int:
    """Return how many integers :func:`split_integers` needs."""
    return 2 * ROWS + plan[PADDED_CHANNELS] + plan[TAPS]


@njit(**OPTIONS)
def split_floats(plan: Any, work: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Divide scratch floats.

    Returns:
        Spectra (real parts, imaginary parts, compressed magnitudes, outputs of the network; (frame, padded frequency)
        in one row each), parts of the network (residual, hidden units, logits, sums of the residual stream, sums of a
        group), outputs of the probes (frame, output), scratch of the transform (4, padded window), sums of a group.
    """
    bins, length = BATCH * plan[PADDED_FREQUENCIES], plan[RESIDUAL]
    spectra = (work[:bins], work[bins : 2 * bins], work[2 * bins : 3 * bins], work[3 * bins : 4 * bins])
    begin = 4 * bins
    residual = work[begin : begin + BATCH * length]
    begin += BATCH * length
    hidden = work[begin : begin + BATCH * plan[HIDDEN]]
    begin += BATCH * plan[HIDDEN]
    logits = work[begin : begin + plan[PADDED_CHANNELS]]
    begin += plan[PADDED_CHANNELS]
    summed = work[begin : begin + length]
    begin += length
    outputs = work[begin : begin + BATCH * plan[OUTPUTS]]
    begin += BATCH * plan[OUTPUTS]
    spare = work[begin : begin + 4 * plan[PADDED_WINDOW]].reshape((4, plan[PADDED_WINDOW]))
    begin += 4 * plan[PADDED_WINDOW]
    sums = work[begin : begin + ROWS]
    return spectra, (residual, hidden, logits, summed, sums), outputs, spare, sums


@njit(**OPTIONS)
def split_integers(plan: Any, positions: Any) -> tuple[Any, Any, Any]:
    """Divide scratch integers: list of channels with room for a group more, starts of a group, slots of a ring."""
    room = ROWS + plan[PADDED_CHANNELS]
    return positions[:room], positions[room : room + ROWS], positions[room + ROWS :]
