"""The dyncp command: what is to be done before and after training."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from commands import prepare, shard

SUBCOMMANDS = {
    "prepare": prepare,
    "shard": shard,
}  # each module has add_arguments(parser) and run(arguments) -> exit status


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with all subcommands."""
    parser = argparse.ArgumentParser(prog="dyncp", description=__doc__, allow_abbrev=False)
    subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    for name, module in SUBCOMMANDS.items():
        title = (module.__doc__ or "").splitlines()[0]
        module.add_arguments(subparsers.add_parser(name, help=title, description=title, allow_abbrev=False))
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script.

    Exits with 0 on success, 1 where the input is at fault, 2 for a wrong command line, 130 if interrupted.

    Args:
        arguments: of the command line; None reads ``sys.argv``.
    """
    parsed = build_parser().parse_args(arguments)
    sys.exit(SUBCOMMANDS[parsed.subcommand].run(parsed))


if __name__ == "__main__":
    main()
