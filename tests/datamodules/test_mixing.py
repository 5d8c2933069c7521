"""Mixtures: SNR and level measured back from the output, and powers against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.mixing import PEAK_LIMIT, Waveform, active_speech_power, frame_power, mix, power_db
from networks.framing import FrameGrid

HOP = 256
P56_MARGIN = 10**1.59

seeds = st.integers(0, 2**32 - 1)


def speech_like(rng: np.random.Generator, num_hops: int, remainder: int = 0, gain_db: float = 0.0) -> Waveform:
    """Noise whose power moves over 50 dB from hop to hop, some hops digitally silent."""
    level_db = rng.uniform(-50, 0, num_hops) + gain_db - 20
    envelope = 10 ** (level_db / 20) * (rng.random(num_hops) > 0.3)
    envelope[rng.integers(num_hops)] = 10 ** ((gain_db - 20) / 20)
    samples = rng.standard_normal(num_hops * HOP) * envelope.repeat(HOP)
    return np.concatenate([samples, np.zeros(remainder)]).astype(np.float32)


def reference_active_power(waveform: Waveform) -> float:
    """Active power by its definition: the smallest level that is the mean over the hops above it less 15.9 dB."""
    hops = waveform[: len(waveform) // HOP * HOP].astype(np.float64).reshape(-1, HOP)
    powers = np.sort((hops**2).mean(axis=1))[::-1]
    powers = powers[powers > 0]
    fixed = [
        mean
        for count in range(1, len(powers) + 1)
        if ((mean := powers[:count].mean()) < powers[count - 1] * P56_MARGIN)
        and (count == len(powers) or powers[count] * P56_MARGIN <= mean)
    ]
    return float(min(fixed))


@given(
    seed=seeds,
    num_hops=st.integers(2, 60),
    remainder=st.integers(0, HOP - 1),
    speech_gain_db=st.floats(-45, 10),
    noise_gain_db=st.floats(-60, 10),
    snr_db=st.floats(-30, 40),
    level_dbfs=st.floats(-60, 0),
)
def test_snr_and_level_are_measured_back(
    seed: int,
    num_hops: int,
    remainder: int,
    speech_gain_db: float,
    noise_gain_db: float,
    snr_db: float,
    level_dbfs: float,
) -> None:
    rng = np.random.default_rng(seed)
    clean = speech_like(rng, num_hops, remainder, speech_gain_db)
    noise = (rng.laplace(size=len(clean)) * 10 ** (noise_gain_db / 20)).astype(np.float32)
    before = clean.copy(), noise.copy()
    mixture = mix(clean, noise, snr_db, level_dbfs, HOP)
    np.testing.assert_array_equal([clean, noise], before)  # recordings may come from a cache

    assert all(signal.dtype == np.float32 and signal.shape == clean.shape for signal in mixture)
    np.testing.assert_array_equal(mixture.noisy, mixture.clean + mixture.noise)
    noise_power = np.mean(mixture.noise.astype(np.float64) ** 2)
    assert 10 * np.log10(reference_active_power(mixture.clean) / noise_power) == pytest.approx(snr_db, abs=0.01)

    peak = max(np.abs(signal).max() for signal in mixture)
    assert peak <= PEAK_LIMIT * (1 + 1e-6)
    level = 10 * np.log10(np.mean(mixture.noisy.astype(np.float64) ** 2))
    if peak < PEAK_LIMIT * (1 - 1e-5):
        assert level == pytest.approx(level_dbfs, abs=0.01)
    else:
        assert level <= level_dbfs + 0.01


def test_signals_are_scaled_and_nothing_else() -> None:
    rng = np.random.default_rng(3)
    clean, noise = speech_like(rng, 20), rng.standard_normal(20 * HOP).astype(np.float32)
    mixture = mix(clean, noise, 3.0, -30.0, HOP)
    for scaled, original in ((mixture.clean, clean), (mixture.noise, noise)):
        gain = np.dot(scaled, original) / np.dot(original, original)
        assert gain > 0
        np.testing.assert_allclose(scaled, gain * original, rtol=1e-5, atol=1e-7)


def test_a_loud_peak_lowers_the_level_and_keeps_the_snr() -> None:
    rng = np.random.default_rng(0)
    clean = speech_like(rng, 40)
    clean[1000] = 0.9
    noise = rng.standard_normal(len(clean)).astype(np.float32) * np.float32(1e-3)
    mixture = mix(clean, noise, 20.0, -5.0, HOP)
    assert np.abs(mixture.noisy).max() == pytest.approx(PEAK_LIMIT, rel=0.05)
    assert power_db(float(np.mean(mixture.noisy**2))) < -10
    measured = power_db(active_speech_power(mixture.clean, HOP)) - power_db(float(np.mean(mixture.noise**2)))
    assert measured == pytest.approx(20.0, abs=0.01)


@pytest.mark.parametrize(
    ("clean", "noise", "message"),
    [
        (np.ones(1024), np.ones(1000), r"same length, got 1024 and 1000 samples"),
        (np.zeros(1024), np.ones(1024), "must not be silent"),
        (np.ones(1024), np.zeros(1024), "must not be silent"),
    ],
)
def test_what_cannot_be_mixed_is_refused(clean: Waveform, noise: Waveform, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mix(clean.astype(np.float32), noise.astype(np.float32), 0.0, -30.0, HOP)


@given(seed=seeds, num_hops=st.integers(1, 80), gain_db=st.floats(-60, 0), silent_hops=st.integers(0, 300))
def test_active_power_ignores_silence_and_follows_gain(
    seed: int, num_hops: int, gain_db: float, silent_hops: int
) -> None:
    waveform = speech_like(np.random.default_rng(seed), num_hops)
    power = active_speech_power(waveform, HOP)
    assert power == pytest.approx(reference_active_power(waveform), rel=1e-5)
    silence = np.zeros(silent_hops * HOP, dtype=np.float32)
    assert active_speech_power(np.concatenate([waveform, silence]), HOP) == pytest.approx(power, rel=1e-5)
    assert active_speech_power(np.concatenate([silence, waveform]), HOP) == pytest.approx(power, rel=1e-5)
    gain = np.float32(10 ** (gain_db / 20))
    assert active_speech_power(waveform * gain, HOP) == pytest.approx(power * float(gain) ** 2, rel=1e-4)


def test_active_power_of_bursts_is_the_power_of_the_bursts() -> None:
    burst = np.full(10 * HOP, 0.1, dtype=np.float32)
    faint = np.full(30 * HOP, 0.003, dtype=np.float32)  # 30 dB below: a pause
    audible = np.full(10 * HOP, 0.05, dtype=np.float32)  # 6 dB below: speech
    assert active_speech_power(np.concatenate([faint, burst, faint]), HOP) == pytest.approx(0.01, rel=1e-5)
    assert active_speech_power(np.concatenate([burst, audible]), HOP) == pytest.approx(0.00625, rel=1e-5)
    assert active_speech_power(np.zeros(1000, dtype=np.float32), HOP) == 0.0


@given(
    seed=seeds,
    num_samples=st.integers(0, 3000),
    grid=st.sampled_from(
        [FrameGrid(), FrameGrid(16000, 512, 128), FrameGrid(8000, 400, 200), FrameGrid(16000, 768, 256)]
    ),
)
def test_frame_power_is_that_of_a_plain_loop(seed: int, num_samples: int, grid: FrameGrid) -> None:
    waveform = np.random.default_rng(seed).standard_normal(num_samples).astype(np.float32)
    expected = []
    for frame in range(grid.num_frames(num_samples)):
        start = frame * grid.hop_length - grid.window_length // 2
        window = waveform[max(start, 0) : max(start + grid.window_length, 0)].astype(np.float64)
        expected.append((window**2).sum() / grid.window_length)
    np.testing.assert_allclose(frame_power(waveform, grid), expected, rtol=1e-9, atol=1e-15)


@given(num_samples=st.integers(1, 4000), data=st.data())
def test_an_impulse_lands_in_the_frames_around_it(num_samples: int, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, num_samples - 1))
    waveform = np.zeros(num_samples, dtype=np.float32)
    waveform[position] = 1.0
    grid = FrameGrid()
    hit = [frame for frame in range(grid.num_frames(num_samples)) if -256 <= position - 256 * frame < 256]
    power = frame_power(waveform, grid)
    assert np.flatnonzero(power).tolist() == hit
    np.testing.assert_allclose(power[hit], 1 / 512)


def test_power_db_has_a_floor_and_takes_arrays() -> None:
    np.testing.assert_allclose(power_db(np.array([1.0, 0.5, 0.0])), [0.0, -3.0103, -120.0], atol=1e-4)
