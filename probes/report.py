"""Probe results as flat log keys and as rows of a table."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from probes.results import ProbeResult

HEADLINE_METRICS = {"binary": ("accuracy", "balanced_accuracy"), "category": ("accuracy",), "value": ("r2",)}


@dataclass(frozen=True)
class HeadlineRow:
    """One line of the table of results.

    Attributes:
        task: name of the target.
        metric: name of the score.
        score, chance, shuffled: its values; NaN where undefined or not computed.
        fit_rows, score_rows: frames behind them.
        note: remark of the probe.
    """

    task: str
    metric: str
    score: float
    chance: float
    shuffled: float
    fit_rows: int
    score_rows: int
    note: str


def log_keys(results: Iterable[ProbeResult], prefix: str = "probes") -> dict[str, float]:
    """Flatten results into public log keys.

    Args:
        results: outcome of every task.
        prefix: first part of every key.

    Returns:
        ``probes/<task>/<metric>``, with ``_chance`` and ``_shuffled`` beside it, and of the fit ``converged``,
        ``n_iter``, ``l2``, ``fit_rows``, ``score_rows``, ``constant_features``. Undefined numbers are left out and
        counted in ``probes/<task>/undefined``.
    """
    keys: dict[str, float] = {}
    for result in results:
        values = dict(result.scores)
        values |= {f"{metric}_chance": value for metric, value in result.chance.items()}
        values |= {f"{metric}_shuffled": value for metric, value in result.shuffled.items()}
        values |= {name: float(getattr(result, name)) for name in ("converged", "n_iter", "l2", "fit_rows")}
        values |= {name: float(getattr(result, name)) for name in ("score_rows", "constant_features")}
        defined = {name: value for name, value in values.items() if math.isfinite(value)}
        keys |= {f"{prefix}/{result.task.name}/{name}": value for name, value in defined.items()}
        keys[f"{prefix}/{result.task.name}/undefined"] = float(len(values) - len(defined))
    return keys


def table_rows(results: Iterable[ProbeResult]) -> list[HeadlineRow]:
    """Pick the headline scores: accuracy (binary also balanced) for classes, R2 for values.

    Args:
        results: outcome of every task.

    Returns:
        One row per headline score, in the order of ``results``.
    """
    return [
        HeadlineRow(
            task=result.task.name,
            metric=metric,
            score=result.scores.get(metric, math.nan),
            chance=result.chance.get(metric, math.nan),
            shuffled=result.shuffled.get(metric, math.nan),
            fit_rows=result.fit_rows,
            score_rows=result.score_rows,
            note=result.note,
        )
        for result in results
        for metric in HEADLINE_METRICS[result.task.kind]
    ]
