"""Quality of the noisy input: against the packages' own calls, in the splits that carry it, and where it is unknown."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pystoi
import pytest

from datamodules.audio import AudioReader
from datamodules.corpus import Corpus, NoiseRecord, SpeechRecord
from datamodules.enhancement_data import HELD_OUT_STREAM, TRAIN_STREAM, EnhancementDataModule
from datamodules.mixing import Mixture, mix
from datamodules.sampler import ItemKey
from datamodules.scene import MixingSettings, Scene
from datamodules.synthetic import SyntheticCorpus
from datamodules.synthetic_speech import draw_voice, synthesize_utterance
from datamodules.targets import Quality, VoiceActivity
from datamodules.targets.base import Target, check_order
from networks.framing import FrameGrid

GRID = FrameGrid()
CORPUS = Corpus((), (), ("rain",), ("anna",))


def scene_of(snr_db: float) -> Scene:
    rng = np.random.default_rng(0)
    clean = synthesize_utterance(draw_voice("F", rng), 3 * 16000, 16000, rng).waveform
    mixture = mix(clean, rng.standard_normal(len(clean)).astype(np.float32), snr_db, -26.0, GRID.hop_length)
    speech, noise = SpeechRecord(Path("s"), "anna", "F", "train"), NoiseRecord(Path("n"), "rain", "train")
    return Scene(GRID, mixture, (), snr_db, speech, noise)


def test_measures_are_those_of_the_packages_and_rise_with_the_snr() -> None:
    target = Quality(("stoi", "si_sdr_db"))
    assert target.names == ("stoi", "si_sdr_db")
    low, high = (target.compute(scene_of(snr_db), CORPUS, {}) for snr_db in (-5.0, 15.0))
    mixture = scene_of(15.0).mixture
    assert high["stoi"] == pytest.approx(pystoi.stoi(mixture.clean, mixture.noisy, 16000), abs=1e-4)
    clean = mixture.clean - mixture.clean.mean(dtype=np.float64)
    noisy = mixture.noisy - mixture.noisy.mean(dtype=np.float64)
    scaled = clean * (clean @ noisy) / (clean @ clean)
    expected = 10 * np.log10(np.sum(scaled**2) / np.sum((noisy - scaled) ** 2))
    assert high["si_sdr_db"] == pytest.approx(expected, abs=0.05)
    assert high["stoi"] > low["stoi"] + 0.1
    assert high["si_sdr_db"] > low["si_sdr_db"] + 15
    assert all(value.shape == () and value.dtype == np.float32 for value in high.values())


def test_pesq_is_that_of_its_package() -> None:
    pesq = pytest.importorskip("pesq", reason="pesq needs a compiler")
    mixture = scene_of(10.0).mixture
    measured = Quality(("pesq_wb",)).compute(scene_of(10.0), CORPUS, {})["pesq_wb"]
    assert measured == pytest.approx(pesq.pesq(16000, mixture.clean, mixture.noisy, "wb"), abs=1e-3)


def test_a_silent_reference_is_unknown() -> None:
    scene = scene_of(0.0)
    silent = np.zeros_like(scene.mixture.clean)
    scene = Scene(GRID, Mixture(scene.mixture.noise, silent, scene.mixture.noise), (), 0.0, scene.speech, scene.noise)
    assert math.isnan(Quality(("si_sdr_db",)).compute(scene, CORPUS, {})["si_sdr_db"])


def test_a_measure_without_its_package_is_unknown_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pesq" else found(name))
    target = Quality(("pesq_wb", "stoi"))
    with pytest.warns(UserWarning, match="'pesq_wb' is unknown, the package pesq is not installed"):
        target.prepare(CORPUS, ("train",), AudioReader(16000, 1), GRID)
    measured = target.compute(scene_of(5.0), CORPUS, {})
    assert math.isnan(measured["pesq_wb"])
    assert 0 < measured["stoi"] < 1


@pytest.mark.parametrize("measures", [(), ("stoi", "stoi"), ("pesq",)])
def test_unknown_measures_are_refused(measures: Sequence[str]) -> None:
    with pytest.raises(ValueError, match=r"Quality\.measures must be distinct names out of .*pesq_wb"):
        Quality(measures)


def test_a_rate_that_pesq_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Quality needs data\.grid\.sample_rate in \[8000, 16000\] Hz, got 48000"):
        Quality(("pesq_wb",)).prepare(CORPUS, ("train",), AudioReader(48000, 1), FrameGrid(48000, 1536, 768))


@pytest.mark.parametrize("in_training", [False, True])
def test_training_mixtures_carry_it_only_if_asked(tmp_path: Path, in_training: bool) -> None:
    data = EnhancementDataModule(
        str(tmp_path),
        grid=GRID,
        targets=[Quality(("si_sdr_db",), in_training), VoiceActivity()],
        mixing=MixingSettings(segment_s=1.0, pause_s=(0.0, 0.1)),
        synthetic=SyntheticCorpus(
            speakers_train=2, speakers_valid=2, speakers_test=2, utterances_per_speaker=1, utterance_s=1.5,
            noise_train=1, noise_valid=1, noise_test=1, noise_s=1.5,
        ),
    )  # fmt: skip
    data.prepare_data()
    data.setup("fit")
    training = data.dataset("train", TRAIN_STREAM)[ItemKey(0, 0)]["targets"]
    held_out = data.dataset("valid", HELD_OUT_STREAM)[ItemKey(0, 0)]["targets"]
    assert set(training) == ({"vad", "si_sdr_db"} if in_training else {"vad"})
    assert set(held_out) == {"vad", "si_sdr_db"}
    assert np.isfinite(held_out["si_sdr_db"])


def test_a_training_target_cannot_need_one_that_training_lacks() -> None:
    class NeedsQuality(VoiceActivity):
        requires = ("si_sdr_db",)

    targets: list[Target] = [Quality(("si_sdr_db",)), NeedsQuality()]
    with pytest.raises(ValueError, match="NeedsQuality needs 'si_sdr_db', which training mixtures do not carry"):
        check_order(targets)
    check_order([Quality(("si_sdr_db",), in_training=True), NeedsQuality()])
