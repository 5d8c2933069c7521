"""How much the probes gain from more utterances."""

from __future__ import annotations

from typing import Any

from probes.learning_curve import learning_curve
from probing.data import StudyData
from reports.probing.rows import LearningPoint


def learning(data: StudyData) -> dict[str, list[Any]]:
    """Fit the probes of the masks on nested parts of the fit utterances."""
    settings = data.settings
    total = len(data.collected["fit"].mixtures)
    points = learning_curve(
        data.fit_masks,
        data.score_masks,
        [settings.task(name) for name in settings.refined_tasks],
        [*sorted(count for count in settings.learning_utterances if count < total), total],
        settings.intervals.seed,
        settings.fits,
        data.intervals,
    )
    return {"learning_curve": [LearningPoint(**vars(point)) for point in points]}
