"""A map of masks: frames that switch alike channels lie close together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from probes.reservoir import FrameRows

FEWEST_POINTS = 4
PCA_DIMENSIONS = 50  # before t-SNE, as its authors do: less noise and time


def embed_rows(rows: FrameRows, count: int, seed: int, iterations: int = 1000) -> tuple[NDArray[np.float64], FrameRows]:
    """Lay out frames in the plane by t-SNE (van der Maaten and Hinton, 2008) of their features.

    Args:
        rows: frames.
        count: most frames that are drawn from them.
        seed: of the draw and of t-SNE.
        iterations: of t-SNE, at least 250.

    Returns:
        Points, shape (point, 2), and the rows that they stand for, equal features once. Neither has rows if fewer than
        four frames differ.
    """
    generator = np.random.default_rng(seed)
    drawn = rows.take(np.sort(generator.choice(len(rows), min(count, len(rows)), replace=False)))
    # Equal masks once: t-SNE has no place for points without distance, and scikit-learn's tree crashes on them.
    drawn = drawn.take(np.sort(np.unique(drawn.stored, axis=0, return_index=True)[1]))
    count = len(drawn)
    if count < FEWEST_POINTS:
        return np.zeros((0, 2)), drawn.take(np.zeros(0, dtype=np.int64))
    features = drawn.features.astype(np.float32)
    dimensions = min(PCA_DIMENSIONS, *features.shape)
    reduced = PCA(dimensions, svd_solver="randomized", random_state=seed).fit_transform(features)
    perplexity = min(30.0, (count - 1) / 3)
    points = TSNE(perplexity=perplexity, init="pca", random_state=seed, max_iter=iterations).fit_transform(reduced)
    return np.asarray(points, dtype=np.float64), drawn
