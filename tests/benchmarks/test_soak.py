"""A soak of a second, and that growing memory, growing latency and other output are seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.hostile.networks import small_enhancer
from benchmarks.soak import draw, report, slope_per_hour, verdicts
from benchmarks.soak_streams import Readings, SoakSettings, soak
from streaming.enhancer import Chunk, StreamingEnhancer

SETTINGS = SoakSettings(seconds=300.0, streams=4, every_s=0.0, stretch=20, checked=0.5, chunks=600)


def readings(memory: np.ndarray, latency: np.ndarray, **more: int) -> Readings:
    times = np.linspace(0, 7200, len(memory)).tolist()
    return Readings(times, memory.tolist(), latency.tolist(), (latency * 3).tolist(), compared=5, **more)


def good(measured: Readings) -> list[bool]:
    return [verdict for _, _, verdict in verdicts(measured, flat_mb=1.0)]


def test_random_chunks_give_what_one_call_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[int] = []
    measured = soak(small_enhancer(), SETTINGS, lambda so_far: told.append(so_far.chunks))
    assert measured.compared > 3 and not measured.different and not measured.not_finite
    assert told == sorted(told) and len(told) == len(measured.time_s) == len(measured.memory_mb)
    report(measured, SETTINGS, flat_mb=1e6)  # the clock of a busy machine proves nothing about latency
    assert "| equal to one call, to the bit | 0 of" in capsys.readouterr().out
    draw(measured, tmp_path / "soak.png")
    assert (tmp_path / "soak.png").stat().st_size > 1000


def test_another_output_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    original = StreamingEnhancer.feed

    def short_chunks_differ(self: StreamingEnhancer, samples: np.ndarray) -> Chunk:
        chunk = original(self, samples)
        return chunk._replace(samples=chunk.samples * np.float32(1 + 1e-6)) if len(samples) < 500 else chunk

    monkeypatch.setattr(StreamingEnhancer, "feed", short_chunks_differ)
    measured = soak(small_enhancer(), SETTINGS)
    assert measured.compared and measured.different


def test_real_time_is_waited_for() -> None:
    measured = soak(small_enhancer(), SoakSettings(seconds=0.5, streams=2, pace=True, every_s=0.1))
    assert measured.audio_s < 2 * (0.5 + 0.3)  # a chunk is a quarter of a second at most


def test_growth_is_seen_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    noise, times = rng.normal(0, 0.3, 720), np.linspace(0, 2, 720)
    flat = 200 + noise
    steady = 50 + rng.normal(0, 3, 720)
    assert good(readings(flat, steady)) == [True, True, True, True]
    assert good(readings(flat + 5 * times, steady))[0] is False
    assert good(readings(200 + 40 * np.minimum(times, 0.5) + noise, steady))[0] is True  # at the beginning only
    assert good(readings(flat, steady * (1 + 0.2 * times)))[1] is False
    assert good(readings(flat, steady, different=1))[2] is False
    assert good(readings(flat, steady, not_finite=1))[3] is False


def test_the_interval_holds_the_slope() -> None:
    hours = np.linspace(0, 2, 720)
    held = 0
    for seed in range(60):
        noise = np.random.default_rng(seed).normal(0, 0.5, 720)
        slope = slope_per_hour((hours * 3600).tolist(), (100 + 3 * hours + noise).tolist())
        held += slope.low <= 3 <= slope.high
    assert held >= 50  # 57 are expected


def test_too_short_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(Readings(time_s=[1.0]), SETTINGS, 1.0) is False
    assert "too short to judge: 1 readings, 24 are needed" in capsys.readouterr().out
