"""From a scene to an item: signals and targets of one mixture, wherever its scene comes from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from datamodules.audio import AudioReader
from datamodules.corpus import Corpus
from datamodules.mixing import active_speech_power
from datamodules.sampler import ItemKey
from datamodules.scene import Scene
from datamodules.targets.base import Target, TargetArray
from networks.framing import FrameGrid


class SceneDataset(Dataset[dict[str, Any]]):
    """Mixtures of one split with their targets.

    Args:
        corpus: checked manifests.
        reader: reads recordings.
        grid: sample-to-frame alignment.
        targets: computed in this order.
        remember_targets: keep the targets of every key: for sets that are heard again in every epoch.
    """

    def __init__(
        self,
        corpus: Corpus,
        reader: AudioReader,
        grid: FrameGrid,
        targets: Sequence[Target],
        remember_targets: bool = False,
    ) -> None:
        self.corpus = corpus
        self.reader = reader
        self.grid = grid
        self.targets = list(targets)
        self.remember_targets = remember_targets
        self._remembered: dict[ItemKey, dict[str, TargetArray]] = {}

    @abstractmethod
    def scene(self, key: ItemKey) -> Scene:
        """Return the scene of a key."""

    def __getitem__(self, key: ItemKey) -> dict[str, Any]:
        """Return the item of a key.

        Returns:
            ``noisy``, ``clean``, ``noise``: float32, (sample,); ``clean_rms``: of the active speech; ``index``;
            ``targets``: name to float32 array of shape (frame,) or (); ``mixture``: what identifies it beside
            ``index``: ``speaker``, ``speech`` (recordings, separated by semicolons), ``noise_class``, ``noise`` (the
            recording that names the class) and ``snr_db``.
        """
        scene = self.scene(key)
        return {
            "noisy": scene.mixture.noisy,
            "clean": scene.mixture.clean,
            "noise": scene.mixture.noise,
            "clean_rms": np.float32(np.sqrt(active_speech_power(scene.mixture.clean, self.grid.hop_length))),
            "index": key.index,
            "targets": self._targets(key, scene),
            "mixture": self._identity(scene),
        }

    def _identity(self, scene: Scene) -> dict[str, Any]:
        """Name what a mixture is made of, as the manifests do."""
        speech = dict.fromkeys(self.corpus.name_of(excerpt.path) for excerpt in scene.excerpts)
        return {
            "speaker": scene.speech.speaker,
            "speech": ";".join(speech),
            "noise_class": scene.noise.category,
            "noise": self.corpus.name_of(scene.noise.path),
            "snr_db": np.float32(scene.snr_db),
        }

    def _targets(self, key: ItemKey, scene: Scene) -> dict[str, TargetArray]:
        """Compute the targets of a scene, or recall them."""
        if key in self._remembered:
            return self._remembered[key]
        targets: dict[str, TargetArray] = {}
        for target in self.targets:
            targets.update(target.compute(scene, self.corpus, targets))
        if self.remember_targets:
            self._remembered[key] = targets
        return targets
