"""`dyncp enhance` of files and folders: plan, progress, table, figures, and what was heard."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Never

from tqdm import tqdm

from commands.enhance_network import described_network, load_enhancer
from streaming.enhancer import StreamingEnhancer
from streaming.files.audio import AudioFileError, AudioSource
from streaming.files.enhancement import FileReport, FileSettings, enhance_file, usable_cores
from streaming.files.excerpt import Excerpt
from streaming.files.folder import enhance_files
from streaming.files.formats import suffix_of
from streaming.files.plan import FileJob, FilePlanError, plan_files
from streaming.files.property_columns import Selection, columns_for
from streaming.files.property_table import (
    PropertyTable,
    PropertyTableError,
    TableLayout,
    check_table_format,
    parts_folder,
)

FILES_TOLD = 10  # of more, what was heard is only in the table
NOISE_CLASS = "noise_class"


class SomeFilesFailed(ValueError):
    """Files without all their outputs; each was told by name before."""


def enhance_given_files(options: argparse.Namespace) -> None:
    """Enhance what the command line names.

    Raises:
        ValueError: where the command line or files are at fault.
    """
    jobs, selection = _plan(options), Selection(not options.raw, options.posteriors)
    if options.resume and _complete(jobs, options.properties):
        print(f"{_files(len(jobs))} there already, nothing is left to do")
        return
    enhancer = load_enhancer(options, keep_masks=options.plot is not None)
    table = _table(options, enhancer, selection)
    left = [job for job in jobs if not options.resume or not _is_done(job, table)]
    if len(left) < len(jobs):
        print(f"{len(jobs) - len(left)} of {_files(len(jobs))} there already")
    run = _Run(enhancer, options, selection, table, len(left))
    run.enhance(left)
    if table is not None:
        count = table.join((job.label for job in jobs), keep_parts=bool(run.failures))
        if count:
            print(f"properties of {_files(count)}: {table.path}")
    run.tell(jobs)


def _plan(options: argparse.Namespace) -> list[FileJob]:
    """Find the files and refuse what would be replaced unasked, before anything slow is loaded."""
    if options.plot is not None and not 0 < options.plot_seconds < float("inf"):
        raise FilePlanError(f"--plot-seconds must be positive, got {options.plot_seconds}")
    suffix = None if options.format is None else suffix_of(options.format)
    jobs = plan_files(options.inputs, options.out, suffix=suffix, plot=options.plot)
    if options.properties is not None:
        check_table_format(options.properties)
    if options.overwrite or options.resume:
        return jobs
    extra = [] if options.properties is None else [options.properties]
    existing = [path for path in (*(path for job in jobs for path in job.outputs), *extra) if path.exists()]
    if existing:
        others = f" and {len(existing) - 1} others" if len(existing) > 1 else ""
        raise FilePlanError(f"{existing[0]}{others} exist: --overwrite replaces them, --resume makes what is missing")
    return jobs


def _complete(jobs: Sequence[FileJob], properties: Path | None) -> bool:
    """Tell whether nothing is left to do.

    Raises:
        PropertyTableError: if a table is there that cannot have the rows of all files.
    """
    there = all(path.exists() for job in jobs for path in job.outputs)
    if properties is None or not properties.exists():
        return there and properties is None
    if not there and not parts_folder(properties).is_dir():
        raise PropertyTableError(
            f"--properties {properties}: is of an earlier run without some of the files; name another table"
        )
    return there


def _is_done(job: FileJob, table: PropertyTable | None) -> bool:
    return all(path.exists() for path in job.outputs) and (table is None or table.part_path(job.label).is_file())


def _table(options: argparse.Namespace, enhancer: StreamingEnhancer, selection: Selection) -> PropertyTable | None:
    if options.properties is None:
        return None
    settings = {"smoothing_s": options.smoothing if selection.smoothed else 0.0}
    frames = {"sample_rate_hz": enhancer.sample_rate, "hop_length": enhancer.hop_length}
    metadata = described_network(options, enhancer) | settings | frames
    table = PropertyTable(options.properties, TableLayout(columns_for(enhancer.schema, selection), metadata))
    table.prepare(keep=options.resume)
    return table


class _Run:
    """Progress, failures and reports of all files."""

    def __init__(
        self,
        enhancer: StreamingEnhancer,
        options: argparse.Namespace,
        selection: Selection,
        table: PropertyTable | None,
        num_files: int,
    ) -> None:
        self.enhancer, self.table = enhancer, table
        self.workers = options.jobs if options.jobs is not None else max(1, min(usable_cores(), num_files))
        self.settings = FileSettings(
            container=options.format,
            subtype=options.subtype,
            selection=selection,
            excerpt_s=None if options.plot is None else options.plot_seconds,
        )
        self.reports: dict[str, FileReport] = {}
        self.failures: dict[str, Exception] = {}
        self.elapsed_s = 0.0
        self._lock = threading.Lock()  # of the bar
        self._drawing = threading.Lock()  # matplotlib has state that threads would share

    def enhance(self, jobs: Sequence[FileJob]) -> None:
        """Enhance all files, side by side, under a progress bar where there is a terminal."""
        total = sum(map(_seconds, jobs)) if sys.stderr.isatty() else None
        start = time.perf_counter()
        with tqdm(
            total=total,
            disable=None,
            unit="s",
            bar_format="{l_bar}{bar}| {n:.0f}/{total:.0f} s of audio [{elapsed}<{remaining}]",
        ) as bar:

            def work(job: FileJob, stopped: Callable[[], bool]) -> FileReport:
                return self._enhance_one(job, stopped, bar)

            enhance_files(jobs, work, self, self.workers)
        self.elapsed_s = time.perf_counter() - start

    def _enhance_one(self, job: FileJob, stopped: Callable[[], bool], bar: tqdm[Never]) -> FileReport:
        def advance(seconds: float) -> None:
            with self._lock:
                bar.update(seconds)

        report = enhance_file(job, self.enhancer, self.settings, self.table, advance, stopped)
        if job.plot is not None and report.excerpt is not None:
            with self._drawing:
                draw_excerpt(report.excerpt, self.enhancer, job.label, job.plot)
        return replace(report, excerpt=None)

    def done(self, job: FileJob, report: FileReport) -> None:
        """Keep the report."""
        self.reports[job.label] = report

    def failed(self, job: FileJob, error: Exception) -> None:
        """Tell at once."""
        self.failures[job.label] = error
        tqdm.write(f"error: {error}", file=sys.stderr)

    def tell(self, jobs: Sequence[FileJob]) -> None:
        """Print what was done and heard.

        Raises:
            SomeFilesFailed: if an output of a file is not there.
        """
        for label, report in self.reports.items():
            if len(jobs) <= FILES_TOLD:
                print(f"{label}: {report.heard.text()}")
            if report.clipped:
                print(f"{label}: {report.clipped} values exceeded full scale and were limited")
        seconds = sum(report.seconds for report in self.reports.values())
        compute_s = sum(report.compute_s for report in self.reports.values())
        factor = f"; real-time factor {compute_s / seconds:.4f}" if seconds else ""
        print(f"{_files(len(self.reports))}, {seconds:.1f} s of audio in {self.elapsed_s:.1f} s{factor}")
        if self.failures:
            raise SomeFilesFailed(f"{len(self.failures)} of {len(jobs)} files failed, see above")


def draw_excerpt(excerpt: Excerpt, enhancer: StreamingEnhancer, label: str, path: Path) -> None:
    """Draw what was heard in the beginning of a file."""
    from reports.enhanced import EnhancedView, draw_enhanced, save_figure  # matplotlib takes half a second to import

    shown_s = len(excerpt.noisy) / enhancer.sample_rate
    noise = next((spec for spec in enhancer.schema if spec.name == NOISE_CLASS), None)
    view = EnhancedView(
        title=label if shown_s >= excerpt.seconds - 0.1 else f"{label}, first {shown_s:.0f} of {excerpt.seconds:.0f} s",
        noisy=excerpt.noisy,
        enhanced=excerpt.enhanced,
        channel_masks=excerpt.channel_masks.transpose(1, 2, 0),
        estimates=excerpt.rows,
        noise_classes=noise.classes if noise else (),
        noise_posteriors=excerpt.posteriors(noise) if noise else None,
    )
    save_figure(draw_enhanced(view, enhancer.grid), path)


def _seconds(job: FileJob) -> float:
    try:
        with AudioSource(job.source) as source:
            return source.seconds
    except AudioFileError:  # told when it is its turn
        return 0.0


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
