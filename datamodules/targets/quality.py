"""How good the noisy input is: PESQ, STOI, ESTOI and SI-SDR of the mixture against its clean speech."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from datamodules.audio import AudioReader
from datamodules.corpus import Corpus
from datamodules.rating import PESQ_MODES, RATINGS, missing_package, rate_utterance
from datamodules.scene import Scene
from datamodules.targets.base import Target, TargetArray
from networks.framing import FrameGrid


class Quality(Target):
    """Targets ``pesq_wb``, ``stoi``, ``estoi`` and ``si_sdr_db`` of the noisy input, one value per utterance.

    They take longer than all other targets together, so training mixtures do not carry them unless asked for.
    A measure whose package is not installed is NaN for every utterance, with a warning; probes count it as unknown.

    Args:
        measures: which of the four.
        in_training: whether training mixtures carry them too.

    Raises:
        ValueError: if a measure is unknown, or listed twice.
    """

    def __init__(self, measures: Sequence[str] = ("pesq_wb", "stoi", "si_sdr_db"), in_training: bool = False) -> None:
        unknown = [name for name in measures if name not in RATINGS]
        if unknown or not measures or len(set(measures)) != len(measures):
            raise ValueError(f"Quality.measures must be distinct names out of {sorted(RATINGS)}, got {list(measures)}")
        self.names = tuple(measures)
        self.in_training = in_training

    def prepare(self, corpus: Corpus, splits: Sequence[str], reader: AudioReader, grid: FrameGrid) -> None:
        """Say before training what cannot be measured.

        Raises:
            ValueError: if PESQ is asked for at a sample rate that it is not defined for.
        """
        if "pesq_wb" in self.names and grid.sample_rate not in PESQ_MODES:
            raise ValueError(f"Quality needs data.grid.sample_rate in {sorted(PESQ_MODES)} Hz, got {grid.sample_rate}")
        for name in self.names:
            package = missing_package(name)
            if package is not None:
                warnings.warn(f"Quality: '{name}' is unknown, the package {package} is not installed", stacklevel=2)

    def compute(self, scene: Scene, corpus: Corpus, done: Mapping[str, TargetArray]) -> dict[str, TargetArray]:
        """Return the measures, each of shape ()."""
        noisy, clean = torch.from_numpy(scene.mixture.noisy), torch.from_numpy(scene.mixture.clean)
        rated = rate_utterance(noisy, clean, scene.grid.sample_rate, self.names)
        return {name: np.asarray(rated.get(name, math.nan), dtype=np.float32) for name in self.names}
