"""Enhance files, folders or a pipe, and tell what is heard in them."""

from __future__ import annotations

import argparse
from pathlib import Path

from commands.extras import told_extras
from commands.network_options import add_network_options
from commands.status import exit_status

EPILOG = """\
OUT is a file where IN is one file, otherwise a folder. `-` for both enhances raw PCM from stdin to stdout.
docs/enhance.md tells more.

    dyncp enhance noisy.wav clean.wav --properties properties.csv --plot overview.png
    dyncp enhance recordings/ enhanced/ --properties properties.parquet
    arecord -q -t raw -f S16_LE -r 16000 | dyncp enhance - - | aplay -q -t raw -f S16_LE -r 16000"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the subcommand."""
    parser.epilog, parser.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter
    parser.usage = "dyncp enhance IN... OUT [options]"
    parser.add_argument("inputs", nargs="+", metavar="IN", help="audio files, and folders with all that is in them")
    parser.add_argument("out", metavar="OUT", help="file or folder")
    add_network_options(parser.add_argument_group("network"))
    _add_estimate_options(parser.add_argument_group("what is heard"))
    _add_file_options(parser.add_argument_group("files"))
    pipe = parser.add_argument_group("pipe")
    pipe.add_argument("--pcm", choices=("s16le", "f32le"), default="s16le", help="samples (default: s16le)")
    pipe.add_argument("--rate", type=int, default=16000, metavar="HZ", help="sample rate (default: 16000)")
    pipe.add_argument("--channels", type=int, default=1, metavar="N", help="interleaved channels (default: 1)")


def _add_estimate_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--properties",
        type=Path,
        metavar="FILE",
        help="table with a row for every frame: .csv, .parquet or .json; .jsonl of a pipe",
    )
    which = group.add_mutually_exclusive_group()
    which.add_argument(
        "--smoothed", dest="raw", action="store_false", help="estimates averaged over the past (the default)"
    )
    which.add_argument("--raw", dest="raw", action="store_true", help="estimates of single frames")
    group.add_argument(
        "--smoothing", type=float, default=0.1, metavar="SECONDS", help="time constant of the average (default: 0.1)"
    )
    group.add_argument("--posteriors", action="store_true", help="columns with the probabilities of all classes too")
    group.add_argument(
        "--plot", metavar="FILE", help="figure of what is heard: .png, .pdf or .svg; a folder for several inputs"
    )
    group.add_argument(
        "--plot-seconds", type=float, default=60.0, metavar="SECONDS", help="of the beginning (default: 60)"
    )


def _add_file_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--jobs", type=int, metavar="N", help="files at a time (default: cores)")
    group.add_argument("--format", metavar="NAME", help="container of the outputs (default: by suffix), e.g. flac")
    group.add_argument("--subtype", metavar="NAME", help="sample format (default: the input's), e.g. pcm_24")
    existing = group.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    existing.add_argument(
        "--resume", action="store_true", help="keep outputs that exist and make those that are missing"
    )


def run(options: argparse.Namespace) -> int:
    """Enhance, say what was done, and return the exit status."""
    return exit_status(lambda: _run(options), again="run the same command with --resume")


def _run(options: argparse.Namespace) -> None:
    with told_extras():
        if "-" in (*options.inputs, options.out):
            from commands.enhance_pipe import enhance_given_pipe

            enhance_given_pipe(options)
        else:
            from commands.enhance_files import enhance_given_files

            enhance_given_files(options)
