"""Whether an ONNX file computes what the network computes, on a signal that exercises its gates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from networks.framing import FrameGrid
from streaming.network import FoldedNetwork
from streaming.onnx.session import StreamRunner
from streaming.reference import compressed_magnitudes, estimate

PIECES = (1, 1, 7)  # frames of the first calls; the rest comes in one
# Another order of sums changes a spectral mask by about 1e-6, and decisions whose logit is as near to the threshold.
SPECTRAL_TOLERANCE, FLIP_TOLERANCE = 1e-4, 1e-4


@dataclass(frozen=True)
class Deviation:
    """How far a file is from the network.

    Attributes:
        spectral_mask: largest difference.
        mean: of the differences of the spectral mask.
        before_flips: largest difference up to the first frame with a decision that differs.
        flips: gate decisions that differ.
        decisions: gate decisions.
    """

    spectral_mask: float
    mean: float
    before_flips: float
    flips: int
    decisions: int

    @property
    def is_rounding(self) -> bool:
        """Whether float32 that is summed in another order explains it."""
        return self.before_flips <= SPECTRAL_TOLERANCE and self.flips <= FLIP_TOLERANCE * self.decisions

    def __str__(self) -> str:
        return (
            f"spectral mask differs by {self.spectral_mask:.1e} at most, {self.mean:.1e} on average; "
            f"{self.flips} of {self.decisions} gate decisions differ"
        )


def compare(network: FoldedNetwork, model: bytes, magnitude: NDArray[np.float32]) -> Deviation:
    """Run a file with ONNX Runtime, in pieces, and compare it with the network.

    Args:
        network: what it was exported from.
        model: serialized.
        magnitude: compressed, shape (frame, frequency), more frames than ``PIECES``.
    """
    runner = StreamRunner(model)
    found = [runner.run(piece) for piece in np.split(magnitude, np.cumsum(PIECES))]
    spectral_mask, channel_masks = estimate(network, magnitude)
    difference = np.abs(np.concatenate([piece.spectral_mask for piece in found]) - spectral_mask)
    masks = [piece.channel_masks for piece in found if piece.channel_masks is not None]
    flipped: NDArray[np.bool_] = np.zeros_like(channel_masks)
    if masks:
        flipped = np.concatenate(masks) != channel_masks
    frames = flipped.any(axis=(1, 2))
    same = int(frames.argmax()) if frames.any() else frames.size
    return Deviation(
        spectral_mask=float(difference.max()),
        mean=float(difference.mean()),
        before_flips=float(difference[:same].max(initial=0)),
        flips=int(flipped.sum()),
        decisions=flipped.size if masks else 0,
    )


def check_magnitudes(network: FoldedNetwork, seconds: float = 4.0) -> NDArray[np.float32]:
    """Return compressed magnitudes of :func:`harmonic_bursts` for a network."""
    return compressed_magnitudes(harmonic_bursts(network.grid, seconds), network.grid, network.compression)


def harmonic_bursts(grid: FrameGrid, seconds: float) -> NDArray[np.float32]:
    """Return a signal with what moves gates: harmonics that glide and come in bursts, noise of several levels, silence.

    Args:
        grid: whose sample rate it has.
        seconds: length.

    Returns:
        Shape (sample,), the same in every call.

    Example:
        >>> signal = harmonic_bursts(FrameGrid(), 2.0)
        >>> signal.shape, bool(np.abs(signal).max() < 1.0)
        ((32000,), True)
    """
    time = np.arange(round(seconds * grid.sample_rate)) / grid.sample_rate
    phase = 2 * np.pi * np.cumsum(150 + 60 * np.sin(2 * np.pi * 0.7 * time)) / grid.sample_rate
    voice = sum(np.sin(number * phase) / number for number in range(1, 20)) * 0.1
    bursts = np.clip(np.sin(2 * np.pi * 1.7 * time) * 3, 0, 1)
    level = 10 ** (-3 + 2 * np.abs(np.sin(2 * np.pi * 0.31 * time)))
    noise = np.random.default_rng(0).standard_normal(time.size) * level
    signal = np.clip(voice * bursts + noise, -0.99, 0.99)
    signal[round(0.9 * time.size) :] = 0  # digital silence
    return signal.astype(np.float32)
