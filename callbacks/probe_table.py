"""The headline scores of probes as rows of a table, with chance, shuffled labels and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probes.intervals import score_intervals
from probes.report import table_rows
from probes.results import ProbeResult
from probes.suite import ProbeSuite

NAN = float("nan")


def probe_rows(
    features: str, results: Sequence[ProbeResult], suite: ProbeSuite, resamples: int, seed: int
) -> list[dict[str, Any]]:
    """Make a row of every headline score.

    Args:
        features: name of the set of features.
        results: of all tasks.
        suite: that they are of, run.
        resamples: of utterances, for the intervals of 95 %; 0 leaves the intervals out.
        seed: of the draws.

    Returns:
        ``features``, ``task``, ``metric``, ``score``, ``low``, ``high``, ``chance``, ``shuffled``, ``frames``,
        ``utterances`` and ``note``.
    """
    rows = []
    intervals: dict[str, dict[str, tuple[float, float]]] = {}
    for row in table_rows(results):
        scored = suite.scored(row.task)
        if row.task not in intervals:
            wanted = resamples and len(scored)
            intervals[row.task] = (
                score_intervals(
                    scored.task, scored.target, scored.prediction, scored.utterances, resamples=resamples, seed=seed
                )
                if wanted
                else {}
            )
        low, high = intervals[row.task].get(row.metric, (NAN, NAN))
        rows.append(
            {
                "features": features,
                "task": row.task,
                "metric": row.metric,
                "score": row.score,
                "low": low,
                "high": high,
                "chance": row.chance,
                "shuffled": row.shuffled,
                "frames": row.score_rows,
                "utterances": int(np.unique(scored.utterances).size),
                "note": row.note,
            }
        )
    return rows
