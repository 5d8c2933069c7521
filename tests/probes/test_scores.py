"""Scores and controls: agreement with scikit-learn, ties, degenerate inputs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics

from probes.controls import chance_balanced_accuracy, class_frequencies, shuffle_labels
from probes.scores import (
    binary_scores,
    category_scores,
    confusion_matrix,
    gross_error_rate,
    utterance_labels,
    utterance_means,
    value_scores,
)


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_binary_scores_with_ties_agree_with_scikit_learn(levels: int) -> None:
    generator = np.random.default_rng(levels)
    target = (generator.random(500) < 0.3).astype(int)
    probability = np.round((generator.random(500) + 0.3 * target) / 1.3 * levels) / levels
    scores, predicted = binary_scores(target, probability), probability >= 0.5
    assert scores["auroc"] == pytest.approx(metrics.roc_auc_score(target, probability), abs=1e-6)
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(target, predicted), abs=1e-6)
    assert scores["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(target, predicted), abs=1e-6)
    assert scores["f1"] == pytest.approx(metrics.f1_score(target, predicted, average="macro"), abs=1e-6)


def test_auroc_sees_differences_that_float32_does_not() -> None:
    assert binary_scores(np.array([0, 1]), np.array([1 - 2e-12, 1 - 1e-12]))["auroc"] == 1.0


def test_category_scores_agree_when_a_class_is_predicted_but_never_occurs() -> None:
    generator = np.random.default_rng(0)
    target, posterior = generator.integers(0, 3, 300), generator.random((300, 5))
    predicted, scores = posterior.argmax(axis=1), category_scores(target, posterior)
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        expected = metrics.balanced_accuracy_score(target, predicted)
    assert scores["balanced_accuracy"] == pytest.approx(expected, abs=1e-6)
    assert scores["f1"] == pytest.approx(
        metrics.f1_score(target, predicted, average="macro", zero_division=0), abs=1e-6
    )
    matrix = confusion_matrix(target, predicted, 5)
    assert np.array_equal(matrix, metrics.confusion_matrix(target, predicted, labels=range(5)))


def test_value_scores_in_hz_and_octaves() -> None:
    generator = np.random.default_rng(1)
    target = generator.uniform(80, 300, 200)
    scores = value_scores(target, target * 2 ** (50 / 1200), octaves=True)
    assert scores["median_abs_cents"] == pytest.approx(50)
    assert scores["r2"] == pytest.approx(metrics.r2_score(target, target * 2 ** (50 / 1200)))
    log = np.log2(target)
    assert scores["r2_octave"] == pytest.approx(metrics.r2_score(log, log + 50 / 1200))
    assert scores["rmse"] >= scores["mae"] > 0


def test_detection_scores_are_those_of_the_confusion() -> None:
    generator = np.random.default_rng(2)
    target, probability = generator.integers(0, 2, 400), generator.random(400)
    scores = binary_scores(target, probability)
    (rejected, alarms), (missed, found) = metrics.confusion_matrix(target, probability >= 0.5)
    assert scores["miss_rate"] == missed / (missed + found)
    assert scores["false_alarm_rate"] == alarms / (alarms + rejected)
    assert scores["detection_error"] == (missed + alarms) / (missed + found)
    assert binary_scores(target, np.ones(400))["detection_error"] == pytest.approx((400 - target.sum()) / target.sum())
    silent = binary_scores(np.zeros(3), np.array([0.1, 0.9, 0.2]))
    assert math.isnan(silent["miss_rate"]) and math.isnan(silent["detection_error"])
    assert silent["false_alarm_rate"] == pytest.approx(1 / 3)


def test_pitch_errors_are_gross_above_a_fifth_and_in_cents() -> None:
    target = np.array([100.0, 100.0, 200.0, 200.0])
    scores = value_scores(target, np.array([119.0, 121.0, 100.0, 200.0]), octaves=True)
    assert scores["gross_error_rate"] == 0.5
    cents = 1200 * np.log2([1.19, 1.21, 0.5, 1.0])
    assert scores["rmse_cents"] == pytest.approx(np.sqrt(np.mean(cents**2)))
    # Unvoiced frames, 0 Hz, have no gross errors; whatever is said of them.
    assert gross_error_rate(np.array([0.0, 100.0]), np.array([300.0, 300.0])) == 1.0
    assert math.isnan(gross_error_rate(np.zeros(2), np.ones(2)))


def test_degenerate_inputs_give_nan() -> None:
    nothing = np.zeros(0)
    assert all(math.isnan(value) for value in binary_scores(nothing, nothing).values())
    assert all(math.isnan(value) for value in category_scores(nothing, np.zeros((0, 3))).values())
    assert all(math.isnan(value) for value in value_scores(nothing, nothing, octaves=True).values())
    one_class = binary_scores(np.ones(3), np.array([0.2, 0.7, 0.9]))
    assert one_class["accuracy"] == pytest.approx(2 / 3) and math.isnan(one_class["auroc"])
    assert math.isnan(one_class["balanced_accuracy"]) and math.isnan(chance_balanced_accuracy(np.ones(3)))
    flat = value_scores(np.full(3, 0.1), np.array([0.1, 0.2, 0.3]))
    assert math.isnan(flat["r2"]) and flat["mae"] == pytest.approx(0.1)


def test_utterances_are_averaged_in_order_of_their_names() -> None:
    utterances = np.array([4, 2, 4, 2, 2])
    assert utterance_means(np.arange(5.0), utterances).tolist() == [8 / 3, 1.0]
    assert utterance_labels(np.array([2, 0, 2, 1, 1]), utterances, 3).tolist() == [1, 2]


def test_constant_answer_has_the_textbook_scores() -> None:
    fit, target = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1, 1])
    shares = class_frequencies(fit, 2)
    scores = binary_scores(target, np.full(5, shares[1]))
    assert scores["accuracy"] == pytest.approx(0.4)
    assert scores["balanced_accuracy"] == 0.5 == scores["auroc"] == chance_balanced_accuracy(target)


def test_shuffle_moves_utterance_labels_between_utterances() -> None:
    utterances = np.repeat(np.arange(6), [3, 1, 4, 2, 5, 2])
    labels = utterances * 10
    shuffled = shuffle_labels(labels, utterances, seed=1)
    per_utterance = [np.unique(shuffled[utterances == u]) for u in range(6)]
    assert all(len(values) == 1 for values in per_utterance)
    assert sorted(int(values[0]) for values in per_utterance) == [0, 10, 20, 30, 40, 50]
    assert (shuffled != labels).all()
    assert np.array_equal(shuffled, shuffle_labels(labels, utterances, seed=1))


def test_shuffle_of_frame_labels_keeps_shares_and_runs() -> None:
    generator = np.random.default_rng(2)
    labels = np.repeat(generator.integers(0, 2, 100), 20)
    utterances = np.repeat(np.arange(10), 200)
    shuffled = shuffle_labels(labels, utterances, seed=0)
    assert shuffled.sum() == labels.sum()
    assert abs(np.count_nonzero(np.diff(shuffled)) - np.count_nonzero(np.diff(labels))) <= 20
    assert abs(np.corrcoef(labels, shuffled)[0, 1]) < 0.3
