"""Gates: which channels of a block are computed, decided frame by frame.

Dynamic Channel Pruning (Miccini et al., 2025, arXiv 2412.17121). We differ in two ways: the gate's input and its logits
are normalised, because raw logits under a utilization loss collapse to channels that are always on or always off; and
one decision prunes both pointwise convolutions of a block.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from networks.binarization import add_logistic_noise, binarize, hold_threshold
from networks.gate_settings import GateSettings
from networks.temporal import CausalDepthwise, LeakyAverage


class GateOutput(NamedTuple):
    """Decision of one gate.

    Attributes:
        channel_mask: shape (batch, channel, frame), 0 or 1 with a surrogate gradient.
        gate_logit: shape (batch, channel, frame), what was compared with the threshold.
        hidden: hidden units of the gate, shape (batch, width, frame), for blocks that share them; None if it has none.
    """

    channel_mask: Tensor
    gate_logit: Tensor
    hidden: Tensor | None


class Gate(nn.Module, ABC):
    """What the gates of a block have in common: a threshold that follows the target, and a temperature.

    Attributes:
        threshold: logit above which a channel is computed, stored in checkpoints; minus infinity while all are.
        temperature: of the surrogate gradient.
    """

    threshold: Tensor
    temperature: Tensor

    def __init__(self, settings: GateSettings) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("threshold", torch.tensor(0.0))
        self.register_buffer("temperature", torch.tensor(settings.temperature), persistent=False)
        self.set_target_utilization(settings.target_utilization)

    @abstractmethod
    def threshold_for(self, target_utilization: float) -> float:
        """Return the threshold under which a share of the channels, in (0, 1), is active at the start of training."""

    def set_target_utilization(self, target_utilization: float) -> None:
        """Move the threshold; 1 computes every channel."""
        self.threshold.fill_(-math.inf if target_utilization >= 1.0 else self.threshold_for(target_utilization))

    @property
    def history(self) -> int | None:
        """Past frames that a decision depends on, beside the current one; None: all of them."""
        return 0 if self.settings.hysteresis == 0 else None

    @property
    def macs_per_frame(self) -> int:
        """Multiply-accumulates of the decision, norms folded into the layers."""
        return 0

    @property
    def weights_per_frame(self) -> int:
        """Weights and biases that the decision reads."""
        return 0

    def decide(self, gate_logit: Tensor, hidden: Tensor | None) -> GateOutput:
        """Compare logits of shape (batch, channel, frame) with the threshold, or with two of them."""
        threshold = self.threshold
        if self.settings.hysteresis > 0:
            threshold = hold_threshold(gate_logit, threshold, self.settings.hysteresis)
        mask = binarize(gate_logit, threshold, self.temperature, self.settings.surrogate)
        return GateOutput(mask, gate_logit, hidden)


def gate_norm(channels: int, settings: GateSettings) -> nn.Module:
    """Return what normalises channels over batch and frames, if gates are to be normalised."""
    return nn.BatchNorm1d(channels, affine=False) if settings.normalize else nn.Identity()


class GateStem(nn.Module):
    """First layer of a gate: norm, pointwise R -> width, memory of past frames, ReLU.

    With ``skip: magnitude`` the magnitudes come in through a pointwise layer F -> width. Causal, no look-ahead; without
    context it has no state in a stream.

    Args:
        in_channels: channels R of its input.
        settings: of the gates.
        num_frequencies: bins F of the magnitudes, where they are read.
    """

    def __init__(self, in_channels: int, settings: GateSettings, num_frequencies: int = 0) -> None:
        super().__init__()
        width, frames = settings.width, settings.context_frames
        self.norm = gate_norm(in_channels, settings)
        self.squeeze = nn.Conv1d(in_channels, width, 1)
        self.magnitude_squeeze: nn.Conv1d | None = None
        if settings.skip == "magnitude":
            self.magnitude_squeeze = nn.Conv1d(num_frequencies, width, 1, bias=False)
        self.context: nn.Module = nn.Identity()
        if settings.context == "depthwise":
            self.context = CausalDepthwise(width, frames, dilation=1)
        elif settings.context == "leaky":
            self.context = LeakyAverage(frames)
        self.context_macs = {"none": 0, "depthwise": frames * width, "leaky": width}[settings.context]

    @property
    def macs_per_frame(self) -> int:
        """Multiply-accumulates of a frame, norms folded into the layers."""
        layers = [layer for layer in (self.squeeze, self.magnitude_squeeze) if layer is not None]
        return sum(layer.weight.numel() for layer in layers) + self.context_macs

    def forward(self, residual: Tensor, magnitude: Tensor | None = None) -> Tensor:
        """Compute the hidden units of a gate.

        Args:
            residual: shape (batch, residual channel, frame).
            magnitude: normalised, shape (batch, frequency, frame); needed with ``skip: magnitude``, else unused.

        Returns:
            Shape (batch, width, frame).
        """
        squeezed = self.squeeze(self.norm(residual))
        if self.magnitude_squeeze is not None:
            assert magnitude is not None, "a gate that reads magnitudes needs them"
            squeezed = squeezed + self.magnitude_squeeze(magnitude)
        return torch.relu(self.context(squeezed))


class ChannelGate(Gate):
    """Gate subnet: pointwise R -> width, ReLU, pointwise width -> C, threshold.

    Causal, no look-ahead; state when streaming only with a context or hysteresis. With ``normalize`` the input and the
    logits pass BatchNorm without affine parameters (folded into the pointwise layers for inference) and the
    threshold is the normal quantile of the target: every gate is dynamic and near the target from the first step on.
    One learned shift for all channels of the gate lets the sparsity loss reach its target and the blocks share the
    budget unevenly; it cannot hold a single channel open or shut.

    Args:
        in_channels: channels R of the block's input.
        gated_channels: channels C that are switched.
        settings: of the gates.
        owns_stem: False takes the hidden units of another block's gate.
        num_frequencies: bins F of the magnitudes, for gates that read them too.
    """

    def __init__(
        self,
        in_channels: int,
        gated_channels: int,
        settings: GateSettings,
        owns_stem: bool = True,
        num_frequencies: int = 0,
    ) -> None:
        super().__init__(settings)
        self.stem = GateStem(in_channels, settings, num_frequencies) if owns_stem else None
        self.expand = nn.Conv1d(settings.width, gated_channels, 1)
        self.logit_norm = gate_norm(gated_channels, settings)
        self.shift = nn.Parameter(torch.zeros(1))

    def threshold_for(self, target_utilization: float) -> float:
        """Return the normal quantile for standardised logits; raw ones are compared with 0."""
        return self.settings.frame_threshold(target_utilization)

    @property
    def history(self) -> int | None:
        """Past frames that a decision depends on, beside the current one; None: all of them."""
        context = "none" if self.stem is None else self.settings.context
        if context == "leaky" or self.settings.hysteresis > 0:
            return None
        return self.settings.context_frames - 1 if context == "depthwise" else 0

    @property
    def macs_per_frame(self) -> int:
        """Multiply-accumulates of the decision, norms folded into the layers."""
        return (0 if self.stem is None else self.stem.macs_per_frame) + self.expand.weight.numel()

    @property
    def weights_per_frame(self) -> int:
        """Weights and biases that the decision reads; a leaky average has none of its own."""
        stem = 0
        if self.stem is not None:
            stem = sum(parameter.numel() for parameter in self.stem.parameters())
        return stem + self.expand.weight.numel() + self.expand.out_channels

    def forward(
        self, residual: Tensor, shared_hidden: Tensor | None = None, magnitude: Tensor | None = None
    ) -> GateOutput:
        """Decide from the block's input, or from hidden units that another block computed.

        Args:
            residual: shape (batch, residual channel, frame).
            shared_hidden: shape (batch, width, frame); needed by a gate without a stem, unused by one with it.
            magnitude: normalised, shape (batch, frequency, frame); needed with ``skip: magnitude``, else unused.
        """
        hidden = shared_hidden if self.stem is None else self.stem(residual, magnitude)
        assert hidden is not None, "a gate without a stem needs the hidden units of another"
        gate_logit = self.logit_norm(self.expand(hidden))
        if self.training and self.settings.surrogate == "gumbel":
            gate_logit = add_logistic_noise(gate_logit, self.temperature, keep_variance=self.settings.normalize)
        return self.decide(gate_logit + self.shift, hidden)
