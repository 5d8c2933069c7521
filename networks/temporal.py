"""Causal layers with a memory of past frames: a depthwise convolution and a leaky average."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

CHUNK = 64  # frames of a leaky average computed in one product; bounds its memory, not its result


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


class LeakyAverage(nn.Module):
    """First-order recursive average ``y[t] = r y[t-1] + (1 - r) x[t]`` from zero, with ``r = 1 - 1 / frames``.

    Causal, no look-ahead. When streaming it keeps one frame of output.

    Args:
        frames: time constant; 1 passes the input on.

    Raises:
        ValueError: if ``frames`` is below 1.
    """

    def __init__(self, frames: float) -> None:
        super().__init__()
        if frames < 1:
            raise ValueError(f"a leaky average needs a time constant of at least 1 frame, got {frames}")
        self.retention = 1.0 - 1.0 / frames

    def forward(self, features: Tensor) -> Tensor:
        """Average features of shape (batch, channel, frame); the shape is kept.

        The recursion is unrolled into a triangular product, chunk by chunk, so that training has no loop over frames.
        """
        age = torch.arange(min(CHUNK, features.shape[-1]), device=features.device)
        lag = age[:, None] - age  # (output frame, input frame)
        weights = torch.where(lag >= 0, (1.0 - self.retention) * self.retention ** lag.clamp_min(0), 0.0)
        decay = self.retention ** (age + 1.0)
        last = features.new_zeros(*features.shape[:-1], 1)
        averaged = []
        for chunk in torch.split(features, CHUNK, dim=-1):
            length = chunk.shape[-1]
            smooth = chunk @ weights[:length, :length].T.to(chunk.dtype) + last * decay[:length].to(chunk.dtype)
            last = smooth[..., -1:]
            averaged.append(smooth)
        return torch.cat(averaged, dim=-1)
