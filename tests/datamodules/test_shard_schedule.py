"""Which shards a mixture is drawn from: every shard in turn, one pair for a block, a function of the key alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.augmentation import AdditionalNoise, Reverberation
from datamodules.corpus import Corpus, CorpusError, NoiseRecord, SpeechRecord
from datamodules.dataset import MixtureDataset
from datamodules.enhancement_data import HELD_OUT_STREAM, PROBE_STREAM, TRAIN_STREAM
from datamodules.mixing_settings import MixingSettings
from datamodules.sampler import EpochSampler, ItemKey
from datamodules.shards.archive import ShardArchive
from datamodules.shards.schedule import ShardSchedule, fixed_block
from datamodules.shards.settings import ShardSettings
from tests.datamodules.small_corpus import CATEGORIES, ready, write_sharded
from tests.datamodules.test_enhancement_data import assert_same_batches


def made_up(num_speech: int, num_noise: int, categories: tuple[str, ...] = ("rain", "wind")) -> Corpus:
    speech = [
        SpeechRecord(Path(f"c/speech-train-{shard:06d}.tar/{take}.flac"), f"s{shard}_{take % 2}", "F", "train")
        for shard in range(num_speech)
        for take in range(4)
    ]
    noise = [
        NoiseRecord(Path(f"c/noise-train-{shard:06d}.tar/{category}.flac"), category, "train")
        for shard in range(num_noise)
        for category in categories
    ]
    return Corpus(tuple(speech), tuple(noise), categories, tuple(sorted({record.speaker for record in speech})))


@given(
    st.integers(1, 12), st.integers(1, 12), st.integers(1, 30), st.integers(1, 10), st.integers(0, 5), st.integers(0, 2)
)
def test_every_shard_is_visited_once_in_every_round(
    num_speech: int, num_noise: int, per_epoch: int, block: int, seed: int, stream: int
) -> None:
    schedule = ShardSchedule(made_up(num_speech, num_noise), "train", per_epoch, block, seed, stream)
    visits = []
    epoch = 0
    while len(visits) < 3 * num_speech * num_noise:
        pairs = [schedule.shards(index, epoch) for index in range(per_epoch)]
        for start in range(0, per_epoch, block):
            assert len(set(pairs[start : start + block])) == 1, "a block has one pair of shards"
            visits.append(pairs[start])
        epoch += 1
    for position, num_shards in ((0, num_speech), (1, num_noise)):
        names = [pair[position] for pair in visits]
        for start in range(0, len(names) - num_shards + 1, num_shards):
            assert len(set(names[start : start + num_shards])) == num_shards


def test_orders_differ_by_round_kind_seed_and_stream_and_not_by_what_was_asked_before() -> None:
    corpus = made_up(40, 40)

    def order(seed: int, stream: int, epoch: int, position: int) -> list[str]:
        schedule = ShardSchedule(corpus, "train", 40, 1, seed, stream)
        return [schedule.shards(index, epoch)[position][-10:] for index in range(40)]

    orders = [order(0, 0, 0, 0), order(1, 0, 0, 0), order(0, 1, 0, 0), order(0, 0, 1, 0), order(0, 0, 0, 1)]
    assert len({tuple(names) for names in orders}) == len(orders)
    schedule = ShardSchedule(corpus, "train", 40, 1, 0, 0)
    backwards = [schedule.shards(index, epoch) for epoch in (3, 0, 2) for index in reversed(range(40))]
    fresh = [
        ShardSchedule(corpus, "train", 40, 1, 0, 0).shards(index, epoch)
        for epoch in (3, 0, 2)
        for index in reversed(range(40))
    ]
    assert backwards == fresh


def test_a_noise_shard_without_a_category_is_refused() -> None:
    corpus = made_up(2, 2)
    lacking = Corpus(corpus.speech, corpus.noise[:-1], corpus.categories, corpus.speakers)
    with pytest.raises(CorpusError, match=r"noise-train-000001\.tar has no recording of 'wind'"):
        ShardSchedule(lacking, "train", 10, 2, 0, 0)


@given(st.integers(1, 500), st.integers(1, 600), st.integers(1, 16))
def test_a_fixed_set_visits_several_shards_but_no_more_than_allowed(num: int, shards: int, most: int) -> None:
    visits = -(-num // fixed_block(num, shards, most))
    assert visits <= min(shards, most)
    assert visits >= min(shards, most, num) / 2


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sharded(tmp_path_factory.mktemp("corpus"))


def test_mixtures_keep_to_their_shards_splits_and_categories(root: Path) -> None:
    data = ready(root, shards=ShardSettings(block_mixtures=3), train_mixtures=30)
    valid, probe = data.val_dataloader()
    seen: dict[str, Counter[str]] = {}
    for name, loader, split in (
        ("train", data.train_dataloader(), "train"),
        ("valid", valid, "valid"),
        ("probe", probe, "train"),
    ):
        dataset, sampler = loader.dataset, loader.sampler
        assert isinstance(dataset, MixtureDataset) and isinstance(sampler, EpochSampler)
        assert dataset.schedule is not None
        seen[name] = Counter()
        for key in sampler:
            scene = dataset.scene(key)
            speech, noise = dataset.schedule.shards(key.index, key.epoch)
            assert {excerpt.path.parent.name for excerpt in scene.excerpts} == {speech}
            assert scene.noise.path.parent.name == noise
            assert scene.speech.split == scene.noise.split == split
            assert scene.noise.category == CATEGORIES[key.index % 3]
            seen[name].update((speech, noise))
    shards = {path.name for path in root.glob("*-train-*.tar")}
    assert len(shards) > 4
    assert set(seen["train"]) == shards, "all are used in ten blocks"
    assert len(seen["valid"]) > 3, "a small set is spread over several shards too"


def test_rooms_and_further_noises_come_from_the_shards_of_the_block(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every augmentation that reads recordings, a mixture opens one shard of each kind."""
    mixing = MixingSettings(
        segment_s=0.5,
        reverberation=Reverberation(probability=1.0, noise_probability=0.5),
        additional_noise=AdditionalNoise(probability=1.0),
    )
    data = ready(root, mixing=mixing, shards=ShardSettings(block_mixtures=2), train_mixtures=12)
    dataset = data.train_dataloader().dataset
    assert isinstance(dataset, MixtureDataset) and dataset.schedule is not None
    archive = data.reader.archive
    assert isinstance(archive, ShardArchive)
    opened: list[str] = []
    read = ShardArchive.read

    def noting(self: ShardArchive, path: Path) -> bytes:
        opened.append(self.shard_of(path))
        return read(self, path)

    monkeypatch.setattr(ShardArchive, "read", noting)
    rooms = set()
    for index in range(12):
        data.reader._held.clear()
        opened.clear()
        scene = dataset.scene(ItemKey(index, 0))
        assert scene.further_noise
        assert {name for name in opened if not name.startswith("rir-")} == set(dataset.schedule.shards(index, 0))
        used = {name for name in opened if name.startswith("rir-")}
        assert len(used) == 1
        rooms |= used
    assert len(rooms) > 1
    assert rooms == {path.name for path in root.glob("rir-*.tar")}


def test_batches_from_shards_do_not_depend_on_the_number_of_workers(root: Path) -> None:
    settings = ShardSettings(block_mixtures=2)
    alone, shared = (ready(root, shards=settings, num_workers=workers).train_dataloader() for workers in (0, 2))
    for epoch in range(2):
        for loader in (alone, shared):
            assert isinstance(loader.sampler, EpochSampler)
            loader.sampler.set_epoch(epoch)
        assert_same_batches(list(alone), list(shared))


def test_streams_and_epochs_differ_and_a_key_gives_the_same_item_again(root: Path) -> None:
    data = ready(root)
    items = [
        data.dataset("train", stream)[ItemKey(0, epoch)]["noisy"]
        for stream, epoch in ((TRAIN_STREAM, 0), (TRAIN_STREAM, 1), (PROBE_STREAM, 0), (HELD_OUT_STREAM, 0))
    ]
    assert len({item.tobytes() for item in items}) == len(items)
    assert data.dataset("train", TRAIN_STREAM)[ItemKey(0, 0)]["noisy"].tobytes() == items[0].tobytes()
