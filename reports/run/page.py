"""Puts a run on one page that opens from disk, without a network, and holds everything that it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import plotly.offline
import soundfile

from reports.dashboard import SECTIONS, Panel, Section, sections_for
from reports.pages.embedding import DASH, number_text, picture_url, sound_url
from reports.pages.templates import render_page
from reports.probing.marks import metric_title, task_title
from reports.quality import read_run as read_test
from reports.quality import report_tables, summarize
from reports.run.charts import line_chart
from reports.run.contents import RunContents, RunError, find_run, read_rows, read_run
from reports.summary import headline_numbers, score_rows
from reports.tested_runs import SCORES
from storage.whole_files import replacing

PAGE, TEMPLATE = "report.html", "run.html.jinja"
PICTURES, SOUNDS = {".png", ".svg", ".jpg"}, {".wav", ".flac"}
PLACES = {"step", "epoch"}  # columns that say when a row was logged
STAGES = ("test", "val")


@dataclass(frozen=True)
class ShownMedium:
    """A picture or a clip; ``source`` is a data URL."""

    title: str
    source: str


@dataclass(frozen=True)
class ShownTable:
    """A table; ``numeric`` tells which columns hold numbers."""

    title: str
    columns: list[str]
    numeric: list[bool]
    rows: list[list[str]]


@dataclass(frozen=True)
class ShownMixture:
    """What there is of one fixed mixture."""

    name: str
    sounds: list[ShownMedium] = field(default_factory=list)
    pictures: list[ShownMedium] = field(default_factory=list)


@dataclass(frozen=True)
class ShownSection:
    """A part of the page; charts are what plotly.js takes."""

    name: str
    about: str
    charts: list[tuple[str, dict[str, Any]]]
    pictures: list[ShownMedium]
    tables: list[ShownTable]
    mixtures: list[ShownMixture]


def _media(run: RunContents, panels: Sequence[Panel]) -> tuple[list[ShownMedium], list[ShownMixture]]:
    """Read pictures, and what is of single mixtures by their names."""
    pictures: list[ShownMedium] = []
    mixtures: dict[str, ShownMixture] = {}
    for panel in panels:
        for key in panel.keys:
            for caption, path in run.media(key).items():
                kind = path.suffix.lower()
                if kind not in PICTURES | SOUNDS:
                    continue
                try:
                    medium = ShownMedium(panel.title, sound_url(path) if kind in SOUNDS else picture_url(path))
                except soundfile.SoundFileError as error:
                    raise RunError(f"{path}: not a sound file: {error}") from error
                if caption:
                    mixture = mixtures.setdefault(caption, ShownMixture(caption))
                    (mixture.sounds if kind in SOUNDS else mixture.pictures).append(medium)
                else:
                    pictures.append(medium)
    return pictures, [mixtures[name] for name in sorted(mixtures)]


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def logged_table(title: str, rows: Sequence[dict[str, str]]) -> ShownTable:
    """Lay out rows of a logged table, numbers with four digits.

    Args:
        title: of the table.
        rows: as they are in the file.

    Example:
        >>> logged_table("probes", [{"step": "9", "task": "vad", "score": "0.123456"}]).rows
        [['vad', '0.1235']]
    """
    columns = [name for name in (rows[0] if rows else ()) if name not in PLACES]
    numeric = [all(not row[name] or _number(row[name]) is not None for row in rows) for name in columns]
    numeric = [is_one and any(row[name] for row in rows) for is_one, name in zip(numeric, columns, strict=True)]
    cells = [
        [
            (number_text(_number(row[name])) if is_one else row[name] or DASH)
            for is_one, name in zip(numeric, columns, strict=True)
        ]
        for row in rows
    ]
    return ShownTable(title, columns, numeric, cells)


def _section(run: RunContents, section: Section) -> ShownSection:
    charts = [(panel.title, line_chart(panel, run.series)) for panel in section.panels if panel.kind == "line"]
    pictures, mixtures = _media(run, [panel for panel in section.panels if panel.kind == "media"])
    tables = [
        logged_table(panel.title, read_rows(path))
        for panel in section.panels
        if panel.kind == "table"
        for key in panel.keys
        for path in run.media(key).values()
    ]
    drawn = [(title, chart) for title, chart in charts if chart is not None]
    return ShownSection(section.name, section.about, drawn, pictures, tables, mixtures)


def shown_sections(run: RunContents) -> list[ShownSection]:
    """Return the sections of the dashboard with what the run has for them; numbers by themselves stand above."""
    media = [key for section in SECTIONS for panel in section.panels for key in panel.keys if "/" in key]
    shown = [_section(run, section) for section in sections_for(run.keys(media))]
    return [part for part in shown if part.charts or part.pictures or part.tables or part.mixtures]


def score_table(run: RunContents) -> ShownTable | None:
    """Return the newest headline scores of the probes beside chance and controls; None without probes."""
    rows = score_rows(run.newest)
    if not rows:
        return None
    columns = ["target", "score", "masks", "chance", "shuffled labels", "log-magnitude", "log-energy"]
    cells = []
    for row in rows:
        values = (row.masks, row.chance, row.shuffled, row.log_magnitude, row.log_energy)
        texts = (DASH if value is None else f"{value:.3f}" for value in values)
        cells.append([task_title(row.target), metric_title(row.metric), *texts])
    return ShownTable("What the masks know", columns, [False, False, *[True] * 5], cells)


def quality_tables(folder: Path) -> list[ShownTable]:
    """Return what a test in this folder says about quality; nothing where there was none.

    Raises:
        reports.quality_scores.ScoresError: if its files are broken.
    """
    if not (folder / SCORES).is_file():
        return []
    table, settings = read_test(folder)
    return [
        ShownTable(title, rows[0], [place > 0 for place in range(len(rows[0]))], rows[1:])
        for title, rows in report_tables(summarize(table, settings)).items()
    ]


def facts_of(run: RunContents) -> dict[str, str]:
    """Return how far the run is and what network it trains, label to text."""
    summary = run.summary
    steps = max((steps[-1] for steps, _ in run.series.values() if steps), default=0)
    found = {
        "optimiser steps": f"{steps}, no summary yet" if not summary else str(summary.get("steps") or ""),
        "parameters": f"{summary['parameters']:,}" if "parameters" in summary else "",
        "checkpoint it started from": run.checkpoint,
    }
    return {label: text for label, text in found.items() if text}


def provenance_of(run: RunContents) -> dict[str, str]:
    """Return what the run was made of, label to text: commit, device, data, packages."""
    facts = run.facts
    git = facts.get("git") or {}
    found = {"commit": str(git.get("commit", "")) + (" and changes" if git.get("changed") else "")}
    found |= {label: str(facts.get(label) or "") for label in facts if label not in ("git", "packages")}
    found |= {f"SHA-256 of {name}": digest for name, digest in run.manifests.items()}
    found |= {str(name): str(version) for name, version in (facts.get("packages") or {}).items()}
    return {label: text for label, text in found.items() if text}


def render_run(run: RunContents) -> str:
    """Return the page of a run.

    Raises:
        RunError: if a table or sound of it is broken.
        reports.quality_scores.ScoresError: if the scores of a test are.
    """
    stage = next((name for name in STAGES if any(key.startswith(f"{name}/") for key in run.series)), "val")
    newest = sorted(run.newest.items())
    return render_page(
        TEMPLATE,
        title="/".join(run.folder.resolve().parts[-2:]),
        numbers=headline_numbers(run.newest, stage),
        facts=facts_of(run),
        scores=score_table(run),
        quality=quality_tables(run.folder),
        sections=shown_sections(run),
        all_numbers=ShownTable(
            "All numbers, the newest of each",
            ["name", "value", "step"],
            [False, True, True],
            [[name, number_text(value), str(run.series[name][0][-1])] for name, value in newest],
        ),
        config=run.config,
        provenance=provenance_of(run),
        plotly=plotly.offline.get_plotlyjs(),
    )


def write_run_page(place: Path, out: Path | None = None) -> Path:
    """Write the page of a run.

    Args:
        place: folder of the run, or of several versions, of which the newest is taken.
        out: file; None writes ``report.html`` into the folder of the run.

    Returns:
        The file.

    Raises:
        RunError: if there is no run, or a file of it is broken.
        reports.quality_scores.ScoresError: if the scores of a test are.
    """
    folder = find_run(place)
    page = render_run(read_run(folder))
    target = folder / PAGE if out is None else out
    with replacing(target) as part:
        part.write_text(page, encoding="utf-8")
    return target
