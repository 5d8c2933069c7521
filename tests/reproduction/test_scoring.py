"""Scores of outputs into which the truth, or nothing, is planted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from networks.framing import FrameGrid
from probing.collection import Collected, MixtureInfo
from probing.data import StudyData
from probing.settings import IntervalSettings, StudySettings
from reproduction.listening import Heard
from reproduction.scoring import Scoring
from reproduction.settings import ReproductionSettings
from streaming.properties import PropertySpec

UTTERANCES, FRAMES = 12, 20
CORPUS_CATEGORIES = ("babble", "music", "rain")
PROBE_CLASSES = ("rain", "babble")  # another order, and one fewer
SCHEMA = (
    PropertySpec("vad", "binary", "", (), 0.3, None, 0),
    PropertySpec("noise_class", "category", "", PROBE_CLASSES, 0.5, None, 1),
    PropertySpec("snr_db", "value", "dB", (), 0.5, None, 3),
    PropertySpec("f0_hz", "value", "Hz", (), 0.5, "log2", 4),
    PropertySpec("voicing", "binary", "", (), 0.5, None, 5),
    PropertySpec("pesq_wb", "value", "", (), 0.5, None, 6),  # has no target here
)


def heard(**outputs: Any) -> Heard:
    """Return what was heard, by probes that know everything unless told otherwise."""
    rng = np.random.default_rng(0)
    utterances = np.repeat(np.arange(UTTERANCES), FRAMES)
    vad = rng.integers(2, size=len(utterances)).astype(np.float32)
    snr_db = rng.normal(5, 6, len(utterances)).astype(np.float32)
    f0_hz = np.where(vad > 0, rng.uniform(80, 300, len(utterances)), np.nan).astype(np.float32)
    noise = np.repeat(np.arange(UTTERANCES) % 3, FRAMES).astype(np.float32)
    is_rain = (noise == 2).astype(float)
    known = {
        "vad": vad.astype(float),
        "noise_class": np.stack([is_rain, 1 - is_rain], axis=1),
        "snr_db": snr_db.astype(float),
        "f0_hz": np.where(vad > 0, f0_hz, 150.0).astype(float),
        "voicing": vad.astype(float),
        "pesq_wb": np.ones(len(utterances)),
    }
    targets = {"vad": vad, "voicing": vad, "snr_db": snr_db, "f0_hz": f0_hz, "noise_class": noise}
    mixtures = [MixtureInfo(f"s{i}", CORPUS_CATEGORIES[i % 3], f"n{i}", 0.0) for i in range(UTTERANCES)]
    return Heard({**known, **outputs}, targets, utterances, mixtures, np.zeros(4, dtype=np.int64))


def scores(one: Heard) -> dict[str, float]:
    tasks = {task.name: task for task in ReproductionSettings().tasks}
    study = StudySettings(intervals=IntervalSettings(resamples=20))
    collected = {part: Collected(mixtures=one.mixtures) for part in ("score", "known")}
    data = StudyData(study, collected, FrameGrid(), CORPUS_CATEGORIES, 1, 4)  # type: ignore[arg-type]
    found = Scoring(tasks, SCHEMA, data).all_scores({"score": one, "known": one})
    assert len({score.name for score in found}) == len(found)
    return {score.name: score.score for score in found}


def test_probes_that_know_everything_score_fully() -> None:
    found = scores(heard())
    for name in ("vad/accuracy", "vad/balanced_accuracy_at_threshold", "snr_db/r2", "snr_db/utterance_r2", "f0_hz/r2"):
        assert found[name] == pytest.approx(1.0), name
    assert found["f0_where_voiced_hz/r2"] == pytest.approx(1.0)
    assert found["f0_times_voicing_hz/r2"] == pytest.approx(1.0)
    assert not [name for name in found if name.startswith("pesq_wb")]


def test_classes_are_matched_by_name_and_unknown_ones_count_as_wrong() -> None:
    found = scores(heard())  # music is taken for babble
    assert found["noise_class/utterance_accuracy"] == pytest.approx(2 / 3)
    assert found["noise_class_known/accuracy"] == pytest.approx(2 / 3)


def test_answers_are_decided_at_the_threshold_of_the_file_too() -> None:
    one = heard()
    between = 0.2 + 0.2 * one.outputs["vad"]  # 0.2 and 0.4, around the threshold of 0.3 and below a half
    found = scores(heard(vad=between))
    assert found["vad/accuracy_at_threshold"] == 1.0
    assert found["vad/balanced_accuracy"] == pytest.approx(0.5)


def test_probes_that_know_nothing_score_at_chance() -> None:
    found = scores(heard(snr_db=np.full(UTTERANCES * FRAMES, 5.0), voicing=np.zeros(UTTERANCES * FRAMES)))
    assert found["snr_db/r2"] < 0.02
    assert found["f0_where_voiced_hz/r2"] < 0  # no frame is found voiced
    assert found["f0_hz/r2"] == pytest.approx(1.0)
