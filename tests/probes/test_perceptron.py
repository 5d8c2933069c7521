"""Perceptron: finds what is not linear, nothing where nothing is, and repeats itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone

from probes.logistic import LogisticProbe
from probes.perceptron import PerceptronProbe
from probes.ridge import RidgeProbe

GROUPS = np.repeat(np.arange(60), 20)


def make_rows(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features 0 and 1 of twelve decide together; 5 is constant."""
    x = np.random.default_rng(seed).random((1200, 12)) < 0.5
    x[:, 5] = True
    return x, (x[:, 0] ^ x[:, 1]).astype(int)


def small(**settings: object) -> PerceptronProbe:
    return PerceptronProbe(**({"hidden": 16, "learning_rate": 0.02, "max_epochs": 60, "patience": 8} | settings))  # type: ignore[arg-type]


def test_exclusive_or_is_found_by_the_perceptron_and_not_by_the_linear_probe() -> None:
    x, y = make_rows(0)
    new_x, new_y = make_rows(1)
    probe = small().fit(x, y + 3, GROUPS)
    assert (probe.predict(new_x) == new_y + 3).mean() > 0.98
    assert (LogisticProbe(0.01).fit(x, y).predict(new_x) == new_y).mean() < 0.6
    proba = probe.predict_proba(new_x)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert probe.classes_.tolist() == [3, 4] and proba.shape == (1200, 2)
    assert probe.n_weights_ == 16 * 12 + 16 + 2 * 16 + 2 and (probe.coefs_[0][:, 5] == 0).all()


@pytest.mark.parametrize("binary", [True, False])
def test_products_of_features_are_found_as_values(binary: bool) -> None:
    def rows(seed: int) -> tuple[np.ndarray, np.ndarray]:
        x = make_rows(seed)[0] if binary else np.random.default_rng(seed).normal(50, 1, (1200, 3))
        z = x - x.mean(axis=0)
        return x, np.stack([100 + 7 * z[:, 0] * z[:, 1], z[:, 2]], axis=1)

    (x, y), (new_x, new_y) = rows(0), rows(1)
    probe = small(kind="values").fit(x, y, GROUPS)
    error = ((probe.predict(new_x) - new_y) ** 2).mean(axis=0) / new_y.var(axis=0)
    linear = ((RidgeProbe(0.01).fit(x, y).predict(new_x) - new_y) ** 2).mean(axis=0) / new_y.var(axis=0)
    assert (error < 0.2).all() and linear[0] > 0.9
    single = small(kind="values").fit(x, y[:, 0], GROUPS)
    assert single.predict(new_x).shape == (1200,)
    with pytest.raises(ValueError, match="predicts values"):
        probe.predict_proba(x)


def test_labels_without_information_stop_early_and_score_at_chance() -> None:
    x, _ = make_rows(0)
    generator = np.random.default_rng(3)
    probe = small(patience=3).fit(x, generator.integers(0, 2, 1200), GROUPS)
    assert probe.converged_ and probe.n_iter_ < 60 and len(probe.holdout_loss_) == probe.n_iter_
    assert abs((probe.predict(make_rows(1)[0]) == generator.integers(0, 2, 1200)).mean() - 0.5) < 0.06


def test_stopping_looks_at_other_utterances() -> None:
    """Features name the utterance: rows of known ones can be learnt by heart, held-out ones show that it is no use."""
    generator = np.random.default_rng(4)
    x = (generator.random((60, 40)) < 0.5)[GROUPS]
    y = generator.integers(0, 2, 60)[GROUPS]
    apart, together = small(patience=3).fit(x, y, GROUPS), small(patience=3).fit(x, y)
    assert min(apart.holdout_loss_) > 0.5 > 0.1 > min(together.holdout_loss_)


def test_seed_and_data_decide_and_global_state_stays() -> None:
    x, y = make_rows(0)
    state = torch.get_rng_state()
    first, again, other = (small(seed=seed, max_epochs=3).fit(x, y, GROUPS) for seed in (1, 1, 2))
    assert torch.equal(state, torch.get_rng_state())
    assert np.array_equal(first.predict_proba(x), again.predict_proba(x)) and first.n_iter_ == 3
    assert not np.allclose(first.predict_proba(x), other.predict_proba(x)) and not first.converged_


def test_is_a_scikit_learn_estimator() -> None:
    probe = small(seed=5)
    assert clone(probe).get_params() == probe.get_params() and probe.get_params()["hidden"] == 16
    assert probe.set_params(hidden=4).hidden == 4
    x, y = make_rows(0)
    assert probe.fit(x, y, GROUPS) is probe
    with pytest.raises(ValueError, match="features must have shape"):
        probe.predict(x[:, :3])


def test_gaps_in_the_data() -> None:
    x, _ = make_rows(0)
    assert set(small(max_epochs=2).fit(x, np.full(1200, 7), GROUPS).predict(x)) == {7}
    flat = small(kind="values", max_epochs=2).fit(np.ones((1200, 3), dtype=bool), np.full(1200, 5.0), GROUPS)
    assert flat.predict(np.ones((2, 3), dtype=bool)) == pytest.approx([5.0, 5.0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"hidden": 0}, "hidden"), ({"kind": "f0"}, "kind"), ({"holdout": 1.0}, "holdout"), ({"patience": 0}, "patience")],
)
def test_settings_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**settings).fit(*make_rows(0), GROUPS)


def test_rows_are_checked() -> None:
    x, y = make_rows(0)
    with pytest.raises(ValueError, match="at least 2 utterances"):
        small().fit(x, y, np.zeros(1200))
    with pytest.raises(ValueError, match="finite"):
        small(kind="values").fit(x, np.full(1200, np.nan), GROUPS)
    with pytest.raises(ValueError, match=r"\(1200, 12\), \(3,\)"):
        small().fit(x, y[:3], GROUPS)
