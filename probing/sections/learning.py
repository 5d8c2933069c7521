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
    counts = [*sorted(count for count in settings.learning_utterances if count < total), total]
    points: list[LearningPoint] = []
    by_cluster: dict[str, list[Any]] = {}
    for name in settings.refined_tasks:
        shared = "noise" if name in settings.intervals.by_noise else "speaker"
        shared = shared if name in (*settings.intervals.by_noise, *settings.intervals.by_speaker) else ""
        by_cluster.setdefault(shared, []).append(settings.task(name))
    for tasks in by_cluster.values():
        found = learning_curve(
            data.fit_masks,
            data.score_masks,
            tasks,
            counts,
            settings.intervals.seed,
            settings.fits,
            clusters=data.clusters(tasks[0].name, "score", data.score_masks.utterances),
            resamples=settings.intervals.resamples,
            confidence=settings.intervals.confidence,
        )
        points += [LearningPoint(**vars(point)) for point in found]
    return {"learning_curve": points}
