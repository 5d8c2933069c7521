"""Gates: which channels of a block are computed, decided frame by frame.

Dynamic Channel Pruning (Miccini et al., 2025, arXiv 2412.17121). We differ in two ways: the gate's input and its logits
are normalised, because raw logits under a utilization loss collapse to channels that are always on or always off; and
one decision prunes both pointwise convolutions of a block.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class _Step(torch.autograd.Function):
    """Heaviside step forward, derivative of a sigmoid backward (surrogate gradient)."""

    @staticmethod
    def forward(ctx: Any, logit: Tensor, threshold: float, slope: float) -> Tensor:
        ctx.save_for_backward(logit)
        ctx.threshold, ctx.slope = threshold, slope
        return (logit > threshold).to(logit.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        (logit,) = ctx.saved_tensors
        probability = torch.sigmoid(ctx.slope * (logit - ctx.threshold))
        return grad_outputs[0] * ctx.slope * probability * (1 - probability), None, None


def binarize(gate_logit: Tensor, threshold: float, slope: float) -> Tensor:
    """Return 1 where ``gate_logit > threshold`` and 0 elsewhere, with a surrogate gradient.

    Args:
        gate_logit: any shape.
        threshold: logit above which a channel is computed.
        slope: steepness of the sigmoid whose derivative replaces that of the step.

    Returns:
        Same shape and type as ``gate_logit``, values 0 and 1.

    Example:
        >>> binarize(torch.tensor([-1.0, 0.0, 2.0]), threshold=0.0, slope=2.0)
        tensor([0., 0., 1.])
    """
    binary: Tensor = _Step.apply(gate_logit, threshold, slope)  # type: ignore[no-untyped-call]
    return binary


class GateOutput(NamedTuple):
    """Decision of one gate.

    Attributes:
        channel_mask: shape (batch, channel, frame), 0 or 1 with a surrogate gradient.
        gate_logit: shape (batch, channel, frame), what was compared with the threshold.
    """

    channel_mask: Tensor
    gate_logit: Tensor


class ChannelGate(nn.Module):
    """Gate subnet: pointwise R -> width, ReLU, pointwise width -> C, threshold.

    Causal, no look-ahead, no state when streaming: frame ``t`` of the masks depends on frame ``t`` of the input only.
    With ``normalize`` the input and the logits pass BatchNorm without affine parameters (folded into the pointwise
    layers for inference) and the threshold is the normal quantile of ``target_utilization``: every gate is dynamic and
    close to the target from the first step on. One learned shift for all channels of the gate lets the sparsity loss
    reach its target and the blocks share the budget unevenly; it cannot hold a single channel open or shut.

    Args:
        in_channels: channels R of the block's input.
        gated_channels: channels C that are switched.
        width: hidden units.
        target_utilization: share of active channels aimed at, in (0, 1).
        surrogate_slope: steepness of the surrogate gradient.
        normalize: normalise input and logits; raw gates compare the logit with 0.

    Raises:
        ValueError: if a value is out of range.
    """

    def __init__(
        self,
        in_channels: int,
        gated_channels: int,
        width: int,
        target_utilization: float,
        surrogate_slope: float,
        normalize: bool,
    ) -> None:
        super().__init__()
        if not 0.0 < target_utilization < 1.0:
            raise ValueError(f"network.target_utilization must lie in (0, 1), got {target_utilization}")
        if width < 1:
            raise ValueError(f"network.gate_width must be positive, got {width}")
        if surrogate_slope <= 0:
            raise ValueError(f"network.surrogate_slope must be positive, got {surrogate_slope}")
        self.surrogate_slope = surrogate_slope
        self.threshold = NormalDist().inv_cdf(1.0 - target_utilization) if normalize else 0.0
        self.input_norm = nn.BatchNorm1d(in_channels, affine=False) if normalize else nn.Identity()
        self.squeeze = nn.Conv1d(in_channels, width, 1)
        self.expand = nn.Conv1d(width, gated_channels, 1)
        self.logit_norm = nn.BatchNorm1d(gated_channels, affine=False) if normalize else nn.Identity()
        self.shift = nn.Parameter(torch.zeros(1))

    def forward(self, residual: Tensor) -> GateOutput:
        """Decide from the block's input, shape (batch, residual channel, frame)."""
        hidden = torch.relu(self.squeeze(self.input_norm(residual)))
        gate_logit = self.logit_norm(self.expand(hidden)) + self.shift
        return GateOutput(binarize(gate_logit, self.threshold, self.surrogate_slope), gate_logit)
