"""From fitted probes to those of a file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from probes.deployment import DeployedProbe, linear_weights
from probes.fitting import FittedTask
from probes.logistic import LogisticProbe


def deployable(
    fitted: FittedTask,
    columns: NDArray[np.int64],
    classes: Sequence[str] = (),
    scored: tuple[NDArray[np.int64], NDArray[np.float64]] | None = None,
    utterance_s: float = 0.0,
) -> DeployedProbe | None:
    """Turn a fitted probe into one for a file.

    Args:
        fitted: the task and its probe.
        columns: positions of its features among all channels of all blocks, shape (feature,), rising.
        classes: names of the classes of a category, in the order of ``probe.classes_``.
        scored: labels (0/1) and probabilities of 1 of a binary task, each of shape (row,), from which the threshold
            is chosen; None leaves it at one half.
        utterance_s: length of the utterances of the fit, in s; only a pooled task needs it.

    Returns:
        The probe; None if it has learnt nothing (no rows, or one class).
    """
    probe, task = fitted.probe, fitted.task
    if probe is None or getattr(probe, "single_class_", False):
        return None
    weights, bias = linear_weights(probe.coef_, probe.intercept_)
    if isinstance(probe, LogisticProbe) and task.kind == "category" and len(classes) == 2:
        # one row of weights says both
        weights, bias = np.vstack([-weights / 2, weights / 2]), np.concatenate([-bias / 2, bias / 2])
    return DeployedProbe(
        kind=task.kind,
        features=columns.astype(np.int32),
        weights=weights,
        bias=bias,
        unit=task.unit,
        transform=task.transform,
        classes=tuple(classes) if task.kind == "category" else (),
        averaged_s=utterance_s if task.pooled else 0.0,
        threshold=0.5 if task.kind != "binary" or scored is None else best_threshold(*scored),
    )


def best_threshold(labels: NDArray[np.int64], probability: NDArray[np.float64]) -> float:
    """Find the probability from which on true is answered with the best balanced accuracy.

    Args:
        labels: 0/1, shape (row,); both occur.
        probability: of 1, shape (row,).

    Returns:
        In [0, 1], between two of the probabilities, so that rounding does not matter.

    Example:
        >>> round(best_threshold(np.array([0, 0, 1]), np.array([0.1, 0.3, 0.4])), 2)
        0.35
    """
    false_rate, true_rate, thresholds = roc_curve(labels, probability, drop_intermediate=False)
    best = int(np.argmax(true_rate - false_rate))
    least = float(np.clip(thresholds[best], 0.0, 1.0))
    below = probability[probability < least]
    return least if not below.size else (least + float(below.max())) / 2
