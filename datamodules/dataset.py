"""Mixtures with their targets, made on the fly as a function of (index, epoch, seed) alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from datamodules.audio import AudioReader
from datamodules.corpus import Corpus, by_category, by_speaker
from datamodules.mixing_settings import MixingSettings
from datamodules.sampler import ItemKey
from datamodules.scene import Scene, SceneSources, draw_scene
from datamodules.scene_dataset import SceneDataset
from datamodules.shards.schedule import ShardSchedule
from datamodules.targets.base import Target
from networks.framing import FrameGrid


class MixtureDataset(SceneDataset):
    """Noisy mixtures of one split with their targets.

    Speakers are drawn uniformly, then one of their recordings for every excerpt. Noise categories take turns with the
    index, so they are balanced in any epoch; a recording of the category is drawn uniformly.

    Args:
        corpus: checked manifests.
        split: train, valid or test.
        reader: reads recordings.
        grid: sample-to-frame alignment.
        mixing: how mixtures are drawn.
        targets: computed in this order.
        seed: of the whole data set.
        stream: keeps sets apart that share split and seed (training mixtures, mixtures that probes are fitted on).
        remember_targets: keep the targets of every key: for sets that are drawn again in every epoch.
        schedule: narrows every draw to one speech and one noise shard; None draws from the whole split.
    """

    def __init__(
        self,
        corpus: Corpus,
        split: str,
        reader: AudioReader,
        grid: FrameGrid,
        mixing: MixingSettings,
        targets: Sequence[Target],
        seed: int,
        stream: int,
        remember_targets: bool = False,
        schedule: ShardSchedule | None = None,
    ) -> None:
        super().__init__(corpus, reader, grid, targets, remember_targets)
        self.mixing = mixing
        self.seed = seed
        self.stream = stream
        self.schedule = schedule
        noises = by_category(corpus.noise_of(split))
        self._speakers = by_speaker(corpus.speech_of(split))
        self._noises = [noises[category] for category in corpus.categories]
        self._sources = SceneSources(self._noises, corpus.responses_of(split))

    def scene(self, key: ItemKey) -> Scene:
        """Draw the scene of a key."""
        rng = np.random.default_rng((self.seed, self.stream, key.epoch, key.index))
        speakers, sources = self._speakers, self._sources
        if self.schedule is not None:
            speakers, sources = self.schedule.pool(key.index, key.epoch)
        speech = speakers[int(rng.integers(len(speakers)))]
        noise = sources.categories[key.index % len(sources.categories)]
        return draw_scene(speech, noise, self.reader, self.grid, self.mixing, rng, sources)
