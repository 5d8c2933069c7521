"""Ratings of speech against its clean reference: PESQ, STOI and SI-SDR, as far as their packages are installed."""

from __future__ import annotations

import importlib.util
import math

import torch
from torch import Tensor
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio as si_sdr

PESQ_MODES = {8000: "nb", 16000: "wb"}  # sample rate in Hz to ITU-T P.862 mode
PACKAGES = {"pesq_wb": "pesq", "stoi": "pystoi"}  # what a measure needs beyond the core installation


def missing_package(measure: str) -> str | None:
    """Return the package that a measure needs and that is not installed, or None."""
    package = PACKAGES.get(measure)
    return package if package is not None and importlib.util.find_spec(package) is None else None


def rate_pesq(degraded: Tensor, reference: Tensor, sample_rate: int) -> float:
    """Return PESQ (about 1 to 4.6), wide-band at 16 kHz; NaN where no speech is found.

    Args:
        degraded: shape (sample,).
        reference: clean signal, shape (sample,).
        sample_rate: 8000 or 16000 Hz.
    """
    from pesq import NoUtterancesError
    from torchmetrics.functional.audio.pesq import perceptual_evaluation_speech_quality

    try:
        return float(perceptual_evaluation_speech_quality(degraded, reference, sample_rate, PESQ_MODES[sample_rate]))
    except NoUtterancesError:
        return math.nan


def rate_stoi(degraded: Tensor, reference: Tensor, sample_rate: int) -> float:
    """Return STOI (0 to 1); NaN where it is not defined."""
    from torchmetrics.functional.audio.stoi import short_time_objective_intelligibility

    value = float(short_time_objective_intelligibility(degraded, reference, sample_rate))
    return value if math.isfinite(value) else math.nan


def rate_si_sdr(degraded: Tensor, reference: Tensor, sample_rate: int) -> float:
    """Return the scale-invariant signal-to-distortion ratio in dB; NaN for a silent reference."""
    return float(si_sdr(degraded, reference)) if torch.any(reference) else math.nan


RATINGS = {"pesq_wb": rate_pesq, "stoi": rate_stoi, "si_sdr_db": rate_si_sdr}


def rate_utterance(
    degraded: Tensor, reference: Tensor, sample_rate: int, measures: tuple[str, ...] = ("pesq_wb", "stoi")
) -> dict[str, float]:
    """Rate one utterance.

    Args:
        degraded: shape (sample,).
        reference: clean signal of the same length.
        sample_rate: Hz.
        measures: names out of ``RATINGS``.

    Returns:
        The measures whose packages are installed; NaN where the utterance cannot be rated.

    Example:
        >>> tone, other = torch.sin(torch.arange(16000) * 0.3), torch.cos(torch.arange(16000) * 0.7)
        >>> rated = rate_utterance(tone + 0.1 * other, tone, 16000, ("si_sdr_db",))
        >>> round(rated["si_sdr_db"])
        20
    """
    return {name: RATINGS[name](degraded, reference, sample_rate) for name in measures if missing_package(name) is None}
