"""Ridge probe: scikit-learn's solution, the usual invariances, and a sane strength."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from probes.moments import Moments
from probes.ridge import RidgeProbe, utterance_folds


def standardised(x: np.ndarray) -> np.ndarray:
    scale = x.std(axis=0)
    return np.asarray((x - x.mean(axis=0)) / np.where(scale > 0, scale, 1.0))


@pytest.fixture(params=[(200, 12), (15, 40)], ids=["long", "wide"])
def rows(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    x = generator.random(request.param) < 0.4
    x[:, 3] = True
    return x, generator.normal(size=(len(x), 2)) + x[:, :2] + 50


@pytest.mark.parametrize("l2", [0.01, 1.0])
def test_solution_is_that_of_scikit_learn(rows: tuple[np.ndarray, np.ndarray], l2: float) -> None:
    x, y = rows
    probe = RidgeProbe(l2).fit(x, y)
    reference = Ridge(alpha=len(x) * l2).fit(standardised(x), y)
    np.testing.assert_allclose(probe.standard_coef_, reference.coef_, atol=1e-9)
    np.testing.assert_allclose(probe.predict(x), reference.predict(standardised(x)), rtol=1e-6)
    np.testing.assert_allclose(probe.predict(x.astype(float)), reference.predict(standardised(x)), rtol=1e-10)
    assert probe.constant_.tolist() == [column == 3 for column in range(x.shape[1])]
    assert (probe.coef_[:, 3] == 0).all()


def test_rows_twice_change_nothing_and_columns_twice_share_the_weight(rows: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = rows
    once = RidgeProbe(0.1).fit(x, y[:, 0])
    np.testing.assert_allclose(RidgeProbe(0.1).fit(np.vstack([x, x]), np.tile(y[:, 0], 2)).coef_, once.coef_)
    # ||w||^2 of two halves is half of the whole: twice the penalty gives the same prediction.
    twice = RidgeProbe(0.2).fit(np.hstack([x, x]), y[:, 0])
    np.testing.assert_allclose(twice.coef_[: x.shape[1]] * 2, once.coef_, atol=1e-9)
    np.testing.assert_allclose(twice.predict(np.hstack([x, x])), once.predict(x), rtol=1e-6)


def test_all_features_constant_predicts_the_mean() -> None:
    y = np.array([1.0, 2.0, 6.0])
    probe = RidgeProbe(0.1).fit(np.zeros((3, 4), dtype=bool), y)
    assert probe.predict(np.ones((1, 4), dtype=bool)).tolist() == [3.0]


def fold_parts(x: np.ndarray, y: np.ndarray, utterances: np.ndarray, folds: int) -> tuple[np.ndarray, list[Moments]]:
    fold = utterance_folds(utterances, folds, seed=0)
    return fold, [Moments(x.shape[1], y.shape[1]).update(x[fold == k], y[fold == k]) for k in range(folds)]


def test_cross_validated_r2_is_that_of_explicit_predictions() -> None:
    generator = np.random.default_rng(1)
    x = generator.random((300, 20)) < 0.3
    y = x[:, :1] * 2.0 + generator.normal(size=(300, 1)) + 10
    utterances = np.repeat(np.arange(30), 10)
    fold, parts = fold_parts(x, y, utterances, 3)
    probe = RidgeProbe([0.01, 1.0]).fit_folds(parts)
    for row, l2 in enumerate(probe.l2_grid_):
        prediction = np.empty(300)
        for k in range(3):
            prediction[fold == k] = (
                RidgeProbe(l2).fit(x[fold != k], y[fold != k, 0]).predict(x[fold == k].astype(float))
            )
        assert probe.cv_r2_ is not None
        assert probe.cv_r2_[row, 0] == pytest.approx(r2_score(y[:, 0], prediction), abs=1e-6)  # single precision
    chosen = RidgeProbe(float(probe.l2_[0])).fit(x, y)
    np.testing.assert_allclose(probe.coef_, chosen.coef_, atol=1e-9)


def test_folds_choose_weak_strength_for_signal_and_strong_for_noise() -> None:
    generator = np.random.default_rng(2)
    x = generator.random((600, 60)) < 0.5
    signal = x @ generator.normal(size=60)
    y = np.stack([signal, generator.normal(size=600), np.full(600, 3.0)], axis=1)
    _, parts = fold_parts(x, y, np.repeat(np.arange(60), 10), 4)
    probe = RidgeProbe((1e-4, 0.1, 10.0)).fit_folds([*parts, Moments(60, 3)])
    assert probe.l2_.tolist() == [1e-4, 10.0, 10.0]
    assert probe.cv_r2_ is not None and np.isnan(probe.cv_r2_[:, 2]).all(), "R2 of a constant target is undefined"
    np.testing.assert_allclose(probe.single(1).predict(x), probe.predict(x)[:, 1], atol=1e-6)


def test_folds_keep_utterances_whole_and_even() -> None:
    utterances = np.repeat(np.arange(10), [1, 5, 3, 8, 2, 2, 9, 4, 4, 1])
    fold = utterance_folds(utterances, 5, seed=3)
    sets = [set(utterances[fold == k]) for k in range(5)]
    assert [len(members) for members in sets] == [2] * 5
    assert set.union(*sets) == set(range(10))


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="l2 must be one positive number"):
        RidgeProbe([0.1, 0.0]).fit(np.eye(3), np.arange(3.0))
    with pytest.raises(ValueError, match="use fit_folds"):
        RidgeProbe([0.1, 1.0]).fit_moments(Moments(2, 1).update(np.eye(2), np.ones((2, 1))))
    with pytest.raises(ValueError, match="needs two folds"):
        RidgeProbe([0.1, 1.0]).fit_folds([Moments(2, 1).update(np.eye(2), np.ones((2, 1)))])
    with pytest.raises(ValueError, match="expecting 3 features"):
        RidgeProbe(0.1).fit(np.eye(3), np.arange(3.0)).predict(np.eye(2))
