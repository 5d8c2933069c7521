"""Estimates stand beside the targets of the same frames, in this process and in others."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import pytest

from datamodules.synthetic_speech import draw_voice, synthesize_utterance
from datamodules.targets.vad import run_detector
from estimators import SileroDetector, WebRtcDetector
from estimators.comparison import Utterance, compare
from probes.scores import binary_scores
from tests.estimators.signals import GRID, HOP, RATE


def spoken(count: int, noise: float = 0.003) -> Iterator[Utterance]:
    """Yield synthetic speech in noise with its activity, utterances of different lengths."""
    for index in range(count):
        rng = np.random.default_rng(index)
        samples = RATE + 100 * index
        speech = synthesize_utterance(draw_voice("FM"[index % 2], rng), samples, RATE, rng)
        noisy = speech.waveform + (noise * rng.standard_normal(samples)).astype(np.float32)
        frames = np.minimum(np.arange(GRID.num_frames(samples)) * HOP, samples - 1)
        yield noisy, {"vad": speech.activity[frames].astype(np.float32), "index": frames // HOP}, f"utterance{index}"


def test_rows_are_those_of_every_utterance_in_turn() -> None:
    found = compare(spoken(3), [WebRtcDetector(1), WebRtcDetector(3)], GRID)
    noisy = [waveform for waveform, _, _ in spoken(3)]
    lengths = [GRID.num_frames(len(waveform)) for waveform in noisy]
    assert found.utterances.tolist() == [f"utterance{i}" for i, length in enumerate(lengths) for _ in range(length)]
    expected = np.concatenate([run_detector(waveform, GRID, 3) for waveform in noisy])
    np.testing.assert_array_equal(found.estimates["webrtc_3"]["vad"], expected)
    assert all(len(values) == sum(lengths) for values in found.targets.values())
    scores = binary_scores(found.targets["vad"], found.estimates["webrtc_1"]["vad"])
    shuffled = np.random.default_rng(0).permutation(found.targets["vad"])
    assert scores["accuracy"] > 0.8
    assert abs(binary_scores(shuffled, found.estimates["webrtc_1"]["vad"])["auroc"] - 0.5) < 0.1


def test_processes_find_the_same() -> None:
    estimators = [WebRtcDetector(2)]
    here, there = (compare(spoken(3), estimators, GRID, workers) for workers in (0, 1))
    np.testing.assert_array_equal(here.estimates["webrtc_2"]["vad"], there.estimates["webrtc_2"]["vad"])
    np.testing.assert_array_equal(here.utterances, there.utterances)


def test_what_is_missing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    found = compare(spoken(1), [SileroDetector(), WebRtcDetector()], GRID)
    assert list(found.estimates) == ["webrtc_2"]
    assert "silero_vad" in found.left_out["silero"]


def test_wrong_input_is_named() -> None:
    estimators = [WebRtcDetector()]
    with pytest.raises(ValueError, match="at least one, got none"):
        compare([], estimators, GRID)
    noise = np.zeros(1000, dtype=np.float32)
    with pytest.raises(ValueError, match=r"utterance 7: target 'vad' must have shape \(4,\), got \(3,\)"):
        compare([(noise, {"vad": np.zeros(3)}, 7)], estimators, GRID)
    with pytest.raises(ValueError, match=r"utterance 1: expected the targets \['vad'\], got \['voicing'\]"):
        compare([(noise, {"vad": np.zeros(4)}, 0), (noise, {"voicing": np.zeros(4)}, 1)], estimators, GRID)
    with pytest.raises(RuntimeError, match="utterance 'b': ValueError: waveform must be finite"):
        compare([(np.full(1000, np.nan, dtype=np.float32), {"vad": np.zeros(4)}, "b")], estimators, GRID)
