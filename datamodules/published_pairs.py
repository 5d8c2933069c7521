"""Mixtures as a corpus publishes them: whole utterances at their own level, not drawn."""

from __future__ import annotations

from collections.abc import Sequence

from datamodules.audio import AudioReader
from datamodules.corpus import Corpus, CorpusError
from datamodules.excerpts import Excerpt
from datamodules.mixing import Mixture, measured_snr_db
from datamodules.sampler import ItemKey
from datamodules.scene import Scene
from datamodules.scene_dataset import SceneDataset
from datamodules.targets.base import Target
from networks.framing import FrameGrid


class PublishedPairs(SceneDataset):
    """The mixtures that ``pairs.csv`` lists for a split, for scores that compare with published ones.

    Lengths differ, so items are batched one by one; each is cut at its end to whole hops.

    Args:
        corpus: checked manifests.
        split: train, valid or test.
        reader: reads recordings.
        grid: sample-to-frame alignment.
        targets: computed in this order.

    Raises:
        CorpusError: if the split has no pairs.
    """

    def __init__(
        self, corpus: Corpus, split: str, reader: AudioReader, grid: FrameGrid, targets: Sequence[Target]
    ) -> None:
        super().__init__(corpus, reader, grid, targets, remember_targets=True)
        self.pairs = corpus.pairs_of(split)
        if not self.pairs:
            raise CorpusError(f"data.published_pairs: pairs.csv lists no mixture of the split '{split}'")

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.pairs)

    def scene(self, key: ItemKey) -> Scene:
        """Return the scene of a pair: the sum of both recordings as they are.

        Raises:
            CorpusError: if their lengths differ.
        """
        pair = self.pairs[key.index]
        clean, noise = self.reader.read(pair.speech.path), self.reader.read(pair.noise.path)
        if len(clean) != len(noise):
            raise CorpusError(
                f"pairs.csv: {pair.speech.path} has {len(clean)} samples and {pair.noise.path} {len(noise)}; "
                "expected the same number"
            )
        length = self.grid.floor_to_hop(len(clean))
        clean, noise = clean[:length], noise[:length]
        mixture = Mixture(clean + noise, clean, noise)
        excerpt = Excerpt(pair.speech.path, source_start=0, start=0, length=length)
        snr_db = measured_snr_db(mixture, self.grid.hop_length)
        return Scene(self.grid, mixture, (excerpt,), snr_db, pair.speech, pair.noise)
