"""Clipping: a recording whose input was overdriven."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from datamodules.augmentation.base import AugmentationSettings
from datamodules.mixing import Waveform


@dataclass(frozen=True)
class Clipping(AugmentationSettings):
    """The mixture is clipped below its peak; the target is not, so the distortion is part of the noise.

    Args:
        probability: share of the mixtures that get it; 0 switches it off.
        overdrive_db: range of how far the peak of the mixture lies above the level at which it is clipped.

    Raises:
        ValueError: if a value is out of range.
    """

    key: ClassVar[str] = "clipping"
    stream: ClassVar[int] = 5

    overdrive_db: tuple[float, float] = (1.0, 12.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("overdrive_db", 0.0, 60.0)


def clip_peaks(noisy: Waveform, overdrive_db: float) -> Waveform:
    """Clip a waveform so far below its own peak.

    Args:
        noisy: shape (sample,).
        overdrive_db: peak over clipping level.

    Returns:
        Shape (sample,).

    Example:
        >>> clip_peaks(np.array([1.0, -0.3, 0.05], dtype=np.float32), 20.0).round(3).tolist()
        [0.10000000149011612, -0.10000000149011612, 0.05000000074505806]
    """
    limit = np.float32(np.abs(noisy).max() * 10 ** (-overdrive_db / 20))
    return np.clip(noisy, -limit, limit)
