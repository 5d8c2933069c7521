"""Scores of F0 and voicing, against counting by hand and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score

from estimators.scores import f0_scores

NAN = np.nan


def test_every_rate_counts_the_frames_that_it_names() -> None:
    target = np.array([100.0, 100.0, 100.0, 200.0, NAN, NAN, 200.0, 100.0])
    candidate = np.array([101.0, 119.0, 121.0, 210.0, 90.0, NAN, NAN, 100.0])
    voicing = np.array([1, 1, 1, 0, 1, 0, 0, 1])
    scores = f0_scores(target, candidate, voicing)
    assert scores["coverage"] == pytest.approx(5 / 6)
    assert scores["both/share"] == pytest.approx(4 / 6)
    assert scores["gross_error_rate"] == pytest.approx(1 / 4)
    assert scores["voicing_decision_error"] == pytest.approx(3 / 8)
    assert scores["f0_frame_error"] == pytest.approx(4 / 8)
    assert scores["both/mae"] == pytest.approx((1 + 19 + 21 + 0) / 4)
    median = np.median([101, 119, 121, 210, 90, 100])
    assert scores["voiced/mae"] == pytest.approx((1 + 19 + 21 + 10 + abs(200 - median) + 0) / 6)
    whole = [101.0, 119.0, 121.0, 0.0, 90.0, 0.0, 0.0, 100.0]
    assert scores["all/r2"] == pytest.approx(r2_score(np.nan_to_num(target), whole))


@given(st.integers(0, 2**32 - 1))
def test_scores_agree_with_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = np.where(rng.random(60) < 0.5, rng.uniform(60, 500, 60), NAN)
    target[:2] = 100.0, NAN
    candidate = rng.uniform(60, 500, 60)
    periodicity = rng.random(60)
    voicing = periodicity > 0.5
    scores = f0_scores(target, candidate, voicing, periodicity)
    voiced = np.isfinite(target)
    assert scores["voicing/accuracy"] == pytest.approx(accuracy_score(voiced, voicing))
    assert scores["voicing_decision_error"] == pytest.approx(1 - scores["voicing/accuracy"])
    assert scores["voicing/auroc"] == pytest.approx(roc_auc_score(voiced, periodicity))
    if voiced.sum() > 1:
        assert scores["voiced/r2"] == pytest.approx(r2_score(target[voiced], candidate[voiced]))
    assert scores["f0_frame_error"] >= scores["voicing_decision_error"]


def test_the_truth_has_no_errors_and_shuffled_truth_has() -> None:
    rng = np.random.default_rng(0)
    target = np.where(rng.random(500) < 0.6, rng.uniform(80, 300, 500), NAN)
    voicing = np.isfinite(target)
    right = f0_scores(target, target, voicing)
    assert right["gross_error_rate"] == right["f0_frame_error"] == right["both/median_abs_cents"] == 0
    assert right["voiced/r2"] == right["all/r2"] == right["coverage"] == 1
    other = rng.permutation(target)
    wrong = f0_scores(target, other, np.isfinite(other))
    assert wrong["gross_error_rate"] > 0.5 and wrong["both/r2"] < 0.1
    assert abs(wrong["voicing/auroc"] - 0.5) < 0.1


def test_nothing_voiced_and_no_candidates_are_undefined_not_errors() -> None:
    nothing = np.full(5, NAN)
    scores = f0_scores(nothing, nothing, np.zeros(5))
    assert np.isnan([scores["gross_error_rate"], scores["coverage"], scores["voiced/r2"]]).all()
    assert scores["voicing_decision_error"] == 0
    scores = f0_scores(np.array([100.0, 200.0]), nothing[:2], np.zeros(2))
    assert scores["coverage"] == 0 and np.isnan(scores["voiced/mae"]) and scores["f0_frame_error"] == 1


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"same shape \(row,\), got \(2,\), \(3,\) and \(2,\)"):
        f0_scores(np.ones(2), np.ones(3), np.ones(2))
    with pytest.raises(ValueError, match=r"candidate_hz must be positive and finite, or NaN, got 0\.0"):
        f0_scores(np.ones(2), np.array([1.0, 0.0]), np.ones(2))
