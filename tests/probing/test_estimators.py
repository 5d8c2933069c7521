"""Estimators beside the probes: which frames count, and what a frame without an answer gets."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, recall_score

from estimators import WebRtcDetector, WorldEstimator
from probes.evaluation import evaluate, posterior_of, predicted_values
from probes.fitting import counting
from probes.tasks import ProbeTask
from probing.data import StudyData
from probing.sections.estimators import EstimatorScores
from reports.probing.rows import EstimatorEntry
from tests.probing.planted import TASKS, study


@pytest.fixture(scope="module")
def data() -> StudyData:
    return study(tasks=[*TASKS, ProbeTask("voicing", "binary")], timed_mixtures=1)


def by_score(entries: Iterable[EstimatorEntry]) -> dict[tuple[str, str], EstimatorEntry]:
    return {(entry.task, entry.metric): entry for entry in entries}


def test_f0_is_scored_on_voiced_agreed_and_all_frames(data: StudyData) -> None:
    rows, rng = data.score_masks, np.random.default_rng(0)
    target = rows.targets["f0_hz"].astype(np.float64)
    true = np.isfinite(target)
    candidate = np.where(true, target, 150.0) * 2 ** rng.normal(0, 0.3, len(rows))
    candidate[rng.random(len(rows)) < 0.1] = np.nan
    candidate = candidate.astype(np.float32).astype(np.float64)
    known, called = np.isfinite(candidate), rng.random(len(rows)) < 0.7
    estimates = {"candidate_hz": candidate.astype(np.float32), "voicing": called.astype(np.float32)}
    found = by_score(EstimatorScores(data, rows).dedicated(WorldEstimator(), estimates, 5.0, "note"))

    guess = np.where(known, candidate, np.median(candidate[known]))
    voiced = np.log2(target[true]), np.log2(guess[true])
    assert found["f0_hz", "r2_octave"].score == pytest.approx(r2_score(*voiced))
    both = true & called & known
    assert found["f0_agreed_hz", "mae"].score == pytest.approx(mean_absolute_error(target[both], candidate[both]))
    gross = np.abs(candidate[both] / target[both] - 1) > 0.2
    assert found["f0_agreed_hz", "gross_error_rate"].score == pytest.approx(gross.mean())
    answer = np.where(called & known, candidate, 0.0)
    assert found["f0_or_zero_hz", "r2"].score == pytest.approx(r2_score(np.nan_to_num(target), answer))
    for row in found.values():
        assert row.low <= row.score <= row.high, row
        assert (row.estimator, row.microseconds_per_hop, row.network_shared) == ("world_harvest", 5.0, False)


def test_speech_is_scored_on_all_frames(data: StudyData) -> None:
    rows = data.score_masks
    flipped = rows.targets["vad"] != (np.random.default_rng(0).random(len(rows)) < 0.2)
    estimates = {"vad": flipped.astype(np.float32)}
    found = by_score(EstimatorScores(data, rows).dedicated(WebRtcDetector(), estimates, 5.0, ""))
    expected = 1 - recall_score(rows.targets["vad"], flipped)
    assert found["vad", "miss_rate"].score == pytest.approx(expected)
    assert 0.15 < expected < 0.25


def test_mask_probes_are_those_of_the_scores(data: StudyData) -> None:
    rows = data.score_masks
    found = by_score(EstimatorScores(data, rows).probes())
    for name, metric in (("vad", "auroc"), ("f0_hz", "r2_octave")):
        fitted = data.mask_fits[name]
        expected = evaluate(fitted, counting(rows, fitted.task)).scores[metric]
        assert found[name, metric].score == pytest.approx(expected)
    voicing = data.mask_fits["voicing"].probe
    assert voicing is not None
    called = posterior_of(voicing, rows, np.array([0, 1]))[:, 1] >= 0.5
    f0 = data.mask_fits["f0_hz"]
    assert f0.probe is not None
    answer = np.where(called, f0.task.decode(predicted_values(f0.probe, rows)), 0.0)
    every = found["f0_or_zero_hz", "r2"]
    assert every.score == pytest.approx(r2_score(np.nan_to_num(rows.targets["f0_hz"]), answer))
    assert every.network_shared
    assert every.microseconds_per_hop > 0
