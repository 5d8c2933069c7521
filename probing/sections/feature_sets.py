"""Every task from every set of features, with intervals and controls; calibration, confusion and coefficients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from probes.calibration import reliability_bins
from probes.evaluation import evaluate, scored_rows
from probes.fitting import FittedTask, counting, fit_tasks
from probes.reservoir import FrameRows
from probes.results import ProbeResult, ScoredRows
from probes.scores import confusion_matrix, utterance_labels, utterance_means
from probes.tasks import ProbeTask
from probing.collection import KNOWN_FEATURES
from probing.data import StudyData
from probing.features import MASKS
from probing.mixtures import Part
from reports.probing.rows import CalibrationBin, Coefficient, ConfusionCount, ScoreEntry

ALL_BLOCKS = "all"
NOISE_TASK, KNOWN_NOISE = "noise_class", "noise_class_known"


def entries(
    data: StudyData, features: str, blocks: str, result: ProbeResult, scored: ScoredRows, part: Part = "score"
) -> Iterator[ScoreEntry]:
    """Make one row for every score of a task, with its interval."""
    task = result.task
    intervals = data.intervals(task, scored.target, scored.prediction, scored.utterances, part)
    for metric, score in result.scores.items():
        low, high = intervals[metric]
        yield ScoreEntry(
            features=features,
            blocks=blocks,
            task=task.name if part == "score" else KNOWN_NOISE,
            metric=metric,
            score=score,
            low=low,
            high=high,
            chance=result.chance.get(metric, np.nan),
            shuffled=result.shuffled.get(metric, np.nan),
            fit_rows=result.fit_rows,
            score_rows=result.score_rows,
            utterances=int(np.unique(scored.utterances).size),
            l2=result.l2,
            converged=result.converged,
            note=result.note,
        )


def score_all(
    data: StudyData, features: str, blocks: str, fitted: Mapping[str, FittedTask], rows: FrameRows, part: Part = "score"
) -> list[ScoreEntry]:
    """Score fitted probes of several tasks on rows of a part."""
    found: list[ScoreEntry] = []
    for item in fitted.values():
        counted = counting(rows, item.task)
        scored = scored_rows(item, counted)
        found += entries(data, features, blocks, evaluate(item, counted, scored), scored, part)
    return found


def feature_sets(data: StudyData) -> Iterator[tuple[str, dict[str, list[Any]]]]:
    """Probe all sets of features; yields what is being done, and rows by table."""
    settings = data.settings
    for features, rows in data.collected["score"].rows.items():
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
        coefficients += coefficient_rows(data, item)
        if item.task.kind == "value":
            continue
        scored = scored_rows(item, counting(data.score_masks, item.task))
        if item.task.kind == "binary" and len(scored):
            bins = reliability_bins(scored.target, scored.prediction[:, 1])
            calibration += [CalibrationBin(item.task.name, **vars(values)) for values in bins]
        if item.task.kind == "category":
            confusion += confusion_rows(data, item.task, scored, "unseen_recordings")
            if item.task.name == NOISE_TASK:
                known = scored_rows(item, counting(data.collected["known"].rows[MASKS], item.task))
                confusion += confusion_rows(data, item.task, known, "known_recordings")
    return {"calibration": calibration, "confusion": confusion, "coefficients": coefficients}


def class_names(data: StudyData, task: ProbeTask, classes: np.ndarray) -> list[str]:
    """Name class labels: noise categories by their names, others by their numbers."""
    return [data.categories[label] if task.target == NOISE_TASK else str(label) for label in classes.astype(int)]


def confusion_rows(data: StudyData, task: ProbeTask, scored: ScoredRows, protocol: str) -> list[ConfusionCount]:
    """Count frames and utterances by true and predicted class."""
    if not len(scored):
        return []
    names = class_names(data, task, scored.classes)
    whole = utterance_means(scored.prediction, scored.utterances).argmax(axis=1)
    counts = {
        "frame": confusion_matrix(scored.target, scored.prediction.argmax(axis=1), len(names)),
        "utterance": confusion_matrix(
            utterance_labels(scored.target, scored.utterances, len(names)), whole, len(names)
        ),
    }
    return [
        ConfusionCount(task.name, protocol, unit, true, predicted, int(matrix[row, column]))
        for unit, matrix in counts.items()
        for row, true in enumerate(names)
        for column, predicted in enumerate(names)
    ]


def coefficient_rows(data: StudyData, item: FittedTask) -> list[Coefficient]:
    """List the weights of the standardised features of a probe."""
    if item.probe is None:
        return []
    standard = item.probe.standard_coef_
    outputs = [""]
    if len(standard) > 1:
        outputs = class_names(data, item.task, np.unique(item.labels))
    names = data.feature_names
    return [
        Coefficient(item.task.name, output, names[column], float(weight))
        for output, weights in zip(outputs, standard, strict=True)
        for column, weight in enumerate(weights)
    ]
