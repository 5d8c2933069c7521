"""Learning curves: nested sets, more utterances help where there is something to learn, and only there."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from probes.evaluation import score_values
from probes.fitting import FitSettings
from probes.intervals import Interval, score_intervals
from probes.learning_curve import LearningPoint, learning_curve, nested_utterances
from probes.reservoir import FrameReservoir, FrameRows
from probes.suite import ProbeSuite
from probes.tasks import ProbeTask

TASKS = (
    ProbeTask("vad", "binary"),
    ProbeTask("chance", "binary"),
    ProbeTask("level_dbfs", "value", unit="dBFS", where="vad", per_utterance=True),
)
SETTINGS = FitSettings(ridge_l2=(0.1, 1.0), logistic_l2=(0.1, 1.0))


def rows(seed: int, utterances: int = 60, frames: int = 8, channels: int = 60) -> FrameRows:
    """Every channel says a little of vad and of the level."""
    generator = np.random.default_rng(seed)
    weights = np.random.default_rng(0).normal(size=(channels, 2))
    total = utterances * frames
    x = generator.random((total, channels)) < 0.5
    outputs = (x - 0.5) @ weights
    targets = {
        "vad": (outputs[:, 0] > 0).astype(float),
        "chance": generator.integers(0, 2, total),
        "level_dbfs": outputs[:, 1] + generator.normal(size=total) - 40,
    }
    reservoir = FrameReservoir(None)
    reservoir.add(x, targets, np.repeat(np.arange(utterances), frames) + 1000 * seed)
    return reservoir.rows()


@pytest.fixture(scope="module")
def points() -> list[LearningPoint]:
    return learning_curve(
        rows(1), rows(2), TASKS, [4, 15, 60], settings=SETTINGS, intervals=partial(score_intervals, resamples=200)
    )


def curve(points: list[LearningPoint], task: str, metric: str) -> list[LearningPoint]:
    return [point for point in points if (point.task, point.metric) == (task, metric)]


def test_more_utterances_help_where_there_is_something_to_learn(points: list[LearningPoint]) -> None:
    for task, metric in (("vad", "balanced_accuracy"), ("level_dbfs", "r2")):
        few, some, all_ = curve(points, task, metric)
        assert (few.utterances, some.utterances, all_.utterances) == (4, 15, 60)
        assert few.score < some.score < all_.score and few.high < all_.low, task
        assert few.low < few.score < few.high and all_.low < all_.score < all_.high
    for point in curve(points, "chance", "balanced_accuracy"):
        assert abs(point.score - 0.5) < 0.1


def test_all_utterances_give_the_scores_of_the_suite(points: list[LearningPoint]) -> None:
    suite = ProbeSuite(TASKS, ridge_l2=SETTINGS.ridge_l2, logistic_l2=SETTINGS.logistic_l2)
    for add, part in ((suite.add_fit, rows(1)), (suite.add_score, rows(2))):
        add(part.features, part.targets, part.utterances)
    for result in suite.run():
        last = {
            point.metric: point.score for point in points if (point.task, point.utterances) == (result.task.name, 60)
        }
        assert last == pytest.approx(result.scores)
        strengths = {point.l2 for point in points if (point.task, point.utterances) == (result.task.name, 60)}
        assert strengths == {result.l2}


def test_sets_are_nested_seeded_and_of_whole_utterances() -> None:
    names = np.repeat(np.arange(30) * 7, 3)
    small, large = nested_utterances(names, [5, 20], seed=1)
    assert set(small) < set(large) < set(names) and (small.size, large.size) == (5, 20)
    assert np.array_equal(small, nested_utterances(names, [5], seed=1)[0])
    assert set(small) != set(nested_utterances(names, [5], seed=2)[0])
    for count in (0, 31):
        with pytest.raises(ValueError, match=f"counts must be from 1 to 30.*got {count}"):
            nested_utterances(names, [count])


def test_intervals_are_of_the_rows_that_count_and_nan_without() -> None:
    score, asked = rows(2), []

    def bounds(
        task: ProbeTask, target: NDArray[Any], prediction: NDArray[Any], utterances: NDArray[Any]
    ) -> dict[str, Interval]:
        asked.append((task.name, target, utterances))
        return {
            name: (value - 1, value + 1) for name, value in score_values(task, target, prediction, utterances).items()
        }

    for point in learning_curve(rows(1), score, TASKS[2:], [60], settings=SETTINGS, intervals=bounds):
        assert (point.low, point.high) == (point.score - 1, point.score + 1), point.metric
    voiced = score.targets["vad"] == 1
    ((name, target, utterances),) = asked
    assert name == "level_dbfs"
    assert np.array_equal(target, score.targets["level_dbfs"][voiced])
    assert np.array_equal(utterances, score.utterances[voiced])
    plain = learning_curve(rows(1), score, TASKS[2:], [60], settings=SETTINGS)
    assert np.isfinite([point.score for point in plain]).all()
    assert np.isnan([[point.low, point.high] for point in plain]).all()


def test_empty_fits_are_nan() -> None:
    silent = rows(1)
    silent.targets["vad"] = np.zeros(len(silent))
    intervals = partial(score_intervals, resamples=10)
    found = learning_curve(silent, rows(2), TASKS[2:], [5], settings=SETTINGS, intervals=intervals)
    assert {point.metric for point in found} == {"r2", "rmse", "mae", "utterance_r2"}
    assert np.isnan([[point.score, point.low, point.high] for point in found]).all()
