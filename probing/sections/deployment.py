"""The probes that leave the study: few features, a threshold, a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from probes.deployment import DeployedProbe, ProbeBank, linear_weights
from probes.evaluation import posterior_of
from probes.fitting import FittedTask, counting, fit_tasks
from probes.logistic import LogisticProbe
from probes.reservoir import FrameRows
from probes.tasks import ProbeTask
from probing.data import StudyData
from probing.sections.feature_sets import class_names


def deployed_bank(data: StudyData, selected: Mapping[str, Sequence[int]], provenance: Mapping[str, str]) -> ProbeBank:
    """Fit every task on the features that were selected for it, or on all, and make a file of them.

    Args:
        data: of the study.
        selected: name of a task to positions of features.
        provenance: written into the file.
    """
    without_control = replace(data.settings.fits, shuffled_control=False)
    probes = {}
    for task in data.settings.tasks:
        columns = np.sort(np.asarray(selected.get(task.name, range(data.score_masks.num_features)), dtype=np.int64))
        if task.name in selected:
            rows = data.fit_masks.columns(columns)
            fitted = fit_tasks([task], rows, without_control)[task.name]
        else:
            rows, fitted = data.fit_masks, data.mask_fits[task.name]
        probe = deploy(data, task, fitted, counting(rows, task), columns)
        if probe is not None:
            probes[task.name] = probe
    return ProbeBank(probes, data.blocks, data.channels, data.grid.hop_length / data.grid.sample_rate, dict(provenance))


def deploy(
    data: StudyData, task: ProbeTask, fitted: FittedTask, rows: FrameRows, columns: NDArray[np.int64]
) -> DeployedProbe | None:
    """Turn a fitted probe into one for a file; None if it has learnt nothing (no rows, or one class)."""
    probe = fitted.probe
    if probe is None or getattr(probe, "single_class_", False):
        return None
    weights, bias = linear_weights(probe.coef_, probe.intercept_)
    classes: tuple[str, ...] = ()
    threshold = 0.5
    if isinstance(probe, LogisticProbe) and task.kind == "category":
        classes = tuple(class_names(data, task, probe.classes_))
        if len(classes) == 2:  # one row of weights says both
            weights, bias = np.vstack([-weights / 2, weights / 2]), np.concatenate([-bias / 2, bias / 2])
    if task.kind == "binary":
        labels = task.encode(rows.targets[task.target])
        threshold = best_threshold(labels, posterior_of(probe, rows, np.array([0, 1]))[:, 1])
    return DeployedProbe(
        kind=task.kind,
        features=columns.astype(np.int32),
        weights=weights,
        bias=bias,
        unit=task.unit,
        transform=task.transform,
        classes=classes,
        threshold=threshold,
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
