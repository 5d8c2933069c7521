"""Several noises at once: further recordings under the one that names the noise class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from datamodules.augmentation.base import AugmentationSettings
from datamodules.mixing import Waveform


@dataclass(frozen=True)
class AdditionalNoise(AugmentationSettings):
    """Further noises of any category of the split, quieter than the main noise.

    Args:
        probability: share of the mixtures that get it; 0 switches it off.
        count: range of the number of further noises, whole numbers.
        relative_db: range of how far the mean power of each lies below that of the main noise.

    Raises:
        ValueError: if a value is out of range; a further noise above the main one would hide the class.
    """

    key: ClassVar[str] = "additional_noise"
    stream: ClassVar[int] = 1

    count: tuple[int, int] = (1, 2)
    relative_db: tuple[float, float] = (3.0, 15.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("count", 1, 20)
        self.check_range("relative_db", 0.0, 60.0)


def add_below(main: Waveform, other: Waveform, relative_db: float, total: Waveform) -> Waveform:
    """Add a noise to a sum, so far below the main one.

    Args:
        main: the noise that names the class, shape (sample,).
        other: another noise of the same length, not silent.
        relative_db: mean power of ``main`` over that of ``other`` after scaling.
        total: what it is added to, of the same length.

    Returns:
        The new sum, shape (sample,).

    Example:
        >>> tone = np.sin(np.arange(8, dtype=np.float32))
        >>> bool(np.allclose(add_below(tone, 5 * tone, 20.0, total=tone), 1.1 * tone))
        True
    """
    powers = [float(np.mean(noise.astype(np.float64) ** 2)) for noise in (main, other)]
    gain = np.float32(np.sqrt(powers[0] / powers[1] * 10 ** (-relative_db / 10)))
    return total + other * gain
