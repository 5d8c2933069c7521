"""Quality against MACs for the networks of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.quality import TITLES
from reports.sweep_table import MEASURES, Row

PANELS = ("pesq_wb", "si_sdr_db")  # or the first two of what was scored, if neither was


class Style(NamedTuple):
    """How a kind of network is drawn; colours are of Okabe and Ito, and no two kinds share a marker."""

    label: str
    color: str
    marker: str
    line: str


STYLES = {
    "frame": Style("gated, channels chosen per frame", "#0072B2", "o", "-"),
    "narrow": Style("narrow network of equal MACs, no gates", "#D55E00", "s", "--"),
    "dense": Style("dense", "#222222", "D", ""),
    "static": Style("one learned mask for all frames", "#CC79A7", "v", ""),
    "random": Style("random channels per frame", "#009E73", "^", ""),
}
OTHER = Style("other gates", "#56B4E9", "P", "")
NOISY_COLOR = "#777777"


def draw_sweep(rows: Sequence[Row]) -> Figure:
    """Draw quality against MACs.

    Args:
        rows: of :func:`reports.sweep_table.sweep_rows`.

    Returns:
        The figure, a panel for PESQ and one for SI-SDR; the caller saves it.

    Raises:
        ValueError: if nothing was scored.
    """
    scored = [name for name in MEASURES if any(name in row.means for row in rows if row.network is not None)]
    panels = [name for name in PANELS if name in scored] or scored[:2]
    if not panels:
        raise ValueError("no network has a score to draw")
    figure = Figure(figsize=(3.6 * len(panels), 3.7), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, name in zip(axes, panels, strict=True):
        _panel(axis, rows, name)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(panels) + 1), fontsize=7, frameon=False)
    return figure


def _panel(axis: Axes, rows: Sequence[Row], measure: str) -> None:
    """Draw one measure."""
    paired = any(row.minus_dense for row in rows)
    drawn = [row for row in rows if row.network is not None and measure in row.means]
    kinds = {row.network.kind for row in drawn if row.network is not None}
    confidence = max(row.network.bootstrap.confidence for row in drawn if row.network is not None)
    for kind in [*(kind for kind in STYLES if kind in kinds), *sorted(kinds - set(STYLES))]:
        _series(axis, [row for row in drawn if row.network and row.network.kind == kind], measure, paired)
    noisy = next((row for row in rows if row.network is None), None)
    if noisy is not None and measure in noisy.means:
        level = noisy.means[measure].mean or 0.0  # a mean that is listed is a number
        axis.axhline(level, color=NOISY_COLOR, linewidth=1.2, linestyle=(0, (4, 3)), label="noisy")
    what = "of the paired difference to dense" if paired else "over utterances"
    axis.set_title(f"bars: {confidence:.0%} intervals {what}", loc="left", fontsize=7)
    axis.set_xlim(left=0.0)
    axis.set_xlabel("million MACs per second of audio")
    axis.set_ylabel(TITLES[measure])
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25)


def _series(axis: Axes, rows: Sequence[Row], measure: str, paired: bool) -> None:
    """Draw the networks of one kind, with their intervals and what tells them apart."""
    networks = [row.network for row in rows if row.network is not None]
    style = STYLES.get(networks[0].kind, OTHER)
    costs = [network.mmacs_per_second for network in networks]
    means = np.array([row.means[measure].mean for row in rows], dtype=np.float64)
    axis.errorbar(
        costs,
        means,
        yerr=np.array([_bar(row, measure, paired) for row in rows]).T,
        color=style.color,
        marker=style.marker,
        markersize=5,
        linestyle=style.line,
        linewidth=1.4,
        elinewidth=1.0,
        capsize=2.5,
        label=style.label,
    )
    above = style is STYLES["frame"]
    for network, cost, mean in zip(networks, costs, means, strict=True):
        if style.line:
            axis.annotate(
                f"{network.utilization:.0%}" if above else f"{network.channels} ch.",
                (cost, mean),
                xytext=(-3, 5) if above else (3, -6),
                textcoords="offset points",
                ha="right" if above else "left",
                va="bottom" if above else "top",
                fontsize=7,
                color=style.color,
            )


def _bar(row: Row, measure: str, paired: bool) -> tuple[float, float]:
    """Return how far the interval of a mean reaches below and above it.

    It is that of the difference to the dense network: utterances differ far more than networks do on one utterance, and
    an interval of the mean alone would hide what is compared. Without a dense network there is no other.
    """
    interval = row.minus_dense.get(measure) if paired else row.means[measure]
    if interval is None or interval.mean is None or interval.low is None or interval.high is None:
        return 0.0, 0.0
    return interval.mean - interval.low, interval.high - interval.mean
