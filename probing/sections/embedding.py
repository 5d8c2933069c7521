"""A map of masks: frames that switch alike channels lie close together."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from probing.data import StudyData
from reports.probing.rows import EmbeddingPoint

FEWEST_POINTS = 4
PCA_DIMENSIONS = 50  # before t-SNE, as its authors do: less noise and time


def embedding(data: StudyData) -> dict[str, list[Any]]:
    """Lay out scored frames by t-SNE (van der Maaten and Hinton, 2008) of their masks."""
    settings, rows = data.settings, data.score_masks
    generator = np.random.default_rng(settings.intervals.seed)
    count = min(settings.embedding_frames, len(rows))
    drawn = rows.take(np.sort(generator.choice(len(rows), count, replace=False)))
    # Equal masks once: t-SNE has no place for points without distance, and scikit-learn's tree crashes on them.
    drawn = drawn.take(np.sort(np.unique(drawn.stored, axis=0, return_index=True)[1]))
    count = len(drawn)
    if count < FEWEST_POINTS:
        return {}
    features = drawn.features.astype(np.float32)
    dimensions = min(PCA_DIMENSIONS, *features.shape)
    reduced = PCA(dimensions, svd_solver="randomized", random_state=settings.intervals.seed).fit_transform(features)
    perplexity = min(30.0, (count - 1) / 3)
    points = TSNE(perplexity=perplexity, init="pca", random_state=settings.intervals.seed).fit_transform(reduced)
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
