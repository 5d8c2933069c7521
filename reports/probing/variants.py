"""Studies of several networks as Markdown, a row each: ``python -m reports.probing.variants FOLDER [FOLDER ...]``.

For trainings that differ in one thing: what the masks know of each target, and what it costs in enhancement. Brackets
are the intervals of the studies; those of the quality say what the gain over the noisy signal may be.
``reports.probing.markdown`` has everything, a column for each study.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reports.probing.markdown import number, table
from reports.probing.meta import MetaError, ReportMeta, read_meta
from reports.probing.rows import ALL_BLOCKS
from reports.probing.tables import TableError, read_tables

NUMBERS = {"utilization": "utilization", "constant channels": "constant channels"}  # in a study's numbers: column
MEASURES = {"pesq_wb": "PESQ-WB", "si_sdr_db": "SI-SDR, dB"}  # of the enhanced signal
# Task and metric of the masks: column.
SCORES = {
    ("vad", "accuracy"): "voice activity, accuracy",
    ("vad", "balanced_accuracy"): "voice activity, balanced",
    ("noise_class_known", "utterance_accuracy"): "noise class, known recordings",
    ("noise_class", "utterance_accuracy"): "noise class, unseen recordings",
    ("snr_db", "r2"): "frame SNR, R²",
    ("mean_snr_db", "r2"): "SNR of an utterance, R²",
    ("mixture_snr_db", "r2"): "SNR of the mixture, R²",
    ("f0_hz", "r2"): "F0 voiced, R²",
    ("f0_or_zero_hz", "r2"): "F0 all frames, R²",
}


class Study(NamedTuple):
    """What is read of a study: its numbers, and its tables by name."""

    meta: ReportMeta
    tables: Mapping[str, list[Any]]


def variant_table(studies: Mapping[str, Study]) -> list[str]:
    """Tabulate studies, a row each; columns that none of them has are left out.

    Args:
        studies: by what the rows are called.

    Returns:
        Lines of Markdown.
    """
    cells = {name: _cells(study) for name, study in studies.items()}
    titles = [*NUMBERS.values(), *MEASURES.values(), *SCORES.values()]
    columns = [title for title in titles if any(title in own for own in cells.values())]
    return table(["", *columns], ([name, *(own.get(title, "-") for title in columns)] for name, own in cells.items()))


def _cells(study: Study) -> dict[str, str]:
    """Return what stands in the row of a study, by column."""
    numbers = {title: study.meta.numbers.get(label) for label, title in NUMBERS.items()}
    cells = {title: f"{value:.1%}" for title, value in numbers.items() if isinstance(value, float)}
    for quality in study.tables.get("quality", []):
        if quality.measure in MEASURES:
            shift = quality.enhanced - quality.gain  # the interval is that of the gain
            ends = (quality.low + shift, quality.high + shift)
            cells[MEASURES[quality.measure]] = number(quality.enhanced, *ends)
    for row in study.tables.get("scores", []):
        title = SCORES.get((row.task, row.metric))
        if title is not None and (row.features, row.blocks) == ("masks", ALL_BLOCKS):
            cells[title] = number(row.score, row.low, row.high)
    return cells


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m reports.probing.variants", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="of studies")
    options = parser.parse_args(arguments)
    try:
        studies = {folder.name: Study(read_meta(folder), read_tables(folder)) for folder in options.folders}
    except (TableError, MetaError) as error:
        sys.exit(f"error: {error}")
    print("\n".join(variant_table(studies)).rstrip())


if __name__ == "__main__":
    main()
