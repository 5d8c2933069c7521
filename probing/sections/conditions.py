"""Where the masks know more: scores by the SNR of the mixture and by its noise class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.evaluation import score_classes, score_values, scored_rows
from probes.fitting import counting
from probing.data import StudyData
from reports.probing.rows import NAN, ConditionEntry


def conditions(data: StudyData) -> dict[str, list[Any]]:
    """Score the probes of all blocks, fitted on everything, on the mixtures of every condition alone."""
    entries = []
    for fitted in data.mask_fits.values():
        task = fitted.task
        scored = scored_rows(fitted, counting(data.score_masks, task))
        for condition, value, members in mixtures_by_condition(data):
            rows = members[scored.utterances]
            if not rows.any():
                continue
            arrays = scored.target[rows], scored.prediction[rows], scored.utterances[rows]
            scores = (score_values if task.kind == "value" else score_classes)(task, *arrays)
            bounds = data.intervals(task, *arrays)
            utterances = int(np.unique(arrays[2]).size)
            entries += [
                ConditionEntry(
                    condition, value, task.name, metric, score, *bounds.get(metric, (NAN, NAN)), utterances=utterances
                )
                for metric, score in scores.items()
            ]
    return {"conditions": entries}


def mixtures_by_condition(data: StudyData) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Yield kind and name of every condition, and which of the scored mixtures are in it, shape (mixture,)."""
    mixtures = data.collected["score"].mixtures
    snr_db = np.array([mixture.snr_db for mixture in mixtures])
    edges = data.settings.snr_edges_db
    for position in np.unique(np.digitize(snr_db, edges)):
        yield "snr", bin_name(int(position), edges), np.digitize(snr_db, edges) == position
    classes = np.array([mixture.noise_class for mixture in mixtures])
    for name in np.unique(classes):
        yield "noise", str(name), classes == name


def bin_name(position: int, edges: tuple[float, ...]) -> str:
    """Name a bin of ``np.digitize``.

    Example:
        >>> [bin_name(position, (0.0, 7.5)) for position in range(3)]
        ['below 0 dB', '0 to 7.5 dB', 'from 7.5 dB']
    """
    if position == 0:
        return f"below {edges[0]:g} dB"
    if position == len(edges):
        return f"from {edges[-1]:g} dB"
    return f"{edges[position - 1]:g} to {edges[position]:g} dB"
