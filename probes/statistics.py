"""Scores as functions of sums over utterances, so that many resamples are scored by one matrix product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.calibration import CALIBRATION_BINS, probability_bins
from probes.scores import CENTS_PER_OCTAVE, GROSS_ERROR, utterance_labels, utterance_means
from probes.tasks import ProbeTask

# Ranks, and not values, are cut into bins: what is read off them is off by less than one rank in a thousand.
RANK_BINS = 1000
# Below this share of the variance of all rows, a resample does not vary: it is one utterance, many times.
CONSTANT_SHARE = 1e-12

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Scores = Callable[[Floats], dict[str, Floats]]


@dataclass(frozen=True)
class ScoreSums:
    """Sums of every utterance, and the scores that follow from totals of them.

    Attributes:
        sums: shape (utterance, statistic).
        scores: totals, shape (resample, statistic) -> name -> shape (resample,); NaN where undefined.
    """

    sums: Floats
    scores: Scores

    def resampled(self, counts: Floats) -> dict[str, Floats]:
        """Score resamples given by how often each utterance is in them, shape (resample, utterance)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.scores(counts @ self.sums)


def score_sums(task: ProbeTask, target: NDArray[Any], prediction: Floats, utterances: NDArray[Any]) -> list[ScoreSums]:
    """Sum up all that the scores of a task need.

    Args:
        task: the task.
        target: class indices or values in the unit of the task, shape (row,).
        prediction: posterior, shape (row, class), or finite values in the unit of the task, shape (row,).
        utterances: shape (row,).

    Returns:
        Sums in the order of ``np.unique(utterances)``; together they have the names of ``score_values`` or
        ``score_classes``.
    """
    index = np.unique(utterances, return_inverse=True)[1]
    if task.kind == "value":
        return _value_sums(task, target.astype(np.float64), prediction.astype(np.float64), index)
    return _class_sums(task, target.astype(np.int64), prediction, index)


def _value_sums(task: ProbeTask, target: Floats, prediction: Floats, index: Indices) -> list[ScoreSums]:
    parts = [error_sums(target, prediction, index)]
    if task.transform == "log2":
        octaves = np.log2(target), np.log2(prediction)
        parts.append(error_sums(*octaves, index, {"r2": "r2_octave", "rmse": "rmse_cents"}, CENTS_PER_OCTAVE))
        cents = CENTS_PER_OCTAVE * np.abs(octaves[1] - octaves[0])
        parts.append(median_sums(cents, index, "median_abs_cents"))
    if task.transform == "log2" or task.unit == "Hz":
        parts.append(gross_error_sums(target, prediction, index))
    if task.per_utterance:
        means = utterance_means(target, index), utterance_means(prediction, index)
        parts.append(error_sums(*means, np.arange(means[0].size), {"r2": "utterance_r2"}))
    return parts


def _class_sums(task: ProbeTask, target: Indices, posterior: Floats, index: Indices) -> list[ScoreSums]:
    binary, classes = task.kind == "binary", posterior.shape[1]

    def predicted(rows: Floats) -> Indices:
        return (rows[:, 1] >= 0.5).astype(np.int64) if binary else rows.argmax(axis=1)

    parts = [label_sums(target, predicted(posterior), index, classes)]
    if binary:
        parts.append(detection_sums(target, predicted(posterior), index))
        parts.append(calibration_sums(target, posterior[:, 1], index))
        parts.append(auroc_sums(target, posterior[:, 1], index))
    if task.per_utterance:
        means, labels = utterance_means(posterior, index), utterance_labels(target, index, classes)
        whole = {name: f"utterance_{name}" for name in ("accuracy", "balanced_accuracy")}
        parts.append(label_sums(labels, predicted(means), np.arange(labels.size), classes, whole))
    return parts


def tally(index: Indices, column: Indices, columns: int, weights: NDArray[Any] | None = None) -> Floats:
    """Count, or add up weights of, the rows of every utterance that fall into every column.

    Args:
        index: utterance of every row, shape (row,), from 0.
        column: shape (row,).
        columns: number of columns.
        weights: shape (row,); None counts.

    Returns:
        Shape (utterance, column).

    Example:
        >>> tally(np.array([0, 0, 1]), np.array([1, 1, 0]), 2).tolist()
        [[0.0, 2.0], [1.0, 0.0]]
    """
    size = int(index.max()) + 1
    flat = np.bincount(index * columns + column, weights, minlength=size * columns)
    return flat.reshape(size, columns).astype(np.float64)


def per_utterance(index: Indices, columns: Sequence[NDArray[Any]]) -> Floats:
    """Add up columns, each of shape (row,), over the rows of every utterance, shape (utterance, column)."""
    return np.stack([np.bincount(index, column) for column in columns], axis=1).astype(np.float64)


def rank_bins(values: Floats, bins: int = RANK_BINS) -> tuple[Indices, int]:
    """Cut values into bins of about equally many rows; equal values share a bin, and few distinct ones are exact.

    Args:
        values: shape (row,).
        bins: most bins.

    Returns:
        Bin of every row, shape (row,), growing with the value, and the number of bins.

    Example:
        >>> rank_bins(np.array([0.1, 0.9, 0.1, 0.5]))[0].tolist()
        [0, 2, 0, 1]
    """
    unique, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    if unique.size <= bins:
        return inverse, unique.size
    below = np.cumsum(counts) - counts
    return (below * bins // values.size)[inverse], bins


def label_sums(
    target: Indices, predicted: Indices, index: Indices, classes: int, names: dict[str, str] | None = None
) -> ScoreSums:
    """Sum up for ``accuracy``, ``balanced_accuracy`` and ``f1``, defined as in ``label_scores``.

    Args:
        target: class indices, shape (row,).
        predicted: class indices, shape (row,).
        index: utterance of every row, shape (row,).
        classes: number of classes.
        names: score -> name it is given; scores that are not named are left out. None names all by themselves.
    """
    right = (target == predicted).astype(np.float64)
    columns = [tally(index, target, classes, right), tally(index, target, classes), tally(index, predicted, classes)]

    def scores(totals: Floats) -> dict[str, Floats]:
        hits, true, answered = np.split(totals, 3, axis=1)
        several = np.count_nonzero(true, axis=1) > 1
        recall = np.where(true > 0, hits / true, np.nan)
        f1 = np.where(true + answered > 0, 2 * hits / (true + answered), np.nan)
        every = {
            "accuracy": hits.sum(axis=1) / true.sum(axis=1),
            "balanced_accuracy": np.where(several, _mean_of_known(recall), np.nan),
            "f1": np.where(several, _mean_of_known(f1), np.nan),
        }
        return every if names is None else {name: every[score] for score, name in names.items()}

    return ScoreSums(np.hstack(columns), scores)


def detection_sums(target: Indices, predicted: Indices, index: Indices) -> ScoreSums:
    """Sum up for the ``detection_scores``; arguments as for ``label_sums``."""
    sums = tally(index, 2 * target + predicted, 4)

    def scores(totals: Floats) -> dict[str, Floats]:
        rejected, alarms, missed, found = totals.T
        true = missed + found
        return {
            "miss_rate": missed / true,
            "false_alarm_rate": alarms / (rejected + alarms),
            "detection_error": np.where(true > 0, (missed + alarms) / true, np.nan),
        }

    return ScoreSums(sums, scores)


def calibration_sums(target: Indices, probability: Floats, index: Indices) -> ScoreSums:
    """Sum up for ``ece``: how far probabilities are from targets in every bin; arguments as for ``binary_scores``."""
    column = probability_bins(probability)
    gaps = tally(index, column, CALIBRATION_BINS, probability - target)
    sums = np.hstack([gaps, tally(index, np.zeros_like(index), 1)])
    return ScoreSums(sums, lambda totals: {"ece": np.abs(totals[:, :-1]).sum(axis=1) / totals[:, -1]})


def auroc_sums(target: Indices, probability: Floats, index: Indices) -> ScoreSums:
    """Sum up for ``auroc``: histograms of the ranks of false and of true rows; arguments as for ``binary_scores``."""
    column, bins = rank_bins(probability)
    sums = tally(index, target * bins + column, 2 * bins)

    def scores(totals: Floats) -> dict[str, Floats]:
        false, true = totals[:, :bins], totals[:, bins:]
        # False rows of the same bin count half.
        ahead = np.einsum("rb,rb->r", true, np.cumsum(false, axis=1) - false / 2)
        return {"auroc": ahead / (true.sum(axis=1) * false.sum(axis=1))}

    return ScoreSums(sums, scores)


def error_sums(
    target: Floats, prediction: Floats, index: Indices, names: dict[str, str] | None = None, unit: float = 1.0
) -> ScoreSums:
    """Sum up for ``r2``, ``rmse`` and ``mae``, defined as in ``value_scores``.

    Args:
        target: shape (row,).
        prediction: shape (row,).
        index: utterance of every row, shape (row,).
        names: score -> name it is given; scores that are not named are left out. None names all by themselves.
        unit: factor of ``rmse`` and ``mae``.
    """
    # About the mean of all rows: variances of resamples are then no differences of large numbers.
    centred, error = target - target.mean(), prediction - target
    columns = (np.ones_like(target), centred, centred**2, error**2, np.abs(error))
    sums = per_utterance(index, columns)
    varies = target.size > 1 and np.ptp(target) > 1e-12 * np.abs(target).max()
    least = CONSTANT_SHARE * float(np.mean(centred**2))

    def scores(totals: Floats) -> dict[str, Floats]:
        rows, first, second, squares, absolute = totals.T
        spread = second - first**2 / rows
        every = {
            "r2": np.where((spread > least * rows) & varies, 1 - squares / spread, np.nan),
            "rmse": unit * np.sqrt(squares / rows),
            "mae": unit * absolute / rows,
        }
        return every if names is None else {name: every[score] for score, name in names.items()}

    return ScoreSums(sums, scores)


def median_sums(values: Floats, index: Indices, name: str) -> ScoreSums:
    """Sum up for a median: a histogram of ranks, whose bins stand for the median of their rows."""
    column, bins = rank_bins(values)
    order = np.argsort(values)
    edges = np.searchsorted(column[order], np.arange(bins + 1))
    # A bin that equal values have skipped is never the median; it takes the value of the row beside it.
    middle = np.minimum((edges[:-1] + edges[1:]) // 2, values.size - 1)
    centres = values[order][middle]

    def scores(totals: Floats) -> dict[str, Floats]:
        upto = np.cumsum(totals, axis=1)
        half = upto[:, -1:] / 2
        # As usual for an even number of rows, the mean of the two in the middle.
        low, high = (upto >= half).argmax(axis=1), (upto > half).argmax(axis=1)
        return {name: np.where(half[:, 0] > 0, (centres[low] + centres[high]) / 2, np.nan)}

    return ScoreSums(tally(index, column, bins), scores)


def gross_error_sums(target: Floats, prediction: Floats, index: Indices) -> ScoreSums:
    """Sum up for ``gross_error_rate``; arguments as for the score of that name."""
    positive = target > 0
    wrong = positive & (np.abs(prediction - target) > GROSS_ERROR * target)
    sums = per_utterance(index, (wrong, positive))
    return ScoreSums(sums, lambda totals: {"gross_error_rate": totals[:, 0] / totals[:, 1]})


def _mean_of_known(values: Floats) -> Floats:
    known = ~np.isnan(values)
    return np.where(known, values, 0.0).sum(axis=1) / known.sum(axis=1)
