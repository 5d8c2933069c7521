"""Levels and signal-to-noise ratios, per frame and per utterance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from datamodules.corpus import Corpus
from datamodules.mixing import frame_power, power_db
from datamodules.scene import Scene
from datamodules.targets.base import Target, TargetArray


class Levels(Target):
    """Targets ``snr_db``, ``speech_level_dbfs``, ``noise_level_dbfs`` per frame and ``mixture_snr_db`` per utterance.

    ``snr_db`` of a frame is the clean over the noise power in one window centred on it, clipped to ``snr_range_db``;
    ``mixture_snr_db`` is the power of the active clean speech over the mean power of all else in the mixture: the SNR
    that was drawn, less what late reverberation and clipping added to the noise. Levels are clipped at
    ``floor_dbfs`` from below: digital silence has no level.

    Args:
        snr_range_db: clipping range of the frame SNR.
        floor_dbfs: lowest level.

    Raises:
        ValueError: if the range is reversed.
    """

    names = ("snr_db", "mixture_snr_db", "speech_level_dbfs", "noise_level_dbfs")

    def __init__(self, snr_range_db: tuple[float, float] = (-20.0, 30.0), floor_dbfs: float = -80.0) -> None:
        if snr_range_db[0] >= snr_range_db[1]:
            raise ValueError(f"Levels.snr_range_db: the first value must be smaller, got {list(snr_range_db)}")
        self.snr_range_db = snr_range_db
        self.floor_dbfs = floor_dbfs

    def compute(self, scene: Scene, corpus: Corpus, done: Mapping[str, TargetArray]) -> dict[str, TargetArray]:
        """Return the four targets, (frame,) or ()."""
        speech_db = power_db(frame_power(scene.mixture.clean, scene.grid))
        noise_db = power_db(frame_power(scene.mixture.noise, scene.grid))
        snr_db = np.clip(speech_db - noise_db, *self.snr_range_db)
        return {
            "snr_db": snr_db.astype(np.float32),
            "mixture_snr_db": np.asarray(scene.snr_db, dtype=np.float32),
            "speech_level_dbfs": np.maximum(speech_db, self.floor_dbfs).astype(np.float32),
            "noise_level_dbfs": np.maximum(noise_db, self.floor_dbfs).astype(np.float32),
        }
