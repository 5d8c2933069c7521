"""The causal convolution block of Conv-FSENet, dense or with pruned channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from networks.gating import Gate, GateOutput
from networks.temporal import CausalDepthwise, hold_last


class PrunedBlock(nn.Module):
    """Pointwise R -> C, BatchNorm, ReLU, depthwise, BatchNorm, ReLU, pointwise C -> R, residual add.

    One mask multiplies the channels after both ReLUs, so an inactive channel needs neither its row of the first
    pointwise layer, nor its depthwise filter, nor its column of the last one. Where the gate says so, the filter reads
    of frames in which a channel was off what it was when it was last on, instead of 0. Causal; the state when streaming
    is that of the depthwise convolution and of the gate.

    Args:
        residual_channels: channels R of the residual stream.
        channels: channels C inside the block.
        kernel_size: taps of the depthwise convolution.
        dilation: frames between its taps.
        gate: decides the active channels; None computes them all.
    """

    def __init__(
        self, residual_channels: int, channels: int, kernel_size: int, dilation: int, gate: Gate | None
    ) -> None:
        super().__init__()
        self.gate = gate
        self.expand = nn.Conv1d(residual_channels, channels, 1)
        self.expand_norm = nn.BatchNorm1d(channels)
        self.depthwise = CausalDepthwise(channels, kernel_size, dilation)
        self.depthwise_norm = nn.BatchNorm1d(channels)
        self.project = nn.Conv1d(channels, residual_channels, 1, bias=False)

    def forward(
        self, residual: Tensor, shared_hidden: Tensor | None = None, magnitude: Tensor | None = None
    ) -> tuple[Tensor, GateOutput | None]:
        """Process one block.

        Args:
            residual: shape (batch, residual channel, frame).
            shared_hidden: hidden units of an earlier gate, shape (batch, width, frame), for a gate without its own.
            magnitude: normalised, shape (batch, frequency, frame), for a gate that reads it too.

        Returns:
            The new residual of the same shape, and what the gate decided; None for a dense block.
        """
        hidden, decision = self.masked_hidden(residual, shared_hidden, magnitude)
        return residual + self.project(hidden), decision

    def masked_hidden(
        self, residual: Tensor, shared_hidden: Tensor | None = None, magnitude: Tensor | None = None
    ) -> tuple[Tensor, GateOutput | None]:
        """Compute what the last pointwise layer reads, 0 in inactive channels.

        Args:
            residual: as in :meth:`forward`.
            shared_hidden: as in :meth:`forward`.
            magnitude: as in :meth:`forward`.

        Returns:
            Shape (batch, channel, frame), and what the gate decided.
        """
        decision = None if self.gate is None else self.gate(residual, shared_hidden, magnitude)
        hidden = torch.relu(self.expand_norm(self.expand(residual)))
        if self.gate is not None and decision is not None:
            holds = self.gate.settings.idle == "hold"
            hidden = hold_last(hidden, decision.channel_mask) if holds else hidden * decision.channel_mask
        hidden = torch.relu(self.depthwise_norm(self.depthwise(hidden)))
        if decision is not None:
            hidden = hidden * decision.channel_mask
        return hidden, decision
