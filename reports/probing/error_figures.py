"""Where probes err: classes taken for others, and probabilities that promise too much."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from reports.probing.marks import (
    BLUE,
    GREY,
    INK,
    PLAIN,
    SMALL,
    TASKS,
    dress,
    ordered,
    panels,
    task_title,
)
from reports.probing.rows import CalibrationBin, ConfusionCount

PROTOCOLS = {"unseen_recordings": "unseen noise recordings", "known_recordings": "known noise recordings"}
UNITS = {"frame": "frames", "utterance": "utterances"}


def confusion_matrix(rows: Sequence[ConfusionCount], classes: Sequence[str]) -> NDArray[np.float64]:
    """Return the share of every true class (row) that was taken for a class (column); NaN where a class never occurs.

    Example:
        >>> rows = [ConfusionCount("t", "p", "frame", "a", "a", 3), ConfusionCount("t", "p", "frame", "a", "b", 1)]
        >>> confusion_matrix(rows, ["a", "b"])
        array([[0.75, 0.25],
               [ nan,  nan]])
    """
    counts = np.zeros((len(classes), len(classes)))
    for row in rows:
        counts[classes.index(row.true), classes.index(row.predicted)] += row.count
    total = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)


def draw_confusion(rows: Sequence[ConfusionCount], task: str) -> Figure | None:
    """Draw confusion matrices of a task, one per protocol and unit, in per cent of the true class.

    Args:
        rows: of ``confusion.csv``.
        task: name of the target.

    Returns:
        The figure; None without counts.
    """
    own = [row for row in rows if row.task == task]
    shown = [
        (unit, protocol)
        for unit in ordered((row.unit for row in own), UNITS)
        for protocol in ordered((row.protocol for row in own), PROTOCOLS)
        if any((row.unit, row.protocol) == (unit, protocol) for row in own)
    ]
    if not shown:
        return None
    classes = sorted({name for row in own for name in (row.true, row.predicted)})
    size = 0.27 * len(classes) + 1.25
    figure, axes = panels(len(shown), (max(size, 3.0), max(size, 2.4)), columns=2)
    for axis, (unit, protocol) in zip(axes, shown, strict=True):
        counted = [row for row in own if (row.unit, row.protocol) == (unit, protocol)]
        matrix = confusion_matrix(counted, classes)
        _matrix(axis, matrix, classes)
        total = sum(row.count for row in counted)
        recall = np.nanmean(np.diag(matrix)) if np.isfinite(matrix).any() else np.nan
        axis.set_title(
            f"{PROTOCOLS.get(protocol, protocol.replace('_', ' '))}\n"
            f"{total} {UNITS.get(unit, unit)}, mean recall {100 * recall:.0f} %",
            loc="left",
            fontsize=PLAIN,
        )
    return figure


def _matrix(axis: Axes, matrix: NDArray[np.float64], classes: Sequence[str]) -> None:
    """Draw one matrix with its numbers."""
    axis.imshow(matrix, cmap="Blues", vmin=0.0, vmax=1.0)
    for (true, predicted), share in np.ndenumerate(matrix):
        if np.isfinite(share):
            color = "white" if share > 0.55 else INK
            axis.text(predicted, true, f"{100 * share:.0f}", ha="center", va="center", fontsize=SMALL, color=color)
    axis.set_xticks(range(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor", fontsize=SMALL)
    axis.set_yticks(range(len(classes)), classes, fontsize=SMALL)
    axis.set_xlabel("answer, % of the true class", fontsize=PLAIN)
    axis.set_ylabel("true class", fontsize=PLAIN)


def calibration_error(rows: Sequence[CalibrationBin]) -> float:
    """Return the expected calibration error: the mean distance of share and probability, bins weighted by count.

    Example:
        >>> bins = [CalibrationBin("vad", 0, 0.5, 0.2, 0.3, 1), CalibrationBin("vad", 0.5, 1, 1, 1, 1)]
        >>> round(calibration_error(bins), 3)
        0.05
    """
    filled = [row for row in rows if row.count > 0]
    total = sum(row.count for row in filled)
    return sum(row.count * abs(row.share_true - row.mean_probability) for row in filled) / total if total else np.nan


def draw_calibration(rows: Sequence[CalibrationBin]) -> Figure | None:
    """Draw the share of frames for which the target is true against the predicted probability, with counts below.

    Args:
        rows: of ``calibration.csv``.

    Returns:
        The figure; None without bins.
    """
    tasks = ordered((row.task for row in rows if row.count > 0), TASKS)
    if not tasks:
        return None
    figure = Figure(figsize=(max(2.5 * len(tasks), 3.0), 3.6), layout="constrained")
    axes = figure.subplots(2, len(tasks), squeeze=False, sharex="col", height_ratios=(3, 1))
    for upper, lower, task in zip(*axes, tasks, strict=True):
        bins = sorted((row for row in rows if row.task == task and row.count > 0), key=lambda row: row.bin_low)
        upper.plot([0, 1], [0, 1], color=GREY, linewidth=1.0, linestyle=(0, (4, 2)), label="as promised")
        upper.plot(
            [row.mean_probability for row in bins], [row.share_true for row in bins], "o-", color=BLUE, ms=4, lw=1.3,
            label="probe",
        )  # fmt: skip
        title = f"{task_title(task)}\ncalibration error {calibration_error(bins):.3f}"
        dress(upper, title, y_label="share true")
        upper.set(xlim=(0, 1), ylim=(0, 1))
        lower.bar(
            [row.bin_low for row in bins],
            [row.count for row in bins],
            [row.bin_high - row.bin_low for row in bins],
            align="edge",
            color=BLUE,
            edgecolor="white",
            linewidth=0.5,
        )
        dress(lower, "", "predicted probability", "frames")
        lower.set_yscale("log")
        lower.set_ylim(bottom=1.0)
        lower.yaxis.set_minor_formatter(NullFormatter())
    axes[0, 0].legend(fontsize=SMALL, loc="upper left", framealpha=0.9)
    return figure
