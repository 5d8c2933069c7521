"""`dyncp enhance - -`: raw PCM from stdin to stdout."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from commands.enhance_network import load_enhancer
from streaming.files.pipe import PcmError, PcmFormat, PcmPipe, PcmReport
from streaming.files.property_columns import Selection

INTERRUPTED = 130
FILE_OPTIONS = {"plot": None, "format": None, "subtype": None, "jobs": None, "resume": False}


def enhance_given_pipe(options: argparse.Namespace) -> None:
    """Enhance stdin to stdout until it ends or nobody reads any more; what was done is told on stderr.

    Raises:
        ValueError: where the command line or the stream is at fault.
    """
    _check(options)
    try:
        _enhance(options)
    except KeyboardInterrupt:  # the usual end of what listens to a microphone
        sys.exit(INTERRUPTED)
    except OSError as error:
        raise PcmError(f"the pipe ended: {error}") from error


def _enhance(options: argparse.Namespace) -> None:
    pcm = PcmFormat(options.pcm, options.rate, options.channels)
    enhancer = load_enhancer(options)
    with ExitStack() as opened:
        stream = None
        if options.properties is not None:
            stream = opened.enter_context(_opened(options.properties))
        pipe = PcmPipe(enhancer, pcm, stream, Selection(not options.raw, options.posteriors))
        start = time.perf_counter()
        report = pipe.run(sys.stdin.fileno(), sys.stdout.fileno())
    if not report.reader_left:
        _tell(report, time.perf_counter() - start)


def _opened(properties: Path) -> TextIO:
    """Open the file of properties, under its own name, since it is read while it grows."""
    try:
        properties.parent.mkdir(parents=True, exist_ok=True)
        return properties.open("w", encoding="utf-8")
    except OSError as error:
        raise PcmError(f"--properties {properties}: cannot be written ({error.strerror})") from error


def _check(options: argparse.Namespace) -> None:
    """Refuse what a pipe does not have.

    Raises:
        PcmError: naming the option.
    """
    if options.inputs != ["-"] or options.out != "-":
        raise PcmError("`-` stands for raw PCM on stdin and stdout and must be both, the only IN and OUT")
    for name, default in FILE_OPTIONS.items():
        if getattr(options, name) != default:
            raise PcmError(f"--{name} is for files, not for a pipe")
    properties: Path | None = options.properties
    if properties is not None:
        if properties.suffix.lower() != ".jsonl":
            raise PcmError(f"--properties {properties}: of a pipe are JSON lines; expected a name that ends in .jsonl")
        if properties.is_file() and not options.overwrite:
            raise PcmError(f"{properties} exists: --overwrite replaces it")
    for stream, name in ((sys.stdin, "stdin"), (sys.stdout, "stdout")):
        if stream is None or stream.closed:
            raise PcmError(f"{name} is closed; expected a pipe or a file with raw PCM")
        if stream.isatty():
            raise PcmError(f"{name} is a terminal; expected a pipe or a file with raw PCM")


def _tell(report: PcmReport, elapsed_s: float) -> None:
    if report.clipped:
        print(f"{report.clipped} values exceeded full scale and were limited", file=sys.stderr)
    print(f"{report.seconds:.1f} s of audio in {elapsed_s:.1f} s: {report.heard.text()}", file=sys.stderr)
