"""Causal memory of past frames: a depthwise convolution, a leaky average, and channels that are held while off."""

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


def hold_last(features: Tensor, channel_mask: Tensor) -> Tensor:
    """Let channels that are off keep the value that they had when they were last on; 0 before that.

    Costs no computation of a channel that is off. The gradient reaches the frame that a value is of. That of the mask
    is the difference which switching a frame on makes in this frame; what it would make in the frames after it is left
    out.

    Args:
        features: shape (batch, channel, frame).
        channel_mask: 0 or 1, the same shape.

    Returns:
        The same shape.

    Example:
        >>> hold_last(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), torch.tensor([[[0.0, 1.0, 0.0, 1.0]]]))
        tensor([[[0., 2., 2., 4.]]])
    """
    frame = torch.arange(features.shape[-1], device=features.device, dtype=torch.int32)
    last = torch.where(channel_mask.detach() > 0, frame, -1).cummax(dim=-1).values.long()
    values = features.gather(-1, last.clamp_min(0)) * (last >= 0)
    before = functional.pad(values.detach()[..., :-1], (1, 0))
    return values + (channel_mask - channel_mask.detach()) * (features.detach() - before)
