"""Losses: how far the enhanced signal is from the clean one, and how far the masks are from their target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

from networks.complexity import FrameBudget
from networks.ranks import rank_mean
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


def level_scale(clean_rms: Tensor) -> Tensor:
    """Return the factor that brings the active-speech level of the clean signal to 1.

    Args:
        clean_rms: shape (batch,).

    Returns:
        Shape (batch, 1); at most 1e5, so that silence stays silent.
    """
    return 1.0 / clean_rms.clamp_min(1e-5)[:, None]


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
    scale = level_scale(clean_rms)
    enhanced_magnitude, enhanced_complex = compress(stft.analyze(enhanced * scale), exponent)
    clean_magnitude, clean_complex = compress(stft.analyze(clean * scale), exponent)
    magnitude_error = (enhanced_magnitude - clean_magnitude).square().mean()
    complex_error = torch.view_as_real(enhanced_complex - clean_complex).square().sum(dim=-1).mean()
    return (1.0 - complex_weight) * magnitude_error + complex_weight * complex_error


class MultiResolutionLoss:
    """Error of STFT magnitudes at several resolutions (Yamamoto et al., 2020, Parallel WaveGAN), by ``auraloss``.

    For each window length the spectral convergence ``|| |S| - |S'| || / || |S| ||`` (Frobenius norm over the batch)
    plus the mean of ``|log |S| - log |S'||``, averaged over the lengths. Both signals are divided by the active-speech
    level of the clean one. Magnitudes count as at least 1e-4; where the enhanced one is below, it has no gradient.
    Silent signals give finite errors and gradients, but a very large convergence error if every reference is silent.

    Args:
        fft_sizes: lengths of the Hann windows in samples; the hop is a quarter.

    Raises:
        ValueError: if ``auraloss`` is not installed.
    """

    def __init__(self, fft_sizes: Sequence[int]) -> None:
        try:
            from auraloss.freq import MultiResolutionSTFTLoss
        except ImportError as error:
            raise ValueError(
                "model.objective.multi_resolution_weight above 0 needs the package auraloss, which is not installed: "
                "pip install 'dyncp[losses]'"
            ) from error
        self.fft_sizes = tuple(fft_sizes)
        hops = [size // 4 for size in fft_sizes]
        self._loss = MultiResolutionSTFTLoss(list(fft_sizes), hops, list(fft_sizes))

    def __call__(self, enhanced: Tensor, clean: Tensor, clean_rms: Tensor) -> Tensor:
        """Return the error, a scalar.

        Args:
            enhanced: shape (batch, sample).
            clean: shape (batch, sample).
            clean_rms: active-speech level of the clean signal, shape (batch,).

        Raises:
            ValueError: if the signals do not fill half of the longest window.
        """
        if clean.shape[-1] <= max(self.fft_sizes) // 2:
            raise ValueError(
                f"model.objective.multi_resolution_fft_sizes: signals must be longer than half of the longest window "
                f"({max(self.fft_sizes)} samples), got {clean.shape[-1]} samples"
            )
        scale = level_scale(clean_rms)
        error: Tensor = self._loss((enhanced * scale)[:, None], (clean * scale)[:, None])
        return error


def si_sdr_loss(enhanced: Tensor, clean: Tensor) -> Tensor:
    """Compute the negative scale-invariant signal-to-distortion ratio in dB, mean over the batch.

    Le Roux et al., 2019, without removing the mean. Finite for silent signals: ``torchmetrics`` adds the machine
    epsilon to both energies of the ratio.

    Args:
        enhanced: shape (batch, sample).
        clean: shape (batch, sample).
    """
    return -scale_invariant_signal_distortion_ratio(enhanced, clean).mean()


def utilization_loss(
    channel_masks: Tensor, target_utilization: float, budget: FrameBudget, scope: SparsityScope = "network"
) -> Tensor:
    """Compute the squared distance of the utilization from its target; the masks of all ranks count.

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
        spent = _mean_over_ranks(channel_masks, []) + budget.gates / dense
        return (spent - target_utilization).square()
    kept = [1] if scope == "block" else []
    return (_mean_over_ranks(channel_masks, kept) - target_utilization).square().mean()


def balance_loss(channel_masks: Tensor) -> Tensor:
    """Compute how unevenly the channels of a block are used: variance of their utilization, mean over blocks.

    Against channels that are always on or always off in a batch, which say nothing and are paid for, or lost. The batch
    is that of all ranks.

    Args:
        channel_masks: 0 or 1, shape (batch, block, channel, frame).

    Returns:
        Scalar, at most ``target * (1 - target)`` for masks that reach a target, 0 if all channels are used alike.
    """
    return _mean_over_ranks(channel_masks, [1, 2]).var(dim=1, unbiased=False).mean()


def _mean_over_ranks(channel_masks: Tensor, kept: Sequence[int]) -> Tensor:
    """Average masks over the frames of all ranks and over the dimensions that are not kept."""
    averaged = [dimension for dimension in range(channel_masks.ndim) if dimension not in kept]
    return rank_mean(channel_masks.float().mean(dim=averaged), channel_masks.shape[0] * channel_masks.shape[-1])
