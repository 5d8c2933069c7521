"""Labels that the manifests give: noise category, speaker, sex."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from datamodules.corpus import SEXES, Corpus
from datamodules.scene import Scene
from datamodules.targets.base import Target, TargetArray


class Labels(Target):
    """Targets ``noise_class``, ``speaker_sex`` and ``speaker``, one value per utterance.

    ``noise_class`` is the position of the category in ``Corpus.categories``, ``speaker`` that of the speaker in
    ``Corpus.speakers``; ``speaker_sex`` is 0 for F, 1 for M and NaN where the corpus does not know it.
    """

    names = ("noise_class", "speaker_sex", "speaker")

    def compute(self, scene: Scene, corpus: Corpus, done: Mapping[str, TargetArray]) -> dict[str, TargetArray]:
        """Return the labels, each of shape ()."""
        sex = scene.speech.sex
        return {
            "noise_class": np.asarray(corpus.categories.index(scene.noise.category), dtype=np.float32),
            "speaker_sex": np.asarray(SEXES.index(sex) if sex else np.nan, dtype=np.float32),
            "speaker": np.asarray(corpus.speakers.index(scene.speech.speaker), dtype=np.float32),
        }
