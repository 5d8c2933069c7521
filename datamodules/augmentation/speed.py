"""Speed perturbation of speech and of noise: played faster or slower, tempo and pitch together."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, resample_poly

from datamodules.augmentation.base import AugmentationSettings
from datamodules.mixing import Waveform

LARGEST_TERM = 50  # of numerator and denominator: the filter grows with them
ZERO_CROSSINGS = 10  # of the anti-alias filter on either side, at the lower of the two rates
KAISER_BETA = 5.0  # scipy's own default for resampling


@dataclass(frozen=True)
class SpeedPerturbation(AugmentationSettings):
    """All speech of a mixture is played at one drawn speed (Ko et al., Interspeech 2015, use 0.9 and 1.1).

    Speaker and sex labels stay those of the recorded speaker.

    Args:
        probability: share of the mixtures that get it; 0 switches it off.
        factors: speeds that are drawn from, above 1 faster and higher. Ratios of whole numbers up to 50.

    Raises:
        ValueError: if there is no factor, or one is outside 0.5 to 2 or not such a ratio.
    """

    key: ClassVar[str] = "speed"
    stream: ClassVar[int] = 6

    factors: tuple[float, ...] = (0.9, 0.95, 1.05, 1.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.factors:
            raise ValueError(f"data.mixing.{self.key}.factors must name at least one speed, got none")
        for factor in self.factors:
            if not 0.5 <= factor <= 2.0:
                raise ValueError(f"data.mixing.{self.key}.factors must lie in [0.5, 2.0], got {factor}")
            ratio = speed_ratio(factor)
            if max(ratio.numerator, ratio.denominator) > LARGEST_TERM or abs(float(ratio) - factor) > 1e-6:
                raise ValueError(
                    f"data.mixing.{self.key}.factors must be ratios of whole numbers up to {LARGEST_TERM}, "
                    f"0.9 or 1.05 for example, got {factor}"
                )

    def draw(self, rng: np.random.Generator) -> Fraction:
        """Draw the speed of a mixture, 1 where it is not perturbed; nothing is drawn from ``rng`` itself."""
        child = self.decide(rng)
        return Fraction(1) if child is None else self.choose(child)

    def choose(self, child: np.random.Generator) -> Fraction:
        """Draw a speed for a mixture that is perturbed."""
        return speed_ratio(self.factors[int(child.integers(len(self.factors)))])


@dataclass(frozen=True)
class NoiseSpeed(SpeedPerturbation):
    """The main noise of a mixture is played at one drawn speed, whatever the speech is played at.

    Few recordings make a class: at several speeds they are more. Further noises under it are left as they are.

    Args:
        probability: share of the mixtures that get it; 0 switches it off.
        factors: as of :class:`SpeedPerturbation`.

    Raises:
        ValueError: as :class:`SpeedPerturbation`.
    """

    key: ClassVar[str] = "noise_speed"
    stream: ClassVar[int] = 7

    factors: tuple[float, ...] = (0.8, 0.9, 1.1, 1.25)


def speed_ratio(factor: float) -> Fraction:
    """Return the nearest ratio of small whole numbers.

    Example:
        >>> speed_ratio(1.05)
        Fraction(21, 20)
    """
    return Fraction(factor).limit_denominator(LARGEST_TERM)


@lru_cache(maxsize=64)
def _anti_alias(longer_term: int) -> NDArray[np.float32]:
    """Return the low-pass of a resampling; its design would take as long as its use."""
    taps = 2 * ZERO_CROSSINGS * longer_term + 1
    return firwin(taps, 1.0 / longer_term, window=("kaiser", KAISER_BETA)).astype(np.float32)


def change_speed(recording: Waveform, speed: Fraction) -> Waveform:
    """Play a recording at another speed; sample ``m`` of the result is what was at sample ``speed * m``.

    Args:
        recording: shape (sample,).
        speed: above 1 faster, so shorter and higher.

    Returns:
        Shape (ceil(sample / speed),).
    """
    filter_taps = _anti_alias(max(speed.numerator, speed.denominator))
    played: Waveform = resample_poly(recording, speed.denominator, speed.numerator, window=filter_taps)
    return played.astype(np.float32, copy=False)
