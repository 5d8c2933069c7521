"""Score fitted probes on held-out rows, with chance and shuffled labels beside them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.controls import chance_balanced_accuracy, class_frequencies
from probes.fitting import FittedTask
from probes.logistic import LogisticProbe
from probes.moments import CHUNK_ROWS
from probes.reservoir import FrameRows
from probes.results import ProbeResult, ScoredRows
from probes.ridge import RidgeProbe
from probes.scores import (
    binary_scores,
    category_scores,
    confusion_matrix,
    gross_error_rate,
    utterance_labels,
    utterance_means,
    value_scores,
)
from probes.tasks import ProbeTask


def evaluate(fitted: FittedTask, rows: FrameRows, scored: ScoredRows | None = None) -> ProbeResult:
    """Score one task.

    Args:
        fitted: the fitted task.
        rows: rows of the score set that count for it.
        scored: outcome of ``scored_rows`` for the same arguments, if it is at hand.

    Returns:
        Scores, chance and shuffled scores; all NaN without a fit or without score rows.
    """
    scored = scored_rows(fitted, rows) if scored is None else scored
    notes = [fitted.note] if fitted.note else []
    if not len(rows):
        notes.append("no score rows")
    scoring = _evaluate_values if fitted.task.kind == "value" else _evaluate_classes
    return scoring(fitted, rows, scored, notes)


def scored_rows(fitted: FittedTask, rows: FrameRows) -> ScoredRows:
    """Apply a fitted probe to the rows it is scored on.

    Args:
        fitted: the fitted task.
        rows: rows of the score set that count for it.

    Returns:
        Targets beside predictions; no rows without a fit.
    """
    task = fitted.task
    if fitted.probe is None or not len(rows):
        classes = np.zeros(0, dtype=np.int64) if task.kind == "value" else _classes(fitted, np.zeros(0, dtype=np.int64))
        shape = (0,) if task.kind == "value" else (0, classes.size)
        target = np.zeros(0, dtype=np.float64 if task.kind == "value" else np.int64)
        return ScoredRows(task, target, np.zeros(shape), classes, rows.utterances[:0])
    encoded = task.encode(rows.targets[task.target])
    if task.kind == "value":
        prediction = task.decode(predicted_values(fitted.probe, rows))
        return ScoredRows(task, task.decode(encoded), prediction, np.zeros(0, dtype=np.int64), rows.utterances)
    classes = _classes(fitted, encoded)
    posterior = posterior_of(fitted.probe, rows, classes)
    return ScoredRows(task, np.searchsorted(classes, encoded), posterior, classes, rows.utterances)


def _classes(fitted: FittedTask, labels: NDArray[Any]) -> NDArray[Any]:
    """Labels of the fit and of the scores, sorted; never fewer than a posterior can be scored with."""
    return np.union1d(fitted.labels, labels) if fitted.task.kind == "category" else np.array([0, 1])


def _evaluate_values(fitted: FittedTask, rows: FrameRows, scored: ScoredRows, notes: list[str]) -> ProbeResult:
    task, target = fitted.task, scored.target

    def score(prediction: NDArray[Any]) -> dict[str, float]:
        return score_values(task, target, prediction, scored.utterances)

    # Without a fit everything is NaN, under the usual names so that it can be counted.
    mean = fitted.labels.mean() if fitted.labels.size else math.nan
    chance = score(task.decode(np.full(len(scored), mean)))
    shuffled = {}
    if fitted.shuffled is not None:
        shuffled = score(task.decode(predicted_values(fitted.shuffled, rows)))
    return _result(fitted, rows, score(scored.prediction), chance, shuffled, notes)


def _evaluate_classes(fitted: FittedTask, rows: FrameRows, scored: ScoredRows, notes: list[str]) -> ProbeResult:
    task, target, classes = fitted.task, scored.target, scored.classes

    def score(posterior: NDArray[Any]) -> dict[str, float]:
        return score_classes(task, target, posterior, scored.utterances)

    if fitted.probe is None:
        nothing = score(np.zeros((0, 2)))
        return _result(fitted, rows, nothing, dict(nothing), {}, notes)
    unseen = np.setdiff1d(classes[np.unique(target)], fitted.labels)
    if unseen.size:
        notes.append(f"classes {unseen.tolist()} are scored but not in the fit rows")
    shuffled = {} if fitted.shuffled is None else score(posterior_of(fitted.shuffled, rows, classes))
    shares = class_frequencies(np.searchsorted(classes, fitted.labels), classes.size)
    chance = score(np.tile(shares, (len(scored), 1)))
    chance["balanced_accuracy"] = chance_balanced_accuracy(target)
    if task.per_utterance and len(scored):
        by_utterance = utterance_labels(target, scored.utterances, classes.size)
        chance["utterance_balanced_accuracy"] = chance_balanced_accuracy(by_utterance)
    confusion = confusion_matrix(target, scored.prediction.argmax(axis=1), classes.size)
    names = tuple(classes.tolist())
    return _result(fitted, rows, score(scored.prediction), chance, shuffled, notes, names, confusion)


def score_values(
    task: ProbeTask, target: NDArray[Any], prediction: NDArray[Any], utterances: NDArray[Any]
) -> dict[str, float]:
    """Score predicted values by frame, and by utterance if the task says so.

    Args:
        task: the task.
        target: shape (row,), in the unit of the task.
        prediction: shape (row,), in the same unit.
        utterances: shape (row,).

    Returns:
        The ``value_scores``, in Hz ``gross_error_rate`` too, and ``utterance_r2`` of the means of each utterance.
    """
    octaves = task.transform == "log2"
    if not np.isfinite(prediction).all():
        # Octaves so far out that the unit overflows.
        return dict.fromkeys(score_values(task, target[:0], target[:0], utterances[:0]), math.nan)
    scores = value_scores(target, prediction, octaves)
    if task.unit == "Hz":
        scores["gross_error_rate"] = gross_error_rate(target, prediction)
    if task.per_utterance:
        means = utterance_means(target, utterances), utterance_means(prediction, utterances)
        scores["utterance_r2"] = value_scores(*means)["r2"]
    return scores


def score_classes(
    task: ProbeTask, target: NDArray[Any], posterior: NDArray[Any], utterances: NDArray[Any]
) -> dict[str, float]:
    """Score posteriors by frame, and by utterance if the task says so.

    Args:
        task: the task.
        target: class indices, shape (row,).
        posterior: shape (row, class).
        utterances: shape (row,).

    Returns:
        The ``binary_scores`` or ``category_scores``, and ``utterance_accuracy`` and ``utterance_balanced_accuracy``
        of the mean posterior against the most frequent class of each utterance.
    """
    binary = task.kind == "binary"
    scores = binary_scores(target, posterior[:, 1]) if binary else category_scores(target, posterior)
    if task.per_utterance:
        means = utterance_means(posterior, utterances)
        labels = utterance_labels(target, utterances, posterior.shape[1])
        whole = binary_scores(labels, means[:, 1]) if binary else category_scores(labels, means)
        scores |= {f"utterance_{name}": whole[name] for name in ("accuracy", "balanced_accuracy")}
    return scores


def posterior_of(probe: LogisticProbe | RidgeProbe, rows: FrameRows, classes: NDArray[Any]) -> NDArray[np.float64]:
    """Compute posteriors in the order of ``classes``; classes the probe has never seen get 0.

    Args:
        probe: a fitted logistic probe.
        rows: features.
        classes: sorted labels that contain those of the probe, shape (class,).

    Returns:
        Shape (row, class).
    """
    assert isinstance(probe, LogisticProbe)
    posterior = np.zeros((len(rows), classes.size))
    columns = np.searchsorted(classes, probe.classes_)
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = slice(start, start + CHUNK_ROWS)
        posterior[chunk, columns] = probe.predict_proba(rows.dense(chunk))
    return posterior


def predicted_values(probe: LogisticProbe | RidgeProbe, rows: FrameRows) -> NDArray[np.float64]:
    """Compute the output of a ridge probe of one target, still encoded.

    Args:
        probe: a fitted ridge probe with one-column output.
        rows: features.

    Returns:
        Shape (row,).
    """
    output = np.zeros(len(rows))
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = slice(start, start + CHUNK_ROWS)
        output[chunk] = probe.predict(rows.dense(chunk))
    return output


def _result(
    fitted: FittedTask,
    rows: FrameRows,
    scores: dict[str, float],
    chance: dict[str, float],
    shuffled: dict[str, float],
    notes: list[str],
    classes: tuple[int, ...] = (),
    confusion: NDArray[np.int64] | None = None,
) -> ProbeResult:
    probe = fitted.probe
    return ProbeResult(
        task=fitted.task,
        scores=scores,
        chance=chance,
        shuffled=shuffled,
        fit_rows=fitted.labels.size,
        score_rows=len(rows),
        converged=getattr(probe, "converged_", True),
        n_iter=getattr(probe, "n_iter_", 0),
        l2=math.nan if probe is None else float(np.ravel(probe.l2_)[0]),
        constant_features=0 if probe is None else int(probe.constant_.sum()),
        note="; ".join(notes),
        classes=classes,
        confusion=confusion,
    )
