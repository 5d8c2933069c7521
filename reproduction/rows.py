"""One score of a reproduction, as a row of its table."""

from __future__ import annotations

from dataclasses import dataclass

NAN = float("nan")
QUALITY, COST = "quality", "cost"  # what is no task of a probe


@dataclass(frozen=True)
class Score:
    """One score.

    Attributes:
        name: ``task/metric``, or ``quality/measure/of``, or ``cost/number``.
        score: the number.
        low: lower end of its interval; NaN where there is none.
        high: upper end.
        utterances: mixtures that it is of.
    """

    name: str
    score: float
    low: float = NAN
    high: float = NAN
    utterances: int = 0

    @property
    def metric(self) -> str:
        """What is measured.

        Example:
            >>> Score("vad/accuracy", 0.9).metric, Score("quality/pesq_wb/gain", 0.3).metric
            ('accuracy', 'pesq_wb')
        """
        parts = self.name.split("/")
        metric = parts[1] if len(parts) > 1 else parts[0]
        return metric.removesuffix("_at_threshold")
