"""Times per hop as bars, on a logarithmic axis."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from matplotlib.figure import Figure

from benchmarks.streaming_cases import Case

COLORS = {"network": "#0072B2", "hop": "#56B4E9", "file": "#009E73", "peer": "#999999", "transform": "#CC79A7"}
MEANINGS = {
    "network": "the network alone",
    "hop": "one call with one hop: everything",
    "file": "one call with the whole signal",
    "transform": "analysis and synthesis alone",
    "peer": "other programs",
}
ONNX_COLOR = "#D55E00"


def draw_times(cases: Sequence[Case]) -> Figure:
    """Draw medians, with the spread over rounds."""
    ordered = sorted(cases, key=lambda case: (list(COLORS).index(case.name.split(":")[0]), cases.index(case)))
    figure = Figure(figsize=(9.5, 0.27 * len(ordered) + 1.2), layout="constrained")
    axis = figure.subplots()
    seen: set[str] = set()
    for row, case in enumerate(ordered):
        kind = case.name.split(":")[0]
        label = MEANINGS[kind] if kind not in seen else None
        seen.add(kind)
        median = statistics.median(case.times_us)
        spread = [[median - min(case.times_us)], [max(case.times_us) - median]]
        color = ONNX_COLOR if "ONNX" in case.name else COLORS[kind]
        if "ONNX" in case.name:
            label = "ONNX Runtime, float32" if "onnx" not in seen else None
            seen.add("onnx")
        axis.barh(row, median, color=color, label=label)
        axis.errorbar(median, row, xerr=spread, color="#222222", linewidth=0.8, capsize=2)
        axis.text(max(case.times_us) * 1.06, row, f"{median:.1f}", va="center", fontsize=7)
    names = [case.name.partition(": ")[2] for case in ordered]
    axis.set_yticks(range(len(ordered)), names, fontsize=7.5)
    axis.set_xscale("log")
    axis.set_xlim(1, 3 * max(max(case.times_us) for case in ordered))
    axis.set_xlabel("microseconds per hop of 16 ms on one thread (median; line: least to largest)")
    axis.grid(axis="x", alpha=0.25)
    axis.set_ylim(len(ordered) - 0.4, -0.6)
    axis.legend(loc="upper right", fontsize=7.5)
    return figure
