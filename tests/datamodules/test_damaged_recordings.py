"""Recordings that are truncated or corrupt: an error by name, or skipped without changing anything else."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from datamodules.audio import AudioReader, draw_recording
from datamodules.augmentation import AdditionalNoise, Reverberation
from datamodules.corpus import CorpusError, DamagedRecordingError, NoiseRecord, read_corpus
from datamodules.dataset import MixtureDataset
from datamodules.enhancement_data import EnhancementDataModule
from datamodules.mixing_settings import MixingSettings
from datamodules.sampler import ItemKey
from datamodules.targets import Labels, Levels, Pitch, VoiceActivity
from networks.framing import FrameGrid

GRID = FrameGrid()
RATE = GRID.sample_rate
KEYS = [ItemKey(index, epoch) for index in range(12) for epoch in range(2)]


def truncate(path: Path) -> None:
    """Keep the header and the first half, as an interrupted copy does."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Write two speakers and two noise categories with three recordings each for each split, and three rooms."""
    root = tmp_path / "corpus"
    root.mkdir()
    rng = np.random.default_rng(0)
    speech, noise, rooms = ["path,speaker,sex,seconds,split"], ["path,category,seconds,split"], ["path,seconds"]
    for split in ("train", "valid", "test"):
        for take in range(3):
            for sex in "FM":
                name = f"{split}_{sex}{take}.flac"
                envelope = np.repeat(rng.uniform(0.001, 0.2, 40), RATE // 20)
                soundfile.write(root / name, rng.standard_normal(2 * RATE) * envelope, RATE)
                speech.append(f"{name},{split}_{sex},{sex},2.0,{split}")
            for category in ("rain", "wind"):
                name = f"{split}_{category}{take}.flac"
                soundfile.write(root / name, rng.standard_normal(2 * RATE) * 0.1, RATE)
                noise.append(f"{name},{category},2.0,{split}")
    for number in range(3):
        decay = rng.standard_normal(4000) * np.exp(-np.arange(4000) / 800) * 0.1
        soundfile.write(root / f"room{number}.flac", np.concatenate([[0.9], decay]), RATE)
        rooms.append(f"room{number}.flac,0.25")
    for name, rows in (("speech", speech), ("noise", noise), ("rir", rooms)):
        (root / f"{name}.csv").write_text("\n".join(rows) + "\n")
    return root


def dataset_of(root: Path, reader: AudioReader) -> MixtureDataset:
    settings = MixingSettings(
        segment_s=1.0, reverberation=Reverberation(0.5, noise_probability=0.5), additional_noise=AdditionalNoise(0.5)
    )
    corpus = read_corpus(root, responses=True)
    return MixtureDataset(corpus, "train", reader, GRID, settings, [Levels(), Labels()], seed=3, stream=0)


def skipping() -> AudioReader:
    return AudioReader(RATE, cache_mb=8, on_bad_recording="skip")


DAMAGED = ("train_F1.flac", "train_rain1.flac", "room1.flac")


def test_a_truncated_recording_is_an_error_by_name(root: Path) -> None:
    truncate(root / DAMAGED[0])
    dataset = dataset_of(root, AudioReader(RATE, cache_mb=8))
    with pytest.raises(CorpusError, match=r"train_F1\.flac: (cannot be decoded|truncated)"):
        for key in KEYS:
            dataset.scene(key)


def test_skipped_recordings_are_reported_once_and_others_are_drawn(root: Path) -> None:
    for name in DAMAGED:
        truncate(root / name)
    dataset = dataset_of(root, skipping())
    with pytest.warns(UserWarning) as caught:
        scenes = [dataset.scene(key) for key in KEYS]
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == 3
    for name in DAMAGED:
        assert sum(f"{name}: " in message and "data.on_bad_recording" in message for message in messages) == 1, name
    used = {path.name for scene in scenes for path in (scene.noise.path, *(part.path for part in scene.excerpts))}
    used |= {record.path.name for scene in scenes for record in scene.further_noise}
    assert not used & set(DAMAGED)
    assert {"train_F0.flac", "train_F2.flac", "train_rain0.flac", "train_rain2.flac"} <= used
    for scene in scenes:
        assert all(np.isfinite(signal).all() and signal.any() for signal in scene.mixture)


@pytest.mark.filterwarnings("ignore:.*data.on_bad_recording")
def test_what_is_drawn_instead_does_not_depend_on_what_was_met_before(root: Path) -> None:
    # Two of three: the second draw may meet damage too, known already or not.
    for name in (*DAMAGED, "train_F2.flac", "train_rain2.flac"):
        truncate(root / name)
    together = dataset_of(root, skipping())
    items = {key: together[key] for key in KEYS}
    for key in reversed(KEYS):
        alone = dataset_of(root, skipping())[key]
        for name in ("noisy", "clean"):
            np.testing.assert_array_equal(alone[name], items[key][name])


@pytest.mark.filterwarnings("ignore:.*data.on_bad_recording")
def test_mixtures_without_damage_stay_what_they_were(root: Path) -> None:
    before = {key: dataset_of(root, AudioReader(RATE, cache_mb=8)).scene(key) for key in KEYS}
    truncate(root / "train_rain1.flac")
    same = 0
    for key, scene in before.items():
        after = dataset_of(root, skipping()).scene(key)
        if all(record.path.name != "train_rain1.flac" for record in (scene.noise, *scene.further_noise)):
            np.testing.assert_array_equal(after.mixture.noisy, scene.mixture.noisy)
            same += 1
        else:
            assert after.excerpts == scene.excerpts
            assert not np.array_equal(after.mixture.noise, scene.mixture.noise)
    assert 0 < same < len(before)


@pytest.mark.filterwarnings("ignore:.*data.on_bad_recording")
@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("train_M?.flac", r"every other recording of speaker 'train_M' \(3 in all\)"),
        ("train_wind?.flac", r"every other recording of noise category 'wind' \(3 in all\)"),
        ("room?.flac", r"every other recording of the room responses of the split \(3 in all\)"),
    ],
)
def test_it_is_an_error_if_nothing_is_left(root: Path, pattern: str, message: str) -> None:
    for path in root.glob(pattern):
        truncate(path)
    dataset = dataset_of(root, skipping())
    with pytest.raises(CorpusError, match=message):
        for key in KEYS:
            dataset.scene(key)


def test_candidates_are_drawn_uniformly_from_those_that_are_left(root: Path) -> None:
    truncate(root / "train_rain1.flac")
    records = [NoiseRecord(root / f"train_rain{take}.flac", "rain", "train") for take in range(3)]
    reader = skipping()
    with pytest.warns(UserWarning):
        drawn = [draw_recording(records, reader, np.random.default_rng(seed), "")[0] for seed in range(600)]
    counts = [drawn.count(record) for record in records]
    assert counts[1] == 0
    assert min(counts[0], counts[2]) > 250


@pytest.mark.parametrize("damage", ["empty", "not finite", "text"])
def test_other_damage_is_met_in_the_same_way(root: Path, damage: str) -> None:
    path = root / "train_rain0.flac"
    if damage == "text":
        path.write_text("not audio")
    else:
        samples = np.zeros(0) if damage == "empty" else np.array([0.1, np.nan])
        soundfile.write(path, samples, RATE, subtype="FLOAT", format="WAV")
    reader = skipping()
    with pytest.warns(UserWarning, match=r"train_rain0\.flac: "):
        assert reader.read_or_skip(path) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reader.read_or_skip(path) is None, "reported once"
    for _ in range(2):
        with pytest.raises(DamagedRecordingError, match=r"train_rain0\.flac: "):
            AudioReader(RATE, cache_mb=8).read_or_skip(path)


def data_of(root: Path, **arguments: Any) -> EnhancementDataModule:
    mixing = MixingSettings(segment_s=0.5, reverberation=Reverberation(0.5))
    defaults: dict[str, Any] = {
        "grid": GRID, "targets": [VoiceActivity(), Levels(), Labels()], "mixing": mixing, "batch_size": 4,
        "train_mixtures": 16, "num_workers": 0, "cache_mb": 8, "on_bad_recording": "skip",
    }  # fmt: skip
    return EnhancementDataModule(str(root), **{**defaults, **arguments})


@pytest.mark.filterwarnings("ignore:.*data.on_bad_recording")
def test_batches_with_damage_do_not_depend_on_the_number_of_workers(root: Path) -> None:
    for name in DAMAGED:
        truncate(root / name)
    (root / "train_wind0.flac").write_text("not audio")  # already its header tells
    batches = []
    for num_workers in (0, 2):
        data = data_of(root, num_workers=num_workers)
        data.prepare_data()
        data.setup("fit")
        batches.append([batch["noisy"] for batch in data.train_dataloader()])
    assert len(batches[0]) == 4
    assert all(one.equal(other) for one, other in zip(*batches, strict=True))


def test_bad_headers_stop_the_preparation_unless_skipped(root: Path) -> None:
    (root / "train_wind0.flac").write_text("not audio")
    with pytest.raises(CorpusError, match=r"train_wind0\.flac: not a readable audio file"):
        data_of(root, on_bad_recording="error").prepare_data()
    with pytest.warns(UserWarning, match=r"train_wind0\.flac: not a readable audio file .*; skipped"):
        data_of(root).prepare_data()
    soundfile.write(root / "train_wind0.flac", np.zeros((100, 2)), RATE)
    with pytest.raises(CorpusError, match="expected mono"):  # not damaged: listed by mistake
        data_of(root).prepare_data()


def test_pitch_is_not_tracked_in_damaged_recordings(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truncate(root / "train_F1.flac")
    tracked: list[str] = []
    pitch = Pitch(str(tmp_path / "pitch"))
    monkeypatch.setattr(pitch.cache, "compute", lambda path, reader, grid: tracked.append(path.name))
    with pytest.raises(CorpusError, match=r"train_F1\.flac"):
        pitch.prepare(read_corpus(root), ("train",), AudioReader(RATE, cache_mb=8), GRID)
    tracked.clear()
    with pytest.warns(UserWarning, match=r"train_F1\.flac"):
        pitch.prepare(read_corpus(root), ("train",), skipping(), GRID)
    assert sorted(tracked) == ["train_F0.flac", "train_F2.flac", "train_M0.flac", "train_M1.flac", "train_M2.flac"]


def test_an_unknown_policy_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match=r"data\.on_bad_recording must be error or skip, got 'zeros'"):
        data_of(root, on_bad_recording="zeros")


# --- room responses ---------------------------------------------------------------------------------------------------


def test_room_responses_are_only_needed_where_they_are_drawn(root: Path) -> None:
    (root / "rir.csv").unlink()
    data_of(root, mixing=MixingSettings(segment_s=0.5, reverberation=Reverberation(0.0))).prepare_data()
    with pytest.raises(
        CorpusError, match=r"rir\.csv: no such manifest; data\.mixing\.reverberation\.probability .* path, seconds"
    ):
        data_of(root).prepare_data()


def test_room_responses_are_checked_like_other_recordings(root: Path) -> None:
    soundfile.write(root / "room2.flac", np.zeros((100, 2)), RATE)
    with pytest.raises(CorpusError, match=r"room2\.flac: expected mono"):
        data_of(root).prepare_data()
    soundfile.write(root / "room2.flac", np.zeros(100), RATE)
    with pytest.raises(CorpusError, match=r"room2\.flac: the room response is silent"):
        for key in KEYS:
            dataset_of(root, AudioReader(RATE, cache_mb=8)).scene(key)


def test_room_responses_may_have_splits(root: Path) -> None:
    assert {room.split for room in read_corpus(root, responses=True).responses} == {None}
    rows = "path,seconds,split\nroom0.flac,0.25,train\nroom1.flac,0.25,valid\nroom2.flac,0.25,train\n"
    (root / "rir.csv").write_text(rows)
    corpus = read_corpus(root, ("train", "valid"), responses=True)
    assert [room.path.name for room in corpus.responses_of("train")] == ["room0.flac", "room2.flac"]
    assert [room.path.name for room in corpus.responses_of("valid")] == ["room1.flac"]
    assert read_corpus(root).responses == ()
    with pytest.raises(CorpusError, match=r"rir\.csv: split 'test' has no room response"):
        read_corpus(root, ("train", "test"), responses=True)
    (root / "rir.csv").write_text(rows.replace("valid", "dev"))
    with pytest.raises(CorpusError, match=r"rir\.csv, line 3: column 'split' must be one of train.*got 'dev'"):
        read_corpus(root, responses=True)
