"""Enhancing one audio file in blocks, so that memory does not grow with its length."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streaming.enhancer import StreamingEnhancer
from streaming.files.audio import AudioFileError, AudioSink, AudioSource
from streaming.files.excerpt import Excerpt, ExcerptCollector
from streaming.files.formats import output_format
from streaming.files.plan import FileJob
from streaming.files.property_columns import Selection, rows_of_channels
from streaming.files.property_summary import PropertySummary
from streaming.files.property_table import PropertyPart, PropertyTable
from streaming.resampling import ResampledStream, StreamPiece

DEFAULT_SELECTION = Selection()


class Stopped(Exception):
    """The user wants to stop; nothing of the file is left."""


@dataclass(frozen=True)
class FileSettings:
    """What is wanted of every file.

    Attributes:
        container, subtype: of the outputs in libsndfile's words; None takes those of suffix and input.
        selection: what of the properties goes into table and figure.
        excerpt_s: length of the excerpt for figures in s; None makes none.
        block_s: length of the blocks that are read, in s.
    """

    container: str | None = None
    subtype: str | None = None
    selection: Selection = DEFAULT_SELECTION
    excerpt_s: float | None = None
    block_s: float = 4.0


@dataclass(frozen=True)
class FileReport:
    """What was done.

    Attributes:
        seconds: duration of the file.
        compute_s: time that it took.
        clipped: values of the output that were limited to full scale.
        heard: what the network heard.
        excerpt: for a figure, if wanted.
    """

    seconds: float
    compute_s: float
    clipped: int
    heard: PropertySummary
    excerpt: Excerpt | None


def enhance_file(
    job: FileJob,
    enhancer: StreamingEnhancer,
    settings: FileSettings,
    table: PropertyTable | None = None,
    advance: Callable[[float], None] = lambda seconds: None,
    stopped: Callable[[], bool] = lambda: False,
) -> FileReport:
    """Enhance a file; every channel is a stream of its own.

    Args:
        job: what to read and write.
        enhancer: gives the streams; it is not used itself, so that several files may share it.
        settings: what is wanted.
        table: gets a part with the properties of this file.
        advance: told after every block how many seconds were done.
        stopped: asked before every block whether to stop.

    Returns:
        What was done. The output has its name only when complete.

    Raises:
        AudioFileError: if the file is damaged or the output cannot be written.
        AudioFormatError: if the output's container or sample format cannot be written.
        Stopped: if ``stopped`` says so.
    """
    start = time.perf_counter()
    with AudioSource(job.source) as source, ExitStack() as opened:
        try:
            streams = [ResampledStream(enhancer.new_stream(), source.sample_rate) for _ in range(source.channels)]
        except ValueError as error:
            raise AudioFileError(f"{source.path}: {error}") from error
        container, subtype = output_format(
            job.target,
            (source.container, source.subtype),
            same_suffix=job.target.suffix.lower() == job.source.suffix.lower(),
            container=settings.container,
            subtype=settings.subtype,
            num_values=source.num_samples * source.channels,
        )
        part = None if table is None else opened.enter_context(table.open_part(job.label))
        sink = opened.enter_context(AudioSink(job.target, source.sample_rate, source.channels, container, subtype))
        run = _Run(sink, part, settings, enhancer)
        for block in source.blocks(settings.block_s):
            if stopped():
                raise Stopped
            run.take(_feed(source, streams, block))
            advance(len(block) / source.sample_rate)
        run.take([stream.flush() for stream in streams])
        excerpt = run.collector.excerpt(source.seconds) if run.collector else None
        return FileReport(source.seconds, time.perf_counter() - start, sink.clipped, run.heard, excerpt)


class _Run:
    """Where everything that comes out of the streams of one file goes."""

    def __init__(
        self, sink: AudioSink, part: PropertyPart | None, settings: FileSettings, enhancer: StreamingEnhancer
    ) -> None:
        self.sink, self.part, self.selection = sink, part, settings.selection
        self.frame_s = enhancer.hop_length / enhancer.sample_rate
        self.heard = PropertySummary()
        self.collector: ExcerptCollector | None = None
        if settings.excerpt_s is not None:
            rate, hop, smoothed = enhancer.sample_rate, enhancer.hop_length, settings.selection.smoothed
            self.collector = ExcerptCollector(settings.excerpt_s, rate, hop, smoothed)

    def take(self, pieces: Sequence[StreamPiece]) -> None:
        """Write and count one piece of every channel."""
        self.sink.write(np.stack([piece.samples for piece in pieces], axis=1))
        for piece in pieces:
            for chunk in piece.chunks:
                self.heard.update(chunk)
        if self.part is not None:
            self.part.write(rows_of_channels([piece.chunks for piece in pieces], self.frame_s, self.selection))
        if self.collector is not None:
            self.collector.take(pieces[0])


def _feed(source: AudioSource, streams: Sequence[ResampledStream], block: NDArray[np.float32]) -> list[StreamPiece]:
    """Feed every stream its channel.

    Raises:
        AudioFileError: if the network refuses the samples.
    """
    try:
        return [stream.feed(block[:, channel]) for channel, stream in enumerate(streams)]
    except ValueError as error:
        raise AudioFileError(f"{source.path}: {error}") from error


def usable_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
