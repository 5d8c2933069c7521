"""The probes are estimators in the sense of scikit-learn: its own checks, cloning, cross-validation, search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from probes.logistic import LogisticProbe
from probes.ridge import RidgeProbe

# One strength each: several need groups, which these checks do not give.
ESTIMATORS = [RidgeProbe(l2=0.01), LogisticProbe(l2=0.01)]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_finds_nothing_to_complain_about(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    x = generator.random((300, 10)) < 0.4
    return x, x[:, 0] * 2.0 + x[:, 1] + 0.3 * generator.normal(size=300), np.repeat(np.arange(30), 10)


@pytest.mark.parametrize("probe", [RidgeProbe((1.0, 0.1), folds=4, seed=3), LogisticProbe(0.1, max_iter=7, seed=2)])
def test_parameters_survive_cloning(probe: RidgeProbe | LogisticProbe) -> None:
    again = clone(probe)
    assert again is not probe and again.get_params() == probe.get_params()
    assert again.set_params(l2=0.5).l2 == 0.5 and probe.l2 != 0.5
    with pytest.raises(NotFittedError):
        again.predict(np.eye(3))


def test_settings_are_stored_as_given_and_checked_by_the_fit() -> None:
    with pytest.raises(ValueError, match="l2 must be one positive number"):
        RidgeProbe(-1.0).fit(np.eye(3), np.arange(3.0))
    with pytest.raises(ValueError, match="folds must be at least 2, got 1"):
        RidgeProbe(folds=1).fit(np.eye(3), np.arange(3.0), groups=np.arange(3))
    with pytest.raises(ValueError, match="max_iter must be positive"):
        LogisticProbe(0.1, max_iter=0).fit(np.eye(3), np.arange(3))


def test_cross_validation_and_search_agree_with_scikit_learns_own_ridge(
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    x, y, groups = rows
    folds = GroupKFold(3)
    scores = cross_val_score(RidgeProbe(0.05), x, y, groups=groups, cv=folds)
    # 200 rows fit each fold, so that alpha is 200 times the strength.
    reference = make_pipeline(StandardScaler(), Ridge(alpha=200 * 0.05))
    np.testing.assert_allclose(scores, cross_val_score(reference, x, y, groups=groups, cv=folds), atol=1e-6)
    assert scores.min() > 0.8
    accuracy = cross_val_score(LogisticProbe(0.01), x, x[:, 0].astype(int), groups=groups, cv=folds)
    assert accuracy.min() > 0.99
    search = GridSearchCV(RidgeProbe(), {"l2": [0.001, 100.0]}, cv=folds).fit(x, y, groups=groups)
    assert search.best_params_ == {"l2": 0.001}


def test_ridge_chooses_its_strength_over_groups(rows: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    x, y, groups = rows
    noise = np.random.default_rng(1).normal(size=300)
    both = RidgeProbe((1e-3, 10.0)).fit(x, np.stack([y, noise], axis=1), groups=groups)
    assert both.l2_.tolist() == [1e-3, 10.0] and both.cv_r2_ is not None and both.predict(x).shape == (300, 2)
    alone = RidgeProbe((1e-3, 10.0)).fit(x, y, groups=groups)
    np.testing.assert_allclose(alone.predict(x), both.predict(x)[:, 0], atol=1e-5)
    one = RidgeProbe((1e-3, 10.0)).fit(x, y, groups=np.zeros(300))
    assert one.l2_.tolist() == [10.0] and one.cv_r2_ is None
    with pytest.raises(ValueError, match="choosing among 2 strengths needs groups"):
        RidgeProbe((1e-3, 10.0)).fit(x, y)
