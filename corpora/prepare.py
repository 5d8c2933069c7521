"""From a scanned corpus to recordings and manifests in the user's folder; may be stopped and started again."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from corpora.conversion import BadFile, Job, Outcome
from corpora.journal import Journal, locked, remove_partial
from corpora.manifests import Row, check_speakers, merge, write_manifest
from corpora.source import Channel, Contents, CorpusSource, Noise, Recording, Speech
from corpora.splits import HashSplit, check_categories
from corpora.workers import convert_all
from datamodules.corpus import NOISE_COLUMNS, PAIR_COLUMNS, SPEECH_COLUMNS, SPLITS, CorpusError

STATE_FOLDER = ".prepare"
Kind = Literal["speech", "noise"]


@dataclass(frozen=True)
class Settings:
    """How any corpus is prepared.

    Args:
        sample_rate: of all recordings, in Hz.
        workers: processes that convert.
        channel: how several channels become one; None mixes those of noise and refuses them in speech.
        copy: write every recording, also one that could be used where it is.
        skip_bad_files: leave damaged files out instead of stopping at the first.
        only: take only the speech or only the noise of the corpus.
        splits: for corpora without official ones.

    Raises:
        ValueError: if a number is out of range.
    """

    sample_rate: int = 16000
    workers: int = 1
    channel: Channel | None = None
    copy: bool = False
    skip_bad_files: bool = False
    only: Kind | None = None
    splits: HashSplit = field(default_factory=HashSplit)

    def __post_init__(self) -> None:
        for name in ("sample_rate", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name.replace('_', '-')} must be positive, got {getattr(self, name)}")


@dataclass(frozen=True)
class Report:
    """What a preparation did, in recordings; ``bad`` says why each damaged file was left out."""

    speech: list[Row]
    noise: list[Row]
    pairs: list[Row]
    converted: int
    kept: int
    referenced: int
    clipped: int
    bad: list[str]
    notes: list[str]


def prepare(source: CorpusSource, root: Path, out: Path, settings: Settings, progress: bool = False) -> Report:
    """Prepare a corpus into a folder that may already hold others.

    Args:
        source: the corpus, with its options.
        root: its folder.
        out: folder that gets ``speech.csv``, ``noise.csv``, ``pairs.csv`` and the recordings.
        settings: what is the same for all corpora.
        progress: show a progress bar.

    Raises:
        CorpusError: if the corpus cannot be used; the manifests are then as they were.
        OSError: if something cannot be written; likewise.
    """
    root, out = Path(os.path.abspath(root)), Path(os.path.abspath(out))
    contents = _chosen(source.scan(root, settings.splits), source, root, settings)
    items: list[Speech | Noise] = [*contents.speech, *contents.noise]
    check_categories(((item.category, item.split) for item in contents.noise), source.name)
    jobs = [_job(item, source, out, settings) for item in items]
    _check_targets(jobs)
    state = out / STATE_FOLDER
    with locked(state / f"{source.name}.lock", f"{out}: another process is preparing {source.name} there"):
        for kind in ("speech", "noise"):
            remove_partial(out / kind / source.name)
        outcomes, kept = _convert(jobs, Journal(state / f"{source.name}.jsonl"), source, settings, progress)
        rows = {
            item.recording: _row(item, outcome, source, out, root, settings.sample_rate)
            for item, outcome in zip(items, outcomes, strict=True)
            if not outcome.error
        }
        report = _report(contents, rows, jobs, outcomes, kept)
        _check_rows(report, contents, source)
        with locked(state / "manifests.lock", busy=None):
            _write(out, source, report, settings)
    return report


def _chosen(contents: Contents, source: CorpusSource, root: Path, settings: Settings) -> Contents:
    """Return the part of a corpus that was asked for.

    Raises:
        CorpusError: if there is nothing in it.
    """
    if settings.only is not None:
        speech = contents.speech if settings.only == "speech" else []
        noise = contents.noise if settings.only == "noise" else []
        contents = Contents(speech, noise, notes=contents.notes)
    if not contents.speech and not contents.noise:
        what = settings.only or "speech or noise"
        raise CorpusError(f"{root}: no {what} of {source.name} found; expected its extracted folder ({source.url})")
    return contents


def _job(item: Speech | Noise, source: CorpusSource, out: Path, settings: Settings) -> Job:
    kind = "speech" if isinstance(item, Speech) else "noise"
    target = out / kind / source.name / f"{item.recording.name}.flac"
    channel = settings.channel or (None if kind == "speech" else "mix")
    return Job(item.recording, target, settings.sample_rate, channel, settings.copy)


def _check_targets(jobs: Sequence[Job]) -> None:
    """Check that no two recordings would be written to the same file (a.wav and a.flac in one folder)."""
    seen: dict[Path, Path] = {}
    for job in jobs:
        other = seen.setdefault(job.target, job.recording.file)
        if other != job.recording.file:
            raise CorpusError(f"{job.recording.file} and {other} differ only in their suffix; remove one of them")


def _convert(
    jobs: Sequence[Job], journal: Journal, source: CorpusSource, settings: Settings, progress: bool
) -> tuple[list[Outcome], int]:
    """Return the outcome of every job, and how many files of an earlier call were kept.

    Raises:
        BadFile: for the first damaged file, unless they are to be skipped.
    """
    keys = [job.key() for job in jobs]
    outcomes = [journal.find(key, job) for key, job in zip(keys, jobs, strict=True)]
    kept = sum(outcome is not None and outcome.path == job.target for outcome, job in zip(outcomes, jobs, strict=True))
    waiting = [number for number, outcome in enumerate(outcomes) if outcome is None]
    with (
        tqdm(
            total=len(jobs), initial=len(jobs) - len(waiting), desc=source.name, unit="file", disable=not progress
        ) as bar,
        journal.appending() as file,
        contextlib.closing(convert_all([jobs[number] for number in waiting], settings.workers)) as results,
    ):
        for number, outcome in zip(waiting, results, strict=True):
            if not outcome.error:
                journal.add(file, keys[number], jobs[number], outcome)
            elif not settings.skip_bad_files:
                raise BadFile(f"{outcome.error}; repair it, or pass --on-bad-file skip to leave such files out")
            outcomes[number] = outcome
            bar.update()
    journal.keep(dict.fromkeys(keys))
    return [outcome for outcome in outcomes if outcome is not None], kept


def _report(
    contents: Contents, rows: dict[Recording, Row], jobs: Sequence[Job], outcomes: Sequence[Outcome], kept: int
) -> Report:
    """Sort rows by manifest, leave out pairs that lost a recording, and count."""
    pairs = [
        {"speech": rows[pair.speech]["path"], "noise": rows[pair.noise]["path"], "snr_db": pair.snr_db}
        | {"split": pair.split, "source": rows[pair.noise]["source"]}
        for pair in contents.pairs
        if pair.speech in rows and pair.noise in rows
    ]
    written = sum(outcome.path == job.target for job, outcome in zip(jobs, outcomes, strict=True) if not outcome.error)
    return Report(
        speech=[rows[item.recording] for item in contents.speech if item.recording in rows],
        noise=[rows[item.recording] for item in contents.noise if item.recording in rows],
        pairs=pairs,
        converted=written - kept,
        kept=kept,
        referenced=len(rows) - written,
        clipped=sum(outcome.clipped > 0 for outcome in outcomes),
        bad=[outcome.error for outcome in outcomes if outcome.error],
        notes=contents.notes,
    )


def _row(item: Speech | Noise, outcome: Outcome, source: CorpusSource, out: Path, root: Path, sample_rate: int) -> Row:
    """Return the row of a recording; ``source`` and ``origin`` say where it is from."""
    inside = outcome.path.is_relative_to(out)
    path = outcome.path.relative_to(out) if inside else outcome.path
    file = item.recording.file
    origin = file.relative_to(root) if file.is_relative_to(root) else file
    label = {"speaker": item.speaker, "sex": item.sex} if isinstance(item, Speech) else {"category": item.category}
    seconds = f"{outcome.frames / sample_rate:.3f}"
    about = {"seconds": seconds, "split": item.split, "source": source.name, "origin": origin.as_posix()}
    return {"path": path.as_posix(), **label, **about}


def _check_rows(report: Report, contents: Contents, source: CorpusSource) -> None:
    """Check that damaged files left no split without speech and no category without noise."""
    counts = Counter(row["split"] for row in report.speech)
    for split in SPLITS:
        if contents.speech and not counts[split]:
            raise CorpusError(f"{source.name}: split '{split}' has no speech")
    lost = {item.category for item in contents.noise} - {row["category"] for row in report.noise}
    if lost:
        raise CorpusError(f"{source.name}: every recording of the noise category '{min(lost)}' is damaged")
    check_categories(((row["category"], row["split"]) for row in report.noise), source.name)


def _write(out: Path, source: CorpusSource, report: Report, settings: Settings) -> None:
    """Merge and write the manifests; what was not asked for stays as it is."""
    merged: dict[str, tuple[tuple[str, ...], list[Row]]] = {}
    if settings.only != "noise":
        merged["speech.csv"] = (SPEECH_COLUMNS, merge(out / "speech.csv", source.name, report.speech))
        check_speakers(out / "speech.csv", merged["speech.csv"][1])
    if settings.only != "speech":
        merged["noise.csv"] = (NOISE_COLUMNS, merge(out / "noise.csv", source.name, report.noise))
    merged["pairs.csv"] = (PAIR_COLUMNS, merge(out / "pairs.csv", source.name, report.pairs))
    for name, (columns, rows) in merged.items():
        write_manifest(out / name, columns, rows)
