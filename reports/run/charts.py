"""Curves of a run as interactive charts: hover for values, click a name to hide it, drag to zoom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go
from plotly.colors import sample_colorscale

from reports.curves import Series
from reports.dashboard import Panel, shown_keys

# Of middle lightness, to be read on light and on dark paper: the first after Okabe and Ito, the second in order.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#888888")
SHADES = ("#7A5CC7", "#3B78C4", "#2FA08F", "#A8931A", "#D0732A", "#C4403A")
DASHES = ("solid", "dot", "dash", "dashdot")
SMOOTHED_FROM, SMOOTHED_OVER = 200, 20  # single training steps are noisy: a running mean, over them in faint
MOST_MARKERS = 40
FEW_DECADES, MOST_TICKS = 2.5, 6  # of a logarithmic axis
HEIGHT, LEGEND_ROW = 300, 19  # pixels


def line_names(keys: Sequence[str]) -> dict[str, str]:
    """Name curves by what distinguishes their keys.

    Example:
        >>> line_names(["probes/vad/r2", "probes/f0_hz/r2"])
        {'probes/vad/r2': 'vad', 'probes/f0_hz/r2': 'f0_hz'}
        >>> line_names(["train/loss", "val/loss"])
        {'train/loss': 'train', 'val/loss': 'val'}
        >>> line_names(["gates/utilization", "val/utilization/block0"])
        {'gates/utilization': 'gates/utilization', 'val/utilization/block0': 'val/utilization/block0'}
    """
    parts = [key.split("/") for key in keys]
    if len(keys) < 2 or len({len(part) for part in parts}) > 1:
        return {key: key for key in keys}
    differing = [place for place in range(len(parts[0])) if len({part[place] for part in parts}) > 1]
    return {key: "/".join(part[place] for place in differing) for key, part in zip(keys, parts, strict=True)}


def running_mean(values: NDArray[np.float64], over: int = SMOOTHED_OVER) -> NDArray[np.float64]:
    """Average the last values at every point, fewer where there are not yet as many.

    Args:
        values: shape (point,).
        over: number of values.

    Example:
        >>> running_mean(np.array([1.0, 3.0, 5.0]), 2).tolist()
        [1.0, 2.0, 4.0]
    """
    total = np.cumsum(np.insert(values, 0, 0.0))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - over)
    means: NDArray[np.float64] = (total[ends] - total[starts]) / (ends - starts)
    return means


def _styles(keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return a line style for each curve; blocks, which have an order, go through the shades."""
    if len(keys) > len(DASHES) and all("/block" in key for key in keys):
        colors = sample_colorscale(list(SHADES), np.linspace(0.0, 1.0, len(keys)).tolist())
        return [{"color": color} for color in colors]
    return [
        {"color": COLORS[place % len(COLORS)], "dash": DASHES[place // len(COLORS) % len(DASHES)]}
        for place in range(len(keys))
    ]


def _traces(
    name: str, style: Mapping[str, Any], steps: Sequence[int], values: Sequence[float], several: bool
) -> list[Any]:
    """Return a curve; behind a smoothed one its values."""
    shown = {"x": list(steps), "name": name, "showlegend": several, "hovertemplate": "%{y:.4g}"}
    if len(values) <= SMOOTHED_FROM:
        mode = "lines+markers" if len(values) <= MOST_MARKERS else "lines"
        return [go.Scatter(y=list(values), mode=mode, line={**style, "width": 2}, marker={"size": 5}, **shown)]
    faint = go.Scatter(
        x=list(steps),
        y=list(values),
        mode="lines",
        line={**style, "width": 1},
        opacity=0.25,
        showlegend=False,
        hoverinfo="skip",
        legendgroup=name,
    )
    smooth = running_mean(np.asarray(values, np.float64))
    return [
        faint,
        go.Scatter(y=smooth.tolist(), mode="lines", line={**style, "width": 2}, legendgroup=name, **shown),
    ]


def log_ticks(low: float, high: float) -> dict[str, Any]:
    """Return where a logarithmic axis has its numbers: at 1, 2 and 5 of every decade, or at decades if there are many.

    Args:
        low: least value, positive.
        high: largest value.

    Example:
        >>> log_ticks(0.15, 0.6)["ticktext"]
        ['0.1', '0.2', '0.5', '1']
        >>> log_ticks(1e-8, 1.0)["ticktext"]
        ['1e-08', '1e-06', '0.0001', '0.01', '1']
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = range(first, last + 1)
    if math.log10(high / low) < FEW_DECADES:
        values = [
            digit * 10.0**decade for decade in decades for digit in (1, 2, 5) if digit * 10.0**decade <= 10.0**last
        ]
    else:
        values = [10.0**decade for decade in decades[:: math.ceil(len(decades) / MOST_TICKS)]]
    return {"tickvals": values, "ticktext": [f"{value:g}" for value in values]}


def line_chart(panel: Panel, series: Series) -> dict[str, Any] | None:
    """Draw a panel of curves over optimiser steps.

    Args:
        panel: of the kind ``line``.
        series: logged name to steps and values.

    Returns:
        Data and layout as plotly.js takes them, without colours of the page; None if nothing of the panel was logged.
    """
    keys = shown_keys(panel, series)
    if not keys:
        return None
    several = len(keys) > 1
    traces = []
    for (key, name), style in zip(line_names(keys).items(), _styles(keys), strict=True):
        traces += _traces(name, style, *series[key], several)
    values = np.concatenate([np.asarray(series[key][1], np.float64) for key in keys])
    finite = values[np.isfinite(values)]
    axis: dict[str, Any] = {"type": "log" if panel.log_scale and (finite > 0).all() and finite.size else "linear"}
    if axis["type"] == "log":
        axis |= log_ticks(float(finite.min()), float(finite.max()))
    if panel.floor is not None and finite.size and finite.min() < panel.floor:
        top = max(finite.max(), 0.0)
        axis["range"] = [panel.floor, top + 0.05 * (top - panel.floor)]
    figure = go.Figure(traces)
    figure.update_layout(
        template="none",
        height=HEIGHT + (LEGEND_ROW * (len(keys) // 3) if several else 0),
        margin={"l": 56, "r": 12, "t": 8, "b": 40},
        hovermode="x unified",
        legend={"orientation": "h", "y": -0.2, "yanchor": "top"},
        xaxis={"title": {"text": "optimiser steps", "standoff": 6}, "rangemode": "tozero", "automargin": True},
        yaxis={**axis, "automargin": True},
    )
    drawn: dict[str, Any] = figure.to_plotly_json()
    return drawn
