"""The generated corpus: reproducible, complete, atomic, and true to what it says about itself."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from datamodules import synthetic
from datamodules.corpus import read_corpus
from datamodules.mixing import frame_power, power_db
from datamodules.synthetic import SyntheticCorpus, generate, truth_path
from datamodules.synthetic_noise import NOISE_CATEGORIES, make_noise
from networks.framing import FrameGrid

GRID = FrameGrid()
SMALL = SyntheticCorpus(
    seed=3,
    speakers_train=2,
    speakers_valid=2,
    speakers_test=2,
    utterances_per_speaker=1,
    utterance_s=3.0,
    noise_train=1,
    noise_valid=1,
    noise_test=1,
    noise_s=1.0,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(SMALL, tmp_path_factory.mktemp("synthetic") / "corpus", GRID, progress=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


def test_the_corpus_is_a_function_of_its_settings(root: Path, tmp_path: Path) -> None:
    again = generate(SMALL, tmp_path / "again", GRID, progress=False)
    audio = {name: data for name, data in contents(root).items() if name.endswith((".flac", ".csv"))}
    assert audio == {name: contents(again)[name] for name in audio}
    other = generate(replace(SMALL, seed=4), tmp_path / "other", GRID, progress=False)
    first = "speech/train_f00/00.flac"
    assert contents(other)[first] != contents(root)[first]


def test_every_split_has_both_sexes_every_category_and_its_own_speakers(root: Path) -> None:
    corpus = read_corpus(root)
    assert corpus.categories == tuple(sorted(NOISE_CATEGORIES))
    for split in ("train", "valid", "test"):
        assert {record.sex for record in corpus.speech_of(split)} == {"F", "M"}
        assert {record.category for record in corpus.noise_of(split)} == set(NOISE_CATEGORIES)
    assert len(corpus.speakers) == 6


def test_a_second_call_writes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "_write", lambda *_: pytest.fail("written again"))
    assert generate(SMALL, root, GRID, progress=False) == root


def test_a_stopped_call_leaves_nothing_and_the_next_one_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(synthetic, "_write_noise", stop)
        with pytest.raises(KeyboardInterrupt):
            generate(SMALL, tmp_path / "corpus", GRID, progress=False)
    assert list(tmp_path.iterdir()) == []
    read_corpus(generate(SMALL, tmp_path / "corpus", GRID, progress=False))
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_damaged_folder_and_other_settings_are_made_anew(tmp_path: Path) -> None:
    root = generate(SMALL, tmp_path / "corpus", GRID, progress=False)
    missing = root / "speech" / "train_f00" / "00.flac"
    missing.unlink()
    generate(SMALL, root, GRID, progress=False)
    assert missing.is_file()
    generate(replace(SMALL, utterances_per_speaker=2), root, GRID, progress=False)
    assert (missing.parent / "01.flac").is_file()


def test_a_folder_that_was_not_generated_is_kept(tmp_path: Path) -> None:
    (tmp_path / "speech.csv").write_text("mine")
    with pytest.raises(ValueError, match=r"data\.root.*was not generated"):
        generate(SMALL, tmp_path, GRID, progress=False)
    assert (tmp_path / "speech.csv").read_text() == "mine"


@pytest.mark.parametrize(("name", "value"), [("speakers_valid", 1), ("noise_train", 0), ("utterance_s", 0.5)])
def test_settings_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"data\.synthetic\.{name} must be at least"):
        replace(SMALL, **{name: value})  # type: ignore[arg-type]


def measured_f0(waveform: np.ndarray, center: int, expected_hz: float) -> float:
    """Measure F0 by the peak of the normalised correlation within 12 % of what is expected, 8 times oversampled."""
    oversampling = 8
    period = 16000 / expected_hz
    half = int(1.1 * period)
    span = waveform[center - half - int(1.2 * period) : center + half + int(1.2 * period)]
    fine = resample_poly(span, oversampling, 1)
    middle, half = len(fine) // 2, half * oversampling
    lags = np.arange(int(0.88 * period * oversampling), int(1.12 * period * oversampling))
    scores = []
    for lag in lags:
        left = fine[middle - half - lag // 2 : middle + half - lag // 2]
        right = fine[middle - half - lag // 2 + lag : middle + half - lag // 2 + lag]
        scores.append(np.dot(left, right) / np.sqrt(np.dot(left, left) * np.dot(right, right)))
    return 16000 * oversampling / float(lags[int(np.argmax(scores))])


def test_f0_truth_is_what_the_waveform_has_and_not_a_frame_later(root: Path) -> None:
    errors: dict[int, list[float]] = defaultdict(list)
    for record in read_corpus(root).speech:
        waveform, _ = soundfile.read(record.path)
        with np.load(truth_path(record.path)) as truth:
            f0_hz, voicing = truth["f0_hz"], truth["voicing"]
        assert np.isfinite(f0_hz[voicing]).all() and np.isnan(f0_hz[~voicing]).all()
        moving = np.abs(1200 * np.diff(np.log2(f0_hz), prepend=np.nan)) > 25
        for frame in np.flatnonzero(moving)[5:-5]:
            if not voicing[frame - 3 : frame + 4].all():
                continue
            measured = measured_f0(waveform, GRID.center(int(frame)), float(f0_hz[frame]))
            for shift in (-1, 0, 1):
                errors[shift].append(abs(1200 * np.log2(measured / f0_hz[frame + shift])))
    assert len(errors[0]) >= 20
    assert np.median(errors[0]) < 10
    assert np.median(errors[-1]) > 20 and np.median(errors[1]) > 20


def test_activity_truth_agrees_with_the_energy(root: Path) -> None:
    agreement = []
    for record in read_corpus(root).speech:
        waveform, _ = soundfile.read(record.path, dtype="float32")
        level_db = power_db(frame_power(waveform, GRID))
        with np.load(truth_path(record.path)) as truth:
            activity = truth["activity"]
            assert not (truth["voicing"] & ~activity).any()
        agreement.append(np.mean((level_db > level_db.max() - 35) == activity))
        assert 0.6 < activity.mean() < 0.95
    assert np.mean(agreement) > 0.9


def describe(noise: np.ndarray) -> np.ndarray:
    """Describe a recording by its mean log spectrum in bands and by how that moves."""
    frames = np.lib.stride_tricks.sliding_window_view(noise, 512)[::256] * np.hanning(512)
    bands = np.log(np.abs(np.fft.rfft(frames))[:, 1:].reshape(len(frames), 16, 16).mean(2) + 1e-5)
    return np.concatenate([bands.mean(0) - bands.mean(), bands.std(0), np.abs(np.diff(bands, axis=0)).mean(0)])


def test_categories_can_be_told_apart_on_unseen_recordings() -> None:
    known = {
        category: np.mean(
            [describe(make_noise(category, 48000, 16000, np.random.default_rng(take))) for take in range(6)], axis=0
        )
        for category in NOISE_CATEGORIES
    }
    spread = np.std(list(known.values()), axis=0)
    right = 0
    for number, category in enumerate(NOISE_CATEGORIES):
        for take in range(3):
            unseen = describe(make_noise(category, 48000, 16000, np.random.default_rng((100, number, take))))
            nearest = min(known, key=lambda name: float(np.sum(((known[name] - unseen) / spread) ** 2)))
            right += nearest == category
    assert right / (3 * len(NOISE_CATEGORIES)) > 0.7
