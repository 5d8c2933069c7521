"""Callbacks: they accumulate, call and log; the mathematics is in ``probes`` and ``networks``."""

from callbacks.enhanced_writer import EnhancedWriter
from callbacks.gate_statistics import GateStatistics
from callbacks.mask_probing import MaskProbing
from callbacks.perceptual_scores import PerceptualScores
from callbacks.run_summary import RunSummary

__all__ = ["EnhancedWriter", "GateStatistics", "MaskProbing", "PerceptualScores", "RunSummary"]
