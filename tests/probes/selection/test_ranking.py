"""Rankings: planted features come first, agreement with scikit-learn, chance for shuffled targets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge, lasso_path
from sklearn.metrics import mutual_info_score

from probes.moments import Moments
from probes.reservoir import FrameReservoir, FrameRows
from probes.selection import METHODS, RankingSettings, rank
from probes.selection.elimination import elimination_order
from probes.selection.l1_path import lasso_entry
from probes.selection.mutual_information import feature_information, quantile_bins
from probes.selection.outputs import features_of_moments
from probes.tasks import ProbeTask

FEATURES = 60
PLANTED = [7, 21, 40, 55]
INFORMED = [method for method in METHODS if method != "random"]
TASKS = [
    ProbeTask("vad", "binary"),
    ProbeTask("noise_class", "category"),
    ProbeTask("snr_db", "value"),
    ProbeTask("f0_hz", "value", where="vad", transform="log2"),
]


def make_rows(seed: int = 0, shuffled: bool = False) -> FrameRows:
    """Four features carry every target; 0 never varies, 1 nearly never."""
    generator = np.random.default_rng(seed)
    x = generator.random((3000, FEATURES)) < 0.4
    x[:, 0], x[:, 1] = True, generator.random(3000) < 0.001
    cause = generator.permutation(x) if shuffled else x
    score = cause[:, PLANTED] @ np.array([3.0, -2.5, 2.0, 2.0]) + 0.5 * generator.normal(size=3000)
    targets = {
        "vad": (score > 1.5).astype(float),
        "noise_class": cause[:, PLANTED[0]].astype(int) + 2 * cause[:, PLANTED[1]] + 4 * (score > 2),
        "snr_db": np.where(generator.random(3000) < 0.1, np.nan, score),
        "f0_hz": 100 * 2 ** (score / 4),
    }
    targets["noise_class"] = np.where(generator.random(3000) < 0.1, -1, targets["noise_class"])
    reservoir = FrameReservoir(None)
    reservoir.add(x, targets, np.arange(3000) // 50)
    return reservoir.rows()


@pytest.fixture(scope="module")
def rows() -> FrameRows:
    return make_rows()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("method", INFORMED)
def test_planted_features_come_first(rows: FrameRows, method: str, task: ProbeTask) -> None:
    order = rank(method, rows, task)  # type: ignore[arg-type]
    assert sorted(order.tolist()) == list(range(FEATURES))
    assert set(order[:4]) == set(PLANTED)
    assert order[-1] == 0, "a constant feature is last"


@pytest.mark.parametrize("method", METHODS)
def test_nothing_planted_is_found_without_information(method: str) -> None:
    places = []
    for seed in range(5):
        order = rank(method, make_rows(seed, shuffled=True), TASKS[2], seed=seed)  # type: ignore[arg-type]
        places += [int(np.flatnonzero(order == feature)[0]) for feature in PLANTED]
    # 20 places of 60: mean 29.5 and standard deviation of the mean 3.9 if they are random.
    assert abs(np.mean(places) - 29.5) < 3 * 3.9


def test_random_order_is_seeded_and_knows_nothing(rows: FrameRows) -> None:
    orders = [rank("random", rows, TASKS[0], seed=seed) for seed in (1, 1, 2)]
    assert np.array_equal(orders[0], orders[1]) and not np.array_equal(orders[0], orders[2])
    assert sorted(orders[0].tolist()) == list(range(FEATURES))


@given(seed=st.integers(0, 99), classes=st.integers(1, 6))
def test_mutual_information_is_that_of_scikit_learn(seed: int, classes: int) -> None:
    generator = np.random.default_rng(seed)
    x, y = generator.random((200, 4)) < generator.random(4), generator.integers(0, classes, 200)
    reservoir = FrameReservoir(None)
    reservoir.add(x, {"noise_class": y, "snr_db": (y + x[:, 0]).astype(float)}, np.zeros(200))
    rows = reservoir.rows()
    found = feature_information(ProbeTask("noise_class", "category"), rows)
    np.testing.assert_allclose(found, [mutual_info_score(y, column) for column in x.T], atol=1e-12)
    binned = quantile_bins(rows.targets["snr_db"], 5)
    found = feature_information(ProbeTask("snr_db", "value"), rows, bins=5)
    np.testing.assert_allclose(found, [mutual_info_score(binned, column) for column in x.T], atol=1e-12)


def test_bins_have_equal_counts_and_equal_values_share_one() -> None:
    values = np.random.default_rng(0).permutation(1000.0 + np.arange(1000))
    assert np.bincount(quantile_bins(values, 10)).tolist() == [100] * 10
    assert np.unique(quantile_bins(np.array([0.0] * 90 + [1.0] * 10), 10)).size == 2


def correlated(outputs: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(5)
    latent = generator.normal(size=(500, 6))
    x = (latent @ generator.normal(size=(6, 25)) + generator.normal(size=(500, 25))) > 0.5
    return x, latent @ generator.normal(size=(6, outputs)) + generator.normal(size=(500, outputs))


def standard(values: np.ndarray) -> np.ndarray:
    return np.asarray((values - values.mean(axis=0)) / values.std(axis=0))


@pytest.mark.parametrize("outputs", [1, 3])
def test_entry_is_that_of_the_lasso_path_on_rows(outputs: int) -> None:
    x, y = correlated(outputs)
    entry = lasso_entry(Moments(25, outputs).update(x, y), alphas=30, weakest=0.05, tol=1e-8, max_iter=20_000)
    z, t = standard(x.astype(float)), standard(y)
    penalties = np.abs(z.T @ t / 500).max() * np.geomspace(1, 0.05, 31)[1:]
    used = [lasso_path(z, t[:, k], alphas=penalties, tol=1e-8, max_iter=20_000)[1] != 0 for k in range(outputs)]
    expected = np.where(np.any(used, axis=0).any(axis=1), penalties[np.any(used, axis=0).argmax(axis=1)], 0.0)
    np.testing.assert_allclose(entry, expected)
    assert np.unique(entry).size > 5


def test_elimination_drops_what_explicit_refits_drop() -> None:
    x, y = correlated(2)
    z, t = standard(x.astype(float)), standard(y)
    left, dropped = np.arange(25), []
    while left.size:
        weights = np.square(Ridge(alpha=500 * 0.05).fit(z[:, left], t).coef_).sum(axis=0)
        by_weight = np.argsort(weights)
        count = left.size if left.size <= 4 else min(max(1, int(0.2 * left.size)), left.size - 4)
        dropped += left[by_weight[:count]].tolist()
        left = np.sort(left[by_weight[count:]])
    order = elimination_order(Moments(25, 2).update(x, y), l2=0.05, drop=0.2, keep=4)
    assert order.tolist() == dropped[::-1]


def test_copies_of_a_channel_are_ordinary_input() -> None:
    x, y = correlated(1)
    moments = Moments(50, 1).update(np.hstack([x, x]), y)
    for order in (rank_by(moments) for rank_by in (elimination_order, lambda m: np.argsort(-lasso_entry(m)))):
        assert sorted(order.tolist()) == list(range(50))


def test_moments_of_some_features_are_those_of_their_columns() -> None:
    x, y = correlated(2)
    kept = features_of_moments(Moments(25, 2).update(x, y), np.array([4, 1]))
    expected = Moments(2, 2).update(x[:, [4, 1]], y)
    for name in ("count", "x_sum", "y_sum", "xx", "xy", "yy"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(expected, name))


def test_what_cannot_be_ranked_is_refused(rows: FrameRows) -> None:
    with pytest.raises(ValueError, match="method must be one of"):
        rank("pca", rows, TASKS[0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs rows with a known target"):
        rank("l1_path", rows.take(np.zeros(len(rows), dtype=bool)), TASKS[0])
    floats = FrameReservoir(None)
    floats.add(np.ones((4, 2)), {"vad": np.array([0, 1, 0, 1])}, np.zeros(4))
    with pytest.raises(ValueError, match="needs binary features"):
        rank("mutual_information", floats.rows(), TASKS[0])
    for settings in ({"path_alphas": 1}, {"elimination_l2": 0.0}, {"elimination_drop": 1.0}):
        with pytest.raises(ValueError, match=next(iter(settings))):
            RankingSettings(**settings)  # type: ignore[arg-type]
