"""Probes of utterances: fitted on means, linear in the frames, and better at it than probes of frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from probes.deployable import deployable
from probes.fitting import FitSettings, counting, fit_tasks
from probes.pooling import utterance_rows
from probes.reservoir import FrameReservoir, FrameRows
from probes.suite import ProbeSuite
from probes.tasks import ProbeTask

FRAMES, CHANNELS = 40, 24
POOLED = ProbeTask("level", "value", unit="dB", pooled=True)
OF_FRAMES = ProbeTask("level", "value", unit="dB", per_utterance=True)


def utterances(count: int, seed: int) -> tuple[NDArray[np.bool_], dict[str, NDArray[Any]], NDArray[np.int64]]:
    """Draw masks in which an utterance's level moves how often channels are on, and nothing else tells it."""
    rng = np.random.default_rng(seed)
    level = rng.uniform(-1, 1, count)
    share = 0.5 + 0.1 * level[:, None] * np.sign(np.arange(CHANNELS) - CHANNELS / 2 + 0.5)
    masks = rng.random((count, FRAMES, CHANNELS)) < share[:, None]
    where = np.repeat(np.arange(count), FRAMES)
    return masks.reshape(-1, CHANNELS), {"level": np.repeat(10 * level, FRAMES)}, where


def rows(count: int, seed: int) -> FrameRows:
    reservoir = FrameReservoir(capacity=None)
    reservoir.add(*utterances(count, seed))
    return reservoir.rows()


def test_a_pooled_probe_does_what_a_probe_of_frames_cannot() -> None:
    suite = ProbeSuite([POOLED], shuffled_control=True)
    suite.add_fit(*utterances(300, seed=0))
    suite.add_score(*utterances(100, seed=1))
    (pooled,) = suite.run()
    frames = ProbeSuite([OF_FRAMES])
    frames.add_fit(*utterances(300, seed=0))
    frames.add_score(*utterances(100, seed=1))
    (of_frames,) = frames.run()
    assert pooled.scores["r2"] > 0.85
    assert of_frames.scores["utterance_r2"] < pooled.scores["r2"] - 0.2
    assert (pooled.fit_rows, pooled.score_rows) == (300, 100)
    assert abs(pooled.chance["r2"]) < 0.1
    assert pooled.shuffled["r2"] < 0.2


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.permutations(range(5)))
def test_the_mean_of_what_a_deployed_probe_says_is_what_was_fitted(seed: int, order: list[int]) -> None:
    fit = rows(60, seed)
    fitted = fit_tasks([POOLED], fit, FitSettings(shuffled_control=False))["level"]
    probe = deployable(fitted, np.arange(CHANNELS), utterance_s=0.64)
    assert probe is not None
    assert probe.averaged_s == 0.64
    heard = rows(5, seed + 1)
    frames = np.concatenate([np.flatnonzero(heard.utterances == utterance) for utterance in order])
    means = utterance_rows(heard.take(frames))
    said = probe.predict(heard.features).reshape(5, FRAMES).mean(axis=1)
    assert fitted.probe is not None
    np.testing.assert_allclose(fitted.probe.predict(means.features), said, atol=1e-4)
    np.testing.assert_allclose(means.targets["level"], heard.targets["level"][::FRAMES])


def test_only_frames_that_count_are_averaged() -> None:
    task = ProbeTask("level", "value", where="vad", pooled=True)
    masks = np.array([[1, 0], [0, 0], [1, 1], [1, 1]], dtype=bool)
    targets = {"level": np.array([1.0, 9.0, 3.0, np.nan]), "vad": np.array([1, 0, 1, 1])}
    reservoir = FrameReservoir(capacity=None)
    reservoir.add(masks, targets, np.array([4, 4, 4, 6]))
    pooled = counting(reservoir.rows(), task)
    assert pooled.utterances.tolist() == [4]
    assert pooled.features.tolist() == [[1.0, 0.5]]
    assert pooled.targets["level"].tolist() == [2.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "binary"}, r"tasks\[level\].pooled is only for kind 'value', this task is 'binary'"),
        ({"kind": "value", "transform": "log2"}, r"tasks\[level\].pooled is not for tasks with transform, got 'log2'"),
        ({"kind": "value", "fill": 0.0}, r"tasks\[level\].pooled is not for tasks with fill, got 0.0"),
        ({"kind": "value", "per_utterance": True}, r"tasks\[level\].pooled is not for tasks with per_utterance"),
    ],
)
def test_what_cannot_be_averaged_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProbeTask("level", **settings, pooled=True)
