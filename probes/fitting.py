"""Fit the probes of one or several tasks from the rows that count for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.controls import shuffle_labels
from probes.linear import l2_grid
from probes.logistic import DEFAULT_LOGISTIC_L2, LogisticProbe
from probes.moments import CHUNK_ROWS, Moments
from probes.pooling import utterance_rows
from probes.reservoir import FrameRows
from probes.ridge import DEFAULT_RIDGE_L2, RidgeProbe, utterance_folds
from probes.tasks import ProbeTask, select


@dataclass(frozen=True)
class FittedTask:
    """A fitted probe, its shuffled twin, and what chance needs.

    Attributes:
        task: what is probed.
        labels: encoded targets of the fit, shape (row,).
        probe: fitted probe; None without rows.
        shuffled: the same fitted on shuffled labels; None if not asked for.
        note: what a reader must know.
    """

    task: ProbeTask
    labels: NDArray[Any]
    probe: LogisticProbe | RidgeProbe | None
    shuffled: LogisticProbe | RidgeProbe | None
    note: str


@dataclass(frozen=True)
class FitSettings:
    """How probes are fitted.

    Attributes:
        ridge_l2: strengths to choose from for values.
        logistic_l2: strengths to choose from for classes.
        logistic_rows: most rows of one logistic fit.
        folds: folds over utterances that choose the strength of ridge.
        seed: seed of folds, held-out utterances and shuffles.
        shuffled_control: also fit shuffled labels.
        max_iter: most iterations of a logistic fit.

    Raises:
        ValueError: if a setting is out of range.
    """

    ridge_l2: tuple[float, ...] = DEFAULT_RIDGE_L2
    logistic_l2: tuple[float, ...] = DEFAULT_LOGISTIC_L2
    logistic_rows: int = 12_000
    folds: int = 3
    seed: int = 0
    shuffled_control: bool = True
    max_iter: int = 200

    def __post_init__(self) -> None:
        l2_grid(self.ridge_l2)
        l2_grid(self.logistic_l2)
        if self.logistic_rows < 1:
            raise ValueError(f"logistic_rows must be positive, got {self.logistic_rows}")
        if self.folds < 2 or self.max_iter < 1 or self.seed < 0:
            given = f"{self.folds}, {self.max_iter} and {self.seed}"
            raise ValueError(f"folds >= 2, max_iter >= 1 and seed >= 0 expected, got {given}")


def counting(rows: FrameRows, task: ProbeTask) -> FrameRows:
    """Keep the rows that count for a task; a pooled one gets a row for every utterance."""
    if not len(rows):
        return rows
    counts = select(rows.targets, task)
    kept = rows if counts.all() else rows.take(counts)
    return utterance_rows(kept) if task.pooled and len(kept) else kept


def fit_tasks(tasks: Sequence[ProbeTask], rows: FrameRows, settings: FitSettings) -> dict[str, FittedTask]:
    """Fit every task on the rows that count for it; values that share their rows are fitted together.

    Args:
        tasks: what to probe, names distinct.
        rows: rows of the fit set with the targets of all tasks.
        settings: how.

    Returns:
        Name of the task -> fitted task.
    """
    fitted = {}
    together: dict[tuple[bool, bytes], list[ProbeTask]] = {}
    for index, task in enumerate(tasks):
        if task.kind == "value":
            mask = select(rows.targets, task) if len(rows) else np.zeros(0, dtype=bool)
            together.setdefault((task.pooled, mask.tobytes()), []).append(task)
        else:
            probe = LogisticProbe(settings.logistic_l2, max_iter=settings.max_iter, seed=settings.seed)
            shuffle = settings.seed + index if settings.shuffled_control else None
            fitted[task.name] = fit_classes(task, counting(rows, task), probe, settings.logistic_rows, shuffle)
    for group in together.values():
        values = fit_values(
            group,
            counting(rows, group[0]),
            settings.ridge_l2,
            settings.folds,
            settings.seed,
            settings.shuffled_control,
        )
        fitted |= {item.task.name: item for item in values}
    return fitted


def fit_classes(
    task: ProbeTask, rows: FrameRows, probe: LogisticProbe, max_rows: int, shuffle: int | None
) -> FittedTask:
    """Fit the logistic probe of a binary or categorical task.

    Args:
        task: the task.
        rows: rows that count for it.
        probe: the probe, not fitted yet.
        max_rows: most rows used, the uniform sub-sample with the smallest keys.
        shuffle: seed of the shuffled control, which takes over the strength chosen for the true labels; None for none.

    Returns:
        The fitted task.
    """
    if not len(rows):
        return FittedTask(task, np.zeros(0, dtype=np.int64), None, None, "no fit rows")
    if len(rows) > max_rows:
        rows = rows.take(np.sort(np.argpartition(rows.keys, max_rows - 1)[:max_rows]))
    labels, x = task.encode(rows.targets[task.target]), rows.features
    probe.fit(x, labels, groups=rows.utterances)
    notes = []
    if probe.single_class_:
        notes.append(f"only class {probe.classes_[0]} in the fit rows")
    elif not probe.converged_:
        notes.append(f"not converged after {probe.n_iter_} iterations")
    if not isinstance(probe.l2, (int, float)) and np.unique(rows.utterances).size < 2:
        notes.append("one utterance only, l2 not chosen")
    control = None
    if shuffle is not None:
        control = LogisticProbe(l2=probe.l2_, max_iter=probe.max_iter, tol=probe.tol)
        control.fit(x, shuffle_labels(labels, rows.utterances, shuffle))
    return FittedTask(task, labels, probe, control, "; ".join(notes))


def fit_values(
    tasks: Sequence[ProbeTask], rows: FrameRows, l2: Sequence[float], folds: int, seed: int, shuffled: bool
) -> list[FittedTask]:
    """Fit the ridge probes of value tasks that share their rows.

    All targets, true and shuffled, are outputs of one set of moments per fold, so X'X is computed once.

    Args:
        tasks: value tasks for which the same rows count.
        rows: those rows.
        l2: strengths to choose from.
        folds: folds over utterances.
        seed: seed of the folds and of the shuffled control.
        shuffled: whether to fit the shuffled control.

    Returns:
        The fitted tasks, in order.
    """
    if not len(rows):
        return [FittedTask(task, np.zeros(0), None, None, "no fit rows") for task in tasks]
    columns = [task.encode(rows.targets[task.target]) for task in tasks]
    outputs = columns + ([shuffle_labels(column, rows.utterances, seed) for column in columns] if shuffled else [])
    parts = fold_moments(rows, np.stack(outputs, axis=1), utterance_folds(rows.utterances, folds, seed), folds)
    common = []
    if sum(part.count > 0 for part in parts) > 1:
        probe = RidgeProbe(l2).fit_folds(parts)
    else:
        probe = RidgeProbe(max(l2)).fit_moments(Moments.total(parts))
        common = ["one utterance only, l2 not chosen"] if len(l2) > 1 else []
    fitted = []
    for index, task in enumerate(tasks):
        own, notes = probe.single(index), list(common)
        if probe.cv_r2_ is not None and own.l2_[0] == min(l2):
            notes.append("l2 at the weak end of its grid")
        control = probe.single(index + len(tasks)) if shuffled else None
        fitted.append(FittedTask(task, columns[index], own, control, "; ".join(notes)))
    return fitted


def fold_moments(rows: FrameRows, outputs: NDArray[Any], fold: NDArray[Any], folds: int) -> list[Moments]:
    """Compute the moments of every fold.

    Args:
        rows: features.
        outputs: shape (row, output).
        fold: fold of every row, shape (row,).
        folds: number of folds.

    Returns:
        One set of moments per fold, possibly empty.
    """
    parts = []
    for index in range(folds):
        moments = Moments(rows.num_features, outputs.shape[1])
        members = np.flatnonzero(fold == index)
        for start in range(0, members.size, CHUNK_ROWS):
            chunk = members[start : start + CHUNK_ROWS]
            moments.update(rows.dense(chunk), outputs[chunk])
        parts.append(moments)
    return parts
