"""Which features a task needs: rankings, score against number of features, and what tasks share."""

from probes.selection.curve import SelectionCurve, SelectionPoint, selection_curves
from probes.selection.curve_settings import CurveSettings
from probes.selection.fewest import fewest_features
from probes.selection.overlap import Overlap, overlaps
from probes.selection.ranking import METHODS, RankingSettings, rank

__all__ = [
    "METHODS",
    "CurveSettings",
    "Overlap",
    "RankingSettings",
    "SelectionCurve",
    "SelectionPoint",
    "fewest_features",
    "overlaps",
    "rank",
    "selection_curves",
]
