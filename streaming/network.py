"""The network as an engine computes it: plain arrays, every normalisation folded into the layer before or after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from networks.framing import FrameGrid

Array = NDArray[np.float32]


@dataclass(frozen=True)
class FoldedStem:
    """First layer of a gate; ``hidden = relu(memory(weight @ residual + magnitude_weight @ magnitude + bias))``.

    Attributes:
        weight: shape (width, residual channel).
        bias: shape (width,).
        magnitude_weight: of the compressed magnitudes, shape (width, frequency); None reads none.
        filter: taps of a causal depthwise memory, shape (width, tap), the last one for the current frame; or None.
        retention: of a leaky average ``y[t] = retention * y[t-1] + (1 - retention) * x[t]`` from zero; or None.
    """

    weight: Array
    bias: Array
    magnitude_weight: Array | None = None
    filter: Array | None = None
    retention: float | None = None


@dataclass(frozen=True)
class FoldedGate:
    """Gate that looks at the signal: a channel is on where ``weight @ hidden + bias > 0``.

    The threshold is part of the bias, which is infinite where every channel is computed.

    Attributes:
        stem: None takes the hidden units of the nearest gate before it that has one.
        weight: shape (channel, width).
        bias: shape (channel,).
        hysteresis: a channel that is off switches on above ``hysteresis / 2``, one that is on switches off at
            ``-hysteresis / 2`` or below; before the first frame all are off.
    """

    stem: FoldedStem | None
    weight: Array
    bias: Array
    hysteresis: float = 0.0


@dataclass(frozen=True)
class FixedGate:
    """Gate with the same channels in every frame.

    Attributes:
        channel_mask: shape (channel,).
    """

    channel_mask: NDArray[np.bool_]


@dataclass(frozen=True)
class RandomMasks:
    """Gate whose channels depend on block, channel and frame only (``networks.constant_gates.hashed_uniform``).

    Attributes:
        seed: of the block.
        threshold: a channel is on where the number drawn for it is above.
    """

    seed: int
    threshold: float


Gate = FoldedGate | FixedGate | RandomMasks


@dataclass(frozen=True)
class FoldedBlock:
    """Pointwise, ReLU, mask, causal depthwise, ReLU, mask, pointwise, residual add.

    Attributes:
        expand_weight: shape (channel, residual channel).
        expand_bias: shape (channel,).
        depthwise_weight: shape (channel, tap), the last tap for the current frame.
        depthwise_bias: shape (channel,).
        project_weight: shape (residual channel, channel).
        dilation: frames between the taps.
        gate: None computes every channel.
        holds: whether the filter reads of frames in which a channel is off what it was when it was last on, instead of
            0.
    """

    expand_weight: Array
    expand_bias: Array
    depthwise_weight: Array
    depthwise_bias: Array
    project_weight: Array
    dilation: int
    gate: Gate | None
    holds: bool


@dataclass(frozen=True)
class FoldedNetwork:
    """Conv-FSENet for inference: ``sigmoid(backend(blocks(relu(frontend(compressed magnitude)))))``.

    Attributes:
        frontend_weight: shape (residual channel, frequency).
        frontend_bias: shape (residual channel,).
        blocks: in order.
        backend_weight: shape (frequency, residual channel).
        backend_bias: shape (frequency,).
        compression: exponent of the magnitude, after a floor of ``MAGNITUDE_FLOOR`` was added.
        grid: sample-to-frame alignment.
        fingerprint: SHA-256 of all that determines the output, as hexadecimal digits.
    """

    frontend_weight: Array
    frontend_bias: Array
    blocks: tuple[FoldedBlock, ...]
    backend_weight: Array
    backend_bias: Array
    compression: float
    grid: FrameGrid
    fingerprint: str

    @property
    def frequencies(self) -> int:
        """Frequency bins F."""
        return self.frontend_weight.shape[1]

    @property
    def residual_channels(self) -> int:
        """Channels R between blocks."""
        return self.frontend_weight.shape[0]

    @property
    def channels(self) -> int:
        """Gated channels C of a block."""
        return self.blocks[0].expand_weight.shape[0]
