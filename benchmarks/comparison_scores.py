"""Scores of a comparison with intervals, and their table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from datamodules.process_pool import ProcessPool
from datamodules.rating.utterance import RatingJob, rate_job
from probes.evaluation import score_classes, score_values
from probes.intervals import Interval, percentile_interval, resample_counts, score_intervals
from probes.tasks import ProbeTask

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """A score with the ends of its interval."""

    value: float
    low: float
    high: float

    def cell(self, decimals: int) -> str:
        """Return the text of a table cell.

        Example:
            >>> Score(0.8765, 0.85, 0.9).cell(2)
            '0.88 [0.85, 0.90]'
        """
        if math.isnan(self.value):
            return "-"
        return f"{self.value:.{decimals}f} [{self.low:.{decimals}f}, {self.high:.{decimals}f}]"


@dataclass(frozen=True)
class Row:
    """One program in one table.

    Attributes:
        name: of the program.
        scores: in the order of the table's columns.
        note: when its answer comes, and what else it needs.
        timed: name that it is timed under; None costs nothing.
    """

    name: str
    scores: tuple[Score, ...]
    note: str = ""
    timed: str | None = None


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made: percentiles of scores of resampled utterances.

    Attributes:
        resamples: draws with replacement.
        seed: of the draws.
    """

    resamples: int = 1000
    seed: int = 0

    def mean(self, values: Floats) -> Score:
        """Return the mean over utterances, shape (utterance,); undefined ones (NaN) do not count."""
        known = values[np.isfinite(values)]
        if known.size < 2:
            return Score(float(known.mean()) if known.size else math.nan, math.nan, math.nan)
        counts = resample_counts(known.size, self.resamples, self.seed)
        return Score(float(known.mean()), *percentile_interval(counts @ known / known.size))

    def scores(
        self,
        task: ProbeTask,
        target: NDArray[np.generic],
        prediction: Floats,
        utterances: NDArray[np.generic],
        names: Sequence[str],
        clusters: NDArray[np.generic] | None = None,
    ) -> tuple[Score, ...]:
        """Return scores of a task, in the order of ``names``.

        Args:
            task: the task.
            target: classes or values, shape (row,).
            prediction: posterior, shape (row, class), or values, shape (row,).
            utterances: shape (row,).
            names: of scores, as in ``score_classes`` and ``score_values``.
            clusters: what is drawn instead of utterances, shape (row,).
        """
        score = score_values if task.kind == "value" else score_classes
        values = score(task, target, prediction, utterances)
        ends: Mapping[str, Interval] = score_intervals(
            task,
            target,
            prediction,
            utterances,
            clusters=clusters,
            resamples=self.resamples,
            seed=self.seed,
        )
        return tuple(Score(values[name], *ends[name]) for name in names)


def rate_signals(
    clean: Sequence[NDArray[np.float32]],
    signals: Mapping[str, Sequence[NDArray[np.float32]]],
    measures: tuple[str, ...],
    sample_rate: int,
    workers: int = 0,
) -> dict[str, dict[str, Floats]]:
    """Rate the same utterances of several programs.

    Args:
        clean: references, each of shape (sample,).
        signals: program to its signals, in the order of the references.
        measures: names out of ``datamodules.rating.MEASURES``.
        sample_rate: Hz.
        workers: processes that share the utterances; 0 does all in this one.

    Returns:
        Program to measure to values, shape (utterance,); NaN where one is not defined.

    Raises:
        RuntimeError: if a measure fails for no known cause.
    """
    suffixes = {program: f"@{program}" for program in signals}
    with closing(ProcessPool(rate_job, workers)) as pool:
        pending = [
            pool.submit(
                RatingJob(
                    f"utterance {index}",
                    reference,
                    {suffixes[program]: own[index] for program, own in signals.items()},
                    {suffix: measures for suffix in suffixes.values()},
                    sample_rate,
                )
            )
            for index, reference in enumerate(clean)
        ]
        rated = [job.result() for job in pending]
    failures = [failure for one in rated for failure in one.failures]
    if failures:
        raise RuntimeError(f"{len(failures)} ratings failed, the first: {failures[0]}")
    return {
        program: {name: np.array([one.scores.get(name + suffix, math.nan) for one in rated]) for name in measures}
        for program, suffix in suffixes.items()
    }


@dataclass
class Table:
    """A table of a comparison.

    Attributes:
        title: its heading.
        columns: names of the scores.
        decimals: of each column.
        reference: name that ours is timed under.
        rows: programs.
        notices: what to know of it, and what was left out.
    """

    title: str
    columns: tuple[str, ...]
    decimals: tuple[int, ...]
    reference: str
    rows: list[Row] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def markdown(self, median_us: Mapping[str, float], ratios: Mapping[str, float]) -> str:
        """Return the table.

        Args:
            median_us: program to microseconds per hop.
            ratios: program to its cost over that of ours.
        """
        head = ["", *self.columns, "us per hop", "times ours", "answer after"]
        lines = [f"### {self.title}", "", f"| {' | '.join(head)} |", "|---" + "|---:" * (len(head) - 2) + "|---|"]
        for row in self.rows:
            cells = [score.cell(decimals) for score, decimals in zip(row.scores, self.decimals, strict=True)]
            cost = ["-", "-"] if row.timed is None else [f"{median_us[row.timed]:.0f}", f"{ratios[row.timed]:.2f}"]
            lines.append(f"| {' | '.join([row.name, *cells, *cost, row.note])} |")
        return "\n".join([*lines, *(f"\n{notice}" for notice in self.notices)])
