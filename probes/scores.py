"""Scores of predictions; undefined ones are NaN, never an error."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.classification import (
    binary_auroc,
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_recall,
)
from torchmetrics.functional.regression import mean_absolute_error, mean_squared_error, r2_score

from probes.calibration import expected_calibration_error

NAN = float("nan")
CENTS_PER_OCTAVE = 1200
GROSS_ERROR = (
    0.2  # relative error of F0 above which a frame is grossly wrong (Rabiner et al., 1976; Chu and Alwan, 2009)
)


def label_scores(target: NDArray[Any], predicted: NDArray[Any], num_classes: int) -> dict[str, float]:
    """Score predicted classes.

    Args:
        target: class indices, shape (row,).
        predicted: class indices, shape (row,).
        num_classes: number of classes.

    Returns:
        ``accuracy``; ``balanced_accuracy``, the mean recall of the classes that occur; ``f1``, the mean over classes
        that occur or are predicted. The last two are NaN if only one class occurs, all are without rows.

    Example:
        >>> label_scores(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 2)["accuracy"]
        0.75
    """
    if target.size == 0:
        return {"accuracy": NAN, "balanced_accuracy": NAN, "f1": NAN}
    pair = torch.from_numpy(predicted.astype(np.int64)), torch.from_numpy(target.astype(np.int64))
    classes = max(num_classes, 2)
    scores = {"accuracy": float(multiclass_accuracy(*pair, classes, average="micro"))}
    occurs = np.bincount(target, minlength=classes) > 0
    seen = occurs | (np.bincount(predicted, minlength=classes) > 0)
    if occurs.sum() < 2:
        return scores | {"balanced_accuracy": NAN, "f1": NAN}
    # torchmetrics' own macro average also counts classes that never occur but are predicted, with recall 0.
    recall = multiclass_recall(*pair, classes, average="none").numpy()
    f1 = multiclass_f1_score(*pair, classes, average="none").numpy()
    return scores | {"balanced_accuracy": float(recall[occurs].mean()), "f1": float(f1[seen].mean())}


def binary_scores(target: NDArray[Any], probability: NDArray[Any]) -> dict[str, float]:
    """Score probabilities of a binary target, decided at 0.5.

    Args:
        target: 0/1, shape (row,).
        probability: of 1, shape (row,).

    Returns:
        The ``label_scores``, the ``detection_scores``, ``ece`` (expected calibration error) and ``auroc`` (ties count
        half; NaN if only one class occurs).

    Example:
        >>> binary_scores(np.array([0, 1, 1]), np.array([0.2, 0.2, 0.9]))["auroc"]
        0.75
    """
    target = target.astype(np.int64)
    predicted = (probability >= 0.5).astype(np.int64)
    scores = label_scores(target, predicted, 2) | detection_scores(target, predicted)
    scores["ece"] = expected_calibration_error(target, probability)
    if np.unique(target).size < 2:
        return scores | {"auroc": NAN}
    # Ranks, not probabilities: exact ties stay ties, and nothing is lost to float32.
    ranks = np.unique(probability, return_inverse=True)[1].astype(np.float64)
    ranks /= max(ranks.max(), 1.0)
    return scores | {"auroc": float(binary_auroc(torch.from_numpy(ranks), torch.from_numpy(target)))}


def detection_scores(target: NDArray[Any], predicted: NDArray[Any]) -> dict[str, float]:
    """Count what a detector misses and what it makes up.

    Args:
        target: 0/1, shape (row,).
        predicted: 0/1, shape (row,).

    Returns:
        ``miss_rate``, the share of true rows that are missed; ``false_alarm_rate``, the share of false rows taken for
        true; ``detection_error``, missed and false rows over true rows, as in the diarisation error rate, and so
        possibly above 1. NaN where there are no rows to count among.

    Example:
        >>> detection_scores(np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0]))["detection_error"]
        1.0
    """
    positives = int(np.count_nonzero(target == 1))
    negatives = target.size - positives
    missed = int(np.count_nonzero((target == 1) & (predicted != 1)))
    false_alarms = int(np.count_nonzero((target != 1) & (predicted == 1)))
    return {
        "miss_rate": missed / positives if positives else NAN,
        "false_alarm_rate": false_alarms / negatives if negatives else NAN,
        "detection_error": (missed + false_alarms) / positives if positives else NAN,
    }


def category_scores(target: NDArray[Any], posterior: NDArray[Any]) -> dict[str, float]:
    """Score posteriors of a categorical target, decided for the most probable class.

    Args:
        target: class indices, shape (row,).
        posterior: shape (row, class).

    Returns:
        The ``label_scores``.

    Example:
        >>> category_scores(np.array([0, 2]), np.eye(3)[[0, 2]])["accuracy"]
        1.0
    """
    return label_scores(target.astype(np.int64), posterior.argmax(axis=1), posterior.shape[1])


def value_scores(target: NDArray[Any], prediction: NDArray[Any], octaves: bool = False) -> dict[str, float]:
    """Score predicted values.

    Args:
        target: shape (row,), in the unit of the task.
        prediction: shape (row,), in the same unit.
        octaves: also score ratios, for positive values such as frequencies in Hz.

    Returns:
        ``r2`` (about the mean of ``target``; NaN if it does not vary), ``rmse``, ``mae``; with ``octaves`` also
        ``r2_octave``, ``median_abs_cents``, ``rmse_cents`` and ``gross_error_rate``.

    Example:
        >>> value_scores(np.array([1.0, 3.0]), np.array([1.0, 2.0]))["r2"]
        0.5
    """
    target, prediction = target.astype(np.float64), prediction.astype(np.float64)
    scores = {"r2": _r2(target, prediction), "rmse": NAN, "mae": NAN}
    if target.size:
        pair = torch.from_numpy(prediction), torch.from_numpy(target)
        scores["rmse"] = float(mean_squared_error(*pair, squared=False))
        scores["mae"] = float(mean_absolute_error(*pair))
    if octaves:
        log_target, log_prediction = np.log2(target), np.log2(prediction)
        scores["r2_octave"] = _r2(log_target, log_prediction)
        cents = CENTS_PER_OCTAVE * np.abs(log_prediction - log_target)
        scores["median_abs_cents"] = float(np.median(cents)) if target.size else NAN
        scores["rmse_cents"] = float(np.sqrt(np.mean(cents**2))) if target.size else NAN
        scores["gross_error_rate"] = gross_error_rate(target, prediction)
    return scores


def gross_error_rate(target: NDArray[Any], prediction: NDArray[Any]) -> float:
    """Compute the share of rows that are off by more than 20 %, among those whose target is positive.

    Args:
        target: frequencies, shape (row,); 0 stands for none, such as F0 of unvoiced frames.
        prediction: in the same unit, shape (row,).

    Returns:
        From 0 to 1; NaN without positive targets.

    Example:
        >>> gross_error_rate(np.array([100.0, 100.0, 0.0]), np.array([119.0, 121.0, 50.0]))
        0.5
    """
    positive = target > 0
    wrong = np.abs(prediction - target)[positive] > GROSS_ERROR * target[positive]
    return float(wrong.mean()) if wrong.size else NAN


def confusion_matrix(target: NDArray[Any], predicted: NDArray[Any], num_classes: int) -> NDArray[np.int64]:
    """Count rows by true (first axis) and predicted class, shape (class, class).

    Example:
        >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
        [[1, 0], [1, 1]]
    """
    if target.size == 0:
        return np.zeros((num_classes, num_classes), dtype=np.int64)
    classes = max(num_classes, 2)
    pair = torch.from_numpy(predicted.astype(np.int64)), torch.from_numpy(target.astype(np.int64))
    counts: NDArray[np.int64] = multiclass_confusion_matrix(*pair, classes).numpy()
    return counts[:num_classes, :num_classes].copy()


def utterance_means(values: NDArray[Any], utterances: NDArray[Any]) -> NDArray[np.float64]:
    """Average rows over each utterance, in the order of ``np.unique(utterances)``.

    Args:
        values: shape (row,) or (row, class).
        utterances: shape (row,).

    Returns:
        Shape (utterance,) or (utterance, class).

    Example:
        >>> utterance_means(np.array([1.0, 3.0, 5.0]), np.array(["a", "a", "b"])).tolist()
        [2.0, 5.0]
    """
    unique, index = np.unique(utterances, return_inverse=True)
    sums = np.zeros((unique.size, *values.shape[1:]))
    np.add.at(sums, index, values)
    counts = np.bincount(index, minlength=unique.size).astype(np.float64)
    return sums / counts.reshape(-1, *[1] * (values.ndim - 1))


def utterance_labels(target: NDArray[Any], utterances: NDArray[Any], num_classes: int) -> NDArray[np.int64]:
    """Name the most frequent class of each utterance, in the order of ``np.unique(utterances)``.

    Example:
        >>> utterance_labels(np.array([1, 1, 0]), np.array([5, 5, 5]), 2).tolist()
        [1]
    """
    shares = utterance_means(np.eye(num_classes)[target.astype(np.int64)], utterances)
    return shares.argmax(axis=1)


def _r2(target: NDArray[np.float64], prediction: NDArray[np.float64]) -> float:
    if target.size < 2 or np.ptp(target) <= 1e-12 * np.abs(target).max():
        return NAN
    return float(r2_score(torch.from_numpy(prediction), torch.from_numpy(target)))
