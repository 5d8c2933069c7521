"""One HTML file of a whole study: it opens from disk, without a network, and holds every figure and sound."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from reports.pages.embedding import DASH, number_text, picture_url, sound_url
from reports.pages.templates import render_page
from reports.probing.drawing import FIGURES, SECTIONS, Drawing, drawings
from reports.probing.marks import headline_pairs, metric_title, task_title
from reports.probing.meta import META, Example, MetaError, ReportMeta, read_meta
from reports.probing.rows import TABLES, ScoreEntry
from reports.probing.tables import read_tables, records
from storage.whole_files import replacing

PAGE, TEMPLATE = "report.html", "study.html.jinja"
LARGEST_SVG = 1_500_000  # bytes; a larger one is shown as PNG
MOST_ROWS = 1500  # of a table in the page; the rest is in its file
BESIDE = {"log_magnitude": "log-magnitude", "log_energy": "log-energy", "untrained_masks": "untrained masks"}
SOUNDS = ("noisy", "enhanced", "clean")
Cells = list[str]


@dataclass(frozen=True)
class ShownFigure:
    """A figure of the page: ``source`` is a data URL."""

    name: str
    title: str
    caption: str
    source: str


@dataclass(frozen=True)
class ShownTable:
    """A table of the page; ``numeric`` tells which columns hold numbers, ``total`` how many rows the file has."""

    name: str
    columns: Cells
    numeric: list[bool]
    rows: list[Cells]
    total: int


@dataclass(frozen=True)
class ShownExample:
    """A mixture of the page; pictures and sounds are data URLs."""

    title: str
    truths: str
    overview: str
    sounds: dict[str, str]


@dataclass(frozen=True)
class ShownSection:
    """A part of the page."""

    key: str
    title: str
    note: str
    figures: list[ShownFigure]
    tables: list[ShownTable]


def interval_text(row: ScoreEntry | None) -> str:
    """Return a score with its interval.

    Example:
        >>> interval_text(ScoreEntry("masks", "all", "vad", "accuracy", 0.8, 0.75, 0.85))
        '0.800 (0.750 to 0.850)'
    """
    if row is None or not math.isfinite(row.score):
        return DASH
    known = math.isfinite(row.low) and math.isfinite(row.high)
    return f"{row.score:.3f}" + (f" ({row.low:.3f} to {row.high:.3f})" if known else "")


def headline_table(scores: Sequence[ScoreEntry]) -> tuple[Cells, list[Cells]]:
    """Return columns and rows of the table above: masks beside chance and what needs no trained masks.

    Args:
        scores: of ``scores.csv``.
    """
    whole = [row for row in scores if row.blocks == "all"]
    columns = ["target", "score", "masks (interval)", "chance", "shuffled labels", *BESIDE.values(), "note"]
    rows = []
    for task, metric in headline_pairs([row for row in whole if row.features == "masks"]):
        own = {row.features: row for row in whole if (row.task, row.metric) == (task, metric)}
        masks = own["masks"]
        beside = [own[name].score if name in own else math.nan for name in BESIDE]
        numbers = [
            f"{value:.3f}" if math.isfinite(value) else DASH for value in (masks.chance, masks.shuffled, *beside)
        ]
        rows.append([task_title(task), metric_title(metric), interval_text(masks), *numbers, masks.note])
    return columns, rows


def counts(scores: Sequence[ScoreEntry]) -> dict[str, str]:
    """Return how much the probes were fitted and scored on; empty where that is not known."""
    labels = {"fit_rows": "frames fitted on", "score_rows": "frames scored on", "utterances": "utterances scored on"}
    most = {label: max((getattr(row, name) or 0 for row in scores), default=0) for name, label in labels.items()}
    return {label: str(count) for label, count in most.items() if count}


def figure_source(folder: Path, name: str) -> str | None:
    """Return a figure as a data URL: SVG unless it is missing or large, else PNG; None without either."""
    svg, png = (folder / FIGURES / f"{name}{suffix}" for suffix in (".svg", ".png"))
    if svg.is_file() and (svg.stat().st_size <= LARGEST_SVG or not png.is_file()):
        return picture_url(svg)
    return picture_url(png) if png.is_file() else None


def shown_table(name: str, rows: Sequence[Any]) -> ShownTable:
    """Return a table as texts, at most ``MOST_ROWS`` rows of it."""
    cells = records(rows[:MOST_ROWS], TABLES[name])
    columns = list(cells[0]) if cells else []
    numeric = [not any(isinstance(row[column], (str, bool)) for row in cells) for column in columns]
    texts = [[number_text(value) for value in row.values()] for row in cells]
    return ShownTable(name, columns, numeric, texts, len(rows))


def shown_example(folder: Path, example: Example, place: int) -> ShownExample:
    """Read the picture and the sounds of an example.

    Raises:
        MetaError: naming the field whose file is missing or cannot be read.
    """
    for name in ("overview", *SOUNDS):
        path = getattr(example, name)
        if path and not (folder / path).is_file():
            raise MetaError(f"{folder / META}: examples[{place}].{name}: no such file: {folder / path}")
    overview = picture_url(folder / example.overview) if example.overview else ""
    sounds = {}
    for name in SOUNDS:
        if getattr(example, name):
            try:
                sounds[name] = sound_url(folder / getattr(example, name))
            except soundfile.SoundFileError as error:
                raise MetaError(f"{folder / META}: examples[{place}].{name}: not a sound file: {error}") from error
    return ShownExample(example.title, example.truths, overview, sounds)


def _sections(folder: Path, meta: ReportMeta, tables: Mapping[str, list[Any]]) -> list[ShownSection]:
    """Arrange figures, tables and notes; a table stands in the section of the first figure that is drawn from it."""
    listed = drawings(tables)
    figures: dict[str, list[ShownFigure]] = {key: [] for key in SECTIONS}
    for drawing in listed:
        source = figure_source(folder, drawing.name)
        if source is not None:
            shown = ShownFigure(drawing.name, drawing.title, drawing.caption, source)
            figures[drawing.section].append(shown)
    homes = _homes(listed)
    found = []
    for key, title in SECTIONS.items():
        own = [shown_table(name, rows) for name, rows in tables.items() if rows and homes.get(name) == key]
        if figures[key] or own or key in meta.notes:
            found.append(ShownSection(key, title, meta.notes.get(key, ""), figures[key], own))
    return found


def _homes(listed: Sequence[Drawing]) -> dict[str, str]:
    """Return the section of every table."""
    homes: dict[str, str] = {}
    for drawing in listed:
        for name in drawing.tables:
            homes.setdefault(name, drawing.section)
    return homes


def _others(folder: Path, known: set[str]) -> list[ShownFigure]:
    """Return figures of the folder that are not ours, by the names of their files."""
    names = sorted({path.stem for path in (folder / FIGURES).glob("*") if path.suffix in (".svg", ".png")} - known)
    sources = {name: figure_source(folder, name) for name in names if not name.startswith(".")}
    return [ShownFigure(name, name.replace("_", " "), "", source) for name, source in sources.items() if source]


def render(folder: Path) -> str:
    """Return the page of a study.

    Args:
        folder: with ``report.json``, tables, ``figures`` and the files of the examples.

    Raises:
        TableError: if a table is broken.
        MetaError: if ``report.json`` is missing or broken.
    """
    meta, tables = read_meta(folder), read_tables(folder)
    columns, headline = headline_table(tables.get("scores", []))
    facts = {name: getattr(meta, name) for name in ("checkpoint", "config", "created")}
    facts = {{"config": "recipe"}.get(name, name): text for name, text in facts.items() if text}
    return render_page(
        TEMPLATE,
        title=meta.title,
        facts=facts | counts(tables.get("scores", [])),
        numbers={label: number_text(value) for label, value in meta.numbers.items()},
        headline_columns=columns,
        headline=headline,
        sections=_sections(folder, meta, tables),
        other_figures=_others(folder, {drawing.name for drawing in drawings(tables)}),
        other_notes=[(key, note) for key, note in meta.notes.items() if key not in SECTIONS],
        examples=[shown_example(folder, example, place) for place, example in enumerate(meta.examples)],
    )


def write_page(folder: Path) -> Path:
    """Write ``report.html`` into the folder of a study and return its path.

    Raises:
        TableError: if a table is broken.
        MetaError: if ``report.json`` is missing or broken.
    """
    page = render(folder)
    with replacing(folder / PAGE) as part:
        part.write_text(page, encoding="utf-8")
    return folder / PAGE
