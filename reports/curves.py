"""Training curves of a run, from its CSV log: losses, gain, gates and probes against optimiser steps."""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Series = dict[str, tuple[list[int], list[float]]]
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#222222")  # Okabe and Ito


def run_chain(run_dir: Path) -> list[Path]:
    """Return the folders of a run and of those that it was resumed from, oldest first.

    A test or a validation by itself names a checkpoint too, and goes on with nothing.

    Args:
        run_dir: folder with ``metrics.csv`` and ``config.yaml``.
    """
    chain = [run_dir]
    while _has_trained(chain[0]) and (config := chain[0] / "config.yaml").is_file():
        checkpoint = yaml.safe_load(config.read_text()).get("ckpt_path")
        previous = Path(checkpoint).parent.parent if checkpoint else None
        if previous is None or previous in chain or not (previous / "metrics.csv").is_file():
            break
        chain.insert(0, previous)
    return chain


def _has_trained(run_dir: Path) -> bool:
    with (run_dir / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return any(name.startswith("train/") for name in next(csv.reader(file), ()))


def read_series(run_dir: Path) -> Series:
    """Read all logged scalars of a run; what a resumed run logged again replaces what it was resumed from.

    Args:
        run_dir: folder with ``metrics.csv``.

    Returns:
        Name to steps and values.

    Raises:
        FileNotFoundError: if there is no log.
    """
    values: dict[str, dict[int, float]] = defaultdict(dict)
    for folder in run_chain(run_dir):
        with (folder / "metrics.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                for name, value in row.items():
                    if value and name not in ("step", "epoch"):
                        values[name][int(row["step"])] = float(value)
    return {name: (sorted(points), [points[step] for step in sorted(points)]) for name, points in values.items()}


def _plot(axis: Axes, series: Series, names: dict[str, str], title: str) -> None:
    """Draw several series with direct labels in a legend."""
    for color, (name, label) in zip(COLORS, names.items(), strict=False):
        if name not in series:
            continue
        steps, values = (np.asarray(part) for part in series[name])
        if len(values) > 200:  # single training steps are noisy: show the running mean of 20 logged ones
            values = np.convolve(values, np.full(20, 1 / 20), mode="valid")
            steps = steps[19:]
        axis.plot(
            steps, values, color=color, linewidth=1.4, marker="o" if len(steps) < 40 else "", ms=3, label=label or None
        )
    axis.set_title(title, loc="left", fontsize=9)
    axis.grid(alpha=0.25)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=7, loc="best")


def _plot_probes(axis: Axes, series: Series, metric: str, title: str) -> None:
    """Draw one score of all probes, with the log-magnitude probe of the same target dashed beside it."""
    targets = [name.split("/")[1] for name in series if name.startswith("probes/") and name.endswith(f"/{metric}")]
    for color, target in zip(COLORS, sorted(targets), strict=False):
        steps, values = series[f"probes/{target}/{metric}"]
        axis.plot(steps, values, color=color, linewidth=1.4, marker="o", ms=3, label=target)
        control = series.get(f"controls/log_magnitude/{target}/{metric}")
        if control is not None:
            axis.plot(*control, color=color, linewidth=1.0, linestyle="--")
    axis.set_title(f"{title} (dashed: log-magnitude)", loc="left", fontsize=9)
    axis.set_ylim(top=1.0)
    axis.grid(alpha=0.25)
    if targets:  # legends stand where curves seldom are: under a balanced accuracy of chance, above an R2 of 0.75
        axis.legend(fontsize=7, ncols=2, loc="upper left" if metric == "r2" else "lower left")


def draw_curves(series: Series) -> Figure:
    """Draw the curves of a run.

    Args:
        series: name to steps and values, from :func:`read_series`.

    Returns:
        The figure; the caller saves it.
    """
    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplots(2, 3, sharex=True)
    _plot(
        axes[0, 0],
        series,
        {"train/enhancement_loss": "training", "val/enhancement_loss": "validation"},
        "enhancement loss",
    )
    _plot(axes[0, 1], series, {"val/si_sdr_gain_db": "SI-SDR gain"}, "validation, dB")
    _plot(
        axes[0, 2],
        series,
        {
            "train/utilization": "utilization (training)",
            "val/utilization": "utilization (validation)",
            "gates/constant": "constant channels",
            "cost/macs_saved": "MACs saved",
        },
        "gates and cost, shares",
    )
    _plot_probes(axes[1, 0], series, "balanced_accuracy", "balanced accuracy")
    axes[0, 2].set_ylim(-0.03, 1.0)
    axes[1, 0].set_ylim(bottom=0.0)
    _plot_probes(axes[1, 1], series, "r2", "R2 per frame")
    axes[1, 1].set_ylim(bottom=max(-0.3, axes[1, 1].get_ylim()[0]))  # an R2 far below 0 says no more than 0
    _plot(axes[1, 2], series, {"cost/probing_share_of_epoch": ""}, "probing, share of the epoch's time")
    axes[1, 2].set_ylim(bottom=0.0)
    for axis in axes[1]:
        axis.set_xlabel("optimiser steps")
    return figure


def main() -> None:
    """Draw the curves of a run: ``python -m reports.curves RUN_DIR OUT.png``."""
    parser = argparse.ArgumentParser(prog="python -m reports.curves", description="Draw the training curves of a run.")
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="folder with metrics.csv")
    parser.add_argument("out", type=Path, metavar="OUT", help="figure: .png, .pdf or .svg")
    options = parser.parse_args()
    if not (options.run / "metrics.csv").is_file():
        parser.error(f"no file '{options.run / 'metrics.csv'}'; expected the folder of a run")
    draw_curves(read_series(options.run)).savefig(options.out, dpi=110)


if __name__ == "__main__":
    main()
