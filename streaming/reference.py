"""The network in plain NumPy, whole signals at once: slow, short, and what exported files are compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from networks.framing import MAGNITUDE_FLOOR, FrameGrid
from streaming.network import (
    FixedGate,
    FoldedBlock,
    FoldedGate,
    FoldedNetwork,
    FoldedStem,
    Gate,
    RandomMasks,
)

Single = NDArray[np.float32]
Masks = NDArray[np.bool_]


def compressed_magnitudes(waveform: Single, grid: FrameGrid, compression: float) -> Single:
    """Compute what the network reads: magnitudes of frames under a periodic Hann window, raised to a power.

    Args:
        waveform: shape (sample,), full scale is 1.0.
        grid: sample-to-frame alignment; frame ``t`` is centred on sample ``t * hop_length``.
        compression: exponent.

    Returns:
        Shape (frame, frequency).

    Example:
        >>> compressed_magnitudes(np.zeros(1000, np.float32), FrameGrid(), 0.5).shape
        (4, 257)
    """
    half = grid.window_length // 2
    padded = np.pad(waveform.astype(np.float64), half)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(grid.window_length) / grid.window_length)
    frames = np.lib.stride_tricks.sliding_window_view(padded, grid.window_length)[:: grid.hop_length]
    spectrum = np.fft.rfft(frames[: grid.num_frames(waveform.size)] * window)
    return ((np.abs(spectrum) + MAGNITUDE_FLOOR) ** compression).astype(np.float32)


def estimate(network: FoldedNetwork, magnitude: Single) -> tuple[Single, Masks]:
    """Compute spectral mask and channel masks of a whole signal.

    Args:
        network: of any settings.
        magnitude: compressed, shape (frame, frequency).

    Returns:
        Spectral mask (frame, frequency), and channel masks (frame, block, channel), all on in a dense network.
    """
    residual = np.maximum(magnitude @ network.frontend_weight.T + network.frontend_bias, 0)
    hidden: Single | None = None
    masks = []
    for block in network.blocks:
        mask, hidden = _decide(block.gate, residual, magnitude, hidden, network.channels)
        masks.append(mask)
        residual = _block(block, residual, mask)
    logit = residual @ network.backend_weight.T + network.backend_bias
    return _sigmoid(logit), np.stack(masks, axis=1)


def _block(block: FoldedBlock, residual: Single, mask: Masks) -> Single:
    inner = np.maximum(residual @ block.expand_weight.T + block.expand_bias, 0) * mask
    if block.holds:
        for frame in range(1, len(inner)):
            inner[frame] = np.where(mask[frame], inner[frame], inner[frame - 1])
    filtered = _filtered(inner, block.depthwise_weight, block.dilation) + block.depthwise_bias
    inner = np.maximum(filtered, 0) * mask
    return residual + inner @ block.project_weight.T


def _filtered(frames: Single, weight: Single, dilation: int) -> Single:
    """Filter frames causally; shapes (frame, channel) and (channel, tap), the last tap for the current frame."""
    taps = weight.shape[1]
    padded = np.concatenate([np.zeros(((taps - 1) * dilation, frames.shape[1]), np.float32), frames])
    filtered = np.zeros_like(frames)
    for tap in range(taps):
        filtered += weight[:, tap] * padded[tap * dilation :][: len(frames)]
    return filtered


def _decide(
    gate: Gate | None, residual: Single, magnitude: Single, hidden: Single | None, channels: int
) -> tuple[Masks, Single | None]:
    """Return masks of shape (frame, channel), and the hidden units of the gate or those that were given."""
    shape = len(residual), channels
    if gate is None:
        return np.ones(shape, np.bool_), hidden
    if isinstance(gate, FixedGate):
        return np.broadcast_to(gate.channel_mask, shape), hidden
    if isinstance(gate, RandomMasks):
        return hashed_uniform(gate.seed, *shape) > np.float32(gate.threshold), hidden
    if gate.stem is not None:
        squeezed = residual @ gate.stem.weight.T + gate.stem.bias
        if gate.stem.magnitude_weight is not None:
            squeezed += magnitude @ gate.stem.magnitude_weight.T
        hidden = np.maximum(_remembered(gate.stem, squeezed), 0)
    assert hidden is not None, "the first gate of those that share hidden units has them"
    return _compared(gate, hidden @ gate.weight.T + gate.bias), hidden


def _remembered(stem: FoldedStem, squeezed: Single) -> Single:
    if stem.filter is not None:
        return _filtered(squeezed, stem.filter, dilation=1)
    if stem.retention is None:
        return squeezed
    kept, taken = np.float32(stem.retention), np.float32(1 - stem.retention)
    averaged, last = np.zeros_like(squeezed), np.zeros(squeezed.shape[1], np.float32)
    for frame, values in enumerate(squeezed):
        averaged[frame] = last = kept * last + taken * values
    return averaged


def _compared(gate: FoldedGate, logit: Single) -> Masks:
    if gate.hysteresis == 0:
        return logit > 0
    masks, on = np.zeros(logit.shape, np.bool_), np.zeros(logit.shape[1], np.bool_)
    margin = np.float32(gate.hysteresis / 2)
    for frame, values in enumerate(logit):
        masks[frame] = on = values > np.where(on, -margin, margin)
    return masks


def hashed_uniform(seed: int, frames: int, channels: int) -> Single:
    """Return the numbers of random gates, as ``networks.constant_gates`` draws them.

    Returns:
        Shape (frame, channel), in [0, 1).

    Example:
        >>> hashed_uniform(0, 400, 256).mean().round(2).item()
        0.5
    """
    frame, channel = np.arange(frames, dtype=np.uint64)[:, None], np.arange(channels, dtype=np.uint64)
    bits = _mix(channel ^ _mix(frame ^ _mix(np.array([seed + 1], dtype=np.uint64))))
    return (bits >> np.uint64(8)).astype(np.float32) / np.float32(1 << 24)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 32-bit integers (the finalizer of MurmurHash3); products that leave 64 bits keep their lower half."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        value = ((value ^ (value >> np.uint64(shift))) * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    return value ^ (value >> np.uint64(16))


def _sigmoid(logit: Single) -> Single:
    """Compute a sigmoid without overflow."""
    small = np.exp(-np.abs(logit))
    return np.where(logit >= 0, 1, small) / (1 + small)
