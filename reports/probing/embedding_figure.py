"""Masks in the plane of t-SNE, coloured by every target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.probing.marks import CYCLE, MARKERS, SMALL, TASKS, TITLE, YELLOW, ordered, panels, task_title
from reports.probing.rows import EmbeddingPoint

NAMES = {"vad": ("no", "yes"), "voicing": ("no", "yes"), "speaker_sex": ("F", "M")}  # of the values 0 and 1
CLASS_TARGETS = {"vad", "voicing", "noise_class", "speaker_sex", "speaker"}  # classes even where given as numbers
UNITS = {"snr_db": "dB", "mixture_snr_db": "dB", "f0_hz": "Hz", "si_sdr_db": "dB"}
UNITS |= {"speech_level_dbfs": "dBFS", "noise_level_dbfs": "dBFS"}
COLORS = (*CYCLE, YELLOW, "#882255")
TURNS = 8
MOST_NAMED = 12  # more classes than this are told apart by nobody: coloured, not named
UNKNOWN_COLOR = "#D5D5D5"
Values = NDArray[np.float64]


def draw_embedding(rows: Sequence[EmbeddingPoint]) -> Figure | None:
    """Draw the points once per target: classes with a legend, values with a colour bar, unknown ones in light grey.

    Args:
        rows: of ``embedding.csv``.

    Returns:
        The figure; None without points or targets.
    """
    names = ordered((name for row in rows for name in row.targets), TASKS)
    if not names:
        return None
    figure, axes = panels(len(names), (2.5, 3.0))
    at = np.array([(row.x, row.y) for row in rows])
    size = float(np.clip(4000 / len(rows), 1.5, 12.0))
    for axis, name in zip(axes, names, strict=True):
        values = [row.targets.get(name, np.nan) for row in rows]
        if name in CLASS_TARGETS or any(isinstance(value, str) and value for value in values):
            _classes(axis, at, class_names(values, NAMES.get(name, ())), size)
        else:
            _values(
                axis, at, np.array([value or np.nan if isinstance(value, str) else value for value in values]), size
            )
        unit = f" in {UNITS[name]}" if name in UNITS else ""
        axis.set_title(task_title(name) + unit, loc="left", fontsize=TITLE, pad=3)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_aspect("equal", adjustable="datalim")
    return figure


def class_names(values: Sequence[float | str], names: Sequence[str] = ()) -> list[str]:
    """Return classes as texts, empty where unknown.

    Args:
        values: numbers or names.
        names: of the numbers from 0; others are shown as numbers.

    Example:
        >>> class_names([1.0, float("nan"), "rain"]), class_names([1.0], ("no", "yes"))
        (['1', '', 'rain'], ['yes'])
    """
    texts = [value if isinstance(value, str) else f"{value:g}" if np.isfinite(value) else "" for value in values]
    known = {str(number): name for number, name in enumerate(names)}
    return [known.get(text, text) for text in texts]


def _classes(axis: Axes, at: Values, values: Sequence[str], size: float) -> None:
    """Draw classes by colour and marker, a part of each in turn, so that none hides another."""
    names = np.array(values)
    found = sorted(set(names.tolist()) - {""}, key=lambda name: (len(name), name) if name.isdigit() else (0, name))
    unknown = names == ""
    axis.scatter(at[unknown, 0], at[unknown, 1], s=size, c=UNKNOWN_COLOR, linewidths=0, rasterized=True)
    named = len(found) <= MOST_NAMED
    for turn in range(TURNS):
        for place, name in enumerate(found):
            points = at[names == name][turn::TURNS]
            axis.scatter(
                points[:, 0],
                points[:, 1],
                s=size * 1.4,
                color=COLORS[place % len(COLORS)],
                marker=MARKERS[place % len(MARKERS)],
                linewidths=0,
                label=name if named and turn == 0 else "_",
                rasterized=True,
            )
    if named and found:
        axis.legend(
            fontsize=SMALL,
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            ncols=3,
            frameon=False,
            handletextpad=0.0,
            columnspacing=0.5,
            borderaxespad=0.2,
            markerscale=max(1.0, 4.5 / np.sqrt(size)),
        )
    elif found:
        axis.text(1.0, 0.0, f"{len(found)} classes", transform=axis.transAxes, ha="right", va="bottom", fontsize=SMALL)


def _values(axis: Axes, at: Values, values: Values, size: float) -> None:
    """Draw numbers by lightness; the colour bar spans the 2nd to the 98th percentile."""
    values = values.astype(np.float64)
    known = np.isfinite(values)
    axis.scatter(at[~known, 0], at[~known, 1], s=size, c=UNKNOWN_COLOR, linewidths=0, rasterized=True)
    low, high = np.percentile(values[known], [2, 98]) if known.any() else (0.0, 1.0)
    x, y = at[known].T
    style: dict[str, Any] = {"cmap": "cividis", "vmin": low, "vmax": high, "linewidths": 0, "rasterized": True}
    points = axis.scatter(x, y, size, values[known], **style)
    assert isinstance(axis.figure, Figure)
    bar = axis.figure.colorbar(points, ax=axis, location="bottom", pad=0.02, aspect=25)
    bar.ax.tick_params(labelsize=SMALL)
