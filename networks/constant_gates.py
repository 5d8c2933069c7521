"""Gates that do not listen: the baselines that a gate has to beat."""

from __future__ import annotations

from statistics import NormalDist

import torch
from torch import Tensor, nn

from networks.gate_settings import GateSettings
from networks.gating import Gate, GateOutput

MASK_32 = 0xFFFFFFFF


class StaticGate(Gate):
    """One learned logit per channel: the same channels in every frame of every signal, as in structured pruning.

    Costs nothing per frame and keeps no state. Logits start as normal noise; with ``normalize`` they are standardised
    over the channels, so that the share of active ones follows the target.

    Args:
        gated_channels: channels C that are switched.
        settings: of the gates.
    """

    def __init__(self, gated_channels: int, settings: GateSettings) -> None:
        super().__init__(settings)
        self.channel_logit = nn.Parameter(torch.randn(gated_channels))
        self.shift = nn.Parameter(torch.zeros(1))

    def threshold_for(self, target_utilization: float) -> float:
        """Return the normal quantile, at the start true of raw logits too."""
        return NormalDist().inv_cdf(1.0 - target_utilization)

    def forward(
        self, residual: Tensor, shared_hidden: Tensor | None = None, magnitude: Tensor | None = None
    ) -> GateOutput:
        """Return the same decision for all frames of (batch, residual channel, frame)."""
        logit: Tensor = self.channel_logit
        if self.settings.normalize:
            logit = (logit - logit.mean()) / logit.std(correction=0).clamp_min(1e-5)
        logit = (logit + self.shift).to(residual.dtype)[:, None]
        return self.decide(logit.expand(residual.shape[0], -1, residual.shape[-1]), None)


class RandomGate(Gate):
    """Every channel of every frame is on with the target probability, whatever the signal.

    Costs nothing per frame and keeps no state but the number of the frame. Training draws from torch's generator;
    evaluation uses masks that depend on block, channel and frame only, so that they are the same for every utterance,
    batch size, device and way of streaming.

    Args:
        gated_channels: channels C that are switched.
        settings: of the gates.
        seed: tells the blocks of a network apart.
    """

    def __init__(self, gated_channels: int, settings: GateSettings, seed: int) -> None:
        super().__init__(settings)
        self.gated_channels = gated_channels
        self.seed = seed

    def threshold_for(self, target_utilization: float) -> float:
        """Return the quantile of the uniform distribution."""
        return 1.0 - target_utilization

    def forward(
        self, residual: Tensor, shared_hidden: Tensor | None = None, magnitude: Tensor | None = None
    ) -> GateOutput:
        """Return decisions for the frames of (batch, residual channel, frame)."""
        batch, frames = residual.shape[0], residual.shape[-1]
        if self.training:
            draw = torch.rand(batch, self.gated_channels, frames, device=residual.device)
        else:
            draw = hashed_uniform(self.seed, self.gated_channels, frames, residual.device).expand(batch, -1, -1)
        output = self.decide(draw, None)
        return output._replace(channel_mask=output.channel_mask.to(residual.dtype))


def _mix(value: Tensor) -> Tensor:
    """Scramble 32-bit integers held in int64 (the finalizer of MurmurHash3, Appleby, public domain)."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        value = ((value ^ (value >> shift)) * factor) & MASK_32
    return value ^ (value >> 16)


def hashed_uniform(seed: int, channels: int, frames: int, device: torch.device | None = None) -> Tensor:
    """Return numbers in [0, 1) that look random and depend on seed, channel and frame alone.

    Returns:
        Shape (channel, frame), float32.

    Example:
        >>> longer, shorter = hashed_uniform(0, 4, 100), hashed_uniform(0, 4, 10)
        >>> bool((longer[:, :10] == shorter).all()), round(float(hashed_uniform(1, 256, 400).mean()), 2)
        (True, 0.5)
    """
    channel = torch.arange(channels, device=device)[:, None]
    frame = torch.arange(frames, device=device)
    key = _mix(torch.full((1,), seed + 1, device=device))
    bits = _mix(channel ^ _mix(frame ^ key))
    return (bits >> 8).float() / (1 << 24)  # 24 bits are what float32 holds exactly
