"""What is known: scores of every task from every set of features, from single blocks, and of telling speakers apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.probing.marks import (
    FEATURES,
    INK,
    ORANGE,
    PLAIN,
    SMALL,
    axis_title,
    dress,
    feature_style,
    group_title,
    headline_pairs,
    legend_below,
    ordered,
    panels,
    reach,
    task_title,
)
from reports.probing.rows import ALL_BLOCKS, ScoreEntry, VerificationEntry

Y_LABELS = {"share": "balanced accuracy", "r2": "R²"}
GROUPS = 4  # most tasks beside each other, so that a page of paper holds them
LOWEST_R2 = -0.5  # worse ones are cut off, and say so


def draw_scores(rows: Sequence[ScoreEntry]) -> Figure | None:
    """Draw scores per task and set of features, all blocks: bars with intervals, chance, and shuffled labels.

    Args:
        rows: of ``scores.csv``.

    Returns:
        The figure, panels of accuracies above those of R2; None without scores.
    """
    whole = [row for row in rows if row.blocks == ALL_BLOCKS and np.isfinite(row.score)]
    drawn = [(kind, part) for kind in Y_LABELS for part in _split(headline_pairs(whole, kind))]
    if not drawn:
        return None
    widest = max(len(pairs) for _, pairs in drawn)
    figure, axes = panels(len(drawn), (max(4.5, 1.75 * widest + 0.6), 2.3), columns=1)
    for axis, (kind, pairs) in zip(axes, drawn, strict=True):
        _bars(axis, whole, pairs)
        dress(axis, "", y_label=Y_LABELS[kind])
        axis.grid(visible=False, axis="x")
        axis.tick_params(axis="x", labelsize=PLAIN, length=0)
        axis.set_xlim(-0.5, widest - 0.5)
        if kind == "share":
            axis.set_ylim(0.0, 1.0)
        else:
            _cut_off(axis)
    legend_below(figure, axes, columns=min(4, 2 * widest))
    return figure


def _split(pairs: Sequence[tuple[str, str]]) -> list[Sequence[tuple[str, str]]]:
    """Cut tasks into rows of about equal length."""
    rows = -(-len(pairs) // GROUPS)
    length = -(-len(pairs) // rows) if rows else 1
    return [pairs[at : at + length] for at in range(0, len(pairs), length)]


def _bars(axis: Axes, rows: Sequence[ScoreEntry], pairs: Sequence[tuple[str, str]]) -> None:
    """Draw one group of bars per task, one bar per set of features."""
    sets = ordered((row.features for row in rows), FEATURES)
    width = 0.84 / len(sets)
    for place, features in enumerate(sets):
        style = feature_style(features)
        own = {(row.task, row.metric): row for row in rows if row.features == features}
        entries = [(group, own[pair]) for group, pair in enumerate(pairs) if pair in own]
        if not entries:
            continue
        at = np.array([group for group, _ in entries]) + (place - (len(sets) - 1) / 2) * width
        found = [row for _, row in entries]
        axis.bar(
            at,
            [row.score for row in found],
            width,
            yerr=reach(found),
            color=style.color,
            edgecolor=INK,
            linewidth=0.6,
            hatch=style.hatch,
            error_kw={"elinewidth": 0.9, "capsize": 1.5, "ecolor": INK},
            label=style.label,
        )
        label = "shuffled labels" if place == 0 else "_"
        shuffled = [row.shuffled for row in found]
        axis.plot(at, shuffled, "o", ms=3.2, mfc="white", mec=INK, mew=0.8, label=label, zorder=4)
    _chance(axis, rows, pairs)
    axis.set_xticks(range(len(pairs)), [group_title(task, metric) for task, metric in pairs])


def _chance(axis: Axes, rows: Sequence[ScoreEntry], pairs: Sequence[tuple[str, str]]) -> None:
    """Draw a line across every group at the score of always answering the same."""
    label = "chance"
    for group, pair in enumerate(pairs):
        known = [row.chance for row in rows if (row.task, row.metric) == pair and np.isfinite(row.chance)]
        if known:
            axis.hlines(known[0], group - 0.47, group + 0.47, ORANGE, (0, (4, 2)), label=label, lw=1.6, zorder=3)
            label = "_"  # matplotlib leaves it out of the legend
    axis.axhline(0.0, color=INK, linewidth=0.8)


def _cut_off(axis: Axes) -> None:
    """Limit a panel of R2 downwards and write the scores of bars that reach farther."""
    axis.set_ylim(max(axis.get_ylim()[0], LOWEST_R2), 1.0)
    for bar in axis.patches:
        height = bar.get_height()  # type: ignore[attr-defined]  # every patch of this panel is a bar
        if height < LOWEST_R2:
            center = bar.get_x() + bar.get_width() / 2  # type: ignore[attr-defined]
            where = {"ha": "center", "va": "bottom", "rotation": 90, "fontsize": SMALL}
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
            axis.text(center, LOWEST_R2 + 0.02, f"{height:.2g}", where, bbox=box, zorder=5)


def draw_blocks(rows: Sequence[ScoreEntry]) -> Figure | None:
    """Draw the score from every single block, one panel per task, that from all blocks and chance as lines.

    Args:
        rows: of ``scores.csv``.

    Returns:
        The figure; None without scores of single blocks.
    """
    single = [row for row in rows if row.blocks != ALL_BLOCKS and np.isfinite(row.score)]
    pairs = headline_pairs(single)
    if not pairs:
        return None
    blocks = sorted({row.blocks for row in single})
    figure, axes = panels(len(pairs), (2.55, 2.2))
    for axis, (task, metric) in zip(axes, pairs, strict=True):
        for features in ordered((row.features for row in single), FEATURES):
            own = [row for row in rows if (row.features, row.task, row.metric) == (features, task, metric)]
            _block_line(axis, own, blocks)
        chance = [row.chance for row in single if (row.task, row.metric) == (task, metric) and np.isfinite(row.chance)]
        if chance:
            axis.axhline(chance[0], color=ORANGE, linewidth=1.4, linestyle=(0, (4, 2)), label="chance")
        dress(axis, task_title(task), "block", axis_title(metric))
    legend_below(figure, axes)
    return figure


def _block_line(axis: Axes, rows: Sequence[ScoreEntry], blocks: Sequence[str]) -> None:
    """Draw the scores from single blocks with intervals, and that from all blocks with its band, of one feature set."""
    single = sorted((row for row in rows if row.blocks != ALL_BLOCKS), key=lambda row: row.blocks)
    if not single:
        return
    style = feature_style(single[0].features)
    places = [blocks.index(row.blocks) for row in single]
    scores = [row.score for row in single]
    axis.errorbar(
        places,
        scores,
        yerr=reach(single),
        color=style.color,
        marker=style.marker,
        markersize=4.5,
        linewidth=1.2,
        elinewidth=0.9,
        capsize=2,
        label=f"{style.label}, one block",
    )
    axis.set_xticks(range(len(blocks)), blocks)
    for row in rows:
        if row.blocks == ALL_BLOCKS:
            axis.axhline(row.score, color=style.color, linewidth=1.2, linestyle="-.", label=f"{style.label}, all")
            if np.isfinite([row.low, row.high]).all():
                axis.axhspan(row.low, row.high, color=style.color, alpha=0.15, linewidth=0)


def draw_verification(rows: Sequence[VerificationEntry]) -> Figure | None:
    """Draw equal error rates of telling speakers apart; chance is one half.

    Args:
        rows: of ``verification.csv``.

    Returns:
        The figure; None without rates.
    """
    found = [row for row in rows if np.isfinite(row.eer)]
    if not found:
        return None
    figure, (axis,) = panels(1, (5.5, 0.36 * len(found) + 1.1))
    names = ordered((row.features for row in found), FEATURES)
    found = [next(row for row in found if row.features == name) for name in names]
    for place, row in enumerate(found):
        style = feature_style(row.features)
        error = np.maximum([[row.eer - row.low], [row.high - row.eer]], 0.0)
        axis.barh(
            place,
            row.eer,
            0.7,
            xerr=error,
            color=style.color,
            edgecolor=INK,
            linewidth=0.6,
            hatch=style.hatch,
            error_kw={"elinewidth": 0.9, "capsize": 2},
        )
    axis.axvline(0.5, color=ORANGE, linewidth=1.4, linestyle=(0, (4, 2)), label="chance")
    dress(axis, "telling speakers apart", "equal error rate (less is better)")
    axis.set_yticks(range(len(found)), [feature_style(row.features).label for row in found], fontsize=PLAIN)
    axis.invert_yaxis()
    axis.set_xlim(0.0, 0.6)
    axis.grid(visible=False, axis="y")
    axis.legend(fontsize=SMALL, loc="upper right", framealpha=0.9)
    return figure
