"""Ratings of speech: PESQ, STOI, ESTOI and SI-SDR against the clean reference, DNSMOS without one."""

from datamodules.rating.measures import MEASURES, PESQ_MODES, RATINGS, missing_package, rate_utterance, unavailable

__all__ = ["MEASURES", "PESQ_MODES", "RATINGS", "missing_package", "rate_utterance", "unavailable"]
