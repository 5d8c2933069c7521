"""Every task from every set of features, with intervals and controls; calibration, confusion and coefficients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.evaluation import evaluate, scored_rows
from probes.fitting import FittedTask, counting, fit_tasks
from probes.reservoir import FrameRows
from probes.tasks import ProbeTask
from probing.collection import KNOWN_FEATURES
from probing.data import StudyData
from probing.features import MASKS
from probing.mixtures import Part
from reports.probing.probe_rows import calibration_rows, coefficient_rows, confusion_rows, score_rows
from reports.probing.rows import ALL_BLOCKS, CalibrationBin, Coefficient, ConfusionCount, ScoreEntry

NOISE_TASK, KNOWN_NOISE = "noise_class", "noise_class_known"


def score_all(
    data: StudyData, features: str, blocks: str, fitted: Mapping[str, FittedTask], rows: FrameRows, part: Part = "score"
) -> list[ScoreEntry]:
    """Score fitted probes of several tasks on rows of a part, with intervals."""
    found: list[ScoreEntry] = []
    for item in fitted.values():
        counted = counting(rows, item.task)
        scored = scored_rows(item, counted)
        intervals = data.intervals(item.task, scored.target, scored.prediction, scored.utterances, part)
        found += score_rows(
            features,
            evaluate(item, counted, scored),
            int(np.unique(scored.utterances).size),
            intervals,
            item.task.name if part == "score" else KNOWN_NOISE,
            blocks,
        )
    return found


def feature_sets(data: StudyData) -> Iterator[tuple[str, dict[str, list[Any]]]]:
    """Probe all sets of features; yields what is being done, and rows by table."""
    settings = data.settings
    for features in settings.feature_sets:
        rows = data.collected["score"].rows[features]
        if features == MASKS:
            fitted = data.mask_fits
        else:
            fitted = fit_tasks(settings.tasks, data.fit_rows(features), settings.fits)
        yield features, {"scores": score_all(data, features, ALL_BLOCKS, fitted, rows)}
        if features == MASKS:
            yield "masks in detail", _details(data, fitted)
        if features in KNOWN_FEATURES and NOISE_TASK in fitted:
            known = data.collected["known"].rows[features]
            noise = {NOISE_TASK: fitted[NOISE_TASK]}
            yield f"{features}, known noise", {"scores": score_all(data, features, ALL_BLOCKS, noise, known, "known")}


def single_blocks(data: StudyData) -> Iterator[tuple[str, dict[str, list[Any]]]]:
    """Probe the masks of every block alone."""
    settings = data.settings
    if not settings.block_tasks:
        return
    tasks = [settings.task(name) for name in settings.block_tasks]
    without_control = replace(settings.fits, shuffled_control=False)
    for block in range(data.blocks):
        columns = np.arange(block * data.channels, (block + 1) * data.channels)
        fitted = fit_tasks(tasks, data.fit_masks.columns(columns), without_control)
        rows = data.score_masks.columns(columns)
        yield f"block {block}", {"scores": score_all(data, MASKS, f"{block:02d}", fitted, rows)}


def _details(data: StudyData, fitted: Mapping[str, FittedTask]) -> dict[str, list[Any]]:
    """Make the tables that are only made for the masks."""
    calibration: list[CalibrationBin] = []
    confusion: list[ConfusionCount] = []
    coefficients: list[Coefficient] = []
    for item in fitted.values():
        task = item.task
        outputs = [] if task.kind == "value" else class_names(data, task, np.unique(item.labels))
        coefficients += coefficient_rows(task.name, item.probe, outputs, data.feature_names)
        if task.kind == "value":
            continue
        scored = scored_rows(item, counting(data.score_masks, task))
        if task.kind == "binary":
            calibration += calibration_rows(scored)
            continue
        confusion += confusion_rows(scored, class_names(data, task, scored.classes), "unseen_recordings")
        if task.name == NOISE_TASK:
            known = scored_rows(item, counting(data.collected["known"].rows[MASKS], task))
            confusion += confusion_rows(known, class_names(data, task, known.classes), "known_recordings")
    return {"calibration": calibration, "confusion": confusion, "coefficients": coefficients}


def class_names(data: StudyData, task: ProbeTask, classes: NDArray[Any]) -> list[str]:
    """Name class labels: noise categories by their names, others by their numbers."""
    return [data.categories[label] if task.target == NOISE_TASK else str(label) for label in classes.astype(int)]
