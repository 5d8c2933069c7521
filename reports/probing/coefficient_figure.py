"""Which features tell what: weights of the features that matter most, by block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.probing.marks import INK, SMALL, task_title
from reports.probing.rows import Coefficient

TOP_FEATURES = 64
MOST_OUTPUTS = 20  # a task with more classes would be all that one sees


def coefficient_matrix(rows: Sequence[Coefficient]) -> tuple[list[tuple[str, str]], list[str], NDArray[np.float64]]:
    """Arrange coefficients; every row is scaled to its largest magnitude.

    Args:
        rows: of ``coefficients.csv``.

    Returns:
        Task and output of every row, sorted names of the features, and shape (row, feature), 0 where there is none.

    Example:
        >>> coefficient_matrix([Coefficient("vad", "", "b", -4.0), Coefficient("vad", "", "a", 2.0)])[1:]
        (['a', 'b'], array([[ 0.5, -1. ]]))
    """
    outputs = list(dict.fromkeys((row.task, row.output) for row in rows))
    features = sorted({row.feature for row in rows})
    places = {name: place for place, name in enumerate(features)}
    lines = {output: line for line, output in enumerate(outputs)}
    matrix = np.zeros((len(outputs), len(features)))
    for row in rows:
        if np.isfinite(row.standard_coef):
            matrix[lines[row.task, row.output], places[row.feature]] = row.standard_coef
    largest = np.abs(matrix).max(axis=1, keepdims=True, initial=0.0)
    return outputs, features, np.divide(matrix, largest, out=np.zeros_like(matrix), where=largest > 0)


def top_features(matrix: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Return the ``count`` columns that matter most to any row, in the order of the columns.

    Args:
        matrix: normalised coefficients, shape (row, feature).
        count: how many.

    Returns:
        Shape (min(count, feature),).

    Example:
        >>> top_features(np.array([[0.1, -1.0, 0.2], [0.0, 0.3, 1.0]]), 2).tolist()
        [1, 2]
    """
    return np.sort(np.argsort(-np.abs(matrix).max(axis=0), kind="stable")[:count])


def draw_coefficients(rows: Sequence[Coefficient], count: int = TOP_FEATURES) -> Figure | None:
    """Draw the coefficients of the features that matter most to any task: rows are targets, red is positive.

    Args:
        rows: of ``coefficients.csv``; tasks of more than 20 classes are left out.
        count: number of features.

    Returns:
        The figure; None without coefficients.
    """
    classes: dict[str, set[str]] = {}
    for row in rows:
        classes.setdefault(row.task, set()).add(row.output)
    outputs, features, matrix = coefficient_matrix([row for row in rows if len(classes[row.task]) <= MOST_OUTPUTS])
    if not outputs:
        return None
    chosen = top_features(matrix, count)
    names, matrix = [features[place] for place in chosen], matrix[:, chosen]
    figure = Figure(figsize=(0.112 * len(names) + 1.5, 0.17 * len(outputs) + 1.7), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(matrix, cmap="RdBu_r", vmin=-1.0, vmax=1.0, aspect="auto", interpolation="nearest")
    labels = [task_title(task) + (f": {output}" if output else "") for task, output in outputs]
    axis.set_yticks(range(len(labels)), labels, fontsize=SMALL)
    axis.set_xticks(range(len(names)), [name.rpartition("/")[2] for name in names], rotation=90, fontsize=SMALL)
    axis.tick_params(length=2)
    _separate_blocks(axis, names)
    for line in range(1, len(outputs)):
        if outputs[line][0] != outputs[line - 1][0]:
            axis.axhline(line - 0.5, color=INK, linewidth=0.6)
    bar = figure.colorbar(image, ax=axis, location="bottom", shrink=0.5, aspect=40)
    bar.set_label("weight of the standardised feature, scaled to the largest of its row", fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    return figure


def _separate_blocks(axis: Axes, names: Sequence[str]) -> None:
    """Draw lines between blocks and write their names above."""
    blocks = [name.rpartition("/")[0] for name in names]
    starts = [place for place in range(len(blocks)) if place == 0 or blocks[place] != blocks[place - 1]]
    for start, stop in zip(starts, [*starts[1:], len(blocks)], strict=True):
        if start:
            axis.axvline(start - 0.5, color=INK, linewidth=0.9)
        label = blocks[start].replace("block", "block ")
        if stop - start < 6:  # a narrow group has room for its number only
            label = label.removeprefix("block ")
        at = ((start + stop) / 2 - 0.5, 1.0)
        axis.annotate(
            label,
            at,
            xycoords=axis.get_xaxis_transform(),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=SMALL,
        )
