"""What a score would be without information: constant answers and shuffled labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def class_frequencies(labels: NDArray[Any], num_classes: int) -> NDArray[np.float64]:
    """Compute the share of every class; answering it to every frame is answering the most frequent class.

    Args:
        labels: class indices of the fit set, shape (row,).
        num_classes: number of classes.

    Returns:
        Shape (class,); equal shares without rows.

    Example:
        >>> class_frequencies(np.array([0, 1, 1, 1]), 2).tolist()
        [0.25, 0.75]
    """
    counts = np.bincount(labels.astype(np.int64), minlength=num_classes).astype(np.float64)
    return counts / counts.sum() if counts.sum() else np.full(num_classes, 1 / num_classes)


def chance_balanced_accuracy(labels: NDArray[Any]) -> float:
    """Compute 1/K for the K classes that occur in the score set; NaN if fewer than two do.

    Example:
        >>> chance_balanced_accuracy(np.array([0, 1, 2, 2, 5]))
        0.25
    """
    classes = np.unique(labels).size
    return 1 / classes if classes > 1 else float("nan")


def shuffle_labels(labels: NDArray[Any], utterances: NDArray[Any], seed: int) -> NDArray[Any]:
    """Take the labels away from their frames while keeping what labels look like.

    If every utterance has one label (noise class, sex of the speaker), utterances exchange labels along a random
    cycle, so that none with two or more keeps its own by construction. Otherwise the label tracks of all utterances
    are joined in random order, rotated by a random number of frames, and dealt out again: the share of every label
    and the slow changes along time stay as they were, which a shuffle of single frames would destroy. The rotation
    also breaks the tie to the position within the utterance.

    Args:
        labels: shape (row,).
        utterances: shape (row,); rows of one utterance are in order of time.
        seed: seed of the order and of the rotation.

    Returns:
        Shape (row,).

    Example:
        >>> shuffle_labels(np.array([1, 1, 2, 2]), np.array([0, 0, 1, 1]), seed=0).tolist()
        [2, 2, 1, 1]
    """
    if labels.size == 0:
        return labels.copy()
    generator = np.random.default_rng(seed)
    unique, first, index = np.unique(utterances, return_index=True, return_inverse=True)
    order = generator.permutation(unique.size)
    if np.array_equal(labels, labels[first][index]):
        exchanged = np.empty_like(labels[first])
        exchanged[order] = labels[first][np.roll(order, 1)]
        return exchanged[index]
    by_utterance = np.argsort(index, kind="stable")
    place = np.empty(unique.size, dtype=np.int64)
    place[order] = np.arange(unique.size)
    by_random_order = np.argsort(place[index], kind="stable")
    shuffled = np.empty_like(labels)
    shuffled[by_utterance] = np.roll(labels[by_random_order], int(generator.integers(labels.size)))
    return shuffled
