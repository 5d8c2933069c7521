"""Speaker verification: error rates of scikit-learn's ROC, planted voices, and resampled speakers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from sklearn.metrics import roc_curve

from probes.reservoir import FrameReservoir, FrameRows
from probes.verification import (
    _resampled_errors,
    cosine_trials,
    equal_error_rate,
    mean_features,
    standardised,
    verify,
    verify_speakers,
)


def voices(strength: float, speakers: int, seed: int, each: int = 8) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(speakers), each)
    return strength * generator.normal(size=(speakers, 20))[labels] + generator.normal(size=(labels.size, 20)), labels


def masks(strength: float, seed: int, first: int, speakers: int = 8, each: int = 6, frames: int = 40) -> FrameRows:
    """Channels are mostly on, and active a little more or less often for each speaker."""
    generator = np.random.default_rng(seed)
    rate = np.linspace(0.05, 0.95, 64) + strength * generator.normal(size=(speakers, 64))
    labels = np.repeat(np.arange(speakers), each)
    reservoir = FrameReservoir(None)
    for utterance, speaker in enumerate(labels):
        rows = generator.random((frames, 64)) < rate[speaker]
        reservoir.add(rows, {"speaker": np.full(frames, speaker)}, np.full(frames, first + utterance))
    return reservoir.rows()


@given(trials=st.integers(2, 200), levels=st.sampled_from([3, 20, 10_000]), seed=st.integers(0, 500))
def test_equal_error_rate_is_that_of_the_roc_curve_of_scikit_learn(trials: int, levels: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    same = np.arange(trials) % 3 == 0
    scores = np.round((generator.normal(size=trials) + same) * levels) / levels
    false_alarms, found, _ = roc_curve(same, scores, drop_intermediate=False)
    # Every operating point has more false alarms or fewer misses than the one before.
    expected = np.interp(0.0, false_alarms - (1 - found), false_alarms)
    assert equal_error_rate(scores, same) == pytest.approx(expected, abs=1e-9)


def test_equal_error_rate_lies_on_the_line_between_operating_points() -> None:
    generator = np.random.default_rng(0)
    same = generator.random(3000) < 0.3
    scores = np.round(generator.normal(size=3000) + 1.5 * same, 1)  # coarse: every step is slanted
    false_alarms, found, _ = roc_curve(same, scores, drop_intermediate=False)
    expected = brentq(lambda x: 1 - x - np.interp(x, false_alarms, found), 0.0, 1.0)
    assert equal_error_rate(scores, same) == pytest.approx(expected, abs=1e-9)
    assert equal_error_rate(-scores, same) == pytest.approx(1 - expected, abs=1e-9)
    assert equal_error_rate(scores, ~same) == pytest.approx(1 - expected, abs=1e-9)


def test_degenerate_trials() -> None:
    assert equal_error_rate(np.array([2.0, 1.0]), np.array([True, False])) == 0.0
    assert equal_error_rate(np.array([1.0, 2.0]), np.array([True, False])) == 1.0
    assert np.isnan(equal_error_rate(np.ones(3), np.ones(3)))
    assert np.isnan(equal_error_rate(np.zeros(0), np.zeros(0)))


def test_planted_voices_are_verified_and_others_are_at_chance() -> None:
    strong, none = verify(*voices(2.0, 10, seed=0)), verify(*voices(0.0, 20, seed=1))
    assert strong.eer < 0.05 and strong.high < 0.1
    assert none.low < 0.5 < none.high and abs(none.eer - 0.5) < 0.05
    assert (strong.trials, strong.target_trials, strong.speakers) == (80 * 79 // 2, 10 * 28, 10)
    weak = verify(*voices(0.7, 10, seed=2))
    assert strong.high < weak.low <= weak.eer <= weak.high < 0.5


def test_one_utterance_per_speaker_has_no_target_trials() -> None:
    embeddings, _ = voices(1.0, 6, seed=0, each=1)
    found = verify(embeddings, np.arange(6), resamples=50)
    assert (found.trials, found.target_trials, found.speakers) == (15, 0, 6)
    assert np.isnan([found.eer, found.low, found.high]).all()
    one = verify(embeddings, np.zeros(6), resamples=50)
    assert one.speakers == 1 and np.isnan([one.eer, one.low, one.high]).all()
    assert verify(embeddings[:0], np.zeros(0), resamples=50).trials == 0


def test_a_resample_weighs_pairs_by_both_their_speakers() -> None:
    embeddings, speakers = voices(0.5, 5, seed=3, each=4)
    scores, first, second = cosine_trials(embeddings, speakers)
    counts = np.array([[1.0, 1, 1, 1, 1], [3, 0, 1, 0, 1], [5, 0, 0, 0, 0], [0, 2, 2, 1, 0]])
    found = _resampled_errors(scores, first, second, counts)
    for row, drawn in enumerate(counts):
        times = (drawn[first] * drawn[second]).astype(int)
        expected = equal_error_rate(np.repeat(scores, times), np.repeat(first == second, times))
        assert found[row] == pytest.approx(expected, nan_ok=True), row
    assert np.isnan(found[2]) and found[0] == pytest.approx(equal_error_rate(scores, first == second))


def test_interval_is_wider_for_fewer_speakers() -> None:
    few, many = verify(*voices(0.7, 6, seed=4)), verify(*voices(0.7, 40, seed=4))
    assert few.high - few.low > 1.5 * (many.high - many.low) > 0


def test_mean_masks_of_utterances_in_any_order() -> None:
    rows = masks(0.1, seed=0, first=10, speakers=2, each=2)
    order = np.random.default_rng(0).permutation(len(rows))
    utterances, means = mean_features(rows.take(order))
    assert utterances.tolist() == [10, 11, 12, 13]
    np.testing.assert_allclose(means[2], rows.features[rows.utterances == 12].mean(axis=0))


def test_masks_of_speakers_are_verified_better_where_they_are_centred() -> None:
    fit, score = masks(0.1, seed=1, first=0), masks(0.1, seed=2, first=1000)
    found = verify_speakers(score, fit, resamples=100)
    assert set(found) == {"raw", "centred"} and set(verify_speakers(score, resamples=10)) == {"raw"}
    assert found["centred"].eer < 0.2 and found["centred"].eer <= found["raw"].eer + 0.02
    control = verify_speakers(masks(0.0, seed=3, first=0), fit, resamples=100)
    assert all(abs(result.eer - 0.5) < 0.1 for result in control.values())
    unknown = score.take(np.arange(len(score)))
    unknown.targets["speaker"] = np.where(score.targets["speaker"] == 3, -1, score.targets["speaker"])
    assert verify_speakers(unknown, resamples=10)["raw"].speakers == 7


def test_wrong_use_is_refused() -> None:
    rows = masks(0.1, seed=0, first=0, speakers=2, each=2)
    with pytest.raises(ValueError, match="target 'talker' is missing"):
        verify_speakers(rows, target="talker")
    rows.targets["speaker"] = np.arange(len(rows))
    with pytest.raises(ValueError, match="must be the same in all frames of an utterance"):
        verify_speakers(rows)
    with pytest.raises(ValueError, match="speakers"):
        verify(np.ones((3, 2)), np.ones(2))
    with pytest.raises(ValueError, match="2 features, the reference 3"):
        standardised(np.ones((3, 2)), np.ones((3, 3)))
