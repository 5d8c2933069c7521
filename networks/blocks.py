"""The causal convolution block of Conv-FSENet, dense or with pruned channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from networks.gating import ChannelGate


class CausalDepthwise(nn.Module):
    """Depthwise convolution over frames, padded on the left only.

    Causal, no look-ahead. When streaming it keeps the last ``(kernel_size - 1) * dilation`` input frames.

    Args:
        channels: number of channels, one filter each.
        kernel_size: taps.
        dilation: frames between taps.
    """

    def __init__(self, channels: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.history = (kernel_size - 1) * dilation
        self.conv = nn.Conv1d(channels, channels, kernel_size, dilation=dilation, groups=channels, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Filter features of shape (batch, channel, frame); the shape is kept."""
        return self.conv(functional.pad(features, (self.history, 0)))


class PrunedBlock(nn.Module):
    """Pointwise R -> C, BatchNorm, ReLU, depthwise, BatchNorm, ReLU, pointwise C -> R, residual add.

    One mask multiplies the channels after both ReLUs, so an inactive channel needs neither its row of the first
    pointwise layer, nor its depthwise filter, nor its column of the last one. Causal; the state when streaming is that
    of the depthwise convolution.

    Args:
        residual_channels: channels R of the residual stream.
        channels: channels C inside the block.
        kernel_size: taps of the depthwise convolution.
        dilation: frames between its taps.
        gate: decides the active channels; None computes them all.
    """

    def __init__(
        self, residual_channels: int, channels: int, kernel_size: int, dilation: int, gate: ChannelGate | None
    ) -> None:
        super().__init__()
        self.gate = gate
        self.expand = nn.Conv1d(residual_channels, channels, 1)
        self.expand_norm = nn.BatchNorm1d(channels)
        self.depthwise = CausalDepthwise(channels, kernel_size, dilation)
        self.depthwise_norm = nn.BatchNorm1d(channels)
        self.project = nn.Conv1d(channels, residual_channels, 1, bias=False)

    def forward(self, residual: Tensor) -> tuple[Tensor, Tensor | None]:
        """Process one block.

        Args:
            residual: shape (batch, residual channel, frame).

        Returns:
            The new residual of the same shape, and the channel mask of shape (batch, channel, frame), 0 or 1 with a
            surrogate gradient; None for a dense block.
        """
        channel_mask = None if self.gate is None else self.gate(residual).channel_mask
        hidden = torch.relu(self.expand_norm(self.expand(residual)))
        if channel_mask is not None:
            hidden = hidden * channel_mask
        hidden = torch.relu(self.depthwise_norm(self.depthwise(hidden)))
        if channel_mask is not None:
            hidden = hidden * channel_mask
        return residual + self.project(hidden), channel_mask
