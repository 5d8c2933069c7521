"""The cache of pitch tracks: computed once, keyed by all that matters, and repaired when damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from datamodules.audio import AudioReader
from datamodules.corpus import Corpus, SpeechRecord
from datamodules.mixing import Mixture, Waveform
from datamodules.scene import Excerpt, Scene
from datamodules.targets import Pitch, pitch
from datamodules.targets.pitch import PitchTrack
from networks.framing import FrameGrid

GRID = FrameGrid()
HOP = GRID.hop_length


class Tracker:
    """Stands for CREPE: cheap, deterministic, and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(
        self, clean: Waveform, hop_length: int, model: str, f0_range_hz: tuple[float, float], batch_size: int
    ) -> PitchTrack:
        self.calls += 1
        num_frames = 1 + len(clean) // hop_length
        f0_hz = 100 + np.abs(clean[: num_frames - 1]).sum() + np.arange(num_frames)
        return PitchTrack(f0_hz.astype(np.float32), np.full(num_frames, 0.9, dtype=np.float32))


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> Tracker:
    tracker = Tracker()
    monkeypatch.setattr(pitch, "track_pitch", tracker)
    return tracker


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    rng = np.random.default_rng(0)
    records = []
    for name, split in (("a", "train"), ("b", "train"), ("c", "valid"), ("d", "test")):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, rng.standard_normal(3000) * 0.1, 16000)
        records.append(SpeechRecord(path, name, "F", split))
    return Corpus(tuple(records), (), (), ("a", "b", "c", "d"))


def prepare(
    target: Pitch, corpus: Corpus, splits: tuple[str, ...] = ("train", "valid"), grid: FrameGrid = GRID
) -> None:
    target.prepare(corpus, splits, AudioReader(grid.sample_rate, 4), grid)


def entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def compute(target: Pitch, recording: Path) -> np.ndarray:
    """Return F0 of the first ten frames of a recording."""
    silence = np.zeros(10 * HOP, dtype=np.float32)
    scene = Scene(
        GRID,
        Mixture(silence, silence, silence),
        (Excerpt(recording, 0, 0, 10 * HOP),),
        0.0,
        SpeechRecord(recording, "a", "F", "train"),
        None,  # type: ignore[arg-type]
    )
    return target.compute(scene, Corpus((), (), (), ()), {"vad": np.ones(11, dtype=np.float32)})["f0_hz"][:10]


def test_tracks_are_computed_once_for_the_splits_asked_for(tmp_path: Path, corpus: Corpus, tracker: Tracker) -> None:
    folder = tmp_path / "deep" / "cache"
    first = Pitch(str(folder))
    assert entries(folder) == [], "nothing is written by the constructor"
    prepare(first, corpus)
    assert tracker.calls == 3
    assert len(entries(folder)) == 3
    for target in (first, Pitch(str(folder))):
        prepare(target, corpus)
    assert tracker.calls == 3, "nothing is computed twice"
    prepare(Pitch(str(folder)), corpus, ("train", "test"))
    assert tracker.calls == 4, "only the test recording was missing"


def test_targets_come_from_the_disk_as_they_were_computed(tmp_path: Path, corpus: Corpus, tracker: Tracker) -> None:
    prepare(Pitch(str(tmp_path / "cache")), corpus)
    later = Pitch(str(tmp_path / "cache"))
    for record in corpus.speech[:3]:
        clean = AudioReader(16000, 4).read(record.path)
        expected = Tracker()(clean, HOP, "tiny", (60.0, 500.0), 64).f0_hz[:10]
        np.testing.assert_array_equal(compute(later, record.path), expected)
    assert tracker.calls == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "full"},
        {"f0_range_hz": (50.0, 500.0)},
        {"f0_range_hz": (60.0, 400.0)},
    ],
)
def test_settings_that_change_the_track_change_the_entry(
    tmp_path: Path, corpus: Corpus, tracker: Tracker, changed: dict[str, Any]
) -> None:
    prepare(Pitch(str(tmp_path / "cache")), corpus)
    prepare(Pitch(str(tmp_path / "cache"), **changed), corpus)
    assert tracker.calls == 6
    assert len(entries(tmp_path / "cache")) == 6


def test_another_hop_or_format_changes_the_entry(
    tmp_path: Path, corpus: Corpus, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(Pitch(str(tmp_path / "cache")), corpus)
    prepare(Pitch(str(tmp_path / "cache")), corpus, grid=FrameGrid(16000, 512, 128))
    monkeypatch.setattr(pitch, "FORMAT_VERSION", pitch.FORMAT_VERSION + 1)
    prepare(Pitch(str(tmp_path / "cache")), corpus)
    assert tracker.calls == 9


@pytest.mark.parametrize("free", [{"periodicity_threshold": 0.7}, {"batch_size": 7}])
def test_settings_that_do_not_change_the_track_share_the_entry(
    tmp_path: Path, corpus: Corpus, tracker: Tracker, free: dict[str, Any]
) -> None:
    prepare(Pitch(str(tmp_path / "cache")), corpus)
    prepare(Pitch(str(tmp_path / "cache"), **free), corpus)
    assert tracker.calls == 3


def test_entries_follow_the_content_not_the_name(tmp_path: Path, corpus: Corpus, tracker: Tracker) -> None:
    prepare(Pitch(str(tmp_path / "cache")), corpus)
    a, b = corpus.speech[0].path, corpus.speech[1].path
    before = compute(Pitch(str(tmp_path / "cache")), a)
    a.rename(tmp_path / "kept.wav")
    b.rename(a)
    (tmp_path / "kept.wav").rename(b)
    prepare(Pitch(str(tmp_path / "cache")), corpus)
    assert tracker.calls == 3, "swapped recordings are known"
    np.testing.assert_array_equal(compute(Pitch(str(tmp_path / "cache")), b), before)
    soundfile.write(a, np.full(3000, 0.2), 16000)
    prepare(Pitch(str(tmp_path / "cache")), corpus)
    assert tracker.calls == 4, "a changed recording is tracked again"
    assert (compute(Pitch(str(tmp_path / "cache")), a) != before).all()


def flip(position: int) -> Callable[[bytes], bytes]:
    return lambda content: content[:position] + bytes([content[position] ^ 0x41]) + content[position + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "text": lambda content: b"not a track" * 100,
    "zeros": lambda content: bytes(len(content)),
    "one byte missing": lambda content: content[:-1],
    "half": lambda content: content[: len(content) // 2],
    "few bytes": lambda content: content[:10],
    "pickle": lambda content: b"\x80\x04K\x01.",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_entry_is_computed_again(
    tmp_path: Path, corpus: Corpus, tracker: Tracker, damage: Callable[[bytes], bytes]
) -> None:
    prepare(Pitch(str(tmp_path / "cache")), corpus)
    victim = entries(tmp_path / "cache")[0]
    good = victim.read_bytes()
    victim.write_bytes(damage(good))
    prepare(Pitch(str(tmp_path / "cache")), corpus)
    assert tracker.calls == 4
    with np.load(victim) as stored:
        assert stored["f0_hz"].shape == stored["periodicity"].shape == (12,)
    prepare(Pitch(str(tmp_path / "cache")), corpus)
    assert tracker.calls == 4


def test_no_flipped_byte_breaks_the_cache_or_changes_a_track(tmp_path: Path, corpus: Corpus, tracker: Tracker) -> None:
    path = corpus.speech[0].path
    prepare(Pitch(str(tmp_path / "cache")), corpus)
    good = Pitch(str(tmp_path / "cache")).cache.load(path, GRID)
    entry = Pitch(str(tmp_path / "cache")).cache.entry(path, GRID)
    content = entry.read_bytes()
    assert good is not None
    positions, rejected = range(0, len(content), 3), 0
    for position in positions:
        entry.write_bytes(flip(position)(content))
        track = Pitch(str(tmp_path / "cache")).cache.load(path, GRID)
        rejected += track is None
        if track is not None:  # a time stamp or the like
            np.testing.assert_array_equal(track, good)
    assert rejected > len(positions) / 2


@pytest.mark.parametrize("interruption", [OSError("disk full"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_nothing_behind(
    tmp_path: Path, corpus: Corpus, tracker: Tracker, monkeypatch: pytest.MonkeyPatch, interruption: BaseException
) -> None:
    def failing(file: Any, **arrays: np.ndarray) -> None:
        file.write(b"PK partial")
        raise interruption

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", failing)
        with pytest.raises(type(interruption)):
            prepare(Pitch(str(tmp_path / "cache")), corpus)
    assert entries(tmp_path / "cache") == []
    prepare(Pitch(str(tmp_path / "cache")), corpus)
    assert len(entries(tmp_path / "cache")) == 3
    assert {path.suffix for path in entries(tmp_path / "cache")} == {".npz"}


def test_an_interrupted_preparation_goes_on_where_it_stopped(
    tmp_path: Path, corpus: Corpus, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops(*arguments: Any) -> PitchTrack:
        if tracker.calls == 2:
            raise KeyboardInterrupt
        return tracker(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(pitch, "track_pitch", stops)
        with pytest.raises(KeyboardInterrupt):
            prepare(Pitch(str(tmp_path / "cache")), corpus)
    assert len(entries(tmp_path / "cache")) == 2
    prepare(Pitch(str(tmp_path / "cache")), corpus)
    assert tracker.calls == 3


def test_a_missing_track_is_named(tmp_path: Path, corpus: Corpus, tracker: Tracker) -> None:
    with pytest.raises(RuntimeError, match=r"a\.wav: no pitch track in .*cache; call prepare_data of the datamodule"):
        compute(Pitch(str(tmp_path / "cache")), corpus.speech[0].path)
    assert tracker.calls == 0


def test_a_rate_that_crepe_does_not_know_is_refused(tmp_path: Path, corpus: Corpus, tracker: Tracker) -> None:
    with pytest.raises(ValueError, match=r"Pitch needs data\.grid\.sample_rate 16000 Hz, got 8000"):
        prepare(Pitch(str(tmp_path / "cache")), corpus, grid=FrameGrid(8000, 256, 128))


def test_decoding_is_deterministic_and_its_batches_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    clean = (np.sign(np.sin(np.arange(4096) * 0.06)) * 0.1 + 0.01 * rng.standard_normal(4096)).astype(np.float32)
    given = clean.copy()
    tracks = []
    for seed, batch_size in ((0, 64), (1, 64), (2, 7)):
        np.random.seed(seed)
        torch.manual_seed(seed)
        tracks.append(pitch.track_pitch(clean, HOP, "tiny", (60.0, 500.0), batch_size))
    np.testing.assert_array_equal(tracks[0], tracks[1])
    np.testing.assert_allclose(tracks[0], tracks[2], rtol=1e-4)
    np.testing.assert_array_equal(clean, given)
