"""Smoothing: the filter of its formula, its delay measured, utterances apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.smoothing import latency_frames, leaky_average, smoothing_latency_ms


def reference(values: np.ndarray, utterances: np.ndarray, tau: float) -> np.ndarray:
    last: dict[int, float] = {}
    result = []
    for value, utterance in zip(values, utterances, strict=True):
        before = last.get(utterance, value)
        last[utterance] = before + (value - before) / tau
        result.append(last[utterance])
    return np.array(result)


@given(seed=st.integers(0, 99), rows=st.integers(0, 40), tau=st.floats(1, 20), mixed=st.booleans())
def test_equals_the_recursion_for_any_order_of_utterances(seed: int, rows: int, tau: float, mixed: bool) -> None:
    generator = np.random.default_rng(seed)
    utterances = generator.integers(0, 4, rows)
    utterances = utterances if mixed else np.sort(utterances)
    values = generator.normal(size=(rows, 2))
    smooth = leaky_average(values, utterances, tau)
    expected = np.array([reference(column, utterances, tau) for column in values.T]).T.reshape(rows, 2)
    np.testing.assert_allclose(smooth, expected, atol=1e-12)
    np.testing.assert_allclose(leaky_average(values[:, 0], utterances, tau), smooth[:, 0])


@given(seed=st.integers(0, 99), tau=st.floats(1, 20), cut=st.integers(1, 29))
def test_is_causal_and_stays_within_its_inputs(seed: int, tau: float, cut: int) -> None:
    posterior = np.random.default_rng(seed).dirichlet(np.ones(3), 30)
    smooth = leaky_average(posterior, np.zeros(30), tau)
    np.testing.assert_allclose(smooth[:cut], leaky_average(posterior[:cut], np.zeros(cut), tau))
    np.testing.assert_allclose(smooth.sum(axis=1), 1)
    assert (smooth >= posterior.min(axis=0) - 1e-12).all() and (smooth <= posterior.max(axis=0) + 1e-12).all()


@pytest.mark.parametrize("tau", [1, 2.5, 8])
def test_stated_delay_is_that_of_a_ramp_and_of_the_mean_of_a_step(tau: float) -> None:
    frames = np.arange(400.0)
    ramp = leaky_average(frames, np.zeros(400), tau)
    assert frames[-1] - ramp[-1] == pytest.approx(latency_frames(tau), abs=1e-9)
    step = leaky_average((frames >= 100).astype(float), np.zeros(400), tau)
    # The area between a step and its answer is the mean time of the impulse response.
    assert (1 - step[100:]).sum() == pytest.approx(latency_frames(tau), abs=1e-9)
    assert smoothing_latency_ms(tau, 256, 16_000) == pytest.approx(16 * latency_frames(tau))


def test_noise_is_averaged_away() -> None:
    values = np.random.default_rng(0).normal(size=5000)
    # A white input keeps a / (2 - a) of its variance: 1/7 for tau = 4.
    assert leaky_average(values, np.zeros(5000), 4)[100:].var() == pytest.approx(1 / 7, rel=0.1)


def test_what_cannot_be_smoothed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tau_frames must be at least 1 and finite, got 0.5"):
        leaky_average(np.zeros(2), np.zeros(2), 0.5)
    with pytest.raises(ValueError, match="finite"):
        leaky_average(np.array([0.0, np.nan]), np.zeros(2), 2)
    with pytest.raises(ValueError, match=r"got \(2,\) and \(3,\)"):
        leaky_average(np.zeros(2), np.zeros(3), 2)
    with pytest.raises(ValueError, match="hop_length"):
        smoothing_latency_ms(4, 0, 16_000)
