"""Random equalisation: the colour of microphones, rooms and recording chains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.signal import sosfilt

from datamodules.augmentation.base import AugmentationSettings, Layers
from datamodules.mixing import Waveform

LOW_SHELF_HZ = (80.0, 400.0)
HIGH_SHELF_HZ = (2000.0, 6000.0)
PEAK_HZ = (200.0, 5000.0)
PEAK_Q = (0.5, 1.5)  # one to three octaves wide: broad, no resonances
SHELF_Q = 0.7071  # the steepest shelf without overshoot
HIGHEST_SHARE = 0.45  # of the sample rate; centre frequencies stay below


@dataclass(frozen=True)
class Equalization(AugmentationSettings):
    """A low shelf, some peaks and a high shelf, drawn separately for the speech and for the noise.

    Args:
        probability: share of the mixtures that get it; 0 switches it off.
        gain_db: range of the gain of every shelf and peak.
        peaks: number of peaks between the shelves.

    Raises:
        ValueError: if a gain is beyond 20 dB or the number of peaks is not within 0 to 10.
    """

    key: ClassVar[str] = "equalization"
    stream: ClassVar[int] = 3

    gain_db: tuple[float, float] = (-6.0, 6.0)
    peaks: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("gain_db", -20.0, 20.0)
        if not 0 <= self.peaks <= 10:
            raise ValueError(f"data.mixing.equalization.peaks must lie in [0, 10], got {self.peaks}")

    def draw(self, rng: np.random.Generator, sample_rate: int) -> NDArray[np.float64]:
        """Draw the curve of one signal.

        Returns:
            Second-order sections of shape (section, 6).
        """
        shapes = [("low", LOW_SHELF_HZ), *[("peak", PEAK_HZ)] * self.peaks, ("high", HIGH_SHELF_HZ)]
        sections = []
        for shape, (low_hz, high_hz) in shapes:
            center_hz = min(low_hz * (high_hz / low_hz) ** rng.random(), HIGHEST_SHARE * sample_rate)
            q = rng.uniform(*PEAK_Q) if shape == "peak" else SHELF_Q
            sections.append(section(shape, center_hz, float(rng.uniform(*self.gain_db)), q, sample_rate))
        return np.stack(sections)


def section(shape: str, center_hz: float, gain_db: float, q: float, sample_rate: int) -> NDArray[np.float64]:
    """Design one minimum-phase filter (R. Bristow-Johnson, Audio EQ Cookbook, W3C note 2021).

    Args:
        shape: ``low`` or ``high`` shelf, or ``peak``.
        center_hz: centre of a peak; where a shelf has half its gain in dB.
        gain_db: at the centre of a peak, or far out on a shelf.
        q: quality; smaller is broader.
        sample_rate: Hz.

    Returns:
        Numerator and denominator, shape (6,), with ``a0 = 1``.
    """
    amplitude = 10 ** (gain_db / 40)
    angle = 2 * np.pi * center_hz / sample_rate
    alpha = np.sin(angle) / (2 * q)
    if shape == "peak":
        numerator = [1 + alpha * amplitude, -2 * np.cos(angle), 1 - alpha * amplitude]
        denominator = [1 + alpha / amplitude, -2 * np.cos(angle), 1 - alpha / amplitude]
    else:
        side = -np.cos(angle) if shape == "high" else np.cos(angle)  # the high shelf is the low one mirrored
        plus, minus, slope = amplitude + 1, amplitude - 1, 2 * np.sqrt(amplitude) * alpha
        numerator = [
            amplitude * (plus - minus * side + slope),
            2 * amplitude * (minus - plus * side),
            amplitude * (plus - minus * side - slope),
        ]
        denominator = [plus + minus * side + slope, -2 * (minus + plus * side), plus + minus * side - slope]
        if shape == "high":
            numerator[1], denominator[1] = -numerator[1], -denominator[1]
    return np.array([*numerator, *denominator]) / denominator[0]


def equalize(waveform: Waveform, sections: NDArray[np.float64]) -> Waveform:
    """Filter a waveform of shape (sample,) with second-order sections of shape (section, 6)."""
    # double precision: the poles of a shelf at 80 Hz lie close to the unit circle
    return sosfilt(sections, waveform).astype(np.float32)


def equalize_layers(layers: Layers, settings: Equalization, sample_rate: int, rng: np.random.Generator) -> Layers:
    """Give target and noise a curve each, before mixing, so that the SNR stays what was drawn.

    Args:
        layers: without late reverberation, which must come after.
        settings: ranges.
        sample_rate: Hz.
        rng: generator of this augmentation.
    """
    target = equalize(layers.target, settings.draw(rng, sample_rate))
    return layers._replace(target=target, noise=equalize(layers.noise, settings.draw(rng, sample_rate)))
