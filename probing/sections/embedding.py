"""A map of masks: frames that switch alike channels lie close together."""

from __future__ import annotations

from typing import Any

from probes.embedding import embed_rows
from probing.data import StudyData
from reports.probing.rows import EmbeddingPoint


def embedding(data: StudyData) -> dict[str, list[Any]]:
    """Lay out scored frames by t-SNE (van der Maaten and Hinton, 2008) of their masks."""
    points, drawn = embed_rows(data.score_masks, data.settings.embedding_frames, data.settings.intervals.seed)
    if not len(points):
        return {}
    targets = _targets(data, drawn.targets)
    return {
        "embedding": [
            EmbeddingPoint(
                float(x), float(y), int(drawn.utterances[row]), {name: values[row] for name, values in targets.items()}
            )
            for row, (x, y) in enumerate(points)
        ]
    }


def _targets(data: StudyData, rows: dict[str, Any]) -> dict[str, list[float | str]]:
    """Return the targets of all tasks, classes by name."""
    targets: dict[str, list[float | str]] = {}
    for task in data.settings.tasks:
        if task.target in targets:
            continue
        values = rows[task.target]
        if task.target == "noise_class":
            targets[task.target] = [data.categories[int(label)] if label >= 0 else "" for label in values]
        else:
            targets[task.target] = [float(value) for value in values]
    return targets
