"""Which shards a mixture is drawn from, as a function of (index, epoch, seed)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

import numpy as np

from datamodules.corpus import Corpus, CorpusError, NoiseRecord, RoomResponse, SpeechRecord, by_category, by_speaker
from datamodules.scene import SceneSources

SPEECH_DRAW, NOISE_DRAW, RESPONSE_DRAW = 1, 2, 3  # keep the permutations apart


class Pool(NamedTuple):
    """What a mixture may be drawn from: recordings by speaker, noise by category of the corpus, and room responses."""

    speech: list[list[SpeechRecord]]
    sources: SceneSources


Record = TypeVar("Record", SpeechRecord, NoiseRecord, RoomResponse)


def _by_shard(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Group records by the shard that is their path's parent."""
    shards: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        shards[record.path.parent.name].append(record)
    return dict(shards)


class ShardSchedule:
    """Gives every block of consecutive mixtures one speech shard, one noise shard and one of room responses, if any.

    Blocks are counted on through the epochs, and shards are visited in rounds: each once per round, in an order drawn
    anew for every round. So every shard takes part however short an epoch is.

    Args:
        corpus: of shards.
        split: train, valid or test.
        num_mixtures: per epoch.
        block: mixtures in a block.
        seed: of the whole data set.
        stream: keeps sets apart that share split and seed.

    Raises:
        CorpusError: if a noise shard lacks a category, so that mixtures of it could not be drawn.
    """

    def __init__(self, corpus: Corpus, split: str, num_mixtures: int, block: int, seed: int, stream: int) -> None:
        self.block = block
        self.blocks_per_epoch = math.ceil(num_mixtures / block)
        self.seed = seed
        self.stream = stream
        speech, noise = _by_shard(corpus.speech_of(split)), _by_shard(corpus.noise_of(split))
        self.speech_shards, self.noise_shards = sorted(speech), sorted(noise)
        self._responses = _by_shard(corpus.responses_of(split))
        self.response_shards = sorted(self._responses)
        self._speech = {name: by_speaker(records) for name, records in speech.items()}
        self._noise: dict[str, list[list[NoiseRecord]]] = {}
        for name, noises in noise.items():
            categories = by_category(noises)
            missing = [category for category in corpus.categories if category not in categories]
            if missing:
                raise CorpusError(f"noise.csv: shard {name} has no recording of '{missing[0]}'; write the shards anew")
            self._noise[name] = [categories[category] for category in corpus.categories]
        self._orders: dict[tuple[int, int], list[int]] = {}

    def shards(self, index: int, epoch: int) -> tuple[str, str]:
        """Return the names of the speech shard and the noise shard of a mixture."""
        visit = self._visit(index, epoch)
        return (
            self.speech_shards[self._place(visit, len(self.speech_shards), SPEECH_DRAW)],
            self.noise_shards[self._place(visit, len(self.noise_shards), NOISE_DRAW)],
        )

    def pool(self, index: int, epoch: int) -> Pool:
        """Return what a mixture may be drawn from."""
        speech, noise = self.shards(index, epoch)
        responses: list[RoomResponse] = []
        if self.response_shards:
            place = self._place(self._visit(index, epoch), len(self.response_shards), RESPONSE_DRAW)
            responses = self._responses[self.response_shards[place]]
        return Pool(self._speech[speech], SceneSources(self._noise[noise], responses))

    def _visit(self, index: int, epoch: int) -> int:
        """Return the number of a mixture's block, counted on through the epochs."""
        return epoch * self.blocks_per_epoch + index // self.block

    def _place(self, visit: int, num_shards: int, draw: int) -> int:
        """Return the shard of a visit: visits of one round follow one permutation."""
        turn, place = divmod(visit, num_shards)
        if (turn, draw) not in self._orders:
            # five numbers, the last not 0: never the sequence of a mixture, whose seed has four
            rng = np.random.default_rng((self.seed, self.stream, turn, draw, 1))
            self._orders = {known: order for known, order in self._orders.items() if known[0] >= turn - 1}
            self._orders[turn, draw] = rng.permutation(num_shards).tolist()
        return self._orders[turn, draw][place]


def fixed_block(num_mixtures: int, num_shards: int, most: int) -> int:
    """Return the block of a fixed set: short enough to spread it over several shards, so that no one shard decides.

    Args:
        num_mixtures: in the set.
        num_shards: of the kind that has more.
        most: shards to visit at most.

    Example:
        >>> fixed_block(120, 3, 8), fixed_block(120, 500, 8)
        (40, 15)
    """
    return math.ceil(num_mixtures / min(num_shards, most))
