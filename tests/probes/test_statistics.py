"""Sums over utterances give the scores that rows give, of all rows and of every resample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.evaluation import score_classes, score_values
from probes.statistics import RANK_BINS, auroc_sums, median_sums, rank_bins, score_sums
from probes.tasks import ProbeTask

TASKS = (
    ProbeTask("vad", "binary"),
    ProbeTask("speaker_sex", "binary", per_utterance=True),
    ProbeTask("noise_class", "category", per_utterance=True),
    ProbeTask("snr_db", "value", unit="dB", per_utterance=True),
    ProbeTask("f0_hz", "value", unit="Hz", transform="log2"),
    ProbeTask("f0_or_zero_hz", "value", unit="Hz", source="f0_hz", fill=0.0),
)


def predicted(task: ProbeTask, rows: int, utterances: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return target, prediction and utterances, with predictions that know something and have ties."""
    generator = np.random.default_rng(seed)
    names = generator.integers(0, utterances, rows) * 10
    if task.kind == "value":
        target = 100 * 2 ** generator.normal(0, 0.3, rows)
        prediction = target * 2 ** generator.normal(0, 0.2, rows)
        if task.fill is not None:
            target[generator.random(rows) < 0.3] = task.fill
        return target, prediction, names
    classes = 2 if task.kind == "binary" else 4
    labels = generator.integers(0, classes, utterances * 10)[names] if task.per_utterance else names % classes
    target = np.where(generator.random(rows) < 0.2, generator.integers(0, classes, rows), labels)
    scores = np.round(generator.random((rows, classes)) + 0.5 * np.eye(classes)[target], 1) + 0.01
    return target, scores / scores.sum(axis=1, keepdims=True), names


def scored(task: ProbeTask, target: np.ndarray, prediction: np.ndarray, utterances: np.ndarray) -> dict[str, float]:
    return (score_values if task.kind == "value" else score_classes)(task, target, prediction, utterances)


def resampled(task: ProbeTask, arrays: tuple[np.ndarray, ...], counts: np.ndarray) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in score_sums(task, *arrays):
        found |= {name: float(value[0]) for name, value in part.resampled(counts[None]).items()}
    return found


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@settings(max_examples=15, deadline=None)
@given(rows=st.integers(1, 300), utterances=st.integers(1, 12), seed=st.integers(0, 1000))
def test_a_resample_scores_as_its_rows_do(task: ProbeTask, rows: int, utterances: int, seed: int) -> None:
    target, prediction, names = predicted(task, rows, utterances, seed)
    unique = np.unique(names)
    counts = np.random.default_rng(seed).multinomial(unique.size, np.full(unique.size, 1 / unique.size))
    copies = [
        (np.flatnonzero(names == name), number)
        for name, count in zip(unique, counts, strict=True)
        for number in range(count)
    ]
    drawn = np.concatenate([members for members, _ in copies])
    # Every copy is an utterance of its own.
    again = np.concatenate([names[members] + number / 1000 for members, number in copies])
    expected = scored(task, target[drawn], prediction[drawn], again)
    found = resampled(task, (target, prediction, names), counts.astype(float))
    assert found == pytest.approx(expected, abs=1e-5, rel=1e-5, nan_ok=True)
    assert list(found) and set(found) == set(expected)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_many_distinct_values_are_scored_nearly_exactly(task: ProbeTask) -> None:
    generator = np.random.default_rng(3)
    target, prediction, names = predicted(task, 20_000, 50, seed=3)
    if task.kind != "value":
        prediction = np.abs(prediction + generator.normal(0, 1e-3, prediction.shape))
        prediction /= prediction.sum(axis=1, keepdims=True)
    expected = scored(task, target, prediction, names)
    found = resampled(task, (target, prediction, names), np.ones(50))
    assert found == pytest.approx(expected, rel=3e-3, abs=1e-4)


def test_rank_bins_are_even_and_monotonic_and_keep_ties_together() -> None:
    generator = np.random.default_rng(0)
    values = np.concatenate([generator.normal(size=30_000), np.full(5000, 0.5)])
    column, bins = rank_bins(values)
    order = np.argsort(values)
    assert bins == RANK_BINS and (np.diff(column[order]) >= 0).all()
    assert np.unique(column[values == 0.5]).size == 1
    assert np.bincount(column[values != 0.5]).max() <= 2 * values.size / bins


def test_ties_and_order_decide_the_area_under_the_curve() -> None:
    index = np.array([0, 0, 1, 1])
    target = np.array([0, 1, 0, 1])
    for probability, expected in ((target * 1.0, 1.0), (1.0 - target, 0.0), (np.full(4, 0.3), 0.5)):
        assert auroc_sums(target, probability, index).resampled(np.ones((1, 2)))["auroc"].tolist() == [expected]
    one_class = auroc_sums(target, np.arange(4.0), target).resampled(np.array([[2.0, 0.0]]))
    assert np.isnan(one_class["auroc"]).all()


def test_median_is_that_of_the_rows_drawn() -> None:
    values, index = np.array([1.0, 2.0, 10.0, 20.0]), np.array([0, 0, 1, 1])
    counts = np.array([[1.0, 1.0], [2.0, 0.0], [1.0, 2.0], [0.0, 0.0]])
    found = median_sums(values, index, "m").resampled(counts)["m"]
    assert found[:3].tolist() == [6.0, 1.5, 10.0] and np.isnan(found[3])
