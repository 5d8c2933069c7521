"""Bootstrap intervals: names of the scores, coverage, pairs, clusters, and nothing where nothing is known."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.stats import bootstrap

from probes.evaluation import score_classes, score_values
from probes.intervals import paired_interval, percentile_interval, resample_counts, score_intervals
from probes.tasks import ProbeTask

VAD = ProbeTask("vad", "binary")
NOISE = ProbeTask("noise_class", "category", per_utterance=True)
LEVEL = ProbeTask("level_dbfs", "value", unit="dBFS", per_utterance=True)
F0 = ProbeTask("f0_hz", "value", unit="Hz", transform="log2")


def values(utterances: int, frames: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions with an error that utterances share."""
    generator = np.random.default_rng(seed)
    names = np.repeat(np.arange(utterances), frames)
    target = generator.normal(size=names.size)
    prediction = target + generator.normal(size=utterances)[names] + 0.1 * generator.normal(size=names.size)
    return target, prediction, names


def test_names_are_those_of_the_scores() -> None:
    generator = np.random.default_rng(0)
    names = np.repeat(np.arange(10), 20)
    for task, classes in ((VAD, 2), (NOISE, 3), (ProbeTask("sex", "binary", per_utterance=True), 2)):
        posterior = generator.dirichlet(np.ones(classes), 200)
        target = generator.integers(0, classes, 200)
        scores = score_classes(task, target, posterior, names)
        found = score_intervals(task, target, posterior, names, resamples=200)
        assert set(found) == set(scores)
        assert all(low <= scores[name] <= high for name, (low, high) in found.items() if name != "ece")
    for task in (LEVEL, F0, ProbeTask("f0_hz", "value", unit="Hz", fill=0.0)):
        target = generator.uniform(80, 300, 200)
        prediction = target * generator.uniform(0.7, 1.3, 200)
        scores = score_values(task, target, prediction, names)
        found = score_intervals(task, target, prediction, names, resamples=200)
        assert set(found) == set(scores)
        assert all(low <= scores[name] <= high for name, (low, high) in found.items())


def test_interval_is_that_of_scipy() -> None:
    target, prediction, names = values(60, 8, seed=1)
    low, high = score_intervals(LEVEL, target, prediction, names, resamples=4000)["mae"]
    means = np.abs(prediction - target).reshape(60, 8).mean(axis=1)
    expected = bootstrap((means,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1))
    assert low == pytest.approx(expected.confidence_interval.low, rel=0.02)
    assert high == pytest.approx(expected.confidence_interval.high, rel=0.02)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    # Mean absolute error of N(0, 1.01), with one independent draw per utterance and little besides.
    truth = np.sqrt(1.01 * 2 / np.pi)
    covered = 0
    for seed in range(200):
        low, high = score_intervals(LEVEL, *values(60, 5, seed), resamples=200, confidence=0.9)["mae"]
        covered += low <= truth <= high
    assert 0.82 < covered / 200 < 0.97
    # Frames as if each were an utterance: far too narrow, which is what whole utterances are for.
    covered = 0
    for seed in range(100):
        target, prediction, names = values(60, 20, seed)
        low, high = score_intervals(LEVEL, target, prediction, np.arange(names.size), resamples=100)["mae"]
        covered += low <= truth <= high
    assert covered / 100 < 0.6


def test_clusters_widen_the_interval_where_utterances_share_what_decides() -> None:
    generator = np.random.default_rng(2)
    recordings, names = np.repeat(np.arange(12), 100), np.repeat(np.arange(120), 10)
    target = np.repeat(np.arange(12) % 3, 100)
    known = generator.permutation(12) < 7
    posterior = np.eye(3)[np.where(known[recordings], target, (target + 1) % 3)]
    plain = score_intervals(NOISE, target, posterior, names)["accuracy"]
    wide = score_intervals(NOISE, target, posterior, names, clusters=recordings)["accuracy"]
    assert wide[1] - wide[0] > 2 * (plain[1] - plain[0])
    same = score_intervals(NOISE, target, posterior, names, clusters=names)
    assert same["accuracy"] == plain
    with pytest.raises(ValueError, match="clusters must be the same in an utterance"):
        score_intervals(NOISE, target, posterior, names, clusters=np.arange(names.size))


def test_a_pair_is_compared_on_the_same_resamples() -> None:
    target, prediction, names = values(40, 10, seed=3)
    better = target + 0.9 * (prediction - target)
    low, high = paired_interval(LEVEL, target, prediction, better, names)["rmse"]
    single = score_intervals(LEVEL, target, prediction, names)["rmse"]
    assert 0 < low < high < 0.2 and high - low < 0.2 * (single[1] - single[0])
    nothing = paired_interval(LEVEL, target, prediction, prediction, names)
    assert set(nothing.values()) == {(0.0, 0.0)}
    turned = paired_interval(LEVEL, target, better, prediction, names)["rmse"]
    assert turned == pytest.approx((-high, -low))


def test_what_is_undefined_is_nan() -> None:
    target, prediction, names = values(20, 5, seed=4)
    for arguments in (
        (target[:0], prediction[:0], names[:0]),
        (target, prediction, np.zeros(100)),
        (target, np.full(100, np.nan), names),
    ):
        found = score_intervals(LEVEL, *arguments, resamples=50)
        assert set(found) == {"r2", "rmse", "mae", "utterance_r2"}
        assert np.isnan(list(found.values())).all()
    no_classes = score_intervals(NOISE, target[:0].astype(int), np.zeros((0, 0)), names[:0], resamples=50)
    assert {"accuracy", "balanced_accuracy", "f1"} <= set(no_classes)
    assert np.isnan(list(no_classes.values())).all()
    one_class = score_intervals(VAD, np.ones(100, dtype=int), np.tile([0.4, 0.6], (100, 1)), names, resamples=50)
    assert np.isnan(one_class["auroc"]).all() and np.isnan(one_class["false_alarm_rate"]).all()
    assert one_class["accuracy"] == (1.0, 1.0)
    flat = score_intervals(LEVEL, np.full(100, 0.1), prediction, names, resamples=50)
    assert np.isnan(flat["r2"]).all() and np.isfinite(flat["mae"]).all()
    # One positive utterance in twenty: resamples without it say nothing about misses, the others do.
    rare = score_intervals(VAD, (names == 0).astype(int), np.tile([0.7, 0.3], (100, 1)), names, resamples=50)
    assert rare["miss_rate"] == (1.0, 1.0)


def test_draws_are_seeded_and_have_the_size_of_the_data() -> None:
    counts = resample_counts(7, 5000, seed=0)
    assert (counts.sum(axis=1) == 7).all()
    assert np.array_equal(counts, resample_counts(7, 5000, seed=0))
    assert not np.array_equal(counts, resample_counts(7, 5000, seed=1))
    # Binomial(7, 1/7): mean 1 and variance 6/7.
    np.testing.assert_allclose(counts.mean(axis=0), 1.0, atol=0.06)
    np.testing.assert_allclose(counts.var(axis=0), 6 / 7, atol=0.08)


def test_wrong_settings_are_named() -> None:
    target, prediction, names = values(3, 2, seed=0)
    with pytest.raises(ValueError, match="resamples must be positive, got 0"):
        score_intervals(LEVEL, target, prediction, names, resamples=0)
    with pytest.raises(ValueError, match="confidence must lie in"):
        percentile_interval(np.ones(3), confidence=1.0)
    with pytest.raises(ValueError, match="must share their rows"):
        score_intervals(LEVEL, target, prediction[:-1], names)


def test_a_full_score_set_takes_less_than_a_second() -> None:
    generator = np.random.default_rng(0)
    names = np.repeat(np.arange(360), 250)
    arrays = generator.integers(0, 9, names.size), generator.dirichlet(np.ones(9), names.size), names
    speech = generator.integers(0, 2, names.size), generator.dirichlet(np.ones(2), names.size), names
    for task, given in ((NOISE, arrays), (VAD, speech)):
        started = time.process_time()
        score_intervals(task, *given)
        assert time.process_time() - started < 1.0
