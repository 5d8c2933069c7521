"""Opinions of detectors are compared where they can be, at the threshold that suits the other one."""

from __future__ import annotations

import numpy as np

from benchmarks.second_opinions import Opinion, agreement

FRAMES = 400


def target() -> Opinion:
    rng = np.random.default_rng(0)
    periodic, spoken = rng.random(FRAMES) < 0.5, rng.random(FRAMES) < 0.8
    return Opinion(periodic.astype(float), rng.uniform(80, 300, FRAMES), spoken)


def test_the_same_opinion_agrees_wholly() -> None:
    assert agreement("twin", target(), target()) == ["twin", "-", "1.000", "1.000", "1.000", "1.000"]


def test_the_threshold_is_the_one_that_suits_best() -> None:
    truth = target()
    hesitant = truth._replace(certainty=np.where(truth.certainty > 0, 0.3, 0.1))
    threshold, *scores = agreement("hesitant", truth, hesitant)[1:]
    assert 0.1 <= float(threshold) < 0.3 and scores == ["1.000"] * 4


def test_a_frame_on_the_wrong_side_costs_a_whole_f0() -> None:
    truth = target()
    wrong = np.arange(FRAMES) % 10 == 0
    swapped = truth._replace(certainty=np.where(wrong, 1 - truth.certainty, truth.certainty))
    _, accuracy, _, voiced, everywhere = agreement("swapped", truth, swapped)[1:]
    assert abs(float(accuracy) - (1 - (wrong & truth.candidate).mean())) < 1e-3
    assert voiced == "1.000" and 0.3 < float(everywhere) < 0.9


def test_voice_activity_has_no_f0() -> None:
    truth = target()._replace(f0_hz=np.full(FRAMES, np.nan))
    assert agreement("twin", truth, truth) == ["twin", "-", "1.000", "1.000"]
