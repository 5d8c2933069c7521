"""Rows of tables from fitted probes and what they predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from probes.calibration import reliability_bins
from probes.logistic import LogisticProbe
from probes.results import ProbeResult, ScoredRows
from probes.ridge import RidgeProbe
from probes.scores import confusion_matrix, utterance_labels, utterance_means
from reports.probing.rows import ALL_BLOCKS, NAN, CalibrationBin, Coefficient, ConfusionCount, ScoreEntry

Interval = tuple[float, float]


def score_rows(
    features: str,
    result: ProbeResult,
    utterances: int | None = None,
    intervals: Mapping[str, Interval] | None = None,
    task: str | None = None,
    blocks: str = ALL_BLOCKS,
) -> list[ScoreEntry]:
    """Make one row for every score of a task.

    Args:
        features: name of the set of features.
        result: of the task.
        utterances: how many were scored.
        intervals: metric to ends; metrics without stay without.
        task: name in the table; None takes that of the task.
        blocks: that the features are of.
    """
    rows = []
    for metric, score in result.scores.items():
        low, high = (intervals or {}).get(metric, (NAN, NAN))
        rows.append(
            ScoreEntry(
                features=features,
                blocks=blocks,
                task=task or result.task.name,
                metric=metric,
                score=score,
                low=low,
                high=high,
                chance=result.chance.get(metric, NAN),
                shuffled=result.shuffled.get(metric, NAN),
                fit_rows=result.fit_rows,
                score_rows=result.score_rows,
                utterances=utterances,
                l2=result.l2,
                converged=result.converged,
                note=result.note,
            )
        )
    return rows


def calibration_rows(scored: ScoredRows) -> list[CalibrationBin]:
    """Bin the probabilities of a binary task; no rows without predictions."""
    if not len(scored):
        return []
    bins = reliability_bins(scored.target, scored.prediction[:, 1])
    return [CalibrationBin(scored.task.name, **vars(values)) for values in bins]


def confusion_rows(scored: ScoredRows, names: Sequence[str], protocol: str) -> list[ConfusionCount]:
    """Count frames and utterances by true and predicted class.

    Args:
        scored: rows of a task of classes.
        names: of its classes, in the order of ``scored.classes``.
        protocol: as in :class:`reports.probing.rows.ConfusionCount`.
    """
    if not len(scored):
        return []
    whole = utterance_means(scored.prediction, scored.utterances).argmax(axis=1)
    labels = utterance_labels(scored.target, scored.utterances, len(names))
    counts = {
        "frame": confusion_matrix(scored.target, scored.prediction.argmax(axis=1), len(names)),
        "utterance": confusion_matrix(labels, whole, len(names)),
    }
    return [
        ConfusionCount(scored.task.name, protocol, unit, true, predicted, int(matrix[row, column]))
        for unit, matrix in counts.items()
        for row, true in enumerate(names)
        for column, predicted in enumerate(names)
    ]


def coefficient_rows(
    task: str, probe: LogisticProbe | RidgeProbe | None, classes: Sequence[str], features: Sequence[str]
) -> list[Coefficient]:
    """List the weights of the standardised features of a probe.

    Args:
        task: name of the target.
        probe: fitted; None has no weights.
        classes: names of its classes, one per row of weights if there are several.
        features: names.
    """
    if probe is None:
        return []
    outputs = classes if len(probe.standard_coef_) > 1 else ("",)
    return [
        Coefficient(task, output, features[column], float(weight))
        for output, weights in zip(outputs, np.asarray(probe.standard_coef_), strict=True)
        for column, weight in enumerate(weights)
    ]
