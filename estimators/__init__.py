"""Dedicated estimators of voice activity and F0 on the noisy signal: what mask probes are compared with."""

from estimators.base import Estimates, Estimator, usable
from estimators.pitch import CrepeEstimator, PyinEstimator, WorldEstimator
from estimators.voice_activity import SileroDetector, WebRtcDetector

__all__ = [
    "CrepeEstimator",
    "Estimates",
    "Estimator",
    "PyinEstimator",
    "SileroDetector",
    "WebRtcDetector",
    "WorldEstimator",
    "usable",
]
