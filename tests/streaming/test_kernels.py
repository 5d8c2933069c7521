"""The compiled loops by themselves, against numpy in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies
from numba import njit

from streaming.kernels import layout as at
from streaming.kernels.compiled import _build, _stamp
from streaming.kernels.dense import OPTIONS
from streaming.kernels.elementary import logistic, power
from streaming.kernels.fourier import transform, twiddles
from streaming.kernels.gates import list_positive
from streaming.kernels.simd import add_rows, multiply_rows


@njit(**OPTIONS)
def products(weights, starts, x, first, length, sums):
    multiply_rows(weights, starts, x, first, length, sums)


@njit(**OPTIONS)
def combination(weights, starts, shift, gains, y, first, length):
    add_rows(weights, starts, shift, gains, y, first, length)


@pytest.mark.parametrize("length", [8, 16, 40, 256])
def test_eight_rows_at_a_time(length: int) -> None:
    rng = np.random.default_rng(length)
    weights, x = rng.normal(size=5000).astype(np.float32), rng.normal(size=300).astype(np.float32)
    starts = rng.integers(0, 4000, 8)
    rows = np.stack([weights[start : start + length] for start in starts]).astype(np.float64)
    sums = np.zeros(8, dtype=np.float32)
    products(weights, starts, x, 3, length, sums)
    np.testing.assert_allclose(sums, rows @ x[3 : 3 + length], atol=2e-5)
    shifted = np.stack([weights[start + 5 : start + 5 + length] for start in starts]).astype(np.float64)
    y = np.ones(300, dtype=np.float32)
    combination(weights, starts, 5, sums, y, 7, length)
    np.testing.assert_allclose(y[7 : 7 + length], 1 + sums @ shifted, atol=1e-4)
    assert (y[:7] == 1).all() and (y[7 + length :] == 1).all()


def test_positive_logits_are_listed() -> None:
    rng = np.random.default_rng(0)
    for share in (0.0, 0.3, 1.0):
        logits = np.where(rng.random(64) < share, rng.random(64) + 1e-6, -rng.random(64)).astype(np.float32)
        logits[[5, 9]] = 0.0, -0.0
        channels = np.full(72, -1, dtype=np.int64)
        count = list_positive(logits, 64, channels)
        assert channels[:count].tolist() == np.flatnonzero(logits > 0).tolist()


@pytest.mark.parametrize("length", [8, 16, 32, 64, 128, 512, 2048])
def test_the_transform_is_that_of_numpy(length: int) -> None:
    rng = np.random.default_rng(length)
    factors = twiddles(2 * length).astype(np.float32)
    signal = (rng.normal(size=length) + 1j * rng.normal(size=length)).astype(np.complex64)
    re, im, spare_re, spare_im = signal.real.copy(), signal.imag.copy(), *np.zeros((2, length), np.float32)
    swapped = transform(re, im, spare_re, spare_im, factors[0], factors[1], length)
    found = spare_re + 1j * spare_im if swapped else re + 1j * im
    expected = np.fft.fft(signal)
    assert np.abs(found - expected).max() < 1e-6 * np.abs(expected).max()


@given(strategies.floats(-29, 9), strategies.floats(0.05, 1.0))
def test_powers(decade: float, exponent: float) -> None:
    x = np.float32(10**decade)
    single = np.float32(exponent)
    remainder = np.float32(exponent - float(single))
    assert power(x, single, remainder) == pytest.approx(float(x) ** exponent, rel=3e-7)


@given(strategies.floats(-200, 200, width=32))
def test_the_logistic_function(x: float) -> None:
    with np.errstate(over="ignore"):
        assert logistic(np.float32(x)) == pytest.approx(1 / (1 + np.exp(-x)), abs=2e-7)


def test_fields_have_positions_of_their_own() -> None:
    names = [name for name, value in vars(at).items() if name.isupper() and isinstance(value, int)]
    plan = names[names.index("WINDOW") : names.index("PLAN_FIELDS") + 1]
    assert [getattr(at, name) for name in plan] == list(range(len(plan)))
    block = names[names.index("DILATION") : names.index("BLOCK_FIELDS") + 1]
    assert [getattr(at, name) for name in block] == list(range(len(block)))


def test_what_is_kept_on_disk_depends_on_every_source() -> None:
    entry, other = _build(_stamp())[1], _build(_stamp() + 1)[1]
    cells = [cell.cell_contents for cell in entry.py_func.__closure__]
    assert _stamp() in cells and _stamp() + 1 in [cell.cell_contents for cell in other.py_func.__closure__]
