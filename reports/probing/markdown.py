"""Tables of one or several studies as Markdown: ``python -m reports.probing.markdown FOLDER [FOLDER ...]``."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reports.probing.marks import FEATURES, METHODS, TASKS, metric_title, ordered, task_title
from reports.probing.meta import MetaError
from reports.probing.rows import (
    ALL_BLOCKS,
    ConditionEntry,
    EstimatorEntry,
    FewestFeatures,
    LearningPoint,
    QualityEntry,
    RefinementEntry,
    ScoreEntry,
)
from reports.probing.tables import TableError, read_tables

# Per task, what is printed of it, the first that it has of each group.
SHOWN = (("balanced_accuracy", "r2"), ("utterance_balanced_accuracy", "utterance_r2"))
DETAILS = {
    "vad": ("accuracy", "auroc", "ece", "miss_rate", "false_alarm_rate", "detection_error"),
    "noise_class": ("accuracy", "f1", "utterance_accuracy"),
    "noise_class_known": ("accuracy", "f1", "utterance_accuracy"),
    "f0_hz": ("r2_octave", "median_abs_cents", "rmse_cents", "gross_error_rate"),
}
ESTIMATOR_METRICS = {
    "vad": ("balanced_accuracy", "auroc", "detection_error"),
    "f0_hz": ("r2", "gross_error_rate"),
    "f0_agreed_hz": ("median_abs_cents", "gross_error_rate"),
    "f0_or_zero_hz": ("r2",),
}


def number(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """Return a score with its interval, as far as they are known.

    Example:
        >>> number(0.873, 0.861, 0.884), number(0.5), number(math.nan)
        ('0.873 [0.861, 0.884]', '0.500', '-')
    """
    if math.isnan(value):
        return "-"
    text = f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"
    return text if math.isnan(low) else f"{text} [{low:.3f}, {high:.3f}]" if abs(value) < 100 else text


def table(header: Sequence[str], rows: Iterator[Sequence[str]]) -> list[str]:
    """Return the lines of a table."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def score_table(rows: Sequence[ScoreEntry], metrics: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """Tabulate scores of all blocks: a line per task and metric, a column per set of features, then the controls.

    Args:
        rows: of the table of scores.
        metrics: task to metrics; None takes the headline of every task.
    """
    found = {(row.task, row.metric, row.features): row for row in rows if row.blocks == ALL_BLOCKS}
    sets = ordered((features for _, _, features in found), FEATURES)

    def lines() -> Iterator[list[str]]:
        for task in ordered((task for task, _, _ in found), TASKS):
            present = {metric for name, metric, _ in found if name == task}
            wanted = [next((m for m in group if m in present), "") for group in SHOWN] if metrics is None else []
            for metric in wanted or (metrics or {}).get(task, ()):
                if metric in present:
                    cells = [found.get((task, metric, features)) for features in sets]
                    masks = found[task, metric, "masks"]
                    scores = [
                        number(c.score, c.low, c.high) if c is masks else number(c.score) if c else "-" for c in cells
                    ]
                    yield [
                        task_title(task),
                        metric_title(metric),
                        *scores,
                        number(masks.chance),
                        number(masks.shuffled),
                    ]

    return table(["target", "metric", *(FEATURES[name].label for name in sets), "chance", "shuffled labels"], lines())


def block_table(rows: Sequence[ScoreEntry]) -> list[str]:
    """Tabulate the headline score from every block alone, beside that of all."""
    blocks = sorted({row.blocks for row in rows} - {ALL_BLOCKS})
    tasks = ordered((row.task for row in rows if row.blocks in blocks), TASKS)
    found = {(row.task, row.metric, row.blocks): row for row in rows if row.features == "masks"}

    def lines() -> Iterator[list[str]]:
        for task in tasks:
            metric = next(name for name in SHOWN[0] if (task, name, ALL_BLOCKS) in found)
            scores = [number(found[task, metric, block].score) for block in (*blocks, ALL_BLOCKS)]
            yield [task_title(task), metric_title(metric), *scores]

    return table(["target", "metric", *blocks, "all"], lines()) if blocks else []


def fewest_table(rows: Sequence[FewestFeatures]) -> list[str]:
    """Tabulate C*."""

    def lines() -> Iterator[list[str]]:
        for row in rows:
            count = "-" if row.c_star is None else str(row.c_star)
            scores = number(row.score_at_c_star), number(row.full_score)
            yield [task_title(row.task), METHODS.get(row.method, row.method), count, metric_title(row.metric), *scores]

    return table(["target", "chosen by", "C*", "metric", "score at C*", "score with all"], lines())


def refinement_table(rows: Sequence[RefinementEntry]) -> list[str]:
    """Tabulate the headline score of every variant of a probe, a column for each target."""
    shown = [row for row in rows if row.metric in SHOWN[0]]
    found = {(row.task, row.variant): row for row in shown}
    tasks = {row.task: f"{task_title(row.task)}, {metric_title(row.metric)}" for row in shown}

    def lines() -> Iterator[list[str]]:
        for variant in dict.fromkeys(row.variant for row in shown):
            entries = [found.get((task, variant)) for task in tasks]
            known = [row for row in entries if row is not None]
            sizes = sorted({row.bytes or 0 for row in known})
            size = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
            cells = ["-" if row is None else number(row.score, row.low, row.high) for row in entries]
            yield [variant, f"{known[0].latency_ms:.0f}", size, *cells]

    return table(["variant", "latency in ms", "bytes", *tasks.values()], lines())


def learning_table(rows: Sequence[LearningPoint]) -> list[str]:
    """Tabulate headline scores and chosen strengths of the penalty, a column for each number of utterances."""
    counts = sorted({row.utterances for row in rows})
    found = {(row.task, row.metric, row.utterances): row for row in rows}
    names = dict.fromkeys((row.task, row.metric) for row in rows if row.metric in SHOWN[0])

    def lines() -> Iterator[list[str]]:
        for task, metric in names:
            points = [found.get((task, metric, count)) for count in counts]
            scores = ["-" if point is None else number(point.score, point.low, point.high) for point in points]
            yield [task_title(task), metric_title(metric), *scores]
            strengths = ["-" if point is None or math.isnan(point.l2) else f"{point.l2:g}" for point in points]
            yield [task_title(task), "strength of the penalty", *strengths]

    return table(["target", "", *(f"{count:,} utterances" for count in counts)], lines())


def estimator_table(rows: Sequence[EstimatorEntry]) -> list[str]:
    """Tabulate estimators beside the probes, with processor time per hop."""

    def lines() -> Iterator[list[str]]:
        for row in sorted(rows, key=lambda row: (list(ESTIMATOR_METRICS).index(row.task), row.metric)):
            if row.metric in ESTIMATOR_METRICS[row.task]:
                time = f"{row.microseconds_per_hop:.0f}"
                score = number(row.score, row.low, row.high)
                yield [task_title(row.task), metric_title(row.metric), row.estimator, score, time, row.note]

    return table(["target", "metric", "estimator", "score", "µs per hop", "note"], lines())


def quality_table(rows: Sequence[QualityEntry]) -> list[str]:
    """Tabulate what enhancement gains."""

    def lines() -> Iterator[list[str]]:
        for row in rows:
            gain = number(row.gain, row.low, row.high)
            yield [row.measure, number(row.noisy), number(row.enhanced), gain, str(row.utterances)]

    return table(["measure", "noisy", "enhanced", "gain", "mixtures"], lines())


def condition_table(rows: Sequence[ConditionEntry], condition: str) -> list[str]:
    """Tabulate headline scores of the masks under one kind of condition, a column for each of its values."""
    own = [row for row in rows if row.condition == condition]
    values = list(dict.fromkeys(row.value for row in own))
    found = {(row.task, row.metric, row.value): row for row in own}
    names = dict.fromkeys((row.task, row.metric) for row in own if row.metric in (*SHOWN[0], *SHOWN[1]))

    def lines() -> Iterator[list[str]]:
        for task, metric in names:
            scores = [found.get((task, metric, value)) for value in values]
            if any(row is not None and not math.isnan(row.score) for row in scores):
                cells = ["-" if row is None else number(row.score, row.low, row.high) for row in scores]
                yield [task_title(task), metric_title(metric), *cells]

    return table(["target", "metric", *values], lines()) if own else []


def markdown(tables: Mapping[str, list[Any]]) -> list[str]:
    """Return the lines of all tables of a study."""
    sections = [
        ("Scores", score_table(tables.get("scores", []))),
        ("In detail", score_table(tables.get("scores", []), DETAILS)),
        ("By SNR of the mixture", condition_table(tables.get("conditions", []), "snr")),
        ("By noise class", condition_table(tables.get("conditions", []), "noise")),
        ("Single blocks", block_table(tables.get("scores", []))),
        ("Fewest features", fewest_table(tables.get("fewest", []))),
        ("More utterances", learning_table(tables.get("learning_curve", []))),
        ("Refined probes", refinement_table(tables.get("refinements", []))),
        ("Dedicated estimators", estimator_table(tables.get("estimators", []))),
        ("Enhancement", quality_table(tables.get("quality", []))),
    ]
    return [line for name, lines in sections if len(lines) > 3 for line in (f"### {name}", "", *lines)]


def comparison(studies: Mapping[str, Mapping[str, list[Any]]]) -> list[str]:
    """Tabulate headline scores of the masks and the enhancement of several studies, one column each."""
    columns = list(studies)
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for name, tables in studies.items():
        for quality in tables.get("quality", []):
            gain = number(quality.gain, quality.low, quality.high)
            cells.setdefault((quality.measure, "gain over noisy"), {})[name] = gain
        for row in tables.get("scores", []):
            if (row.features, row.blocks) == ("masks", ALL_BLOCKS) and row.metric in (*SHOWN[0], *SHOWN[1]):
                score = number(row.score, row.low, row.high)
                cells.setdefault((task_title(row.task), metric_title(row.metric)), {})[name] = score
    rows = ([*key, *(by_study.get(name, "-") for name in columns)] for key, by_study in cells.items())
    return table(["", "", *columns], rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables of one study, or several side by side."""
    parser = argparse.ArgumentParser(prog="python -m reports.probing.markdown", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="of studies")
    options = parser.parse_args(arguments)
    try:
        studies = {folder.name: read_tables(folder) for folder in options.folders}
    except (TableError, MetaError) as error:
        sys.exit(f"error: {error}")
    lines = comparison(studies) if len(studies) > 1 else markdown(next(iter(studies.values())))
    print("\n".join(lines).rstrip())


if __name__ == "__main__":
    main()
