"""What probing costs and what more would bring: utterances to learn from, estimators of their own, refinements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from reports.probing.marks import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    SKY,
    SMALL,
    axis_title,
    dress,
    headline_pairs,
    legend_below,
    metric_title,
    panels,
    reach,
    spaced,
    task_title,
)
from reports.probing.rows import EstimatorEntry, LearningPoint, RefinementEntry

PLAIN_VARIANT = "frame"


def draw_learning(rows: Sequence[LearningPoint]) -> Figure | None:
    """Draw scores against the number of utterances that probes were fitted on, one panel per task.

    Args:
        rows: of ``learning_curve.csv``.

    Returns:
        The figure; None without scores.
    """
    rows = [row for row in rows if np.isfinite(row.score)]
    pairs = headline_pairs(rows)
    if not pairs:
        return None
    figure, axes = panels(len(pairs), (2.5, 2.2))
    for axis, (task, metric) in zip(axes, pairs, strict=True):
        own = [row for row in rows if (row.task, row.metric) == (task, metric)]
        points = sorted(own, key=lambda row: row.utterances)
        counts = [row.utterances for row in points]
        scores = [row.score for row in points]
        axis.errorbar(
            counts, scores, yerr=reach(points), color=BLUE, marker="o", ms=4, lw=1.3, elinewidth=0.9, capsize=2
        )
        axis.fill_between(counts, [row.low for row in points], [row.high for row in points], color=BLUE, alpha=0.12)
        dress(axis, task_title(task), "utterances to learn from", axis_title(metric))
        axis.set_xscale("log", base=2)
        axis.set_xticks(spaced(counts), [str(count) for count in spaced(counts)])
        axis.minorticks_off()
    return figure


def draw_estimators(rows: Sequence[EstimatorEntry]) -> Figure | None:
    """Draw scores against time per hop: mask probes, whose network runs anyway, beside estimators of their own.

    Args:
        rows: of ``estimators.csv``.

    Returns:
        The figure, one panel per task; None without rows that have score and time.
    """
    rows = [row for row in rows if np.isfinite(row.score) and row.microseconds_per_hop > 0]
    pairs = headline_pairs(rows)
    if not pairs:
        return None
    figure, axes = panels(len(pairs), (3.75, 2.5), columns=2)
    for axis, (task, metric) in zip(axes, pairs, strict=True):
        own = [row for row in rows if (row.task, row.metric) == (task, metric)]
        for shared, color, marker, label in (
            (True, BLUE, "o", "from the masks (time of the probe alone; the network is shared)"),
            (False, ORANGE, "s", "estimator of its own"),
        ):
            _cloud(axis, [row for row in own if bool(row.network_shared) == shared], color, marker, label)
        dress(axis, task_title(task), "µs per hop", axis_title(metric))
        axis.set_xscale("log")
        axis.set_xlim(*_decades([row.microseconds_per_hop for row in rows]))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.margins(y=0.25)
    legend_below(figure, axes)
    return figure


def _cloud(axis: Axes, rows: Sequence[EstimatorEntry], color: str, marker: str, label: str) -> None:
    """Draw estimators of one kind with their names."""
    if not rows:
        return
    times, scores = [row.microseconds_per_hop for row in rows], [row.score for row in rows]
    axis.errorbar(
        times, scores, yerr=reach(rows), color=color, marker=marker, ms=5.5, ls="", elinewidth=1, capsize=2.5,
        label=label,
    )  # fmt: skip
    for place, row in enumerate(sorted(rows, key=lambda row: row.microseconds_per_hop)):
        above = place % 2 == 1  # neighbours in time often score alike
        end = row.high if above else row.low
        axis.annotate(
            row.estimator.replace("_", " "),
            (row.microseconds_per_hop, end if np.isfinite(end) else row.score),
            xytext=(0, 5 if above else -5),
            textcoords="offset points",
            ha="center",
            va="bottom" if above else "top",
            fontsize=SMALL,
            color=INK,
        )


def _decades(times: Sequence[float]) -> tuple[float, float]:
    """Return the powers of ten around times, with room for the names at both ends."""
    low, high = np.log10([min(times), max(times)])
    return float(10 ** (np.floor(low) - 0.5)), float(10 ** (np.ceil(high) + 0.5))


def draw_refinements(rows: Sequence[RefinementEntry]) -> Figure | None:
    """Draw the scores of variants of a probe as bars with intervals; the line is the plain one.

    Args:
        rows: of ``refinements.csv``.

    Returns:
        The figure, one panel per task; None without scores.
    """
    rows = [row for row in rows if np.isfinite(row.score)]
    pairs = headline_pairs(rows)
    if not pairs:
        return None
    most = max(sum((row.task, row.metric) == pair for row in rows) for pair in pairs)
    figure, axes = panels(len(pairs), (3.75, 0.2 * most + 0.85), columns=2)
    for axis, (task, metric) in zip(axes, pairs, strict=True):
        own = [row for row in rows if (row.task, row.metric) == (task, metric)]
        _variants(axis, own)
        dress(axis, task_title(task), metric_title(metric))
        axis.set_yticks(range(len(own)), [row.variant.replace("_", " ") for row in own], fontsize=SMALL)
        axis.invert_yaxis()
        axis.grid(visible=False, axis="y")
        right = max([row.high if np.isfinite(row.high) else row.score for row in own])
        axis.set_xlim(left=min(0.0, *(row.score for row in own)), right=max(right, 0.05) * 1.25)
    return figure


def _variants(axis: Axes, own: Sequence[RefinementEntry]) -> None:
    """Draw one bar per variant with its number, and the line of the plain probe."""
    plain = [row.variant == PLAIN_VARIANT for row in own]
    axis.barh(
        range(len(own)),
        [row.score for row in own],
        0.72,
        xerr=reach(own),
        color=[BLUE if is_plain else SKY for is_plain in plain],
        edgecolor=INK,
        linewidth=0.6,
        error_kw={"elinewidth": 0.9, "capsize": 2},
    )
    for place, row in enumerate(own):
        end = row.high if np.isfinite(row.high) else row.score
        axis.annotate(
            f"{row.score:.3f}", (max(end, 0.0), place), xytext=(3, 0), textcoords="offset points", va="center",
            fontsize=SMALL, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip
    for row in own:
        if row.variant == PLAIN_VARIANT:
            axis.axvline(row.score, color=GREY, linewidth=1.0, linestyle=(0, (4, 2)), zorder=0.5)
