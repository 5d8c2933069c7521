"""Sections on planted masks: what is there is found, where it is; nothing is found where nothing is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from probes.deployable import best_threshold
from probes.deployment import ProbeBank
from probes.evaluation import posterior_of, scored_rows
from probes.intervals import score_intervals
from probing.data import StudyData
from probing.features import MASKS
from probing.mixtures import Part
from probing.outcome import Outcome
from probing.sections.conditions import conditions
from probing.sections.deployment import deployed_bank
from probing.sections.embedding import embedding
from probing.sections.feature_sets import feature_sets, single_blocks
from probing.sections.learning import learning
from probing.sections.refinements import refinements
from probing.sections.selection import selection
from tests.probing.planted import BLOCKS, CATEGORIES, CHANNELS, F0_CHANNELS, NOISE_CHANNELS, VAD_CHANNEL, study


@pytest.fixture(scope="module")
def data() -> StudyData:
    return study()


def gathered(section: Callable[[StudyData, Outcome], None], data: StudyData) -> tuple[dict[str, list[Any]], Outcome]:
    tables: dict[str, list[Any]] = defaultdict(list)

    def add(new: Any) -> None:
        for name, rows in new.items():
            tables[name] += rows

    outcome = Outcome(add, lambda _: None)
    section(data, outcome)
    return tables, outcome


@pytest.fixture(scope="module")
def tables(data: StudyData) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for step in (feature_sets, single_blocks):
        for _, new in step(data):
            for name, rows in new.items():
                found[name] += rows
    return found


def entry(rows: list[Any], **wanted: Any) -> Any:
    (found,) = [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]
    return found


def test_what_is_planted_is_found_with_intervals_and_controls(tables: dict[str, list[Any]]) -> None:
    for task, metric, least, chance in (
        ("vad", "balanced_accuracy", 0.92, 0.5),
        ("noise_class", "balanced_accuracy", 0.8, 1 / 3),
        ("noise_class_known", "balanced_accuracy", 0.8, 1 / 3),
        ("f0_hz", "r2_octave", 0.9, 0.0),
    ):
        row = entry(tables["scores"], task=task, metric=metric, features="masks", blocks="all")
        assert row.score > least
        assert row.low <= row.score <= row.high
        assert row.chance == pytest.approx(chance, abs=0.05)
        assert row.shuffled < chance + 0.15
        assert row.converged


def test_nothing_is_found_where_nothing_is(tables: dict[str, list[Any]]) -> None:
    row = entry(tables["scores"], task="snr_db", metric="r2", features="masks", blocks="all")
    assert row.score < 0.05
    assert entry(tables["scores"], task="vad", metric="balanced_accuracy", blocks="01").score < 0.56
    assert entry(tables["scores"], task="vad", metric="balanced_accuracy", blocks="00").score > 0.92


@pytest.mark.parametrize("part", ["score", "known"])
def test_noise_recordings_are_resampled_whole(tables: dict[str, list[Any]], data: StudyData, part: Part) -> None:
    collected = data.collected[part]
    rows = collected.rows[MASKS]
    clusters = data.clusters("noise_class", part, rows.utterances)
    assert clusters is not None
    names = np.array([info.noise for info in collected.mixtures])
    assert np.array_equal(np.unique(names)[clusters], names[rows.utterances])
    assert data.clusters("vad", part, rows.utterances) is None
    fitted = data.mask_fits["noise_class"]
    scored = scored_rows(fitted, rows)
    arrays = fitted.task, scored.target, scored.prediction, scored.utterances
    whole = score_intervals(*arrays, clusters=clusters, resamples=100)
    assert whole != score_intervals(*arrays, resamples=100)
    name = "noise_class" if part == "score" else "noise_class_known"
    for metric, ends in whole.items():
        row = entry(tables["scores"], task=name, metric=metric, features="masks", blocks="all")
        assert (row.low, row.high) == pytest.approx(ends)


def test_scores_by_condition_are_those_of_its_mixtures(tables: dict[str, list[Any]], data: StudyData) -> None:
    score = data.collected["score"]
    loud = np.arange(len(score.mixtures)) % 3 == 0  # a third of the mixtures, where speech is not what masks say
    infos = [replace(info, snr_db=12.0 if one else -3.0) for info, one in zip(score.mixtures, loud, strict=True)]
    targets = dict(score.rows[MASKS].targets)
    targets["vad"] = np.where(loud[score.rows[MASKS].utterances], 1 - targets["vad"], targets["vad"])
    collected = replace(score, rows={MASKS: replace(score.rows[MASKS], targets=targets)}, mixtures=infos)
    rows = conditions(replace(data, collected={**data.collected, "score": collected}))["conditions"]
    at = {row.value: row for row in rows if (row.condition, row.task, row.metric) == ("snr", "vad", "accuracy")}
    assert list(at) == ["below 0 dB", "from 10 dB"]
    assert [row.utterances for row in at.values()] == [40, 20]
    whole = entry(tables["scores"], task="vad", metric="accuracy", features="masks", blocks="all").score
    assert at["below 0 dB"].score == pytest.approx(whole, abs=0.02)
    assert at["from 10 dB"].score == pytest.approx(1 - whole, abs=0.02)
    assert at["below 0 dB"].low < at["below 0 dB"].score < at["below 0 dB"].high
    classes = {row.value: row.utterances for row in rows if (row.condition, row.metric) == ("noise", "r2")}
    assert set(classes) == set(CATEGORIES) and sum(classes.values()) == 60


def test_details_name_classes_and_channels(tables: dict[str, list[Any]], data: StudyData) -> None:
    counts = [row for row in tables["confusion"] if row.unit == "utterance" and row.protocol == "unseen_recordings"]
    assert {row.true for row in counts} == set(CATEGORIES)
    assert sum(row.count for row in counts) == len(data.collected["score"].mixtures)
    assert sum(row.count for row in counts if row.true == row.predicted) > 0.9 * sum(row.count for row in counts)
    vad = {row.feature: abs(row.standard_coef) for row in tables["coefficients"] if row.task == "vad"}
    assert max(vad, key=vad.__getitem__) == data.feature_names[VAD_CHANNEL]
    assert len(vad) == BLOCKS * CHANNELS
    assert sum(row.count for row in tables["calibration"] if row.task == "vad") == len(data.score_masks)


def test_selection_finds_the_planted_channels_and_tells_them(data: StudyData) -> None:
    tables, outcome = gathered(selection, data)
    planted = {"vad": {VAD_CHANNEL}, "f0_hz": set(F0_CHANNELS), "noise_class": set(NOISE_CHANNELS)}
    for task, channels in planted.items():
        assert channels <= set(outcome.told["selected"][task]), task
        for method in ("mutual_information", "l1_path", "elimination"):
            row = entry(tables["fewest"], task=task, method=method)
            assert row.c_star is not None
            assert row.c_star < entry(tables["fewest"], task=task, method="random").c_star
    assert {row.count for row in tables["selection"] if row.task == "vad"} >= {1, 2, 4, 8, 16, 32}
    # At random there is one order for all tasks: nothing to compare.
    assert len(tables["overlap"]) == 9
    for method in ("mutual_information", "l1_path", "elimination"):
        row = entry(tables["overlap"], method=method, task_a="noise_class", task_b="f0_hz")
        # Three of F0 and two of noise are planted in different channels; one place is left to chance.
        assert row.count == 3
        assert row.shared <= 1
        assert row.jaccard == pytest.approx(row.shared / (6 - row.shared))


def test_more_utterances_are_learnt_from(tables: dict[str, list[Any]], data: StudyData) -> None:
    points = learning(data)["learning_curve"]
    assert {point.utterances for point in points} == {12, 60}
    # All utterances: the probes of the scores, with their intervals, whatever is resampled.
    for task, metric in (("vad", "balanced_accuracy"), ("noise_class", "balanced_accuracy"), ("f0_hz", "r2_octave")):
        point = entry(points, task=task, metric=metric, utterances=60)
        row = entry(tables["scores"], task=task, metric=metric, features="masks", blocks="all")
        assert (point.score, point.low, point.high) == pytest.approx((row.score, row.low, row.high))
    few, all_of_them = (entry(points, task="f0_hz", metric="r2_octave", utterances=count).score for count in (12, 60))
    assert all_of_them > few - 0.02


def test_refined_probes_keep_what_the_plain_one_knows(data: StudyData) -> None:
    tables, _ = gathered(refinements, data)
    rows = tables["refinements"]
    for task, metric in (("vad", "balanced_accuracy"), ("noise_class", "balanced_accuracy"), ("f0_hz", "r2_octave")):
        plain = entry(rows, task=task, metric=metric, variant="frame")
        scores = {row.variant: row.score for row in rows if row.task == task and row.metric == metric}
        variants = "frame", "smoothed_2", "context_1", "context_2", "late_1", "perceptron_8", "int8", "ternary"
        assert set(scores) == set(variants)
        assert scores["int8"] == pytest.approx(plain.score, abs=0.02)
        assert scores["context_1"] > plain.score - 0.05
        assert entry(rows, task=task, metric=metric, variant="int8").bytes < plain.bytes
    assert entry(rows, task="vad", metric="accuracy", variant="smoothed_2").latency_ms == 16.0
    # Masks of the next frame know what lasts, and nothing of what is drawn anew.
    assert entry(rows, task="noise_class", metric="accuracy", variant="late_1").latency_ms == 16.0
    late = {row.task: row.score for row in rows if row.variant == "late_1" and row.metric == "balanced_accuracy"}
    assert late["noise_class"] > 0.6 and late["vad"] == pytest.approx(0.5, abs=0.1)
    # Labels of an utterance gain from smoothing; activity that is drawn anew in every frame loses.
    noise = {row.variant: row.score for row in rows if row.task == "noise_class" and row.metric == "accuracy"}
    assert noise["smoothed_2"] > noise["frame"]
    vad = {row.variant: row.score for row in rows if row.task == "vad" and row.metric == "accuracy"}
    assert vad["smoothed_2"] < vad["frame"]


def test_the_file_of_probes_says_what_the_probes_say(data: StudyData, tmp_path: Path) -> None:
    bank = deployed_bank(data, {"f0_hz": list(F0_CHANNELS)}, {"checkpoint": "x"})
    bank.save(tmp_path / "probes.safetensors")
    read = ProbeBank.load(tmp_path / "probes.safetensors")
    masks = data.score_masks
    assert set(read.probes) == {"vad", "noise_class", "f0_hz", "snr_db"}
    fitted = data.mask_fits["noise_class"].probe
    assert np.allclose(
        read.probes["noise_class"].predict(masks.features), posterior_of(fitted, masks, np.arange(3)), atol=1e-5
    )
    assert read.probes["noise_class"].classes == CATEGORIES
    f0 = read.probes["f0_hz"]
    assert f0.features.tolist() == list(F0_CHANNELS)
    voiced = np.isfinite(masks.targets["f0_hz"])
    cents = 1200 * np.log2(f0.predict(masks.features)[voiced] / masks.targets["f0_hz"][voiced])
    assert np.median(np.abs(cents)) < 100


def test_the_threshold_balances_errors() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(2000) < 0.9).astype(np.int64)
    probability = np.clip(0.6 + 0.2 * labels + 0.1 * rng.standard_normal(2000), 0, 1)
    assert best_threshold(labels, probability) == pytest.approx(0.7, abs=0.05)


def test_equal_masks_are_drawn_once_and_few_not_at_all() -> None:
    few = study()
    score = few.collected["score"]
    stored = score.rows[MASKS].stored.copy()
    stored[10:] = stored[np.arange(10, len(stored)) % 10]
    score.rows[MASKS] = replace(score.rows[MASKS], stored=stored)
    assert len(embedding(few)["embedding"]) == 10
    stored[:] = stored[0]
    assert embedding(few) == {}


def test_alike_frames_lie_together(data: StudyData) -> None:
    points = embedding(data)["embedding"]
    assert len(points) == 60
    assert {point.targets["noise_class"] for point in points} <= set(CATEGORIES)
    assert all(np.isfinite((point.x, point.y)).all() for point in points)
