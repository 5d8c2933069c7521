"""Levels and mixtures: active speech level, noise at a given SNR, output level."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from networks.framing import FrameGrid

Waveform = NDArray[np.float32]

P56_MARGIN_DB = 15.9  # distance from active level to activity threshold, ITU-T P.56
POWER_FLOOR = 1e-12  # -120 dBFS, below 16-bit quantisation noise
PEAK_LIMIT = 0.99  # of full scale; louder mixtures are scaled down as a whole


def power_db(power: float | NDArray[np.floating]) -> NDArray[np.float64]:
    """Convert mean power to dB, 0 dBFS being a mean square of 1.0; digital silence gives -120 dBFS.

    Example:
        >>> float(power_db(0.01))
        -20.0
    """
    return 10.0 * np.log10(np.maximum(power, POWER_FLOOR))


def frame_power(waveform: Waveform, grid: FrameGrid) -> NDArray[np.float64]:
    """Compute the mean power of every frame over one window centred on it, zeros beyond the ends.

    Args:
        waveform: shape (sample,).
        grid: sample-to-frame alignment.

    Returns:
        Shape (frame,).
    """
    hops_per_window = grid.window_length // grid.hop_length
    num_frames = grid.num_frames(len(waveform))
    padded = np.zeros((num_frames - 1 + hops_per_window) * grid.hop_length, dtype=np.float32)
    lead = grid.window_length // 2
    kept = min(len(waveform), len(padded) - lead)
    padded[lead : lead + kept] = waveform[:kept]
    hops = padded.reshape(-1, grid.hop_length)
    hop_power = np.einsum("hs,hs->h", hops, hops, dtype=np.float64) / grid.hop_length
    return np.convolve(hop_power, np.full(hops_per_window, 1.0 / hops_per_window), mode="valid")


def active_speech_power(clean: Waveform, hop_length: int) -> float:
    """Compute the mean power over the active parts of a speech signal, pauses left out.

    A hop is active if its power exceeds the result less 15.9 dB, the margin of ITU-T P.56; the fixed point is found by
    iteration from the overall mean.

    Args:
        clean: speech, shape (sample,).
        hop_length: samples over which power is averaged.

    Returns:
        Mean power, full scale 1.0; 0.0 for digital silence.
    """
    hops = clean[: len(clean) // hop_length * hop_length].reshape(-1, hop_length)
    powers = np.einsum("hs,hs->h", hops, hops, dtype=np.float64) / hop_length
    level = float(powers.mean()) if powers.size else 0.0
    for _ in range(20):  # converges in three or four rounds
        active = powers[powers > level * 10 ** (-P56_MARGIN_DB / 10)]
        if not active.size or np.isclose(active.mean(), level, rtol=1e-6, atol=0.0):
            break
        level = float(active.mean())
    return level


class Mixture(NamedTuple):
    """Signals of one mixture, each of shape (sample,), with ``noisy = clean + noise``."""

    noisy: Waveform
    clean: Waveform
    noise: Waveform


def noise_at_snr(clean: Waveform, noise: Waveform, snr_db: float, hop_length: int) -> Waveform:
    """Scale noise to an SNR.

    Args:
        clean: speech, shape (sample,), not silent.
        noise: noise of the same length, not silent.
        snr_db: active speech power over mean noise power.
        hop_length: samples over which speech activity is decided.

    Returns:
        The scaled noise, shape (sample,).

    Raises:
        ValueError: if the lengths differ or a signal is silent.
    """
    if clean.shape != noise.shape:
        raise ValueError(f"clean and noise must have the same length, got {len(clean)} and {len(noise)} samples")
    speech_power = active_speech_power(clean, hop_length)
    noise_power = float(np.mean(noise.astype(np.float64) ** 2))
    if speech_power <= POWER_FLOOR or noise_power <= POWER_FLOOR:
        raise ValueError("clean and noise must not be silent")
    noise_gain = np.sqrt(speech_power / noise_power * 10 ** (-snr_db / 10))
    return (noise * noise_gain).astype(np.float32)


def scale_to_level(clean: Waveform, noise: Waveform, level_dbfs: float) -> Mixture:
    """Sum speech and noise and bring the sum to a level.

    Args:
        clean: speech, shape (sample,).
        noise: all else, of the same length.
        level_dbfs: level of the mixture; lowered where a peak would pass full scale.

    Returns:
        The signals, all scaled by one gain.
    """
    noisy = clean + noise
    gain = np.sqrt(10 ** (level_dbfs / 10) / max(float(np.mean(noisy.astype(np.float64) ** 2)), POWER_FLOOR))
    peak = max(float(np.abs(noisy).max()), float(np.abs(clean).max()), float(np.abs(noise).max()))
    gain = np.float32(min(gain, PEAK_LIMIT / peak))
    clean, noise = clean * gain, noise * gain
    return Mixture(clean + noise, clean, noise)


def mix(clean: Waveform, noise: Waveform, snr_db: float, level_dbfs: float, hop_length: int) -> Mixture:
    """Mix speech and noise at an SNR and a level: :func:`noise_at_snr`, then :func:`scale_to_level`.

    Example:
        >>> tone = np.sin(np.arange(4096, dtype=np.float32))
        >>> mixture = mix(tone, -tone[::-1].copy(), snr_db=6.0, level_dbfs=-30.0, hop_length=256)
        >>> round(float(power_db(np.mean(mixture.clean**2)) - power_db(np.mean(mixture.noise**2))), 2)
        6.0
    """
    return scale_to_level(clean, noise_at_snr(clean, noise, snr_db, hop_length), level_dbfs)


def measured_snr_db(mixture: Mixture, hop_length: int) -> float:
    """Return the power of the active clean speech over the mean power of all else, in dB."""
    noise_power = float(np.mean(mixture.noise.astype(np.float64) ** 2))
    return float(power_db(active_speech_power(mixture.clean, hop_length)) - power_db(noise_power))
