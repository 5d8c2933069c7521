"""The dyncp command: what is to be done before and after training."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from commands import export, prepare, probe, shard, sweep

SUBCOMMANDS = {
    "prepare": prepare,
    "shard": shard,
    "sweep": sweep,
    "probe": probe,
    "export": export,
}  # each module has add_arguments(parser) and run(arguments) -> exit status
PASSING_ON = {"sweep", "probe"}  # these hand what follows `--` to another command


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
    given = list(sys.argv[1:] if arguments is None else arguments)
    end = given.index("--") if "--" in given else len(given)
    parser = build_parser()
    parsed = parser.parse_args(given[:end])
    parsed.passed_on = given[end + 1 :]
    if parsed.passed_on and parsed.subcommand not in PASSING_ON:
        parser.error(f"{parsed.subcommand} hands on no arguments, got -- {' '.join(parsed.passed_on)}")
    sys.exit(SUBCOMMANDS[parsed.subcommand].run(parsed))


if __name__ == "__main__":
    main()
