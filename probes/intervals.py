"""Bootstrap intervals of scores, over utterances or over what utterances share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.evaluation import score_classes, score_values
from probes.statistics import Floats, score_sums
from probes.tasks import ProbeTask

NAN = float("nan")
Interval = tuple[float, float]
# (task, target, prediction or posterior, utterances) -> name of the score -> low and high end
Intervals = Callable[[ProbeTask, NDArray[Any], NDArray[Any], NDArray[Any]], Mapping[str, Interval]]


def resample_counts(members: int, resamples: int, seed: int) -> Floats:
    """Draw resamples with replacement and count how often each member is in each.

    Args:
        members: number of utterances or clusters; every resample has as many.
        resamples: number of resamples.
        seed: seed of the draws.

    Returns:
        Shape (resample, member).

    Raises:
        ValueError: if ``resamples`` is not positive.

    Example:
        >>> resample_counts(5, 3, seed=0).sum(axis=1).tolist()
        [5.0, 5.0, 5.0]
    """
    if resamples < 1:
        raise ValueError(f"resamples must be positive, got {resamples}")
    drawn = np.random.default_rng(seed).integers(members, size=(resamples, members))
    drawn += members * np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * members)
    return counts.reshape(resamples, members).astype(np.float64)


def percentile_interval(values: Floats, confidence: float = 0.95) -> Interval:
    """Cut equal shares off both ends of the scores of resamples; undefined ones do not count.

    Args:
        values: shape (resample,).
        confidence: share between the ends, in (0, 1).

    Returns:
        Low and high end; NaN if no resample has a score.

    Raises:
        ValueError: if ``confidence`` is out of range.

    Example:
        >>> percentile_interval(np.arange(101.0), confidence=0.5)
        (25.0, 75.0)
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence}")
    known = values[np.isfinite(values)]
    if not known.size:
        return NAN, NAN
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def score_intervals(
    task: ProbeTask,
    target: NDArray[Any],
    prediction_or_posterior: NDArray[Any],
    utterances: NDArray[Any],
    *,
    clusters: NDArray[Any] | None = None,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Compute a percentile interval of every score of a task.

    Utterances are drawn with replacement, whole: frames of one are alike and say little more than one of them. Where
    utterances are alike themselves, since they share a noise recording or a speaker, draw those: intervals over
    utterances are too narrow for tasks that are decided by them. The probe stays as it is: its fit is not resampled.
    Resamples repeat utterances and so seem a little less calibrated: the interval of ``ece`` may lie above the score.

    Args:
        task: the task.
        target: class indices into the columns of the posterior, or values in the unit of the task, shape (row,).
        prediction_or_posterior: values in the unit of the task, shape (row,), or posterior, shape (row, class).
        utterances: shape (row,).
        clusters: what is drawn instead of utterances, shape (row,), one value in each utterance.
        resamples: number of resamples.
        confidence: of the interval, in (0, 1).
        seed: seed of the draws.

    Returns:
        Name of the score, as in ``score_values`` or ``score_classes`` -> low and high end. Resamples in which a score
        is undefined are left out; NaN if all are, or with fewer than two utterances or clusters.

    Raises:
        ValueError: if shapes disagree, an utterance is in two clusters, or a setting is out of range.

    Example:
        >>> utterances = np.repeat(np.arange(20), 5)
        >>> target = utterances % 2
        >>> low, high = score_intervals(
        ...     ProbeTask("vad", "binary"), target, np.eye(2)[np.where(utterances < 5, 1, target)], utterances
        ... )["accuracy"]
        >>> 0.6 < low < 0.85 < high <= 1.0
        True
    """
    draws = _draws(task, target, [prediction_or_posterior], utterances, clusters, resamples, seed)
    return {name: percentile_interval(scores, confidence) for name, scores in draws[0].items()}


def paired_interval(
    task: ProbeTask,
    target: NDArray[Any],
    first: NDArray[Any],
    second: NDArray[Any],
    utterances: NDArray[Any],
    *,
    clusters: NDArray[Any] | None = None,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Compute intervals of how much two sets of predictions of the same rows differ, such as of two feature sets.

    Both are scored on the same resamples: what makes an utterance hard for both does not widen the interval.

    Args:
        task: the task.
        target: as for ``score_intervals``.
        first: predictions or posterior.
        second: other predictions or posterior of the same rows.
        utterances: shape (row,).
        clusters: what is drawn instead of utterances, shape (row,).
        resamples: number of resamples.
        confidence: of the interval, in (0, 1).
        seed: seed of the draws.

    Returns:
        Name of the score -> low and high end of the score of ``first`` less that of ``second``.

    Raises:
        ValueError: as for ``score_intervals``.

    Example:
        >>> target, utterances = np.tile([1.0, 2.0, 4.0], 4), np.repeat(np.arange(4), 3)
        >>> paired_interval(ProbeTask("snr_db", "value"), target, target, target + 1, utterances)["mae"]
        (-1.0, -1.0)
    """
    one, other = _draws(task, target, [first, second], utterances, clusters, resamples, seed)
    return {name: percentile_interval(one[name] - other[name], confidence) for name in one}


def _draws(
    task: ProbeTask,
    target: NDArray[Any],
    predictions: list[NDArray[Any]],
    utterances: NDArray[Any],
    clusters: NDArray[Any] | None,
    resamples: int,
    seed: int,
) -> list[dict[str, Floats]]:
    """Scores of every resample, one dictionary per set of predictions."""
    expected = target.shape[:1]
    for array in (target, utterances, *predictions, *([] if clusters is None else [clusters])):
        if array.shape[:1] != expected or array.ndim > 2:
            shapes = (target.shape, utterances.shape, [prediction.shape for prediction in predictions])
            raise ValueError(f"target, utterances, predictions and clusters must share their rows, got {shapes}")
    member = cluster_index(utterances, utterances if clusters is None else clusters)
    members = int(member.max()) + 1 if member.size else 0
    counts = resample_counts(max(members, 1), resamples, seed)
    every = []
    for prediction in predictions:
        if members < 2 or not np.isfinite(prediction).all():
            every.append({name: np.full(resamples, np.nan) for name in _names(task, target, prediction, utterances)})
            continue
        scores: dict[str, Floats] = {}
        for part in score_sums(task, target, prediction, utterances):
            scores |= part.resampled(counts[:, member])
        every.append(scores)
    return every


def _names(task: ProbeTask, target: NDArray[Any], prediction: NDArray[Any], utterances: NDArray[Any]) -> list[str]:
    nothing = target[:0], utterances[:0]
    if task.kind == "value":
        return list(score_values(task, nothing[0].astype(np.float64), np.zeros(0), nothing[1]))
    posterior = np.zeros((0, max(prediction.shape[1], 2)))  # no fit, no classes: the names are the same
    return list(score_classes(task, nothing[0].astype(np.int64), posterior, nothing[1]))


def cluster_index(utterances: NDArray[Any], clusters: NDArray[Any]) -> NDArray[np.int64]:
    """Number the cluster of each utterance, in the order of ``np.unique(utterances)``.

    Args:
        utterances: shape (row,).
        clusters: shape (row,).

    Returns:
        Shape (utterance,), from 0.

    Raises:
        ValueError: if an utterance is in two clusters.

    Example:
        >>> cluster_index(np.array([5, 5, 3]), np.array(["b", "b", "a"])).tolist()
        [0, 1]
    """
    _, first, index = np.unique(utterances, return_index=True, return_inverse=True)
    wrong = np.flatnonzero(clusters != clusters[first][index])
    if wrong.size:
        raise ValueError(f"clusters must be the same in an utterance, {utterances[wrong[0]]!r} has several")
    return np.unique(clusters[first], return_inverse=True)[1]
