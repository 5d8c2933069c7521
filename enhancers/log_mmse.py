"""A statistical enhancer without any training: what was best before networks, and needs no package."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.special import exp1

from enhancers.base import Enhancer, Waveform

WINDOW, HOP = 512, 256  # samples: 32 ms every 16 ms, as our network and as both papers
SPEECH_SNR_DB = 15.0  # a-priori SNR of bins with speech (Gerkmann and Hendriks, 2012)
NOISE_SMOOTHING = 0.8  # of the noise estimate, ibid., at a hop of 16 ms
PRESENCE_SMOOTHING = 0.9  # of the mean speech presence that keeps the estimate from stagnating, ibid.
PRESENCE_CAP = 0.99  # ibid.
PRESENCE_STUCK = 0.99  # mean presence from which the cap holds, ibid.
FIRST_FRAMES = 5  # taken for noise: mixtures seldom start with speech
TINY = 1e-12  # power of digital silence

Spectrum = NDArray[np.float64]


@dataclass(frozen=True)
class LogMmse(Enhancer):
    """Log-spectral amplitude estimator with a tracked noise floor; causal, latency of one window.

    The gain is that of Ephraim and Malah (1985, eq. 20) with the decision-directed a-priori SNR (1984, eq. 51); the
    noise power follows the speech presence probability (Gerkmann and Hendriks, 2012). The first 96 ms are taken for
    noise, and known before the first of them is enhanced; otherwise nothing is looked ahead.

    Args:
        lowest_gain_db: no bin is damped further; what is left of the noise sounds natural.
        smoothing: of the decision-directed a-priori SNR, in [0, 1).

    Raises:
        ValueError: if a value is out of range.
    """

    lowest_gain_db: float = -15.0
    smoothing: float = 0.98

    def __post_init__(self) -> None:
        if not -math.inf < self.lowest_gain_db < 0:
            raise ValueError(f"LogMmse.lowest_gain_db must be negative, got {self.lowest_gain_db}")
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"LogMmse.smoothing must lie in [0, 1), got {self.smoothing}")

    @property
    def name(self) -> str:
        """``log_mmse``."""
        return "log_mmse"

    @property
    def latency_samples(self) -> int:
        """One window."""
        return WINDOW

    def _enhance(self, waveform: Waveform) -> Waveform:
        taper = np.sin(np.pi * (np.arange(WINDOW) + 0.5) / WINDOW)  # its square adds up to 1 at half overlap
        count = -(-len(waveform) // HOP) + 1
        padded = np.zeros((count + 1) * HOP)
        padded[HOP : HOP + len(waveform)] = waveform
        starts = HOP * np.arange(count)
        spectra = rfft(padded[starts[:, None] + np.arange(WINDOW)] * taper)
        frames = irfft(spectra * self._gains(np.abs(spectra) ** 2), WINDOW) * taper
        enhanced = np.zeros_like(padded)
        for start, frame in zip(starts, frames, strict=True):
            enhanced[start : start + WINDOW] += frame
        return enhanced[HOP : HOP + len(waveform)].astype(np.float32)

    def _gains(self, power: Spectrum) -> Spectrum:
        """Return the gain of every bin, (frame, frequency), frame by frame."""
        lowest = 10 ** (self.lowest_gain_db / 20)
        noise = power[:FIRST_FRAMES].mean(axis=0) + TINY
        presence = np.zeros(power.shape[1])
        speech = np.zeros(power.shape[1])  # power of the last frame's estimate
        gains = np.empty_like(power)
        for frame, observed in enumerate(power):
            noise, presence = follow_noise(observed, noise, presence)
            posterior = observed / noise
            prior = self.smoothing * speech / noise + (1 - self.smoothing) * np.maximum(posterior - 1, 0)
            gains[frame] = np.maximum(log_amplitude_gain(prior, posterior), lowest)
            speech = gains[frame] ** 2 * observed
        return gains


def follow_noise(observed: Spectrum, noise: Spectrum, presence: Spectrum) -> tuple[Spectrum, Spectrum]:
    """Update the noise power by one frame (Gerkmann and Hendriks, 2012).

    Args:
        observed: power of the frame, shape (frequency,).
        noise: estimate before it, shape (frequency,).
        presence: smoothed probability of speech before it, shape (frequency,).

    Returns:
        Both after it.

    Example:
        >>> noise, presence = follow_noise(np.array([1.0, 1e4]), np.ones(2), np.zeros(2))
        >>> noise.round(2).tolist(), presence.round(2).tolist()
        ([1.0, 1.0], [0.01, 0.1])
    """
    speech_snr = 10 ** (SPEECH_SNR_DB / 10)
    likelihood = (1 + speech_snr) * np.exp(-np.minimum(observed / noise * speech_snr / (1 + speech_snr), 200.0))
    speech = 1 / (1 + likelihood)
    presence = PRESENCE_SMOOTHING * presence + (1 - PRESENCE_SMOOTHING) * speech
    speech = np.where(presence > PRESENCE_STUCK, np.minimum(speech, PRESENCE_CAP), speech)
    expected = speech * noise + (1 - speech) * observed
    return NOISE_SMOOTHING * noise + (1 - NOISE_SMOOTHING) * expected + TINY, presence


def log_amplitude_gain(prior: Spectrum, posterior: Spectrum) -> Spectrum:
    """Return the gain that minimises the squared error of log amplitudes (Ephraim and Malah, 1985, eq. 20).

    Args:
        prior: a-priori SNR, power ratio.
        posterior: power of the bin over that of the noise.

    Example:
        >>> log_amplitude_gain(np.array([0.01, 100.0]), np.array([1.0, 100.0])).round(2).tolist()
        [0.07, 0.99]
    """
    ratio = prior / (1 + prior)
    return ratio * np.exp(0.5 * exp1(np.maximum(ratio * posterior, 1e-8)))
