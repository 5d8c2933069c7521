"""Losses: how far the enhanced signal is from the clean one, and how far the masks are from their target."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from networks.complexity import FrameBudget
from networks.stft import Stft

SparsityScope = Literal["network", "block", "macs"]

MAGNITUDE_FLOOR = 1e-8  # squared; keeps the gradient of the power law finite where a bin is zero


def compress(spectrum: Tensor, exponent: float) -> tuple[Tensor, Tensor]:
    """Compress magnitudes by a power law and keep the phases.

    Args:
        spectrum: complex, any shape.
        exponent: of the magnitude, in (0, 1].

    Returns:
        Compressed magnitude, and the compressed complex spectrum.
    """
    magnitude = torch.sqrt(spectrum.real**2 + spectrum.imag**2 + MAGNITUDE_FLOOR)
    compressed = magnitude**exponent
    return compressed, spectrum * (compressed / magnitude)


def compressed_spectral_loss(
    enhanced: Tensor, clean: Tensor, clean_rms: Tensor, stft: Stft, exponent: float, complex_weight: float
) -> Tensor:
    """Compute the power-law compressed spectral error of waveforms.

    ``(1 - a) * mean (|S|^c - |S'|^c)^2 + a * mean |S_c - S'_c|^2`` with ``a = complex_weight``, both signals divided by
    the active-speech level of the clean one (method of Laroche and Miccini, 2026, arXiv 2609.29867). It is taken from
    waveforms so that only consistent spectra count.

    Args:
        enhanced: shape (batch, sample).
        clean: shape (batch, sample).
        clean_rms: active-speech level of the clean signal, shape (batch,).
        stft: analysis.
        exponent: c, in (0, 1].
        complex_weight: a, in [0, 1].

    Returns:
        Scalar.
    """
    scale = 1.0 / clean_rms.clamp_min(1e-5)[:, None]
    enhanced_magnitude, enhanced_complex = compress(stft.analyze(enhanced * scale), exponent)
    clean_magnitude, clean_complex = compress(stft.analyze(clean * scale), exponent)
    magnitude_error = (enhanced_magnitude - clean_magnitude).square().mean()
    complex_error = torch.view_as_real(enhanced_complex - clean_complex).square().sum(dim=-1).mean()
    return (1.0 - complex_weight) * magnitude_error + complex_weight * complex_error


def utilization_loss(
    channel_masks: Tensor, target_utilization: float, budget: FrameBudget, scope: SparsityScope = "network"
) -> Tensor:
    """Compute the squared distance of the utilization from its target.

    Args:
        channel_masks: 0 or 1, shape (batch, block, channel, frame).
        target_utilization: share of active channels aimed at, or of MACs.
        budget: MACs of the network that made the masks.
        scope: ``network`` takes the mean over everything, so that blocks may share the budget unevenly; ``block`` holds
            every block to the target; ``macs`` takes the MACs that are left in all blocks, those of the gates included,
            as a share of their dense MACs: what a device really computes.

    Returns:
        Scalar.
    """
    if scope == "macs":
        dense = budget.dense - budget.fixed
        spent = channel_masks.float().mean() + budget.gates / dense
        return (spent - target_utilization).square()
    kept = (1,) if scope == "block" else ()
    averaged = [dimension for dimension in range(channel_masks.ndim) if dimension not in kept]
    return (channel_masks.float().mean(dim=averaged) - target_utilization).square().mean()


def balance_loss(channel_masks: Tensor) -> Tensor:
    """Compute how unevenly the channels of a block are used: variance of their utilization, mean over blocks.

    Against channels that are always on or always off in a batch, which say nothing and are paid for, or lost.

    Args:
        channel_masks: 0 or 1, shape (batch, block, channel, frame).

    Returns:
        Scalar, at most ``target * (1 - target)`` for masks that reach a target, 0 if all channels are used alike.
    """
    return channel_masks.float().mean(dim=(0, 3)).var(dim=1, unbiased=False).mean()
