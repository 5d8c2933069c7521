"""Several studies side by side: what networks that prune more still hear, know and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.probing.marks import (
    BLUE,
    CYCLE,
    LINES,
    MARKERS,
    SMALL,
    dress,
    group_title,
    headline_pairs,
    panels,
    reach,
)
from reports.probing.meta import MACS, META, PESQ, TARGET_UTILIZATION, MetaError, ReportMeta, read_meta
from reports.probing.rows import ScoreEntry
from reports.probing.tables import read_table

KINDS = {"share": "balanced accuracy", "r2": "R²"}
MILLION = 1e6


@dataclass(frozen=True)
class Study:
    """One study: target utilization of the network, its numbers, and the scores of probes on all masks."""

    utilization: float
    numbers: Mapping[str, float]
    scores: Sequence[ScoreEntry]


def make_study(meta: ReportMeta, scores: Sequence[ScoreEntry], path: Path) -> Study:
    """Pick what is compared out of a study.

    Raises:
        MetaError: if the target utilization is not known, or a number is none.
    """
    numbers: dict[str, float] = {}
    for label in (TARGET_UTILIZATION, PESQ, MACS):
        value = meta.numbers.get(label)
        if isinstance(value, str):
            raise MetaError(f"{path}: numbers['{label}'] must be a number, got '{value}'")
        if value is not None:
            numbers[label] = float(value)
    if TARGET_UTILIZATION not in numbers:
        raise MetaError(f"{path}: numbers['{TARGET_UTILIZATION}'] is missing; studies are compared by it")
    own = [row for row in scores if row.features == "masks" and row.blocks == "all" and np.isfinite(row.score)]
    return Study(numbers[TARGET_UTILIZATION], numbers, own)


def read_study(folder: Path) -> Study:
    """Read what is compared from the folder of a study.

    Raises:
        MetaError: if ``report.json`` is broken or has no target utilization.
        TableError: if ``scores.csv`` is broken.
    """
    table = folder / "scores.csv"
    return make_study(read_meta(folder), read_table(table, ScoreEntry) if table.is_file() else [], folder / META)


def draw_comparison(studies: Sequence[Study]) -> Figure | None:
    """Draw quality, cost and scores of probes against target utilization.

    Args:
        studies: at least two.

    Returns:
        The figure; None if there is nothing to compare.
    """
    studies = sorted(studies, key=lambda study: study.utilization)
    labels = [label for label in (PESQ, MACS) if any(label in study.numbers for study in studies)]
    rows = [row for study in studies for row in study.scores]
    kinds = [kind for kind in KINDS if headline_pairs(rows, kind)]
    if len(studies) < 2 or not labels + kinds:
        return None
    figure, axes = panels(len(labels) + len(kinds), (3.75, 2.8), columns=2)
    for axis, label in zip(axes, labels, strict=False):
        found = [study for study in studies if label in study.numbers]
        unit = MILLION if label == MACS else 1.0
        values = [study.numbers[label] / unit for study in found]
        axis.plot([study.utilization for study in found], values, "o-", color=BLUE, ms=5, lw=1.4)
        _dress(axis, "cost" if label == MACS else "quality", f"million {label}" if label == MACS else label)
        if label == MACS:
            axis.set_ylim(bottom=0.0)
    for axis, kind in zip(axes[len(labels) :], kinds, strict=True):
        for place, (task, metric) in enumerate(headline_pairs(rows, kind)):
            _task_line(axis, studies, task, metric, place)
        _dress(axis, "probes on the masks", KINDS[kind])
        axis.legend(fontsize=SMALL, loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, frameon=False)
    return figure


def _dress(axis: Axes, title: str, y_label: str) -> None:
    """Give a panel its labels; the target is a share of the channels."""
    dress(axis, title, "target utilization", y_label)
    axis.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")


def _task_line(axis: Axes, studies: Sequence[Study], task: str, metric: str, place: int) -> None:
    """Draw the scores of one task with their intervals."""
    found = [(study.utilization, row) for study in studies for row in study.scores]
    found = [(share, row) for share, row in found if (row.task, row.metric) == (task, metric)]
    rows = [row for _, row in found]
    axis.errorbar(
        [share for share, _ in found],
        [row.score for row in rows],
        yerr=reach(rows),
        color=CYCLE[place % len(CYCLE)],
        marker=MARKERS[place % len(MARKERS)],
        linestyle=LINES[place % len(LINES)],
        markersize=4.5,
        linewidth=1.2,
        elinewidth=0.9,
        capsize=2,
        label=group_title(task, metric).replace("\n", " "),
    )
