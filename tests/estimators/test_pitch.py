"""F0 estimators against tones whose F0 is known at every sample."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from datamodules.synthetic_speech import draw_voice, synthesize_utterance
from estimators import CrepeEstimator, Estimator, PyinEstimator, WorldEstimator
from tests.estimators.signals import GRID, HOP, RATE, TRACKERS, glide_hz, harmonic_tone, skip_where_missing

every_tracker = pytest.mark.parametrize("tracker", TRACKERS, ids=lambda tracker: tracker.name)


def signed_cents(tracker: Estimator, octaves_per_second: float) -> np.ndarray:
    """Return the error in cents of every frame of a glide that is away from the ends and voiced."""
    truth = glide_hz(octaves_per_second, seconds=0.6)
    f0_hz = tracker.estimate(harmonic_tone(truth), GRID)["f0_hz"]
    inside = slice(6, -6)
    errors = 1200 * np.log2(f0_hz[: len(truth[::HOP])] / truth[::HOP])[inside]
    assert np.isfinite(errors).mean() > 0.9
    return errors[np.isfinite(errors)]


@every_tracker
def test_a_glide_is_followed_and_in_time(tracker: Estimator) -> None:
    skip_where_missing(tracker)
    rate = 1.0
    up, down = signed_cents(tracker, rate), signed_cents(tracker, -rate)
    assert np.median(np.abs(up)) < 50 and np.median(np.abs(down)) < 50
    assert max(np.percentile(np.abs(up), 90), np.percentile(np.abs(down), 90)) < 50
    # What is late is below a rising tone and above a falling one; half a frame would be 9.6 cents either way.
    late_ms = 1000 * (np.median(down) - np.median(up)) / 2 / (1200 * rate)
    assert abs(late_ms) < 1000 * HOP / RATE / 4


@every_tracker
def test_a_tone_is_voiced_from_where_it_starts_to_where_it_ends(tracker: Estimator) -> None:
    skip_where_missing(tracker)
    start, stop, total = 20 * HOP, 45 * HOP + HOP // 2, 64 * HOP
    tone = harmonic_tone(np.full(total, 150.0))
    tone[:start] = tone[stop:] = 0.0
    tone += (1e-3 * np.random.default_rng(0).standard_normal(len(tone))).astype(np.float32)
    voicing = tracker.estimate(tone, GRID)["voicing"]
    assert set(np.unique(voicing)) == {0.0, 1.0}
    inside, outside = slice(23, 43), np.r_[15:18, 49:64]  # the very start is left out: DIO hears a tone in noise there
    assert voicing[inside].mean() > 0.9
    assert voicing[outside].mean() < 0.1


@every_tracker
def test_speech_is_tracked(tracker: Estimator) -> None:
    skip_where_missing(tracker)
    rng = np.random.default_rng(0)
    spoken = synthesize_utterance(draw_voice("F", rng), RATE, RATE, rng)
    truth = spoken.f0_hz[::HOP]
    found = tracker.estimate(spoken.waveform, GRID)
    f0_hz = found["f0_hz"][: len(truth)]
    both = np.isfinite(f0_hz) & np.isfinite(truth)
    assert both.sum() > 0.9 * np.isfinite(truth).sum()
    assert np.median(np.abs(1200 * np.log2(f0_hz[both] / truth[both]))) < 25
    assert (np.isfinite(f0_hz) == np.isfinite(truth)).mean() > 0.8


@every_tracker
def test_what_is_returned_fits_together(tracker: Estimator) -> None:
    skip_where_missing(tracker)
    signal = harmonic_tone(np.full(RATE // 2, 220.0))
    signal[: RATE // 4] = 0.0
    found = tracker.estimate(signal, GRID)
    assert {values.dtype for values in found.values()} == {np.dtype(np.float32)}
    voiced = found["voicing"] == 1
    np.testing.assert_array_equal(np.isfinite(found["f0_hz"]), voiced)
    np.testing.assert_array_equal(found["candidate_hz"][voiced], found["f0_hz"][voiced])
    if "periodicity" in found:
        assert found["periodicity"][voiced].mean() > found["periodicity"][~voiced].mean()
    again = tracker.estimate(signal, GRID)
    for name, values in found.items():
        np.testing.assert_array_equal(values, again[name])
    assert tracker.lookahead_ms == math.inf


@every_tracker
def test_silence_is_unvoiced(tracker: Estimator) -> None:
    skip_where_missing(tracker)
    assert tracker.estimate(np.zeros(RATE // 2, dtype=np.float32), GRID)["voicing"].max() == 0


@every_tracker
@pytest.mark.parametrize("samples", [0, 1, 300, 2000])
def test_short_recordings_have_their_frames(tracker: Estimator, samples: int) -> None:
    skip_where_missing(tracker)
    noise = 0.1 * np.random.default_rng(0).standard_normal(samples).astype(np.float32)
    found = tracker.estimate(noise, GRID)
    assert {values.shape for values in found.values()} == {(GRID.num_frames(samples),)}


def test_a_batch_of_one_frame_gives_the_same_track() -> None:
    tone = harmonic_tone(glide_hz(0.5, seconds=0.3))
    whole, single = (CrepeEstimator(batch_size=size).estimate(tone, GRID)["candidate_hz"] for size in (64, 1))
    np.testing.assert_allclose(single, whole, rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (CrepeEstimator, {"f0_range_hz": (300.0, 60.0)}, "CrepeEstimator.f0_range_hz must be positive and rising"),
        (CrepeEstimator, {"periodicity_threshold": 1.0}, "CrepeEstimator.periodicity_threshold"),
        (CrepeEstimator, {"batch_size": 0}, "CrepeEstimator.batch_size must be positive, got 0"),
        (CrepeEstimator, {"model": "large"}, "CrepeEstimator.model must be one of"),
        (WorldEstimator, {"method": "yin"}, "WorldEstimator.method must be one of"),
        (WorldEstimator, {"f0_range_hz": (0.0, 60.0)}, "WorldEstimator.f0_range_hz"),
        (PyinEstimator, {"f0_range_hz": (60.0, math.inf)}, "PyinEstimator.f0_range_hz"),
    ],
)
def test_wrong_settings_are_named(kind: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**arguments)
