"""Settings of the curves of score against number of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from probes.linear import l2_grid
from probes.logistic import DEFAULT_LOGISTIC_L2
from probes.ridge import DEFAULT_RIDGE_L2
from probes.selection.ranking import RankingSettings

DEFAULT_METRICS = {"binary": "balanced_accuracy", "category": "balanced_accuracy", "value": "r2"}
LOWER_IS_BETTER = {"rmse", "mae", "median_abs_cents"}


@dataclass(frozen=True)
class CurveSettings:
    """Settings of the curves.

    Args:
        counts: numbers of features fitted; those above the number there is are left out, all features are added.
        tolerance: relative loss of score that C* allows.
        resolution: factor to which C* is located between two counts.
        parts: utterances of the fit set are dealt into so many parts; the last is held out for ``cv_score``.
        metrics: kind of task -> metric that is reported and decides C*.
        ridge_l2: strengths to choose from for values.
        logistic_l2: strengths to choose from for classes, once for all features (``ClassSubsets``).
        logistic_rows: most rows of a logistic fit.
        max_iter: most iterations of a logistic fit.
        seed: seed of parts and of the random ranking.
        ranking: settings of the rankings.

    Raises:
        ValueError: if a setting is out of range.
    """

    counts: Sequence[int] = (8, 16, 32, 64, 128, 256, 512, 1024)
    tolerance: float = 0.01
    resolution: float = 2**0.25
    parts: int = 4
    metrics: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_METRICS))
    ridge_l2: Sequence[float] = DEFAULT_RIDGE_L2
    logistic_l2: Sequence[float] = DEFAULT_LOGISTIC_L2
    logistic_rows: int = 8000
    max_iter: int = 200
    seed: int = 0
    ranking: RankingSettings = field(default_factory=RankingSettings)

    def __post_init__(self) -> None:
        if not self.counts or min(self.counts) < 1:
            raise ValueError(f"counts must hold positive numbers, got {list(self.counts)}")
        if not 0 < self.tolerance < 1 or self.resolution <= 1:
            raise ValueError(
                f"tolerance in (0, 1) and resolution > 1 expected, got {self.tolerance} and {self.resolution}"
            )
        if self.parts < 3 or self.logistic_rows < 1 or self.max_iter < 1 or self.seed < 0:
            raise ValueError(
                "parts >= 3, logistic_rows >= 1, max_iter >= 1 and seed >= 0 expected, got "
                f"{self.parts}, {self.logistic_rows}, {self.max_iter} and {self.seed}"
            )
        if set(self.metrics) != set(DEFAULT_METRICS):
            raise ValueError(f"metrics must name one for binary, category and value, got {dict(self.metrics)}")
        if LOWER_IS_BETTER & set(self.metrics.values()):
            raise ValueError(f"metrics must grow with quality, got {dict(self.metrics)}")
        l2_grid(self.ridge_l2)
        l2_grid(self.logistic_l2)
