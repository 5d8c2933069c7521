"""Validation losses of trainings as Markdown: ``python -m reports.losses runs/a runs/b``, a row each.

    python -m reports.losses runs/a runs/b                  # the last validation of each
    python -m reports.losses runs/a --every 1000            # one training, a row for about every 1,000 steps

What trainings that differ in one thing are compared by while they are short: enhancement, and how well the heads of
joint training read the masks of validation mixtures. Scores of probes are in `reports.probing.variants`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reports.curves import Series, read_series
from reports.probing.markdown import table
from reports.probing.marks import task_title
from reports.run.contents import find_run

ENHANCEMENT = {
    "val/enhancement_loss": "enhancement loss",
    "val/si_sdr_gain_db": "SI-SDR gain, dB",
    "gates/utilization": "utilization",
}
HEAD, LOSS = "val/joint_", "_loss"


def columns_of(runs: Sequence[Series]) -> dict[str, str]:
    """Return what is shown, logged name to title: what at least one training has logged."""
    heads = sorted({name for series in runs for name in series if name.startswith(HEAD) and name.endswith(LOSS)})
    titles = ENHANCEMENT | {name: task_title(name.removeprefix(HEAD).removesuffix(LOSS)) for name in heads}
    return {name: title for name, title in titles.items() if any(name in series for series in runs)}


def last_losses(runs: dict[str, Series]) -> list[str]:
    """Tabulate the last validation of every training.

    Args:
        runs: logged scalars by the name of the training.

    Returns:
        Lines of Markdown.
    """
    columns = columns_of(list(runs.values()))
    rows: list[list[str]] = []
    for name, series in runs.items():
        steps = max((series[column][0][-1] for column in columns if column in series), default=-1) + 1
        rows.append([name, f"{steps:,}", *(_last(series, column) for column in columns)])
    return table(["training", "steps", *columns.values()], iter(rows))


def losses_by_step(series: Series, every: int) -> list[str]:
    """Tabulate the validations of one training.

    Args:
        series: its logged scalars.
        every: steps between rows; the first validation after each such stretch is shown, and the last one.

    Returns:
        Lines of Markdown.
    """
    columns = columns_of([series])
    values = {name: dict(zip(*series[name], strict=True)) for name in columns}
    validations = sorted({step for steps in values.values() for step in steps})
    shown: list[int] = []
    for step in validations:
        if not shown or step - shown[-1] >= every or step == validations[-1]:
            shown.append(step)
    rows = [[f"{step + 1:,}", *(_number(values[name].get(step)) for name in columns)] for step in shown]
    return table(["steps", *columns.values()], iter(rows))


def _last(series: Series, name: str) -> str:
    return _number(series[name][1][-1] if name in series else None)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m reports.losses", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="runs/NAME for its newest version, or one")
    parser.add_argument("--every", type=int, metavar="STEPS", help="show one training at so many steps")
    options = parser.parse_args(arguments)
    if options.every is not None and (options.every < 1 or len(options.runs) != 1):
        parser.error("--every must be positive, and is for one training")
    try:
        runs = {_name(run): read_series(find_run(run)) for run in options.runs}
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    lines = last_losses(runs) if options.every is None else losses_by_step(next(iter(runs.values())), options.every)
    print("\n".join(lines).rstrip())


def _name(run: Path) -> str:
    """Return what a training is called: the name of its folder, not of its version.

    Example:
        >>> _name(Path("runs/base/version_3"))
        'base'
    """
    return run.parent.name if run.name.startswith("version_") else run.name


if __name__ == "__main__":
    main()
