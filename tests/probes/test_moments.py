"""Moments: any cut of the rows gives the same sums, and they agree with numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.moments import Moments, column_statistics

FIELDS = ("x_sum", "y_sum", "xx", "xy", "yy")


def make_rows(seed: int, rows: int, binary: bool) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    x = generator.random((rows, 5)) < 0.3 if binary else generator.normal(3.0, 1.0, (rows, 5))
    return x, generator.normal(size=(rows, 2))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 99),
    rows=st.integers(1, 60),
    cuts=st.lists(st.integers(0, 60), max_size=4),
    binary=st.booleans(),
)
def test_batches_and_merged_parts_equal_the_whole(seed: int, rows: int, cuts: list[int], binary: bool) -> None:
    x, y = make_rows(seed, rows, binary)
    whole = Moments(5, 2).update(x, y)
    batched, parts = Moments(5, 2), []
    for x_part, y_part in zip(np.split(x, sorted(cuts)), np.split(y, sorted(cuts)), strict=True):
        batched.update(x_part, y_part)
        parts.append(Moments(5, 2).update(x_part, y_part))
    for other in (batched, Moments.total(parts)):
        assert other.count == whole.count
        for name in FIELDS:
            np.testing.assert_allclose(getattr(other, name), getattr(whole, name), rtol=1e-12, atol=1e-12)


def test_subtracting_a_fold_leaves_the_others() -> None:
    x, y = make_rows(0, 50, binary=True)
    total, fold = Moments(5, 2).update(x, y), Moments(5, 2).update(x[:20], y[:20])
    rest = Moments.total([total]).subtract(fold)
    expected = Moments(5, 2).update(x[20:], y[20:])
    assert rest.count == 30
    for name in FIELDS:
        np.testing.assert_allclose(getattr(rest, name), getattr(expected, name), atol=1e-12)
    assert total.count == 50, "the total itself stays"
    with pytest.raises(ValueError, match="cannot remove"):
        fold.subtract(total)


def test_binary_products_are_exact_counts_beyond_one_chunk() -> None:
    x = np.random.default_rng(1).random((10_000, 4)) < 0.5
    moments = Moments(4, 1).update(x, np.ones((10_000, 1)))
    assert np.array_equal(moments.xx, x.astype(np.int64).T @ x.astype(np.int64))


@pytest.mark.parametrize("binary", [True, False])
def test_standardisation_agrees_with_numpy_and_leaves_constants_out(binary: bool) -> None:
    x, y = make_rows(2, 200, binary)
    x[:, 1], x[:, 3] = (True, False) if binary else (0.1, 0.0)
    moments = Moments(5, 2).update(x, y)
    np.testing.assert_allclose(moments.x_mean, x.mean(axis=0))
    assert moments.x_scale[[1, 3]].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(moments.x_scale[[0, 2, 4]], x[:, [0, 2, 4]].std(axis=0))
    equations = moments.normal_equations()
    varying = x[:, [0, 2, 4]].astype(float)
    np.testing.assert_allclose(equations.gram, np.corrcoef(varying.T), atol=1e-10)
    z = (varying - varying.mean(axis=0)) / varying.std(axis=0)
    np.testing.assert_allclose(equations.cross, z.T @ (y - y.mean(axis=0)) / 200, atol=1e-10)
    mean, scale = column_statistics(x)
    np.testing.assert_allclose(mean, moments.x_mean)
    np.testing.assert_allclose(scale, moments.x_scale, atol=1e-9)


def test_residual_squares_equal_those_of_the_rows() -> None:
    x, y = make_rows(3, 80, binary=True)
    generator = np.random.default_rng(4)
    coef, intercept = generator.normal(size=(2, 5)), generator.normal(size=2) + 100
    expected = np.square(y + 200 - x @ coef.T - intercept).sum(axis=0)
    squares = Moments(5, 2).update(x, y + 200).residual_squares(coef, intercept)
    np.testing.assert_allclose(squares, expected, rtol=1e-9)


def test_rows_that_do_not_fit_are_refused() -> None:
    moments = Moments(2, 1)
    with pytest.raises(ValueError, match="y must be finite"):
        moments.update(np.ones((1, 2), dtype=bool), np.array([[np.nan]]))
    with pytest.raises(ValueError, match="0 or 1, got 7"):
        moments.update(np.full((1, 2), 7, dtype=np.uint8), np.ones((1, 1)))
    with pytest.raises(ValueError, match=r"x must have shape \(row, 2\)"):
        moments.update(np.ones((1, 3), dtype=bool), np.ones((1, 1)))
    with pytest.raises(ValueError, match="without rows"):
        moments.normal_equations()
    assert moments.count == 0
