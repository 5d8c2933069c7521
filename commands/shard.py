"""Write a prepared corpus into tar shards."""

from __future__ import annotations

import argparse
from pathlib import Path

from commands.status import exit_status
from datamodules.shards.writer import write_shards


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the subcommand."""
    parser.add_argument(
        "--root", type=Path, required=True, metavar="DIR", help="corpus folder with speech.csv and noise.csv"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the shards; a second run goes on there"
    )
    parser.add_argument(
        "--shard-mb", type=float, default=256.0, metavar="MB", help="wanted size of a shard in MiB (default: 256)"
    )
    parser.add_argument(
        "--sample-rate", type=int, default=16000, metavar="HZ", help="Hz of all recordings (default: 16000)"
    )
    parser.add_argument("--pitch", choices=("tiny", "full"), help="store CREPE's pitch tracks beside the speech (slow)")
    parser.add_argument(
        "--f0-range-hz",
        type=float,
        nargs=2,
        default=(60.0, 500.0),
        metavar="HZ",
        help="F0 range (default: 60 500)",
    )


def run(options: argparse.Namespace) -> int:
    """Write the shards, say what was done, and return the exit status."""
    return exit_status(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    low, high = options.f0_range_hz
    report = write_shards(options.root, options.out, options.shard_mb, options.sample_rate, options.pitch, (low, high))
    print(
        f"{options.out}: {report.written} shards written, {report.kept} kept, {report.num_bytes / 2**20:.1f} MiB in all"
    )
