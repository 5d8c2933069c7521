"""Rows of a comparison are scored as said, timed in turns, and written as a table."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from benchmarks.comparison_data import Heard, Mixtures, Told, in_corpus_order, listen, stream
from benchmarks.comparison_scores import Bootstrap, Row, Score, Table, rate_signals
from benchmarks.comparison_tables import OURS, OURS_WITH_PROBES, Comparison, estimator_tables, noise_tables
from benchmarks.comparison_timing import Timed, measure
from estimators import CrepeEstimator, WebRtcDetector
from estimators.noise_classifier import NoiseClassifier
from networks.framing import FrameGrid
from probes.tasks import ProbeTask
from streaming.enhancer import StreamingEnhancer
from streaming.properties import PropertySpec

GRID = FrameGrid()
SECOND = GRID.sample_rate
SCHEMA = (
    PropertySpec("vad", "binary", "", (), 0.7, None, 0),
    PropertySpec("noise_class", "category", "", ("rain", "wind"), 0.5, None, 1),
)


def mixture(noise_class: int, seed: int) -> Heard:
    rng = np.random.default_rng(seed)
    noisy = (0.1 * rng.standard_normal(SECOND)).astype(np.float32)
    frames = GRID.num_frames(SECOND)
    vad = (np.arange(frames) % 4 > 0).astype(np.float32)
    f0_hz = np.where(vad > 0, 100.0, np.nan).astype(np.float32)
    return Heard(noisy, noisy, {"vad": vad, "f0_hz": f0_hz}, noise_class, f"noise{seed % 3}.flac")


def told(item: Heard, speech: float) -> Told:
    """Stand for a network that says ``speech`` where there is some, 0.6 elsewhere, and always knows the noise."""
    said = {
        "vad": np.where(item.targets["vad"] > 0, speech, 0.6),
        "noise_class": np.tile(np.eye(2)[item.noise_class], (len(item.targets["vad"]), 1)),
    }
    return Told(item.noisy, said, said, 0.25)


def comparison(speech: float, categories: tuple[str, ...] = ("rain", "wind")) -> Comparison:
    heard = [mixture(index % 2, index) for index in range(6)]
    mixtures = Mixtures(heard, heard[:4], iter(()), 0, categories, GRID)
    answers = [told(item, speech) for item in heard]
    return Comparison(mixtures, {"score": answers, "known": answers[:4]}, SCHEMA, Bootstrap(50))


def row(table: Table, name: str) -> Row:
    return next(row for row in table.rows if row.name.startswith(name))


def test_probes_are_decided_at_their_own_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.comparison_tables.ESTIMATORS", (WebRtcDetector(),))
    table, _ = estimator_tables(comparison(speech=0.8))
    assert [score.value for score in row(table, OURS).scores] == [1.0, 1.0]  # 0.6 is below 0.7
    table, _ = estimator_tables(comparison(speech=0.65))
    assert row(table, OURS).scores[1].value == 0.5
    always = row(table, "always speech")
    assert always.scores[0].value == pytest.approx(47 / 63) and always.timed is None  # frames whose number is no 4 n
    assert row(table, "webrtc_2").timed == "estimator webrtc_2"


def test_a_missing_package_leaves_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CrepeEstimator, "available", lambda self: "crepe_tiny needs a package")
    monkeypatch.setattr("benchmarks.comparison_tables.ESTIMATORS", (WebRtcDetector(), CrepeEstimator()))
    vad, f0 = estimator_tables(comparison(speech=0.8))
    assert f0.notices == ["Left out: crepe_tiny needs a package."] and not vad.notices
    assert [one.name for one in f0.rows] == []


def test_noise_classes_are_scored_by_utterance_and_frame() -> None:
    classifier = NoiseClassifier(2, GRID).eval()
    unseen, known = noise_tables(comparison(0.8), classifier, "Trained so.")
    assert [score.value for score in row(unseen, OURS).scores] == [1.0, 1.0]
    assert 0 <= row(known, "log-mel CNN").scores[0].value < 1
    assert unseen.notices == ["Trained so."]
    strange, _ = noise_tables(comparison(0.8, ("hail", "wind")), classifier, "Trained so.")
    assert "only the classes rain, wind" in strange.notices[-1] and len(strange.rows) == 1


def test_a_mean_has_an_interval_and_undefined_values_do_not_count() -> None:
    bootstrap = Bootstrap(resamples=500)
    values = np.concatenate([np.random.default_rng(0).normal(3.0, 1.0, 100), [np.nan]])
    score = bootstrap.mean(values)
    assert score.value == pytest.approx(np.nanmean(values))
    assert 0.3 < score.high - score.low < 0.5  # 2 times 1.96 over the root of 100
    assert np.isnan(bootstrap.mean(np.array([np.nan])).value)
    assert bootstrap.mean(np.zeros(5)) == Score(0.0, 0.0, 0.0)


def test_clusters_widen_an_interval() -> None:
    target, utterances = np.tile([0, 1], 30), np.arange(60)
    clusters = utterances // 20
    posterior = np.eye(2)[np.where(clusters == 0, 1 - target, target)]
    task = ProbeTask("noise_class", "category")
    free, tied = (
        Bootstrap().scores(task, target, posterior, utterances, ("accuracy",), given)[0] for given in (None, clusters)
    )
    assert free.value == tied.value == pytest.approx(2 / 3)
    assert tied.high - tied.low > 2 * (free.high - free.low)


def test_better_signals_are_rated_better() -> None:
    clean = [item.clean for item in comparison(0.8).mixtures.score[:2]]
    rng = np.random.default_rng(9)
    worse = [(one + 0.1 * rng.standard_normal(len(one))).astype(np.float32) for one in clean]
    better = [(0.9 * one + 0.1 * other).astype(np.float32) for one, other in zip(clean, worse, strict=True)]
    rated = rate_signals(clean, {"better": better, "worse": worse}, ("si_sdr_db",), SECOND)
    assert (rated["better"]["si_sdr_db"] > rated["worse"]["si_sdr_db"] + 10).all()


def busy(factor: int) -> Any:
    def run(waveform: np.ndarray) -> None:
        end = time.process_time() + 1e-4 * factor * len(waveform) / GRID.hop_length
        while time.process_time() < end:
            pass

    return run


def test_programs_are_timed_in_turns_per_hop() -> None:
    one, three = Timed("one", busy(1)), Timed("three", busy(3))
    measure([one, three], [np.zeros(20 * 256, np.float32), np.zeros(10 * 256, np.float32)], 256, rounds=5, seed=0)
    assert len(one.times_us) == len(three.times_us) == 5
    assert 100 <= one.median_us < 200
    assert 2.3 < three.ratio_to(one) < 3.7
    with pytest.raises(ValueError, match="got 0 rounds"):
        measure([one], [np.zeros(256, np.float32)], 256, rounds=0, seed=0)
    with pytest.raises(ValueError, match=r"signals of \[100\] samples"):
        measure([one], [np.zeros(100, np.float32)], 256, rounds=1, seed=0)


def test_the_network_says_the_same_of_whole_signals_and_of_the_next() -> None:
    enhancer = StreamingEnhancer()
    noisy = mixture(0, 0).noisy
    first = listen(enhancer, noisy)
    stream(enhancer, mixture(1, 1).noisy)
    again = listen(enhancer, noisy)
    assert first.enhanced.shape == noisy.shape and len(first.raw["vad"]) == GRID.num_frames(len(noisy))
    np.testing.assert_array_equal(first.enhanced, again.enhanced)
    np.testing.assert_array_equal(first.raw["noise_class"], again.raw["noise_class"])
    assert 0 < first.utilization < 1


def test_classes_come_in_the_order_of_the_corpus() -> None:
    posterior = np.array([[0.2, 0.3, 0.5]])
    ordered = in_corpus_order(posterior, ("a", "b", "c"), ("c", "a"))
    assert ordered is not None and ordered.tolist() == [[0.5, 0.2]]
    assert in_corpus_order(posterior, ("a", "b", "c"), ("a", "d")) is None


def test_a_table_has_costs_and_notices() -> None:
    table = Table("Quality", ("PESQ-WB",), (2,), OURS_WITH_PROBES, notices=["Left out: x."])
    table.rows += [Row("noisy", (Score(1.3, 1.2, 1.4),)), Row("x_2", (Score(1.5, 1.4, 1.6),), "16 ms", "enhancer x_2")]
    text = table.markdown({"enhancer x_2": 31.4}, {"enhancer x_2": 0.5})
    assert "| noisy | 1.30 [1.20, 1.40] | - | - |  |" in text
    assert "| x_2 | 1.50 [1.40, 1.60] | 31 | 0.50 | 16 ms |" in text
    assert text.endswith("\n\nLeft out: x.")
