"""Logistic probe: scikit-learn's solution, missing classes, convergence as an attribute."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from probes.logistic import LogisticProbe


def make_rows(classes: int, rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(classes)
    x = generator.random((rows, 15)) < 0.4
    x[:, 2] = True
    logits = x @ generator.normal(size=(15, classes)) * 1.5
    return x, (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("l2", [0.01, 0.3])
def test_solution_is_that_of_scikit_learn(classes: int, l2: float) -> None:
    x, y = make_rows(classes)
    probe = LogisticProbe(l2, tol=1e-5).fit(x, y)
    scale = x.std(axis=0)
    z = (x - x.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    reference = LogisticRegression(C=1 / (len(x) * l2), tol=1e-9, max_iter=1000).fit(z, y)
    # The gradient is within 1e-5 and the curvature at least l2: weights are within about 1e-5 / 0.01.
    np.testing.assert_allclose(probe.standard_coef_, reference.coef_, atol=1e-3)
    np.testing.assert_allclose(probe.predict_proba(x), reference.predict_proba(z), atol=5e-4)
    assert probe.constant_.tolist() == [column == 2 for column in range(15)]
    assert (probe.coef_[:, 2] == 0).all() and (probe.predict(x) == reference.predict(z)).mean() > 0.99


def test_given_statistics_are_used() -> None:
    x, y = make_rows(2)
    own = LogisticProbe(0.1).fit(x, y)
    given = LogisticProbe(0.1).fit(x, y, mean=x.mean(axis=0), scale=x.std(axis=0))
    np.testing.assert_allclose(given.coef_, own.coef_, atol=1e-5)
    wide = LogisticProbe(0.1).fit(x, y, mean=x.mean(axis=0), scale=2 * x.std(axis=0))
    assert not np.allclose(wide.coef_, own.coef_, atol=1e-2)


def test_a_single_class_is_always_predicted_and_flagged() -> None:
    x, _ = make_rows(2)
    probe = LogisticProbe(0.1).fit(x, np.full(len(x), 7))
    assert probe.single_class_ and probe.converged_ and probe.n_iter_ == 0
    assert set(probe.predict(x)) == {7} and probe.predict_proba(x).shape == (len(x), 1)


def test_constant_features_predict_class_shares() -> None:
    y = np.array([0, 1, 1, 1] * 50)
    probe = LogisticProbe(0.1, tol=1e-6).fit(np.ones((200, 3), dtype=bool), y)
    np.testing.assert_allclose(probe.predict_proba(np.zeros((1, 3), dtype=bool)), [[0.25, 0.75]], atol=1e-3)


def test_running_out_of_iterations_is_an_attribute_not_a_warning() -> None:
    x, y = make_rows(4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probe = LogisticProbe(1e-4, max_iter=2).fit(x, y)
    assert not probe.converged_ and probe.n_iter_ == 2


def test_strength_is_chosen_on_held_out_groups() -> None:
    generator = np.random.default_rng(5)
    x = generator.random((600, 80)) < 0.5
    groups = np.repeat(np.arange(60), 10)
    weak = LogisticProbe((1e-3, 10.0)).fit(x, x[:, 0].astype(int), groups=groups)
    strong = LogisticProbe((1e-3, 10.0)).fit(x, generator.integers(0, 2, 600), groups=groups)
    assert (weak.l2_, strong.l2_) == (1e-3, 10.0)
    assert LogisticProbe((1e-3, 10.0)).fit(x, x[:, 0].astype(int), groups=np.zeros(600)).l2_ == 10.0


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="holdout"):
        LogisticProbe(0.1, holdout=1.0).fit(*make_rows(2))
    with pytest.raises(ValueError, match="needs groups"):
        LogisticProbe((0.1, 1.0)).fit(*make_rows(2))
    with pytest.raises(ValueError, match="minimum of 1 is required"):
        LogisticProbe(0.1).fit(np.zeros((0, 3), dtype=bool), np.zeros(0))
