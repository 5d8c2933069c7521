"""The probes that leave the study: few features, a threshold, a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from probes.deployable import deployable
from probes.deployment import DeployedProbe, ProbeBank
from probes.evaluation import posterior_of
from probes.fitting import FittedTask, counting, fit_tasks
from probes.reservoir import FrameRows
from probes.tasks import ProbeTask
from probing.data import StudyData
from probing.features import MASKS
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
    if task.kind == "category":
        return deployable(fitted, columns, class_names(data, task, probe.classes_))
    if task.kind == "binary":
        labels = task.encode(rows.targets[task.target])
        probability = posterior_of(probe, rows, np.array([0, 1]))[:, 1]
        return deployable(fitted, columns, scored=(labels, probability))
    frames = len(data.collected["fit"].rows[MASKS]) / len(data.collected["fit"].mixtures)  # masks are kept whole
    return deployable(fitted, columns, utterance_s=frames * data.grid.hop_length / data.grid.sample_rate)
