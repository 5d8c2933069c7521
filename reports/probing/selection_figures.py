"""How few features suffice, and whether tasks need the same ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.probing.marks import (
    CYCLE,
    GREY,
    INK,
    LINES,
    MARKERS,
    METHODS,
    PLAIN,
    SMALL,
    TASKS,
    axis_title,
    dress,
    headline_pairs,
    legend_below,
    ordered,
    panels,
    spaced,
    task_title,
)
from reports.probing.rows import FewestFeatures, Overlap, SelectionPoint


def draw_selection(rows: Sequence[SelectionPoint], fewest: Sequence[FewestFeatures] = ()) -> Figure | None:
    """Draw the score against the number of features, one panel per task, one line per method, and C* as stars.

    Args:
        rows: of ``selection.csv``.
        fewest: of ``fewest.csv``.

    Returns:
        The figure; None without scores.
    """
    rows = [row for row in rows if np.isfinite(row.score)]
    pairs = headline_pairs(rows)
    if not pairs:
        return None
    methods = ordered((row.method for row in rows), METHODS)
    figure, axes = panels(len(pairs), (3.75, 2.7), columns=2)
    for axis, (task, metric) in zip(axes, pairs, strict=True):
        own = [row for row in rows if (row.task, row.metric) == (task, metric)]
        stars = [row for row in fewest if (row.task, row.metric) == (task, metric)]
        for place, method in enumerate(methods):
            _selection_line(axis, [row for row in own if row.method == method], place)
        dress(axis, task_title(task), "number of features", axis_title(metric))
        _mark_fewest(axis, stars, methods)
        axis.set_xscale("log", base=2)
        counts = spaced(row.count for row in own)
        axis.set_xticks(counts, [str(count) for count in counts])
        axis.minorticks_off()
    legend_below(figure, axes)
    return figure


def _selection_line(axis: Axes, rows: Iterable[SelectionPoint], place: int) -> None:
    """Draw the scores of one method with the band of its intervals."""
    points = sorted(rows, key=lambda row: row.count)
    if not points:
        return
    counts, scores = [row.count for row in points], [row.score for row in points]
    color = CYCLE[place % len(CYCLE)]
    axis.plot(
        counts,
        scores,
        color=color,
        linestyle=LINES[place % len(LINES)],
        marker=MARKERS[place % len(MARKERS)],
        markersize=3.5,
        linewidth=1.3,
        label=METHODS.get(points[0].method, points[0].method.replace("_", " ")),
    )
    axis.fill_between(counts, [row.low for row in points], [row.high for row in points], color=color, alpha=0.15, lw=0)


def _mark_fewest(axis: Axes, fewest: Sequence[FewestFeatures], methods: Sequence[str]) -> None:
    """Mark C* of every method by a star and a line down to it, and write the numbers under the title."""
    known = [row for row in fewest if row.c_star is not None]
    for row in known:
        place = methods.index(row.method) if row.method in methods else len(methods)
        color = CYCLE[place % len(CYCLE)]
        axis.axvline(float(row.c_star or 0), color=color, linewidth=0.9, linestyle=LINES[place % len(LINES)], zorder=1)
        at = ([float(row.c_star or 0)], [row.score_at_c_star])
        axis.plot(*at, marker="*", ms=11, mfc="white", mec=color, mew=1.3, ls="", zorder=5)
    full = [row.full_score for row in fewest if np.isfinite(row.full_score)]
    if full:
        axis.axhline(full[0], color=GREY, linewidth=1.0, linestyle=(0, (4, 2)), label="all features")
    if known:
        axis.plot([], [], marker="*", ms=9, mfc="white", mec=INK, ls="", label="C*, the fewest")
        numbers = [f"{METHODS.get(row.method, row.method)} {row.c_star}" for row in known]
        lines = [
            "C*: " + ", ".join(numbers[:2]),
            *(", ".join(numbers[at : at + 2]) for at in range(2, len(numbers), 2)),
        ]
        axis.set_title("\n".join([axis.get_title(loc="left"), *lines]), loc="left", fontsize=PLAIN)


def draw_overlap(rows: Sequence[Overlap]) -> Figure | None:
    """Draw how many of the features chosen for two tasks are the same, one matrix per method.

    Args:
        rows: of ``overlap.csv``; of several counts, the most frequent one is drawn.

    Returns:
        The figure; None without rows.
    """
    methods = ordered((row.method for row in rows), METHODS)
    if not methods:
        return None
    tasks = ordered((name for row in rows for name in (row.task_a, row.task_b)), TASKS)
    size = 0.225 * len(tasks) + 1.1
    figure, axes = panels(len(methods), (max(size, 2.7), max(size, 2.4) + 0.1), columns=2)
    for axis, method in zip(axes, methods, strict=True):
        _overlap_matrix(axis, [row for row in rows if row.method == method], tasks)
    image = axes[0].images[0]
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.5, aspect=40)
    bar.set_label("features in common, % of all that either task chose (Jaccard index)", fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    return figure


def _overlap_matrix(axis: Axes, rows: Sequence[Overlap], tasks: Sequence[str]) -> None:
    """Draw one matrix; its title says what is expected by chance."""
    pairs = Counter(frozenset((row.task_a, row.task_b)) for row in rows)
    count = Counter(row.count for row in rows).most_common(1)[0][0]
    if max(pairs.values()) > 1:  # several numbers of features: one matrix shows one of them
        rows = [row for row in rows if row.count == count]
    values = np.full((len(tasks), len(tasks)), np.nan)
    for row in rows:
        first, second = tasks.index(row.task_a), tasks.index(row.task_b)
        if first != second:
            values[first, second] = values[second, first] = 100 * row.jaccard
    axis.imshow(values, cmap="Blues", vmin=0.0, vmax=100.0)
    for (first, second), value in np.ndenumerate(values):
        if np.isfinite(value):
            color = "white" if value > 55 else INK
            axis.text(second, first, f"{value:.0f}", ha="center", va="center", fontsize=SMALL, color=color)
    names = [task_title(task) for task in tasks]
    axis.set_xticks(range(len(tasks)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=SMALL)
    axis.set_yticks(range(len(tasks)), names, fontsize=SMALL)
    counts = {row.count for row in rows}
    chosen = f"{count} features each" if len(counts) == 1 else "C* features each"
    expected = np.nanmean([row.expected_jaccard for row in rows])
    title = METHODS.get(rows[0].method, rows[0].method.replace("_", " "))
    axis.set_title(f"{title}, {chosen}\nby chance {100 * expected:.1f} %", loc="left", fontsize=PLAIN)
