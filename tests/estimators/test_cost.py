"""Costs are of the right calls, per hop, on one thread; probes compute what a matrix product would."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from estimators import Estimates, Estimator, WebRtcDetector
from estimators.base import EstimatorTask, Waveform
from estimators.cost import estimator_cost, one_thread, probe_cost, probe_outputs
from networks.framing import FrameGrid
from tests.estimators.signals import GRID, HOP

CALLS: list[tuple[int, int]] = []


@dataclass(frozen=True)
class Sleeper(Estimator):
    """Sleeps 2 ms for every hop, after a first call that takes long."""

    task: ClassVar[EstimatorTask] = "vad"
    name: ClassVar[str] = "sleeper"
    lookahead_ms: ClassVar[float] = 0.0

    def _estimate(self, waveform: Waveform, grid: FrameGrid) -> Estimates:
        time.sleep(0.002 * (len(waveform) // HOP) + (0.2 if not CALLS else 0.0))
        CALLS.append((len(waveform), torch.get_num_threads()))
        return {"vad": np.zeros(grid.num_frames(len(waveform)), dtype=np.float32)}


def test_an_estimator_is_timed_per_hop_and_warm() -> None:
    CALLS.clear()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        cost = estimator_cost(Sleeper(), [np.zeros(hops * HOP + 7, dtype=np.float32) for hops in (5, 10, 20)], GRID)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert [length // HOP for length, _ in CALLS] == [5, 5, 10, 20]
    assert {threads for _, threads in CALLS} == {1}
    assert 2000 <= cost.microseconds_per_hop < 20_000 and cost.utterances == 3
    assert 0 < cost.process_microseconds_per_hop < 0.9 * cost.microseconds_per_hop  # sleeping takes no processor time


def test_threads_are_one_inside_and_as_before_outside() -> None:
    def threads() -> list[int]:
        return [int(library["num_threads"]) for library in threadpool_info()]

    before, torch_before = threads(), torch.get_num_threads()
    with pytest.raises(RuntimeError), one_thread():
        assert set(threads()) == {1} and torch.get_num_threads() == 1
        raise RuntimeError
    assert threads() == before and torch.get_num_threads() == torch_before


def test_a_real_detector_costs_something() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(100 * HOP).astype(np.float32)
    cost = estimator_cost(WebRtcDetector(), [noise], GRID)
    assert cost.microseconds_per_hop > 0 and cost.process_microseconds_per_hop > 0


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 60), st.sampled_from([0.0, 0.25, 1.0]))
def test_active_weights_sum_to_the_matrix_product(seed: int, outputs: int, features: int, active: float) -> None:
    rng = np.random.default_rng(seed)
    coef, intercepts = rng.standard_normal((outputs, features)), rng.standard_normal(outputs)
    masks = rng.random((9, features)) < active
    streamed = [probe_outputs(np.flatnonzero(frame), coef.T, intercepts) for frame in masks]
    np.testing.assert_allclose(streamed, masks @ coef.T + intercepts, atol=1e-10)


def test_additions_are_counted() -> None:
    masks = [np.zeros((3, 8), dtype=bool), np.ones((1, 8), dtype=bool)]
    masks[0][0, :4] = True
    cost = probe_cost(masks, np.ones((5, 8)), np.zeros(5))
    assert cost.additions_per_hop == (4 + 0 + 0 + 8) / 4 * 5
    assert (cost.weights, cost.outputs, cost.utterances) == (45, 5, 2)
    assert cost.microseconds_per_hop > 0 and cost.process_microseconds_per_hop > 0


def test_more_active_channels_cost_more() -> None:
    rng = np.random.default_rng(0)
    coef, intercepts = rng.standard_normal((64, 2304)), np.zeros(64)
    few, many = (probe_cost([rng.random((30, 2304)) < share] * 3, coef, intercepts) for share in (0.005, 0.9))
    assert many.microseconds_per_hop > 2 * few.microseconds_per_hop


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"each of 256 samples or more, got hops \[0\]"):
        estimator_cost(WebRtcDetector(), [np.zeros(100, dtype=np.float32)], GRID)
    with pytest.raises(ValueError, match="at least one"):
        estimator_cost(WebRtcDetector(), [], GRID)
    with pytest.raises(
        ValueError, match=r"masks must be bool of shape \(frame, 4\), with frames, got float64 \(2, 4\)"
    ):
        probe_cost([np.zeros((2, 4))], np.ones((1, 4)), np.zeros(1))
    with pytest.raises(ValueError, match=r"coef must be \(output, feature\)"):
        probe_cost([np.zeros((2, 4), dtype=bool)], np.ones((2, 4)), np.zeros(1))
    with pytest.raises(ValueError, match="at least one utterance"):
        probe_cost([], np.ones((1, 4)), np.zeros(1))
