"""Items as a function of (index, epoch, seed), and the samplers that name them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from datamodules.audio import AudioReader
from datamodules.corpus import Corpus, NoiseRecord, SpeechRecord
from datamodules.dataset import MixtureDataset
from datamodules.mixing import active_speech_power
from datamodules.sampler import EpochSampler, ItemKey
from datamodules.scene import MixingSettings
from datamodules.targets import Labels, Levels, VoiceActivity
from networks.framing import FrameGrid

GRID = FrameGrid()
CATEGORIES = ("hum", "rain", "wind")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    root = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    speech, noise = [], []
    for split in ("train", "valid"):
        for speaker, sex in (("anna", "F"), ("bert", "M"), ("cleo", "")):
            for take in range(2):
                path = root / f"{split}_{speaker}_{take}.wav"
                envelope = np.repeat(rng.uniform(0.001, 0.2, 40), 800)
                soundfile.write(path, rng.standard_normal(32_000) * envelope, 16000)
                speech.append(SpeechRecord(path, f"{split}_{speaker}", sex, split))
        for category in CATEGORIES:
            for take in range(2):
                path = root / f"{split}_{category}_{take}.wav"
                soundfile.write(path, rng.standard_normal(20_000) * 0.1, 16000)
                noise.append(NoiseRecord(path, category, split))
    speakers = tuple(sorted({record.speaker for record in speech}))
    return Corpus(tuple(speech), tuple(noise), CATEGORIES, speakers)


def dataset_of(corpus: Corpus, split: str = "train", seed: int = 7, stream: int = 0) -> MixtureDataset:
    return MixtureDataset(
        corpus,
        split,
        AudioReader(GRID.sample_rate, cache_mb=8),
        GRID,
        MixingSettings(segment_s=1.0),
        [VoiceActivity(), Levels(), Labels()],
        seed=seed,
        stream=stream,
    )


def assert_equal(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        if isinstance(value, dict):
            assert_equal(value, second[name])
        else:
            np.testing.assert_array_equal(value, second[name], err_msg=name)


def differ(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Tell whether both the speech and the noise differ; if only one did, the draws would not be independent."""
    unlike = [np.abs(first[name] - second[name]).max() > 1e-3 for name in ("clean", "noise")]
    assert all(unlike) or not any(unlike)
    return all(unlike)


def test_an_item_is_complete(corpus: Corpus) -> None:
    item = dataset_of(corpus)[ItemKey(5, 2)]
    assert set(item) == {"noisy", "clean", "noise", "clean_rms", "index", "targets", "mixture"}
    for name in ("noisy", "clean", "noise"):
        assert item[name].dtype == np.float32
        assert item[name].shape == (GRID.floor_to_hop(16_000),)
    np.testing.assert_array_equal(item["noisy"], item["clean"] + item["noise"])
    assert item["index"] == 5
    assert item["clean_rms"].dtype == np.float32
    assert item["clean_rms"] == pytest.approx(np.sqrt(active_speech_power(item["clean"], GRID.hop_length)))
    scene = dataset_of(corpus).scene(ItemKey(5, 2))
    assert item["mixture"] == {
        "speaker": scene.speech.speaker,
        "speech": ";".join(dict.fromkeys(str(excerpt.path) for excerpt in scene.excerpts)),
        "noise_class": scene.noise.category,
        "noise": str(scene.noise.path),
        "snr_db": np.float32(scene.snr_db),
    }
    targets = item["targets"]
    assert set(targets) == {*VoiceActivity.names, *Levels.names, *Labels.names}
    for name, target in targets.items():
        per_frame = name in ("vad", "snr_db", "speech_level_dbfs", "noise_level_dbfs")
        assert target.dtype == np.float32
        assert target.shape == ((63,) if per_frame else ()), name


def test_an_item_does_not_depend_on_what_was_read_before(corpus: Corpus) -> None:
    keys = [ItemKey(index, epoch) for index in range(4) for epoch in range(2)]
    forward = dataset_of(corpus)
    items = {key: forward[key] for key in keys}
    backward = dataset_of(corpus)
    for key in [*reversed(keys), *keys]:
        assert_equal(backward[key], items[key])


def test_an_item_differs_by_index_epoch_seed_and_stream(corpus: Corpus) -> None:
    item = dataset_of(corpus)[ItemKey(4, 1)]
    assert not differ(item, dataset_of(corpus)[ItemKey(4, 1)])
    assert differ(item, dataset_of(corpus)[ItemKey(7, 1)])  # three further: the same noise category
    assert differ(item, dataset_of(corpus)[ItemKey(4, 2)])
    assert differ(item, dataset_of(corpus)[ItemKey(1, 4)]), "index and epoch must not be interchangeable"
    assert differ(item, dataset_of(corpus, seed=8)[ItemKey(4, 1)])
    assert differ(item, dataset_of(corpus, stream=1)[ItemKey(4, 1)])


def test_global_random_state_is_neither_used_nor_changed(corpus: Corpus) -> None:
    dataset = dataset_of(corpus)
    np.random.seed(1)
    first = dataset[ItemKey(0, 0)]
    after = np.random.random()
    np.random.seed(1)
    assert np.random.random() == after
    assert_equal(dataset[ItemKey(0, 0)], first)


@pytest.mark.parametrize("split", ["train", "valid"])
def test_scenes_use_their_split_alone_and_all_of_it(corpus: Corpus, split: str) -> None:
    dataset = dataset_of(corpus, split)
    scenes = [dataset.scene(ItemKey(index, 0)) for index in range(90)]
    assert {scene.speech.split for scene in scenes} == {scene.noise.split for scene in scenes} == {split}
    assert {scene.noise.path for scene in scenes} == {record.path for record in corpus.noise_of(split)}
    excerpts = [excerpt for scene in scenes for excerpt in scene.excerpts]
    assert {excerpt.path for excerpt in excerpts} == {record.path for record in corpus.speech_of(split)}
    counts = [sum(scene.speech.speaker == f"{split}_{name}" for scene in scenes) for name in ("anna", "bert", "cleo")]
    assert min(counts) > 15, "speakers are drawn uniformly"


def test_a_scene_has_one_speaker(corpus: Corpus) -> None:
    dataset = dataset_of(corpus)
    speaker_of = {record.path: record.speaker for record in corpus.speech}
    for index in range(20):
        scene = dataset.scene(ItemKey(index, 0))
        assert {speaker_of[excerpt.path] for excerpt in scene.excerpts} == {scene.speech.speaker}


def test_categories_are_balanced_and_labels_match_the_scene(corpus: Corpus) -> None:
    dataset = dataset_of(corpus)
    labels = []
    for index in range(12):
        key = ItemKey(index, epoch=4)
        scene, targets = dataset.scene(key), dataset[key]["targets"]
        labels.append(int(targets["noise_class"]))
        assert CATEGORIES[labels[-1]] == scene.noise.category
        assert corpus.speakers[int(targets["speaker"])] == scene.speech.speaker
        assert targets["mixture_snr_db"] == pytest.approx(scene.snr_db)
    assert np.bincount(labels).tolist() == [4, 4, 4]


def test_a_training_sampler_names_the_epoch_and_a_fixed_one_does_not() -> None:
    training, fixed = EpochSampler(5, fixed=False), EpochSampler(5, fixed=True)
    assert len(training) == len(fixed) == 5
    for epoch in (0, 3):
        training.set_epoch(epoch)
        fixed.set_epoch(epoch)
        assert list(training) == [ItemKey(index, epoch) for index in range(5)]
        assert list(training) == list(training)
        assert list(fixed) == [ItemKey(index, 0) for index in range(5)]


def test_files_are_found_by_path_not_by_working_folder(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = dataset_of(corpus)[ItemKey(0, 0)]
    monkeypatch.chdir(tmp_path)
    assert_equal(dataset_of(corpus)[ItemKey(0, 0)], item)
