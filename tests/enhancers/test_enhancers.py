"""Enhancers take noise out, in line with what went in, and the same again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import exp1

from datamodules.synthetic_speech import draw_voice, synthesize_utterance
from enhancers import Enhancer, LogMmse, NsNet2, RnNoise, SpectralGating, WebRtcSuppressor, usable
from enhancers.base import SAMPLE_RATE, Waveform
from enhancers.log_mmse import follow_noise, log_amplitude_gain
from enhancers.rnnoise import DELAY as RNNOISE_DELAY
from enhancers.rnnoise import RATE as RNNOISE_RATE
from enhancers.webrtc import DELAY

ENHANCERS: tuple[Enhancer, ...] = (
    WebRtcSuppressor(), SpectralGating(), SpectralGating(True), LogMmse(), RnNoise(), NsNet2(),
)  # fmt: skip
CAUSAL: tuple[Enhancer, ...] = (WebRtcSuppressor(), LogMmse(), NsNet2())

every_enhancer = pytest.mark.parametrize("enhancer", ENHANCERS, ids=lambda enhancer: enhancer.name)
every_causal = pytest.mark.parametrize("enhancer", CAUSAL, ids=lambda enhancer: enhancer.name)


class Missing(LogMmse):
    """Needs a package that nobody has."""

    packages = ("no_such_package_of_an_enhancer",)


def skip_where_missing(enhancer: Enhancer) -> None:
    reason = enhancer.available()
    if reason is not None:
        pytest.skip(reason)


def white(samples: int, rms: float, seed: int = 0) -> NDArray[np.float64]:
    return rms * np.random.default_rng(seed).standard_normal(samples)


def speech(seconds: float = 2.0) -> NDArray[np.float64]:
    rng = np.random.default_rng(1)
    return synthesize_utterance(draw_voice("F", rng), int(seconds * SAMPLE_RATE), SAMPLE_RATE, rng).waveform


def bursts(samples: int) -> Waveform:
    """Return bursts of white noise of 50 ms every 400 ms, which no suppressor takes for noise, over silence."""
    gate = np.arange(samples) % 6400 >= 5600
    return (white(samples, 0.1) * gate).astype(np.float32)


def lag_of(late: Waveform, early: Waveform, furthest: int = 400) -> int:
    """Return by how many samples the first signal is late, where both correlate best."""
    inner = early[furthest:-furthest].astype(np.float64)
    stop = len(early) - furthest
    products = [inner @ late[furthest + lag : stop + lag] for lag in range(-furthest, furthest + 1)]
    return int(np.argmax(products)) - furthest


@every_enhancer
def test_what_comes_out_is_in_line_with_what_went_in(enhancer: Enhancer) -> None:
    skip_where_missing(enhancer)
    waveform = bursts(2 * SAMPLE_RATE)
    assert lag_of(enhancer.enhance(waveform, SAMPLE_RATE), waveform) == 0


def test_the_delay_of_webrtc_is_as_long_as_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_where_missing(WebRtcSuppressor())
    waveform = bursts(2 * SAMPLE_RATE)
    monkeypatch.setattr("enhancers.webrtc.DELAY", 0)
    assert lag_of(WebRtcSuppressor().enhance(waveform, SAMPLE_RATE), waveform) == DELAY == 96


def test_the_delay_of_rnnoise_is_as_long_as_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_where_missing(RnNoise())
    waveform = (speech() + white(2 * SAMPLE_RATE, 0.001)).astype(np.float32)
    monkeypatch.setattr("enhancers.rnnoise.DELAY", 0)
    late = lag_of(RnNoise().enhance(waveform, SAMPLE_RATE), waveform)
    assert late == RNNOISE_DELAY * SAMPLE_RATE // RNNOISE_RATE == 320


def test_rnnoise_hears_what_comes_later_only_through_the_resampler() -> None:
    skip_where_missing(RnNoise())
    changed = SAMPLE_RATE
    first = (speech() + white(2 * SAMPLE_RATE, 0.02)).astype(np.float32)
    other = first.copy()
    other[changed:] = white(SAMPLE_RATE, 0.1, seed=5).astype(np.float32)
    one, two = (RnNoise().enhance(waveform, SAMPLE_RATE) for waveform in (first, other))
    same = changed - RnNoise().latency_samples - 160
    np.testing.assert_allclose(one[:same], two[:same], atol=1e-3)
    assert not np.allclose(one[same : changed + 512], two[same : changed + 512], atol=1e-3)


@every_causal
def test_samples_later_than_the_latency_change_nothing(enhancer: Enhancer) -> None:
    skip_where_missing(enhancer)
    changed = SAMPLE_RATE
    first = (speech() + white(2 * SAMPLE_RATE, 0.02)).astype(np.float32)
    other = first.copy()
    other[changed:] = white(SAMPLE_RATE, 0.1, seed=5).astype(np.float32)
    assert enhancer.latency_samples is not None
    same = changed - enhancer.latency_samples
    one, two = (enhancer.enhance(waveform, SAMPLE_RATE) for waveform in (first, other))
    np.testing.assert_array_equal(one[:same], two[:same])
    assert not np.array_equal(one[same : changed + 512], two[same : changed + 512])  # no later than declared


@every_enhancer
def test_noise_alone_becomes_quieter(enhancer: Enhancer) -> None:
    skip_where_missing(enhancer)
    noise = white(3 * SAMPLE_RATE, 0.05).astype(np.float32)
    left = enhancer.enhance(noise, SAMPLE_RATE)[2 * SAMPLE_RATE :]
    assert left.std() < 0.7 * noise.std()


def test_speech_in_white_noise_comes_closer_to_the_speech() -> None:
    clean = speech()
    noisy = (clean + white(len(clean), 0.02)).astype(np.float32)
    enhanced = LogMmse().enhance(noisy, SAMPLE_RATE)
    assert np.mean((enhanced - clean) ** 2) < 0.4 * np.mean((noisy - clean) ** 2)


@every_enhancer
def test_the_same_again_whatever_was_heard_before(enhancer: Enhancer) -> None:
    skip_where_missing(enhancer)
    noisy = (speech(1.0) + white(SAMPLE_RATE, 0.02)).astype(np.float32)
    before = noisy.copy()
    first = enhancer.enhance(noisy, SAMPLE_RATE)
    enhancer.enhance(white(SAMPLE_RATE, 0.3).astype(np.float32), SAMPLE_RATE)
    np.testing.assert_array_equal(enhancer.enhance(noisy, SAMPLE_RATE), first)
    np.testing.assert_array_equal(noisy, before)


@every_enhancer
@pytest.mark.parametrize("samples", [0, 1, 159, 160, 5000])
def test_silence_stays_silent_and_lengths_are_kept(enhancer: Enhancer, samples: int) -> None:
    enhanced = enhancer.enhance(np.zeros(samples, dtype=np.float32), SAMPLE_RATE)
    assert enhanced.dtype == np.float32 and enhanced.shape == (samples,) and not enhanced.any()


@pytest.mark.parametrize("enhancer", CAUSAL, ids=lambda enhancer: enhancer.name)
@given(samples=st.integers(1, 1500))
def test_every_length_is_kept(enhancer: Enhancer, samples: int) -> None:
    skip_where_missing(enhancer)
    enhanced = enhancer.enhance(white(samples, 0.1).astype(np.float32), SAMPLE_RATE)
    assert enhanced.shape == (samples,) and np.isfinite(enhanced).all()


@given(st.floats(1e-4, 1e4), st.floats(1e-4, 1e4))
def test_the_gain_is_that_of_the_paper(prior: float, posterior: float) -> None:
    likelihood = prior / (1 + prior) * posterior
    expected = prior / (1 + prior) * np.exp(exp1(max(likelihood, 1e-8)) / 2)
    assert log_amplitude_gain(np.array([prior]), np.array([posterior]))[0] == pytest.approx(expected)


def test_a_steady_noise_is_found_and_speech_above_it_is_not_taken_for_noise() -> None:
    rng = np.random.default_rng(0)
    noise, presence = np.full(50, 0.1), np.zeros(50)
    for _ in range(300):
        noise, presence = follow_noise(4.0 * rng.exponential(size=50), noise, presence)
    assert np.median(noise) == pytest.approx(4.0, rel=0.3)
    after, _ = follow_noise(np.full(50, 4e4), noise, presence)
    assert np.median(after) == pytest.approx(float(np.median(noise)), rel=0.1)


def test_missing_packages_and_wrong_input_are_named() -> None:
    chosen, left_out = usable(
        [
            LogMmse(),
        ]
    )
    assert chosen == [LogMmse()] and left_out == {}
    chosen, left_out = usable([Missing()])
    assert chosen == [] and "no_such_package_of_an_enhancer (extra 'enhancers')" in left_out["log_mmse"]
    with pytest.raises(ValueError, match="'log_mmse' more than once"):
        usable([LogMmse(), LogMmse(-10.0)])
    with pytest.raises(ValueError, match=r"needs sample_rate 16000 Hz, got 8000"):
        LogMmse().enhance(np.zeros(10, dtype=np.float32), 8000)
    with pytest.raises(ValueError, match=r"shape \(sample,\), got float32 \(2, 5\)"):
        LogMmse().enhance(np.zeros((2, 5), dtype=np.float32), SAMPLE_RATE)
    with pytest.raises(ValueError, match="must be finite"):
        LogMmse().enhance(np.full(10, np.nan, dtype=np.float32), SAMPLE_RATE)
    with pytest.raises(ValueError, match=r"level must be 1, 2, 3 or 4, got 0"):
        WebRtcSuppressor(0)
    with pytest.raises(ValueError, match="lowest_gain_db must be negative"):
        LogMmse(3.0)
    with pytest.raises(ValueError, match=r"smoothing must lie in \[0, 1\)"):
        LogMmse(smoothing=1.0)
