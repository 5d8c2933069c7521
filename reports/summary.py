"""The table at the end of a run: what the masks know, what is saved, what is gained, and where everything is."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

HEADLINES = ("balanced_accuracy", "accuracy", "utterance_accuracy", "r2", "utterance_r2")
CONTROL_COLUMNS = {"log-magnitude": "controls/log_magnitude", "log-energy": "controls/log_energy"}


@dataclass(frozen=True)
class ScoreRow:
    """One probe score with everything it must be compared with; None where there is no such number."""

    target: str
    metric: str
    masks: float
    chance: float | None
    shuffled: float | None
    log_magnitude: float | None
    log_energy: float | None


def score_rows(metrics: Mapping[str, float]) -> list[ScoreRow]:
    """Pick the headline probe scores out of logged metrics.

    Args:
        metrics: logged name to value; ``probes/<target>/<metric>`` with its controls.

    Returns:
        Rows in the order in which the targets were logged.

    Example:
        >>> score_rows({"probes/vad/accuracy": 0.9, "probes/vad/accuracy_chance": 0.7})[0].chance
        0.7
    """
    names = [key.split("/") for key in metrics]
    targets = list(dict.fromkeys(parts[1] for parts in names if parts[0] == "probes" and len(parts) == 3))
    rows = []
    for target in targets:
        for metric in HEADLINES:
            key = f"{target}/{metric}"
            if f"probes/{key}" in metrics:
                rows.append(
                    ScoreRow(
                        target,
                        metric,
                        metrics[f"probes/{key}"],
                        metrics.get(f"probes/{key}_chance"),
                        metrics.get(f"probes/{key}_shuffled"),
                        metrics.get(f"controls/log_magnitude/{key}"),
                        metrics.get(f"controls/log_energy/{key}"),
                    )
                )
    return rows


def headline_numbers(metrics: Mapping[str, float], stage: str) -> dict[str, str]:
    """Return the numbers beside the table, readable, by label."""
    numbers = {
        "SI-SDR noisy -> enhanced": (f"{stage}/si_sdr_noisy_db", f"{stage}/si_sdr_db", "{:.2f} -> {:.2f} dB"),
        "SI-SDR gain": (f"{stage}/si_sdr_gain_db", None, "{:+.2f} dB"),
        "PESQ-WB noisy -> enhanced": (f"{stage}/pesq_wb_noisy", f"{stage}/pesq_wb", "{:.3f} -> {:.3f}"),
        "STOI noisy -> enhanced": (f"{stage}/stoi_noisy", f"{stage}/stoi", "{:.3f} -> {:.3f}"),
        "ESTOI noisy -> enhanced": (f"{stage}/estoi_noisy", f"{stage}/estoi", "{:.3f} -> {:.3f}"),
        "DNSMOS OVRL noisy -> enhanced": (f"{stage}/dnsmos_ovrl_noisy", f"{stage}/dnsmos_ovrl", "{:.3f} -> {:.3f}"),
        "utilization (share of channels computed)": ("gates/utilization", None, "{:.1%}"),
        "MACs saved (of the dense network, gates paid)": ("cost/macs_saved", None, "{:.1%}"),
        "channels always on or off": ("gates/constant", None, "{:.1%}"),
    }
    readable = {}
    for label, (first, second, form) in numbers.items():
        names = [name for name in (first, second) if name is not None]
        if all(name in metrics for name in names):
            readable[label] = form.format(*(metrics[name] for name in names))
    return readable


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def print_summary(metrics: Mapping[str, float], stage: str, places: Mapping[str, str], console: Console) -> None:
    """Print the table.

    Args:
        metrics: logged name to value.
        stage: prefix of the enhancement scores, ``val`` or ``test``.
        places: label to path of what the run left behind.
        console: where it is printed.
    """
    table = Table(title="What the channel masks know (unseen speakers and noise recordings)", title_justify="left")
    for column in ("target", "metric"):
        table.add_column(column)
    for column in ("masks", "chance", "shuffled labels", *CONTROL_COLUMNS):
        table.add_column(column, justify="right")
    for row in score_rows(metrics):
        values = (row.masks, row.chance, row.shuffled, row.log_magnitude, row.log_energy)
        table.add_row(row.target, row.metric, *map(_cell, values))
    if table.row_count:
        console.print(table)
    facts = headline_numbers(metrics, stage) | dict(places)
    width = max(map(len, facts), default=0)
    for label, value in facts.items():  # plain lines: a table would crop long paths to the width of the console
        console.print(f"{label:<{width}}  {value}", soft_wrap=True, markup=False, highlight=False)


def markdown_summary(metrics: Mapping[str, float], stage: str) -> str:
    """Return the table and the numbers beside it as Markdown."""
    lines = [
        "| target | metric | masks | chance | shuffled labels | log-magnitude | log-energy |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in score_rows(metrics):
        values = (row.masks, row.chance, row.shuffled, row.log_magnitude, row.log_energy)
        lines.append(f"| {row.target} | {row.metric} | " + " | ".join(map(_cell, values)) + " |")
    lines += ["", "| | |", "|---|---|"]
    lines += [f"| {label} | {value} |" for label, value in headline_numbers(metrics, stage).items()]
    return "\n".join(lines)


def main() -> None:
    """Print the Markdown summary of a run: ``python -m reports.summary RUN_DIR``."""
    parser = argparse.ArgumentParser(prog="python -m reports.summary", description="Print the scores of a run.")
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="folder with summary.json")
    path = parser.parse_args().run / "summary.json"
    if not path.is_file():
        parser.error(f"no file '{path}'; expected the folder of a finished run")
    summary = json.loads(path.read_text())
    print(markdown_summary(summary["metrics"], summary["stage"]))


if __name__ == "__main__":
    main()
