"""How decided the gates of every block are."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from networks.gate_health import NEAR, QUANTILES, GateMargins
from reports.time_panels import BLOCK_COLOR

NEAR_COLOR = "#D55E00"


def draw_margins(margins: GateMargins) -> Figure:
    """Draw the spread of the logits around the threshold, block by block, and how many decisions are close.

    Args:
        margins: of the gates.

    Returns:
        The figure; the caller saves and closes it.
    """
    quantiles = margins.quantiles.cpu().numpy()
    near = margins.near.cpu().numpy()
    blocks = np.arange(len(quantiles))
    figure = Figure(figsize=(8.0, 3.6), layout="constrained")
    spread, share = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1.0])
    low, lower, middle, upper, high = quantiles.T
    spread.vlines(blocks, low, high, color=BLOCK_COLOR, linewidth=1.2, label=_named(QUANTILES[0], QUANTILES[-1]))
    spread.vlines(blocks, lower, upper, color=BLOCK_COLOR, linewidth=6.0, alpha=0.5, label=_named(*QUANTILES[1:4:2]))
    spread.plot(blocks, middle, "o", color="#222222", markersize=4, label="median")
    spread.axhline(0.0, color=NEAR_COLOR, linewidth=1.0, label="threshold")
    spread.set_ylabel("standard deviations")
    spread.set_title("gate logits less their threshold: above, channels are computed", loc="left", fontsize=9)
    spread.legend(fontsize=7, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 0.0), framealpha=0.9)
    spread.set_ylim(bottom=float(low.min()) - 0.9)  # room for the legend
    share.bar(blocks, 100 * near, color=NEAR_COLOR, width=0.6)
    share.set_ylabel("%")
    share.set_title(f"decisions within {NEAR:g} standard deviations of it", loc="left", fontsize=9)
    share.set_xticks(blocks, [f"{block:02d}" for block in blocks])
    share.set_xlabel("block")
    for axis in (spread, share):
        axis.grid(axis="y", alpha=0.25)
    return figure


def _named(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {100 * high:.0f} %"
