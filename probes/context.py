"""Features of the last few frames beside those of the present one, and answers that may be late."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.reservoir import FrameRows


def stack_context(features: NDArray[Any], utterances: NDArray[Any], frames: int) -> NDArray[Any]:
    """Put the features of the last frames side by side, the newest first.

    Column ``lag * feature_total + feature`` is what the feature was ``lag`` frames ago. Causal, no look-ahead;
    streaming keeps ``frames - 1`` rows. Before its start an utterance repeats its first frame: rows of zeros would be
    masks that no gate gives, and would tell the probe that an utterance begins.

    Args:
        features: every frame of every utterance, shape (row, feature): take a stride after this, not before.
        utterances: utterance of every row, shape (row,); rows of one utterance follow each other in time.
        frames: number of frames, the present one included.

    Returns:
        Shape (row, frames * feature), type as ``features``.

    Raises:
        ValueError: if ``frames`` is not positive, shapes disagree, or the rows of an utterance are not together.

    Example:
        >>> stack_context(np.array([[1], [2], [3], [9]]), np.array([0, 0, 0, 1]), frames=2).tolist()
        [[1, 1], [2, 1], [3, 2], [9, 9]]
    """
    utterances = np.asarray(utterances)
    if features.ndim != 2 or utterances.shape != features.shape[:1]:
        raise ValueError(
            f"features must be (row, feature) and utterances (row,), got {features.shape} and {utterances.shape}"
        )
    past = past_rows(utterances, frames)
    return features[past].reshape(features.shape[0], -1)


def past_rows(utterances: NDArray[Any], frames: int) -> NDArray[np.int64]:
    """Name the rows that ``stack_context`` puts side by side.

    Args:
        utterances: shape (row,).
        frames: number of frames.

    Returns:
        Row indices, shape (row, frames), the present one first.

    Raises:
        ValueError: if ``frames`` is not positive, or the rows of an utterance are not together.

    Example:
        >>> past_rows(np.array(["a", "a", "b"]), frames=2).tolist()
        [[0, 0], [1, 0], [2, 2]]
    """
    if frames < 1:
        raise ValueError(f"frames must be positive, got {frames}")
    begins = np.ones(utterances.size, dtype=bool)
    begins[1:] = utterances[1:] != utterances[:-1]
    if begins.sum() > np.unique(utterances).size:
        raise ValueError("rows of one utterance must follow each other, got an utterance in several places")
    rows = np.arange(utterances.size)
    first = np.maximum.accumulate(np.where(begins, rows, 0))
    return np.maximum(rows[:, None] - np.arange(frames), first[:, None])


def later_rows(utterances: NDArray[Any], frames: int) -> NDArray[np.int64]:
    """Name the row that is some frames later: what is known when an answer may be late.

    Args:
        utterances: shape (row,).
        frames: by which the answer is late; at its end an utterance keeps its last frame.

    Returns:
        Row indices, shape (row,).

    Raises:
        ValueError: if ``frames`` is negative, or the rows of an utterance are not together.

    Example:
        >>> later_rows(np.array(["a", "a", "a", "b"]), frames=1).tolist()
        [1, 2, 2, 3]
    """
    if frames < 0:
        raise ValueError(f"frames must not be negative, got {frames}")
    earliest = past_rows(np.asarray(utterances)[::-1], frames + 1)[::-1, -1]
    return len(earliest) - 1 - earliest


def late_rows(rows: FrameRows, frames: int) -> FrameRows:
    """Give rows the features of some frames later; targets, utterances, keys and order stay.

    Args:
        rows: every frame of every utterance, none left out.
        frames: by which the answer is late.

    Returns:
        As many rows.

    Raises:
        ValueError: if frames are left out (a sample or a stride), or the rows of an utterance are not together.
    """
    _check_whole(rows)
    return replace(rows, stored=rows.stored[later_rows(rows.utterances, frames)])


def context_rows(rows: FrameRows, features: NDArray[np.int64], frames: int) -> FrameRows:
    """Give rows the context of some of their features; targets, utterances, keys and order stay.

    A stride of the fit rows is taken afterwards: ``context_rows(...).take(np.arange(0, len(rows), 4))``.

    Args:
        rows: every frame of every utterance, none left out.
        features: indices of the features used, shape (kept,).
        frames: number of frames, the present one included.

    Returns:
        As many rows with ``frames * kept`` features, columns as in ``stack_context``.

    Raises:
        ValueError: if frames are left out (a sample or a stride), or the rows of an utterance are not together.
    """
    _check_whole(rows)
    stacked = stack_context(rows.features[:, features], rows.utterances, frames)
    stored = np.packbits(stacked, axis=1) if rows.packed else stacked
    return replace(rows, stored=stored, num_features=frames * features.size)


def _check_whole(rows: FrameRows) -> None:
    """Raise ValueError if frames within an utterance are left out."""
    same = rows.utterances[1:] == rows.utterances[:-1]
    gaps = same & (np.diff(rows.order, axis=0) != [0, 1]).any(axis=1)
    if gaps.any():
        before, after = rows.order[np.flatnonzero(gaps)[0] :][:2]
        raise ValueError(
            "context needs every frame of an utterance: rows (stream, index) "
            f"{tuple(before.tolist())} and {tuple(after.tolist())} are not neighbours; stride after it"
        )
