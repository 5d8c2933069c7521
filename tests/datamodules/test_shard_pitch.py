"""Pitch tracks of a corpus in shards: stored beside the recordings, or computed where they are needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.enhancement_data import EnhancementDataModule
from datamodules.shards import writer
from datamodules.shards.archive import CorpusLocation
from datamodules.shards.settings import ShardSettings
from datamodules.targets import Pitch, VoiceActivity, pitch
from tests.datamodules.small_corpus import data_of, write_sharded
from tests.datamodules.test_pitch_cache import Tracker


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> Tracker:
    """Stands for CREPE, in the writer and in the target."""
    tracker = Tracker()
    monkeypatch.setattr(pitch, "track_pitch", tracker)
    monkeypatch.setattr(writer, "track_pitch", tracker)
    return tracker


def with_pitch(root: Path | str, cache: Path, **arguments: Any) -> EnhancementDataModule:
    return data_of(root, targets=[VoiceActivity(0), Pitch(str(cache), **arguments)], valid_mixtures=1, probe_mixtures=1)


def targets_of(data: EnhancementDataModule) -> list[dict[str, np.ndarray]]:
    data.setup("fit")
    return [{name: value.numpy() for name, value in batch["targets"].items()} for batch in data.train_dataloader()]


def assert_equal(first: list[dict[str, np.ndarray]], second: list[dict[str, np.ndarray]]) -> None:
    assert len(first) == len(second) > 1
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one["f0_hz"], other["f0_hz"])
        assert np.isfinite(one["f0_hz"]).any()


def test_stored_tracks_are_used_and_nothing_is_computed(tmp_path: Path, tracker: Tracker) -> None:
    root = write_sharded(tmp_path, pitch="tiny")
    assert tracker.calls == 24, "every clean recording, and no noise"
    stored = with_pitch(root, tmp_path / "unused")
    stored.prepare_data()
    found = targets_of(stored)
    assert tracker.calls == 24
    assert not (tmp_path / "unused").exists()
    header = (root / "noise.csv").read_text().splitlines()[0]
    assert "pitch" not in header

    plain = write_sharded(tmp_path / "plain")
    computed = with_pitch(plain, tmp_path / "cache")
    with pytest.warns(UserWarning, match=r"shards without pitch tracks of 'crepe-tiny 60-500 Hz .*--pitch"):
        computed.prepare_data()
    assert tracker.calls == 24, "an archive may be larger than the disk: nothing is computed ahead"
    assert_equal(targets_of(computed), found)
    needed = tracker.calls - 24
    assert 0 < needed <= 8
    assert len(list((tmp_path / "cache").iterdir())) == needed
    assert_equal(targets_of(with_pitch(plain, tmp_path / "cache")), found)
    assert tracker.calls == 24 + needed, "kept on disk"


@pytest.mark.parametrize("other", [{"model": "full"}, {"f0_range_hz": (50.0, 400.0)}])
def test_tracks_of_other_settings_are_not_used(tmp_path: Path, tracker: Tracker, other: dict[str, Any]) -> None:
    root = write_sharded(tmp_path, pitch="tiny")
    data = with_pitch(root, tmp_path / "cache", **other)
    with pytest.warns(UserWarning, match="shards without pitch tracks"):
        data.prepare_data()
    targets_of(data)
    assert tracker.calls > 24


def test_a_stored_track_is_the_one_that_crepe_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real tracker on one recording, through the tar and back."""
    tracks: list[pitch.PitchTrack] = []

    def first_only(*arguments: Any) -> pitch.PitchTrack:
        if not tracks:
            tracks.append(pitch.track_pitch(*arguments))
        return tracks[0]

    monkeypatch.setattr(writer, "track_pitch", first_only)
    root = write_sharded(tmp_path, pitch="tiny")
    archive = CorpusLocation(str(root), ShardSettings()).archive()
    assert archive is not None
    path = next(path for path in archive._members if path.parent.name == "speech-train-000000.tar")
    target = Pitch(str(tmp_path / "cache"))
    data = data_of(root)
    data.setup("fit")
    target.attach(data.reader)
    track = target.cache.load(path, data.grid)
    assert track is not None
    np.testing.assert_array_equal(track, tracks[0])
    assert len(track.f0_hz) == 1 + len(data.reader.read(path)) // 256
