"""Quantized weights: the exact ternary optimum, means kept, predictions of the same kind."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from probes.logistic import LogisticProbe
from probes.quantization import int8_weights, quantize_probe, ternary_weights
from probes.ridge import RidgeProbe

numbers = st.integers(-40, 40).map(lambda value: value / 10)


@given(weights=arrays(np.float64, 6, elements=numbers), importance=arrays(np.float64, 6, elements=st.integers(0, 5)))
def test_ternary_error_is_the_least_of_all_codes(weights: np.ndarray, importance: np.ndarray) -> None:
    codes, scale = ternary_weights(weights, importance)
    error = (importance * (weights - scale * codes) ** 2).sum()
    best = np.inf
    for candidate in product((-1, 0, 1), repeat=6):
        t = np.array(candidate)
        norm = (importance * t**2).sum()
        s = (importance * weights * t).sum() / norm if norm else 0.0
        best = min(best, (importance * (weights - s * t) ** 2).sum())
    assert error == pytest.approx(best, abs=1e-9)
    assert scale >= 0 and set(codes.tolist()) <= {-1, 0, 1}


@given(seed=st.integers(0, 999), size=st.integers(1, 60))
def test_ternary_is_no_worse_than_the_rule_of_thumb(seed: int, size: int) -> None:
    weights = np.random.default_rng(seed).standard_t(2, size)
    codes, scale = ternary_weights(weights, np.ones(size))
    above = np.abs(weights) > 0.7 * np.abs(weights).mean()
    thumb = np.sign(weights) * above * np.abs(weights[above]).mean()
    assert ((weights - scale * codes) ** 2).sum() <= ((weights - thumb) ** 2).sum() + 1e-12


@given(weights=arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e3, 1e3, width=32)))
def test_int8_is_no_worse_than_rounding_on_the_widest_scale(weights: np.ndarray) -> None:
    codes, scale = int8_weights(weights, np.ones(weights.size))
    assert codes.dtype == np.int8 and (np.abs(codes.astype(int)) <= 127).all()
    step = np.abs(weights).max() / 127
    assert ((weights - scale * codes) ** 2).sum() <= weights.size * (step / 2) ** 2 * (1 + 1e-9)


def make_rows(classes: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(classes)
    x = generator.random((800, 40)) < generator.random(40)
    x[:, 5], x[:, 6] = True, False
    logits = x @ generator.normal(size=(40, max(classes, 1)))
    return x, logits[:, 0] if classes < 2 else (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)


@pytest.mark.parametrize("precision", ["int8", "ternary"])
def test_values_keep_their_mean_and_nearly_their_spread(precision: str) -> None:
    x, y = make_rows(0)
    probe = RidgeProbe(0.01).fit(x, y)
    quantized = quantize_probe(probe, precision, x.mean(axis=0))  # type: ignore[arg-type]
    assert quantized.predict(x).shape == (800,)
    assert quantized.predict(x).mean() == pytest.approx(probe.predict(x).mean(), abs=1e-5)
    assert np.corrcoef(quantized.predict(x), probe.predict(x))[0, 1] > {"int8": 0.9999, "ternary": 0.85}[precision]
    assert quantized.bytes == {"int8": 40 + 8, "ternary": 10 + 8}[precision]
    np.testing.assert_allclose(x @ quantized.coef_[0] + quantized.intercept[0], quantized.predict(x), atol=1e-5)
    with pytest.raises(ValueError, match="predicts values"):
        quantized.predict_proba(x)


@pytest.mark.parametrize("classes", [2, 4])
def test_classes_keep_their_labels_and_mean_logits(classes: int) -> None:
    x, y = make_rows(classes)
    probe = LogisticProbe(0.01).fit(x, y + 10)
    quantized = quantize_probe(probe, "int8", x.mean(axis=0))
    assert quantized.predict_proba(x).shape == (800, classes)
    assert (quantized.predict(x) == probe.predict(x)).mean() > 0.98
    assert quantized.bytes == len(probe.coef_) * (40 + 8)
    ternary = quantize_probe(probe, "ternary", x.mean(axis=0))
    assert (ternary.predict(x) == probe.predict(x)).mean() > 0.7
    logits = x @ probe.coef_.T + probe.intercept_
    np.testing.assert_allclose(ternary.decision(x).mean(axis=0), logits.mean(axis=0), atol=1e-5)


def test_a_rare_feature_with_a_large_weight_does_not_spoil_the_others() -> None:
    generator = np.random.default_rng(0)
    x = generator.random((4000, 30)) < 0.5
    x[:, 0] = generator.random(4000) < 0.001
    y = x[:, 1:] @ generator.choice([-1.0, 1.0], 29) + 20.0 * x[:, 0]
    probe = RidgeProbe(1e-4).fit(x, y)
    kept = quantize_probe(probe, "ternary", x.mean(axis=0))
    common = ~x[:, 0]
    assert np.count_nonzero(ternary_weights(probe.coef_, np.ones(30))[0]) == 1, "all weights alike: only the rare one"
    assert np.corrcoef(kept.predict(x[common]), y[common])[0, 1] > 0.9


def test_what_does_not_fit_is_refused() -> None:
    x, y = make_rows(0)
    probe = RidgeProbe(0.1).fit(x, y)
    with pytest.raises(ValueError, match="precision must be one of"):
        quantize_probe(probe, "int4", x.mean(axis=0))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"feature_mean must have shape \(40,\)"):
        quantize_probe(probe, "int8", np.zeros(3))
    constant = RidgeProbe(0.1).fit(np.zeros((3, 4), dtype=bool), np.array([1.0, 2.0, 6.0]))
    flat = quantize_probe(constant, "ternary", np.zeros(4))
    assert flat.predict(np.ones((1, 4), dtype=bool)).tolist() == [3.0]
