"""From frames to utterances: what probes of pooled tasks are fitted and scored on."""

from __future__ import annotations

import numpy as np

from probes.reservoir import FrameRows
from probes.scores import utterance_means


def utterance_rows(rows: FrameRows) -> FrameRows:
    """Average the rows of every utterance: of binary features, the share of the frames in which each was 1.

    A linear probe of these means is one of single frames whose outputs are averaged. But fitted to frames it learns to
    say little, because a frame tells little of its utterance, and the mean of cautious answers is still cautious.

    Args:
        rows: at least one.

    Returns:
        A row for every utterance, in the order of ``np.unique(rows.utterances)``, features in float32. A target that is
        NaN in one of the frames is NaN.

    Example:
        >>> from probes.reservoir import FrameReservoir
        >>> frames = FrameReservoir(capacity=None)
        >>> masks = np.array([[True, False], [True, True], [False, False]])
        >>> frames.add(masks, {"snr_db": np.array([1.0, 3.0, 5.0])}, np.array([7, 7, 8]))
        >>> means = utterance_rows(frames.rows())
        >>> means.features.tolist(), means.targets["snr_db"].tolist()
        ([[1.0, 0.5], [0.0, 0.0]], [2.0, 5.0])
    """
    unique, first, index = np.unique(rows.utterances, return_index=True, return_inverse=True)
    frames = np.split(np.argsort(index, kind="stable"), np.cumsum(np.bincount(index))[:-1])
    means = [rows.dense(own).mean(axis=0, dtype=np.float64) for own in frames]
    targets = {name: utterance_means(values.astype(np.float64), index) for name, values in rows.targets.items()}
    stored = np.stack(means).astype(np.float32)
    return FrameRows(stored, False, rows.num_features, targets, unique, rows.keys[first], rows.order[first])
