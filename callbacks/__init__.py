"""Callbacks: they accumulate, call and log; the mathematics is in ``probes`` and ``networks``."""

from callbacks.enhanced_writer import EnhancedWriter
from callbacks.gate_statistics import GateStatistics
from callbacks.gradient_norms import GradientNorms
from callbacks.logging_time import LoggingCost
from callbacks.mask_probing import MaskProbing
from callbacks.mixture_media import MixtureMedia
from callbacks.perceptual_scores import PerceptualScores
from callbacks.run_record import RunRecord
from callbacks.run_summary import RunSummary

__all__ = [
    "EnhancedWriter",
    "GateStatistics",
    "GradientNorms",
    "LoggingCost",
    "MaskProbing",
    "MixtureMedia",
    "PerceptualScores",
    "RunRecord",
    "RunSummary",
]
