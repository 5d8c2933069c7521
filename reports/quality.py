"""What a test says about quality: its files, the table at its end, and the same as Markdown."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from reports.quality_intervals import Bootstrap, Difference, GroupScore, group_scores, label_groups, snr_groups
from reports.quality_scores import ScoresError, ScoreTable, beside, read_table, write_csv, write_table
from reports.tested_runs import QUALITY_FOLDER, SCORES, UTTERANCES
from storage.whole_files import write_text_whole

SUMMARY = "summary.json"
TITLES = {
    "pesq_wb": "PESQ-WB",
    "stoi": "STOI",
    "estoi": "ESTOI",
    "si_sdr_db": "SI-SDR, dB",
    "dnsmos_sig": "DNSMOS SIG",
    "dnsmos_bak": "DNSMOS BAK",
    "dnsmos_ovrl": "DNSMOS OVRL",
    "dnsmos_p808": "DNSMOS P.808",
}
HEADLINES = ("pesq_wb", "estoi", "si_sdr_db", "dnsmos_ovrl")  # shown for every group of utterances
Row = list[str]


@dataclass(frozen=True)
class QualitySettings:
    """How scores are summarised.

    Attributes:
        bootstrap: of the intervals.
        snr_edges_db: of the SNR bins; None makes bins of 5 dB.
    """

    bootstrap: Bootstrap
    snr_edges_db: tuple[float, ...] | None = None


@dataclass(frozen=True)
class QualityReport:
    """Summaries of a table of scores: of all utterances, by SNR and by noise class."""

    overall: list[GroupScore]
    by_snr: list[GroupScore]
    by_noise_class: list[GroupScore]


def summarize(table: ScoreTable, settings: QualitySettings) -> QualityReport:
    """Summarise a test."""
    return QualityReport(
        group_scores(table, None, settings.bootstrap),
        group_scores(table, snr_groups(table.snr_db, settings.snr_edges_db), settings.bootstrap),
        group_scores(table, label_groups([row.noise_class for row in table.rows]), settings.bootstrap),
    )


def write_report(
    folder: Path, table: ScoreTable, report: QualityReport, settings: QualitySettings, facts: Mapping[str, Any]
) -> None:
    """Write ``utterances.csv``, ``by_snr.csv``, ``by_noise_class.csv`` and ``summary.json``.

    Args:
        folder: made if needed.
        table: scores per utterance.
        report: their summary.
        settings: it was made with; kept in ``summary.json``.
        facts: further entries of ``summary.json``.
    """
    write_table(folder / UTTERANCES, table)
    for name, scores in (("snr", report.by_snr), ("noise_class", report.by_noise_class)):
        rows = [{name: score.group, **score.cells()} for score in scores]
        write_csv(folder / f"by_{name}.csv", list(rows[0]) if rows else [name], rows)
    overall = [score.cells() for score in report.overall]
    summary = {
        **facts,
        "utterances": len(table.rows),
        "settings": asdict(settings),
        "measures": {cells.pop("measure"): cells for cells in overall},
    }
    write_text_whole(folder / SUMMARY, json.dumps(summary, indent=1) + "\n")


def _decimals(measure: str) -> int:
    return 2 if measure.endswith("_db") else 3


def _value(value: float | None, measure: str) -> str:
    return "-" if value is None else f"{value:.{_decimals(measure)}f}"


def interval_cell(difference: Difference | None, measure: str, sign: str = "+") -> str:
    """Return a difference with its interval, readable.

    Args:
        difference: None is shown as a dash.
        measure: decides the decimals.
        sign: of a format, ``+`` or nothing for what is no difference.

    Example:
        >>> interval_cell(Difference(pairs=9, mean=0.5, low=0.25, high=0.75), "si_sdr_db")
        '+0.50 [+0.25, +0.75]'
    """
    form = f"{sign}.{_decimals(measure)}f"
    if difference is None or difference.mean is None:
        return "-"
    if difference.low is None or difference.high is None:
        return format(difference.mean, form)
    return f"{difference.mean:{form}} [{difference.low:{form}}, {difference.high:{form}}]"


def overall_rows(scores: Sequence[GroupScore], name: str = "network", other: str = "dense") -> list[Row]:
    """Return the table of all systems, its head first; columns of the other network only where there is one.

    Args:
        scores: of one group.
        name: of the network.
        other: of the one in the columns of the dense network.
    """
    compared = any(score.rated_dense for score in scores)
    head = ["measure", "noisy", name, *([other] if compared else []), f"{name} - noisy"]
    rows = [[*head, *([f"{name} - {other}"] if compared else []), "rated"]]
    for score in scores:
        measure = score.measure
        dense = [_value(score.dense, measure)] if compared else []
        to_dense = [interval_cell(score.to_dense, measure)] if compared else []
        means = [_value(score.noisy, measure), _value(score.enhanced, measure), *dense]
        differences = [interval_cell(score.to_noisy, measure), *to_dense]
        counts = [score.rated_noisy, score.rated, *([score.rated_dense] if compared else [])]
        rated = " / ".join(map(str, counts if len(set(counts)) > 1 else counts[:1]))
        rows.append([TITLES.get(measure, measure), *means, *differences, f"{rated} of {score.utterances}"])
    return rows


def group_rows(scores: Sequence[GroupScore], label: str, to_dense: bool = False) -> list[Row]:
    """Return the table of headline differences, one row per group, its head first.

    Args:
        scores: of all groups.
        label: of the groups.
        to_dense: show differences to the dense network in place of those to the noisy input.
    """
    measures = [name for name in HEADLINES if any(score.measure == name for score in scores)]
    by_place = {(score.group, score.measure): score for score in scores}
    rows = [[label, "utterances", *(TITLES[name] for name in measures)]]
    for group in dict.fromkeys(score.group for score in scores):
        found = [by_place[group, name] for name in measures]
        cells = [interval_cell(score.to_dense if to_dense else score.to_noisy, score.measure) for score in found]
        rows.append([group, str(found[0].utterances) if found else "-", *cells])
    return rows


def report_tables(report: QualityReport, name: str = "network", other: str = "dense") -> dict[str, list[Row]]:
    """Return title to table: all utterances, then by SNR and by noise class against each system."""
    tables = {"Quality": overall_rows(report.overall, name, other)}
    compared = any(score.rated_dense for score in report.overall)
    for system, to_dense in (("noisy", False), *([(other, True)] if compared else [])):
        tables[f"{name} - {system}, by SNR"] = group_rows(report.by_snr, "SNR", to_dense)
        tables[f"{name} - {system}, by noise class"] = group_rows(report.by_noise_class, "noise class", to_dense)
    return tables


def print_report(report: QualityReport, confidence: float, console: Console) -> None:
    """Print the tables of all utterances and by SNR."""
    for title, rows in report_tables(report).items():
        if title.endswith("noise class"):  # long, and in the file
            continue
        table = Table(title=f"{title} ({confidence:.0%} intervals)", title_justify="left")
        for position, column in enumerate(rows[0]):
            table.add_column(column, justify="right" if position else "left", no_wrap=not position)
        for row in rows[1:]:
            table.add_row(*row)
        console.print(table)


def markdown_report(report: QualityReport, confidence: float, name: str = "network", other: str = "dense") -> str:
    """Return all tables as Markdown."""
    lines = []
    for title, rows in report_tables(report, name, other).items():
        lines += [f"**{title}** ({confidence:.0%} intervals)", ""]
        lines += ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
        lines += ["| " + " | ".join(row) + " |" for row in rows[1:]] + [""]
    return "\n".join(lines).rstrip()


def read_run(run: Path) -> tuple[ScoreTable, QualitySettings]:
    """Read what a test has left in ``run/quality``.

    Raises:
        ScoresError: if it is not there, or not as a test writes it.
    """
    table = read_table(run / SCORES)
    path = run / QUALITY_FOLDER / SUMMARY
    try:
        settings = json.loads(path.read_text())["settings"]
        edges = settings["snr_edges_db"]
        return table, QualitySettings(Bootstrap(**settings["bootstrap"]), None if edges is None else tuple(edges))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ScoresError(f"{path}: expected the summary of a test ({type(error).__name__}: {error})") from error


def main() -> None:
    """Print the tables of a run, or of its difference to another one on the same mixtures, as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m reports.quality", description=main.__doc__)
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="folder of a test, with the folder quality in it")
    parser.add_argument("--against", type=Path, metavar="OTHER_RUN_DIR", help="a test of another network")
    options = parser.parse_args()
    try:
        table, settings = read_run(options.run)
        names = {}
        if options.against is not None:
            path = options.against / SCORES
            table = beside(table, read_table(path), path)
            names = {"name": str(options.run), "other": str(options.against)}
        print(markdown_report(summarize(table, settings), settings.bootstrap.confidence, **names))
    except ScoresError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
