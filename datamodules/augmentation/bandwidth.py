"""Band limits: what a codec or a telephone line leaves of speech and noise alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, oaconvolve

from datamodules.augmentation.base import AugmentationSettings, Layers
from datamodules.mixing import Waveform
from networks.framing import FrameGrid

FILTER_S = 0.016  # one hop of 256 samples at 16 kHz; transition band of about 270 Hz
KAISER_BETA = 6.8  # 70 dB of attenuation, by Kaiser's formula
LEAST_SHARE = 1e-4  # of the power (40 dB down) that a band must leave


@dataclass(frozen=True)
class BandLimit(AugmentationSettings):
    """The same low-pass for target, late reverberation and noise.

    A mixture is left as it is where the band would take all but 40 dB of its speech or its noise (chirping insects
    on a telephone): the SNR would be that of the filter's leakage.

    Args:
        probability: share of the mixtures that get it; 0 switches it off.
        cutoffs_hz: frequencies that are drawn from; the response is 6 dB down there. 3400 is a telephone, 7000 wideband
            telephony.

    Raises:
        ValueError: if there is no frequency or one is not above 500 Hz.
    """

    key: ClassVar[str] = "band_limit"
    stream: ClassVar[int] = 4

    cutoffs_hz: tuple[float, ...] = (3400.0, 4000.0, 5500.0, 7000.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.cutoffs_hz or min(self.cutoffs_hz) < 500:
            raise ValueError(
                f"data.mixing.band_limit.cutoffs_hz must name frequencies of at least 500 Hz, "
                f"got {list(self.cutoffs_hz)}"
            )

    def check_grid(self, grid: FrameGrid) -> None:
        """Check that every band is narrower than what the sample rate allows.

        Raises:
            ValueError: naming the key.
        """
        if self.probability > 0 and max(self.cutoffs_hz) >= grid.sample_rate / 2:
            raise ValueError(
                f"data.mixing.band_limit.cutoffs_hz must lie below half of data.grid.sample_rate "
                f"({grid.sample_rate / 2:g} Hz), got {max(self.cutoffs_hz):g}"
            )

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a cut-off frequency in Hz."""
        return float(self.cutoffs_hz[int(rng.integers(len(self.cutoffs_hz)))])


@lru_cache(maxsize=64)
def _low_pass_taps(cutoff_hz: float, sample_rate: int) -> NDArray[np.float32]:
    taps = 2 * round(FILTER_S * sample_rate / 2) + 1
    return firwin(taps, cutoff_hz, window=("kaiser", KAISER_BETA), fs=sample_rate).astype(np.float32)


def low_pass(waveform: Waveform, cutoff_hz: float, sample_rate: int) -> Waveform:
    """Remove what lies above a frequency, without delay.

    Args:
        waveform: shape (sample,).
        cutoff_hz: where the response is 6 dB down.
        sample_rate: Hz.

    Returns:
        Shape (sample,).
    """
    taps = _low_pass_taps(cutoff_hz, sample_rate)
    delay = len(taps) // 2  # symmetric, so the same at every frequency
    return oaconvolve(waveform, taps)[delay : delay + len(waveform)]


def limit_band(layers: Layers, cutoff_hz: float, sample_rate: int) -> Layers:
    """Filter all layers alike, or none where next to nothing would be left of one."""
    target, noise = (low_pass(layer, cutoff_hz, sample_rate) for layer in (layers.target, layers.noise))
    for before, after in ((layers.target, target), (layers.noise, noise)):
        if np.vdot(after, after) < LEAST_SHARE * np.vdot(before, before):
            return layers
    late = None if layers.late is None else low_pass(layers.late, cutoff_hz, sample_rate)
    return Layers(target, late, noise)
