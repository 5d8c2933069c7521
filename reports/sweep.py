"""The report of a sweep: a table of cost and quality, and a figure of quality against MACs."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

from reports.sweep_figure import draw_sweep
from reports.sweep_runs import read_networks
from reports.sweep_table import csv_table, markdown_table, sweep_rows
from storage.whole_files import replacing

FIGURE_DPI = 200


def report_files(out: Path) -> list[Path]:
    """Return the files of a report: table as Markdown and CSV, figure as PNG and PDF."""
    return [out / name for name in ("table.md", "table.csv", "quality_against_macs.png", "quality_against_macs.pdf")]


def write_report(out: Path) -> list[Path]:
    """Write the report of all networks of a sweep that have been tested.

    Args:
        out: folder of the sweep; the report is written there.

    Returns:
        The files.

    Raises:
        FileNotFoundError: if no network has been tested.
        ScoresError: if scores are not as a test writes them, or not of the same mixtures.
    """
    rows = sweep_rows(read_networks(out))
    figure = draw_sweep(rows)
    files = report_files(out)
    for path in files:
        with replacing(path) as temporary:
            if path.suffix in (".md", ".csv"):
                temporary.write_text(markdown_table(rows) if path.suffix == ".md" else csv_table(rows))
                continue
            metadata = {"CreationDate": None} if path.suffix == ".pdf" else {}  # the same numbers make the same file
            with mpl.rc_context({"pdf.fonttype": 42}):  # text stays text
                figure.savefig(temporary, dpi=FIGURE_DPI, metadata=metadata)
    return files


def main() -> None:
    """Write the report of a sweep and print its table: ``python -m reports.sweep OUT``."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python -m reports.sweep OUT   (the folder of a sweep)")
    try:
        files = write_report(Path(sys.argv[1]))
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(files[0].read_text())
    print(*files, sep="\n")


if __name__ == "__main__":
    main()
