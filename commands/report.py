"""Put a run on one page: curves, pictures, sound, scores and settings, from the files in its folder."""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path

from commands.extras import told_extras
from commands.status import exit_status

EPILOG = """\
The page opens in any browser, without a network, and can be sent as it is. A run that is still under way has one too.

    dyncp report runs/corpus                    # the newest version of it
    dyncp report runs/corpus/version_0 --out page.html --open"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the subcommand."""
    parser.epilog, parser.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="runs/NAME/version_N, or runs/NAME: the newest")
    parser.add_argument("--out", type=Path, metavar="FILE", help="page (default: report.html in the folder of the run)")
    parser.add_argument("--open", action="store_true", help="show it in a browser")


def run(options: argparse.Namespace) -> int:
    """Write the page and return the exit status."""
    return exit_status(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    with told_extras():
        from reports.run.page import write_run_page

    page = write_run_page(options.run_dir, options.out)
    print(f"report: {page}")
    if options.open:
        webbrowser.open(page.resolve().as_uri())
