"""Prepare corpora, compare and probe trained networks, and enhance recordings with them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

EPILOG = """\
`dyncp SUBCOMMAND --help` lists the options of a subcommand; `lightning` trains.
Exit status: 0 done, 1 wrong input, 2 wrong command line, 130 stopped by Ctrl-C.

    dyncp enhance noisy.wav clean.wav --properties properties.csv --plot overview.png"""

# Modules of this package; each has add_arguments(parser) and run(arguments) -> exit status.
SUBCOMMANDS = ("prepare", "shard", "sweep", "probe", "export", "enhance", "live", "reproduce", "report", "dashboard")
PASSING_ON = {"sweep", "probe"}  # these hand what follows `--` to another command


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """Return the parser.

    Args:
        only: the one subcommand whose options are wanted, so that no other is imported; None adds all.
    """
    parser = argparse.ArgumentParser(prog="dyncp", description=__doc__, epilog=EPILOG, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND", title="subcommands")
    for name in SUBCOMMANDS if only is None else [only]:
        module = import_module(f"commands.{name}")
        title = (module.__doc__ or "").splitlines()[0]
        module.add_arguments(subparsers.add_parser(name, help=title, description=title, allow_abbrev=False))
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script.

    Exits with 0 on success, 1 where the input is at fault, 2 for a wrong command line, 130 if interrupted.

    Args:
        arguments: of the command line; None reads ``sys.argv``.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    end = given.index("--") if "--" in given else len(given)
    parser = build_parser(given[0] if given and given[0] in SUBCOMMANDS else None)
    parsed = parser.parse_args(given[:end])
    parsed.passed_on = given[end + 1 :]
    if parsed.passed_on and parsed.subcommand not in PASSING_ON:
        parser.error(f"{parsed.subcommand} hands on no arguments, got -- {' '.join(parsed.passed_on)}")
    sys.exit(import_module(f"commands.{parsed.subcommand}").run(parsed))


if __name__ == "__main__":
    main()
