"""Draw the figures of a study again and write its page: ``python -m reports.probing FOLDER [OTHER ...]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reports.probing.comparison_figure import draw_comparison, read_study
from reports.probing.drawing import FIGURES, save_figure, save_figures
from reports.probing.html import write_page
from reports.probing.meta import MetaError
from reports.probing.tables import TableError, read_tables

COMPARISON = "comparison"


def write_report(folder: Path, others: Sequence[Path] = ()) -> Path:
    """Draw all figures of a study from its tables and write its page.

    Args:
        folder: with the tables and ``report.json``.
        others: folders of other studies, drawn beside this one by target utilization.

    Returns:
        The page.

    Raises:
        TableError: if a table is broken.
        MetaError: if ``report.json`` is missing or broken.
    """
    save_figures(folder, read_tables(folder))
    if others:
        figure = draw_comparison([read_study(place) for place in (folder, *others)])
        if figure is not None:
            save_figure(figure, folder / FIGURES / COMPARISON)
    return write_page(folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m reports.probing", description=__doc__)
    parser.add_argument("folder", type=Path, help="of the study: tables and report.json")
    parser.add_argument("others", type=Path, nargs="*", help="studies to compare it with, by target utilization")
    options = parser.parse_args(arguments)
    try:
        page = write_report(options.folder, options.others)
    except (TableError, MetaError) as error:
        sys.exit(f"error: {error}")
    print(f"{page} ({page.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
