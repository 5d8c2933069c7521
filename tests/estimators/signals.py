"""Signals whose activity and F0 are known, and the estimators that can be tried here."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from estimators import (
    CrepeEstimator,
    Estimator,
    PyinEstimator,
    SileroDetector,
    WebRtcDetector,
    WorldEstimator,
)
from networks.framing import FrameGrid

GRID = FrameGrid()
RATE = GRID.sample_rate
HOP = GRID.hop_length
DETECTORS: tuple[Estimator, ...] = (WebRtcDetector(), SileroDetector())
TRACKERS: tuple[Estimator, ...] = (
    CrepeEstimator(),
    WorldEstimator(method="dio"),
    WorldEstimator(method="harvest"),
    PyinEstimator(),
)


def skip_where_missing(estimator: Estimator) -> None:
    """Skip the test where a package of the estimator is not installed."""
    reason = estimator.available()
    if reason is not None:
        pytest.skip(reason)


def harmonic_tone(f0_hz: NDArray[np.float64], seed: int = 0) -> NDArray[np.float32]:
    """Return ten harmonics of an F0 that is given at every sample, -12 dB per octave, over noise at -80 dBFS."""
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE
    tone = sum(np.sin(k * phase) / k**2 for k in range(1, 11))
    noise = np.random.default_rng(seed).standard_normal(len(f0_hz))
    return (0.1 * tone + 1e-4 * noise).astype(np.float32)


def glide_hz(octaves_per_second: float, seconds: float = 1.0, center_hz: float = 200.0) -> NDArray[np.float64]:
    """Return an F0 that moves at a steady rate of octaves, shape (sample,)."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    return center_hz * 2.0 ** (octaves_per_second * (time_s - seconds / 2))
