"""Train and test several networks with one recipe, and draw quality against MACs."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from commands.status import exit_status
from sweeps.plan import SweepError, SweptNetwork, name_overlays, named_arguments
from sweeps.progress import ProgressLines
from sweeps.running import Recipe, Sweep

EPILOG = """\
Every OVERLAY is a configuration file stacked on --config; the network is called like the file. What follows `--` is
given to every `lightning fit` and `lightning test`, with {network} replaced by the network's name. Ctrl-C stops; the
same command goes on where it stopped, and does nothing where nothing is left to do. docs/sweep.md tells more.

    dyncp sweep --config configs/corpus.yaml --out runs/sweep configs/sweep/*.yaml -- --data.root /data/corpus"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the subcommand."""
    parser.epilog, parser.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter
    parser.usage = "dyncp sweep --config FILE --out DIR [--jobs N] [--only NAME] OVERLAY... [-- LIGHTNING ARGUMENTS]"
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="configuration of all networks")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the sweep")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes that share the cores (default: 1)")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="leave out all others; may be given several times"
    )
    parser.add_argument("overlays", type=Path, nargs="+", metavar="OVERLAY", help="one file for every network")


def run(options: argparse.Namespace) -> int:
    """Run what is left to do, write the report, and return the exit status."""
    return exit_status(lambda: _run(options, options.passed_on))


def _run(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    if options.jobs < 1:
        raise SweepError(f"--jobs must be positive, got {options.jobs}")
    networks = _networks(options, arguments)
    threads = max(1, _cores() // options.jobs) if options.jobs > 1 else None
    recipe = Recipe(options.config, options.out, options.jobs, threads)
    with ProgressLines(Console()) as lines, _terminated_as_interrupted():
        sweep = Sweep(networks, recipe, lines)
        sweep.run()
    _report(options.out, bool(sweep.taken))
    if sweep.failed:
        raise SweepError(
            f"{len(sweep.failed)} of {len(networks)} networks failed: {', '.join(sweep.failed)}; see above"
        )


def _report(out: Path, something_new: bool) -> None:
    """Write the report where it is missing or old, and something has been tested."""
    from reports.sweep import report_files, write_report  # figures and statistics take seconds to import

    if something_new or not all(path.is_file() for path in report_files(out)):
        try:
            files = write_report(out)
        except FileNotFoundError as error:
            print(f"no report: {error}")
        else:
            print(*(f"report: {path}" for path in files), sep="\n")


def _networks(options: argparse.Namespace, arguments: Sequence[str]) -> list[SweptNetwork]:
    """Merge the settings of every network, so that a mistake in any of them is found before the first is trained.

    Raises:
        SweepError: naming the overlay whose settings are refused.
    """
    from lightning_modules.enhancement_cli import ConfigError, merged_settings  # takes seconds too

    if not options.config.is_file():
        raise SweepError(f"--config: no file '{options.config}'")
    networks = []
    for name, overlay in name_overlays(options.overlays, options.only).items():
        given = named_arguments(arguments, name)
        try:
            settings = merged_settings(["--config", str(options.config), "--config", str(overlay), *given])
        except ConfigError as error:
            raise SweepError(f"{options.config} with {overlay}: {error}") from error
        networks.append(SweptNetwork(name, overlay, options.out / name, settings, given))
    return networks


def _cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Stop as Ctrl-C does where the system asks to end, so that no training is left behind."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
