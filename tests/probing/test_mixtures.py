"""What probes are fitted and scored on: disjoint speakers, recordings and segments; features row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from datamodules.augmentation import Clipping
from datamodules.background import draw_noise
from datamodules.corpus import NoiseRecord
from datamodules.mixing_settings import MixingSettings
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.stft import Stft
from probes.features import mask_features
from probing.collection import collect, strided_rows
from probing.features import FEATURE_SETS, MASKS, UNTRAINED, FeatureExtractor, untrained_twin
from probing.mixtures import KNOWN_STREAM, MixtureCounts, study_corpora, study_loaders
from tests.datamodules.small_corpus import data_of, write_corpus

COUNTS = MixtureCounts(fit=6, score=4, known=5)
GRID = FrameGrid()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def network(seed: int) -> ConvFSENet:
    torch.manual_seed(seed)
    return ConvFSENet(residual_channels=8, channels=12, stacks=1).eval()


def test_parts_share_no_speaker_and_no_segment(root: Path) -> None:
    data = data_of(root)
    corpora = study_corpora(data.read_without_trainer("test"), data.reader, "test", 0.7)
    noise = {part: corpus.noise_of(split) for part, (corpus, split) in corpora.items()}
    speakers = {part: {r.speaker for r in corpus.speech_of(split)} for part, (corpus, split) in corpora.items()}
    assert {record.part for record in noise["fit"]} == {(0.0, 0.7)}
    assert {record.part for record in noise["known"]} == {(0.7, 1.0)}
    assert {record.path for record in noise["fit"]} == {record.path for record in noise["known"]}
    assert {record.path for record in noise["fit"]}.isdisjoint(record.path for record in noise["score"])
    assert speakers["fit"].isdisjoint(speakers["score"])
    assert speakers["known"] == speakers["score"]


@pytest.mark.parametrize(
    ("part", "low", "high"), [((0.0, 0.7), 0.0, 0.7), ((0.7, 1.0), 0.7, 1.0), ((0.0, 1.0), 0.0, 1.0)]
)
def test_only_a_part_of_a_recording_is_drawn_from(
    tmp_path: Path, part: tuple[float, float], low: float, high: float
) -> None:
    """The recording tells its own time: its samples rise from 0 to 1."""
    path = tmp_path / "ramp.wav"
    soundfile.write(path, np.linspace(0, 0.999, 16000), 16000, subtype="FLOAT")
    reader = data_of(tmp_path).reader
    rng = np.random.default_rng(0)
    drawn = [draw_noise([NoiseRecord(path, "hum", "train", part)], reader, GRID, 1000, rng)[1] for _ in range(50)]
    assert min(noise.min() for noise in drawn) >= low - 1e-3
    assert max(noise.max() for noise in drawn) <= high + 1e-3
    assert np.ptp([noise.mean() for noise in drawn]) > 0.5 * (high - low - 1000 / 16000)


def test_recordings_that_fall_silent_are_left_out(tmp_path: Path) -> None:
    root = write_corpus(tmp_path)
    path = root / "train_rain_1.flac"
    samples, rate = soundfile.read(path)
    samples[int(0.6 * len(samples)) :] = 0.0
    soundfile.write(path, samples, rate)
    data = data_of(root)
    corpora = study_corpora(data.read_without_trainer("test"), data.reader, "test", 0.7)
    for part, split in (("fit", "train"), ("known", "test")):
        names = {record.path.name for record in corpora[part][0].noise_of(split)}
        assert path.name not in names
        assert "train_rain_0.flac" in names


@pytest.mark.parametrize("augmented", [False, True])
def test_scored_mixtures_are_those_of_a_test(root: Path, augmented: bool) -> None:
    clipped = MixingSettings(segment_s=0.5, clipping=Clipping(probability=1.0, overdrive_db=(20.0, 20.0)))
    settings: dict[str, Any] = {"mixing": clipped, "augment_held_out": augmented}
    loaders = study_loaders(data_of(root, **settings), "test", COUNTS, 0.7)
    expected = data_of(root, **(settings if augmented else {}))
    expected.read_without_trainer("test")
    dataset = expected.dataset("test", stream=2)
    mixtures = [item for batch in loaders["score"] for item in batch["noisy"]]
    keys = list(loaders["score"].sampler)
    assert len(mixtures) == COUNTS.score
    for mixture, key in zip(mixtures, keys, strict=True):
        assert np.array_equal(mixture.numpy(), dataset[key]["noisy"])
    assert KNOWN_STREAM not in (0, 1, 2)
    (known,) = {tuple(batch["targets"]) for batch in loaders["known"]}
    assert known == ("noise_class", "speaker_sex", "speaker")


def test_an_unknown_split_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="valid or test, got 'train'"):
        study_loaders(data_of(root), "train", COUNTS, 0.7)


def test_rows_are_frames_of_mixtures_with_their_targets(root: Path) -> None:
    loaders = study_loaders(data_of(root), "test", COUNTS, 0.7)
    trained, stft = network(0), Stft(GRID)
    batches = list(loaders["fit"])
    noisy = torch.cat([batch["noisy"] for batch in batches])
    twin = untrained_twin(network(1), trained, stft, noisy)
    extract = FeatureExtractor(trained, twin, stft)
    advanced: list[int] = []
    fit = collect("fit", batches, extract, FEATURE_SETS, 4, 2, advanced.append)
    frames = GRID.num_frames(noisy.shape[1])
    assert sum(advanced) == COUNTS.fit
    assert set(fit.rows) == set(FEATURE_SETS)
    masks = fit.rows[MASKS]
    assert np.array_equal(masks.features, mask_features(trained(stft.analyze(noisy)).channel_masks))
    assert np.array_equal(masks.utterances, np.repeat(np.arange(COUNTS.fit), frames))
    vad = torch.cat([batch["targets"]["vad"] for batch in batches]).numpy()
    assert np.array_equal(masks.targets["vad"], vad.reshape(-1))
    thinned = strided_rows(masks, 4)
    assert np.array_equal(thinned.features, masks.features[::4])
    for name in set(FEATURE_SETS) - {MASKS}:
        assert np.array_equal(fit.rows[name].utterances, thinned.utterances), name
        assert np.array_equal(fit.rows[name].targets["vad"], thinned.targets["vad"]), name
    assert len(fit.signals) == 2
    assert np.array_equal(fit.signals[1].noisy, noisy[1].numpy())
    assert np.array_equal(fit.signals[1].targets["vad"], vad[1])
    speakers = [name for batch in batches for name in batch["mixture"]["speaker"]]
    assert [info.speaker for info in fit.mixtures] == speakers


def test_gate_logits_decide_the_masks_and_masks_switch_the_activations(root: Path) -> None:
    loaders = study_loaders(data_of(root), "test", COUNTS, 0.7)
    trained = network(0)
    extract = FeatureExtractor(trained, None, Stft(GRID))
    score = collect("score", loaders["score"], extract, FEATURE_SETS, 4, 0, lambda _: None)
    masks = score.rows[MASKS].features
    threshold = float(trained.gates[0].threshold)
    assert np.array_equal(score.rows["gate_logits"].features > threshold, masks)
    assert not score.rows["masked_activations"].features[~masks].any()
    assert UNTRAINED not in score.rows


def test_an_untrained_twin_has_the_utilization_that_its_threshold_is_for(root: Path) -> None:
    loaders = study_loaders(data_of(root), "test", MixtureCounts(fit=24, score=2, known=2), 0.7)
    stft, trained = Stft(GRID), network(0)
    noisy = torch.cat([batch["noisy"] for batch in loaders["fit"]])
    twin = untrained_twin(network(1), trained, stft, noisy)
    again = untrained_twin(network(1), trained, stft, noisy)
    with torch.no_grad():
        spectrum = stft.analyze(noisy)
        masks = twin(spectrum).channel_masks
        assert torch.equal(masks, again(spectrum).channel_masks)
        assert not torch.equal(masks, trained(spectrum).channel_masks)
    assert 0.1 < masks.mean() < 0.4  # a target of 0.25
    assert not twin.training
