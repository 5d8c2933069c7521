"""Scores as a run would have made them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reproduction.publishing import to_publish
from reproduction.rows import Score
from reproduction.run import Reproduction
from reproduction.settings import ReproductionSettings

SETTINGS = ReproductionSettings()
MADE = Reproduction(
    scores=(
        Score("vad/accuracy", 0.9, 0.88, 0.92, 360),
        Score("vad/mae", 0.2, 0.1, 0.3, 360),
        Score("f0_hz/r2", 0.65, 0.55, 0.74, 359),
        Score("pesq_wb/r2", 0.2, 0.1, 0.3, 360),
        Score("quality/pesq_wb/gain", 0.3, 0.25, 0.35, 360),
        Score("cost/utilization", 0.25, utterances=360),
        Score("speaker_sex/accuracy", float("nan")),
    ),
    hashes={"network": "a" * 64, "probes": "b" * 64},
    corpus={"speech.csv": "c" * 64, "noise.csv": "d" * 64},
    settings=SETTINGS.identity(),
)
PUBLISHED = to_publish(MADE, SETTINGS.tolerances)


def with_score(name: str, score: float) -> Reproduction:
    """Return the run with another score."""
    return replace(MADE, scores=tuple(replace(row, score=score) if row.name == name else row for row in MADE.scores))


def changed(**values: Any) -> Reproduction:
    """Return the run with other attributes."""
    return replace(MADE, **values)
