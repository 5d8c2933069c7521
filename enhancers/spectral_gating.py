"""Spectral gating by the package noisereduce."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from enhancers.base import SAMPLE_RATE, Enhancer, Waveform


@dataclass(frozen=True)
class SpectralGating(Enhancer):
    """Spectral gating (Sainburg, noisereduce), with the settings that the package comes with; not causal.

    Every bin of the spectrogram is kept or damped by how far it stands above a floor. The floor of a stationary gate is
    the mean of the whole recording plus 1.5 standard deviations, speech included; otherwise it follows the recording,
    smoothed forwards and backwards.

    Args:
        stationary: whether there is one floor for the whole recording.
    """

    stationary: bool = False
    packages: ClassVar[tuple[str, ...]] = ("noisereduce",)

    @property
    def name(self) -> str:
        """``noisereduce`` or ``noisereduce_stationary``."""
        return "noisereduce_stationary" if self.stationary else "noisereduce"

    @property
    def latency_samples(self) -> None:
        """The whole recording."""
        return None

    def _enhance(self, waveform: Waveform) -> Waveform:
        from noisereduce import reduce_noise

        return reduce_noise(waveform, SAMPLE_RATE, stationary=self.stationary)
