"""Scores by condition: how the SNR of the mixture and its noise matter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from reports.probing.marks import BLUE, GREY, SMALL, axis_title, dress, headline_pairs, panels, reach, task_title
from reports.probing.rows import ConditionEntry

TITLES = {"snr": "SNR of the mixture in dB", "noise": "noise class"}


def draw_conditions(rows: Sequence[ConditionEntry], condition: str) -> Figure | None:
    """Draw the headline scores against the values of a condition, one panel per task.

    Args:
        rows: of ``conditions.csv``.
        condition: ``snr`` or ``noise``.

    Returns:
        The figure; None without scores.
    """
    rows = [row for row in rows if row.condition == condition and np.isfinite(row.score)]
    pairs = headline_pairs(rows)
    values = list(dict.fromkeys(row.value for row in rows))
    if not pairs:
        return None
    figure, axes = panels(len(pairs), (2.8, 2.3))
    for axis, (task, metric) in zip(axes, pairs, strict=True):
        own = [row for row in rows if (row.task, row.metric) == (task, metric)]
        places = [values.index(row.value) for row in own]
        scores = [row.score for row in own]
        if condition == "snr":
            axis.plot(places, scores, color=GREY, lw=1.0)
        axis.errorbar(places, scores, yerr=reach(own), color=BLUE, marker="o", ms=4, ls="", elinewidth=0.9, capsize=2)
        dress(axis, task_title(task), TITLES[condition], axis_title(metric))
        axis.set_xticks(range(len(values)), [value.removesuffix(" dB") for value in values], fontsize=SMALL)
        if condition == "noise":
            axis.tick_params(axis="x", labelrotation=90)
        axis.set_xlim(-0.5, len(values) - 0.5)
    return figure
