"""Measures of one utterance, as far as their packages and files are there; NaN where a measure is not defined."""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio as si_sdr

from datamodules.rating.dnsmos import DNSMOS_MEASURES, missing_model, rate_dnsmos

PESQ_MODES = {8000: "nb", 16000: "wb"}  # sample rate in Hz to ITU-T P.862 mode
# What a measure needs beyond the core installation.
PACKAGES: dict[str, tuple[str, ...]] = {
    "pesq_wb": ("pesq",),
    "stoi": ("pystoi",),
    "estoi": ("pystoi",),
    **dict.fromkeys(DNSMOS_MEASURES, ("onnxruntime", "librosa", "requests")),
}


def missing_package(measure: str) -> str | None:
    """Return the package that a measure needs and that is not installed, or None."""
    return next((name for name in PACKAGES.get(measure, ()) if importlib.util.find_spec(name) is None), None)


def unavailable(measure: str) -> str | None:
    """Say why a measure cannot be computed here, or return None if it can."""
    package = missing_package(measure)
    if package is not None:
        return f"the package {package} is not installed"
    return missing_model() if measure in DNSMOS_MEASURES else None


def rate_pesq(degraded: Tensor, reference: Tensor, sample_rate: int) -> float:
    """Return PESQ (about 1 to 4.6), wide-band at 16 kHz; NaN where it finds no speech, or less than 1/4 s of signal.

    Args:
        degraded: shape (sample,).
        reference: clean signal, shape (sample,).
        sample_rate: 8000 or 16000 Hz.
    """
    from pesq import BufferTooShortError, NoUtterancesError
    from torchmetrics.functional.audio.pesq import perceptual_evaluation_speech_quality

    try:
        return float(perceptual_evaluation_speech_quality(degraded, reference, sample_rate, PESQ_MODES[sample_rate]))
    except (NoUtterancesError, BufferTooShortError):
        return math.nan


def rate_stoi(degraded: Tensor, reference: Tensor, sample_rate: int, extended: bool = False) -> float:
    """Return STOI or ESTOI (up to 1); NaN where less than 0.4 s is left once the pauses are taken out.

    Both compare windows of 30 frames; without a single window, the package would answer 1e-5.
    """
    from torchmetrics.functional.audio.stoi import short_time_objective_intelligibility

    if len(reference) < (29 * 128 + 256) / 10000 * sample_rate:  # 30 frames of 256 samples, hop 128, at 10 kHz
        return math.nan
    state = np.random.get_state()
    np.random.seed(0)  # the package adds noise of 1e-16 to ESTOI: the same in every process, and nobody else's
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Not enough STFT frames", category=RuntimeWarning)
            value = float(short_time_objective_intelligibility(degraded, reference, sample_rate, extended))
    except RuntimeWarning:
        return math.nan
    finally:
        np.random.set_state(state)
    return value if math.isfinite(value) else math.nan


def rate_estoi(degraded: Tensor, reference: Tensor, sample_rate: int) -> float:
    """Return extended STOI; NaN where STOI is."""
    return rate_stoi(degraded, reference, sample_rate, extended=True)


def rate_si_sdr(degraded: Tensor, reference: Tensor, sample_rate: int) -> float:
    """Return the scale-invariant signal-to-distortion ratio in dB."""
    return float(si_sdr(degraded, reference))


# Measures that compare with the clean signal.
RATINGS: dict[str, Callable[[Tensor, Tensor, int], float]] = {
    "pesq_wb": rate_pesq,
    "stoi": rate_stoi,
    "estoi": rate_estoi,
    "si_sdr_db": rate_si_sdr,
}
MEASURES = (*RATINGS, *DNSMOS_MEASURES)


def rate_utterance(
    degraded: Tensor, reference: Tensor, sample_rate: int, measures: Sequence[str] = ("pesq_wb", "stoi")
) -> dict[str, float]:
    """Rate one utterance.

    Args:
        degraded: shape (sample,).
        reference: clean signal of the same length.
        sample_rate: Hz.
        measures: names out of ``MEASURES``.

    Returns:
        The measures whose packages and files are there; NaN where the utterance cannot be rated: silence has no
        quality, and a silent reference says nothing about any signal.

    Raises:
        ValueError: if a signal is not finite.

    Example:
        >>> tone, other = torch.sin(torch.arange(16000) * 0.3), torch.cos(torch.arange(16000) * 0.7)
        >>> rated = rate_utterance(tone + 0.1 * other, tone, 16000, ("si_sdr_db",))
        >>> round(rated["si_sdr_db"])
        20
    """
    for name, signal in (("signal", degraded), ("clean reference", reference)):
        if not torch.isfinite(signal).all():
            raise ValueError(f"the {name} is not finite (NaN or infinite)")
    measures = [name for name in measures if unavailable(name) is None]
    silent = not torch.any(degraded)
    compared = not silent and bool(torch.any(reference))
    rated = {
        name: RATINGS[name](degraded, reference, sample_rate) if compared else math.nan
        for name in measures
        if name in RATINGS
    }
    if any(name in DNSMOS_MEASURES for name in measures):
        rated |= dict.fromkeys(DNSMOS_MEASURES, math.nan) if silent else rate_dnsmos(degraded, sample_rate)
    return {name: rated[name] for name in measures}
