"""Curves: few planted features are enough, shuffled targets stay at chance, scores are those of plain probes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from probes.controls import shuffle_labels
from probes.evaluation import score_classes, score_values
from probes.fitting import fold_moments
from probes.logistic import LogisticProbe
from probes.moments import Moments
from probes.reservoir import FrameReservoir, FrameRows
from probes.ridge import RidgeProbe, utterance_folds
from probes.selection import CurveSettings, SelectionCurve, fewest_features, overlaps, selection_curves
from probes.selection.overlap import expected_jaccard
from probes.tasks import ProbeTask

FEATURES, PLANTED, UTTERANCES, FRAMES = 96, 12, 48, 40
BINARY, CATEGORY = ProbeTask("vad", "binary"), ProbeTask("noise_class", "category", per_utterance=True)
VALUE = ProbeTask("snr_db", "value", unit="dB")
PITCH = ProbeTask("f0_hz", "value", unit="Hz", where="voicing", transform="log2")
SETTINGS = CurveSettings(counts=(4, 8, 16, 32, 64), ridge_l2=(0.003, 0.03, 0.3))


def make_rows(seed: int, shuffled: bool = False) -> FrameRows:
    """The last twelve features carry all targets."""
    generator = np.random.default_rng(seed)
    total = UTTERANCES * FRAMES
    utterances = np.repeat(np.arange(UTTERANCES), FRAMES) + 1000 * seed
    x = generator.random((total, FEATURES)) < 0.4
    noise_class = np.repeat(generator.permutation(np.arange(UTTERANCES) % 3), FRAMES)
    x[:, -3:] = (noise_class[:, None] == np.arange(3)) ^ (generator.random((total, 3)) < 0.1)
    sums = x[:, -PLANTED:-3].sum(axis=1) + 0.5 * generator.normal(size=total)
    targets: dict[str, np.ndarray] = {
        "vad": (sums > 3.5).astype(float),
        "noise_class": noise_class,
        "snr_db": 3.0 * sums,
        "f0_hz": 100 * 2 ** (sums / 5),
        "voicing": (generator.random(total) < 0.8).astype(float),
    }
    if shuffled:
        targets = {name: shuffle_labels(values, utterances, seed) for name, values in targets.items()}
    reservoir = FrameReservoir(None, seed)
    reservoir.add(x, targets, utterances)
    return reservoir.rows()


def curves(task: ProbeTask, shuffled: bool = False, **arguments: Any) -> dict[str, SelectionCurve]:
    found = selection_curves(
        task, make_rows(1, shuffled), make_rows(2), arguments.pop("settings", SETTINGS), **arguments
    )
    return {curve.method: curve for curve in found}


@pytest.mark.parametrize("task", [BINARY, CATEGORY, VALUE, PITCH], ids=lambda task: task.name)
def test_few_planted_features_are_enough_and_random_ones_are_not(task: ProbeTask) -> None:
    found = curves(task)
    for method in ("mutual_information", "l1_path", "elimination"):
        curve = found[method]
        counts = [point.count for point in curve.points]
        assert counts == sorted(set(counts)) and {4, 8, 16, 32, 64, 96} <= set(counts)
        assert curve.c_star is not None and curve.c_star <= 22 and curve.c_star in counts
        assert curve.score_at_c_star > 0.95 * curve.full_score
        planted = set(range(FEATURES - 3, FEATURES) if task is CATEGORY else range(FEATURES - PLANTED, FEATURES - 3))
        assert planted <= set(curve.order[:12].tolist()) and curve.points[-1].converged
    control = found["random"]
    # Two of the three features of the noise class are nearly enough, and may be among the first by luck.
    assert control.c_star is not None and control.c_star > (8 if task is CATEGORY else 45)
    assert len({curve.full_score for curve in found.values()}) == 1, "all features are the same in any order"


@pytest.mark.parametrize("task", [BINARY, VALUE], ids=lambda task: task.name)
def test_shuffled_targets_stay_at_chance(task: ProbeTask) -> None:
    for curve in curves(task, shuffled=True, methods=("mutual_information", "elimination")).values():
        for point in curve.points:
            chance = 0.5 if task is BINARY else 0.0
            assert abs(point.score - chance) < 0.08 and abs(point.cv_score - chance) < 0.1, point
        if task is VALUE:
            assert curve.c_star is None and math.isnan(curve.score_at_c_star)


def test_scores_of_values_are_those_of_a_probe_of_the_columns() -> None:
    fit, score = make_rows(1), make_rows(2)
    curve = curves(VALUE, methods=["l1_path"])["l1_path"]
    point = next(point for point in curve.points if point.count == 8)
    columns = curve.order[:8]
    fold = utterance_folds(fit.utterances, 4, seed=0)
    parts = fold_moments(fit, fit.targets["snr_db"][:, None], fold, 4)
    full = RidgeProbe((0.003, 0.03, 0.3)).fit_folds(parts)
    few = RidgeProbe((0.003, 0.03, 0.3)).fit_folds(
        [moments_of(fit.features[fold == k][:, columns], fit.targets["snr_db"][fold == k]) for k in range(4)]
    )
    for probe, features, expected in ((few, columns, point.score), (full, np.arange(FEATURES), curve.full_score)):
        prediction = probe.predict(score.features[:, features])[:, 0]
        plain = score_values(VALUE, score.targets["snr_db"], prediction, score.utterances)
        assert plain["r2"] == pytest.approx(expected, abs=1e-5)


def moments_of(x: np.ndarray, y: np.ndarray) -> Any:
    return Moments(x.shape[1], 1).update(x, y[:, None])


def test_scores_of_classes_are_those_of_a_probe_of_the_columns() -> None:
    fit, score = make_rows(1), make_rows(2)
    settings = CurveSettings(counts=(8,), logistic_l2=(0.05,), metrics={**SETTINGS.metrics, "category": "accuracy"})
    curve = curves(CATEGORY, settings=settings, methods=["mutual_information"])["mutual_information"]
    few, full = curve.order[:8], np.arange(FEATURES)
    for features, expected in ((few, curve.points[0]), (full, curve.points[-1])):
        # The strength shrinks with the share of the features that is kept.
        probe = LogisticProbe(0.05 * features.size / FEATURES).fit(
            fit.features[:, features], fit.targets["noise_class"]
        )
        posterior = probe.predict_proba(score.features[:, features])
        plain = score_classes(CATEGORY, score.targets["noise_class"], posterior, score.utterances)
        assert expected.metric == "accuracy" and plain["accuracy"] == pytest.approx(expected.score, abs=2e-3)


def test_held_out_utterances_take_no_part_in_the_ranking() -> None:
    """Labels of the held-out quarter are turned around: the ranking stays and its score falls below chance."""
    fit, score = make_rows(1), make_rows(2)
    held = utterance_folds(fit.utterances, 4, seed=0) == 3
    turned = fit.take(np.arange(len(fit)))
    turned.targets["vad"] = np.where(held, 1 - fit.targets["vad"], fit.targets["vad"])
    plain, other = (selection_curves(BINARY, rows, score, SETTINGS, ["l1_path"])[0] for rows in (fit, turned))
    assert np.array_equal(plain.order, other.order)
    assert plain.points[2].cv_score > 0.85 and other.points[2].cv_score < 0.15


def test_bounds_come_from_the_given_function() -> None:
    seen = []

    def intervals(task: ProbeTask, target: Any, answer: Any, utterances: Any) -> dict[str, tuple[float, float]]:
        seen.append((target.shape, answer.shape, utterances.shape))
        own = score_classes(task, target, answer, utterances)["balanced_accuracy"]
        return {"balanced_accuracy": (own - 0.1, own + 0.1)}

    curve = curves(CATEGORY, methods=["random"], intervals=intervals)["random"]
    assert all(point.score - point.low == pytest.approx(0.1) for point in curve.points)
    assert set(seen) == {((1920,), (1920, 3), (1920,))} and len(seen) == len(curve.points)
    assert all(math.isnan(point.low) for point in curves(VALUE, methods=["random"])["random"].points)


@given(needed=st.integers(1, 300), step=st.sampled_from([2**0.25, 2**0.5, 1.01]))
def test_fewest_is_found_to_its_resolution_without_asking_twice(needed: int, step: float) -> None:
    asked = []

    def score(count: int) -> float:
        asked.append(count)
        return 1.0 if count >= needed else 0.9

    found = fewest_features(score, [8, 16, 32, 64, 128, 300], resolution=step)
    assert found is not None and max(needed, 8) <= found <= max(8, needed * step + 1)
    assert len(asked) == len(set(asked))


def test_fewest_of_nothing_is_none() -> None:
    assert fewest_features(lambda count: 0.5, [8, 16], chance=0.5) is None
    assert fewest_features(lambda count: math.nan, [8, 16]) is None
    assert fewest_features(lambda count: {8: 0.2, 16: 0.989, 32: 1.0}.get(count, 0.0), [8, 16, 32]) == 32
    with pytest.raises(ValueError, match="increasing"):
        fewest_features(lambda count: 1.0, [16, 8])


def test_overlap_of_random_orders_is_that_expected() -> None:
    generator = np.random.default_rng(0)
    orders = {str(index): generator.permutation(100) for index in range(30)}
    found = overlaps(orders, [10, 40])
    for count in (10, 40):
        values = [item.jaccard for item in found if item.count == count]
        assert len(values) == 435
        assert np.mean(values) == pytest.approx(expected_jaccard(100, count), rel=0.08)
    assert expected_jaccard(100, 10) == pytest.approx(
        sum(hypergeom.pmf(k, 100, 10, 10) * k / (20 - k) for k in range(11))
    )
    same = overlaps({"a": np.arange(9), "b": np.arange(9)}, [4])[0]
    assert (same.shared, same.jaccard, same.task_a, same.task_b) == (4, 1.0, "a", "b")
    with pytest.raises(ValueError, match="between 1 and 9"):
        overlaps({"a": np.arange(9), "b": np.arange(9)}, [10])


def test_what_cannot_be_selected_from_is_refused() -> None:
    fit, score = make_rows(1), make_rows(2)
    with pytest.raises(ValueError, match="needs 4 utterances"):
        selection_curves(VALUE, fit.take(np.arange(2 * FRAMES)), score, SETTINGS)
    with pytest.raises(ValueError, match=r"metrics\[value\] must be one of .*'loss'"):
        wrong = CurveSettings(counts=(8,), metrics={**SETTINGS.metrics, "value": "loss"})
        selection_curves(VALUE, fit, score, wrong, ["random"])
    with pytest.raises(ValueError, match="grow with quality"):
        CurveSettings(metrics={**SETTINGS.metrics, "value": "rmse"})
    with pytest.raises(ValueError, match="counts"):
        CurveSettings(counts=())
