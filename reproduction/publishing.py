"""Makes the scores of a run the published ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from checkpoints import FOLDER
from reproduction.documents import regenerate
from reproduction.published import Published, PublishedScore
from reproduction.rows import Score
from reproduction.run import Reproduction
from reproduction.tables import tables

FILE = FOLDER / "published.json"
# With tables between marks.
DOCUMENTS = tuple(FOLDER.parent / name for name in ("README.md", "docs/results.md", "checkpoints/README.md"))
COMMAND = "make reproduce ROOT=FOLDER"


def to_publish(made: Reproduction, tolerances: Mapping[str, float]) -> Published:
    """Pick the scores to publish: those whose metric has a tolerance.

    Args:
        made: what came out of a run.
        tolerances: metric to the largest difference that counts as none.

    Raises:
        ValueError: if a measure is missing, so that the published file would say less than before.
    """
    if made.missing:
        raise ValueError("--publish: " + "; ".join(f"no {name}, {reason}" for name, reason in made.missing.items()))
    scores = tuple(
        PublishedScore(row.name, row.score, *_ends(row), row.utterances, tolerances[row.metric])
        for row in made.scores
        if row.metric in tolerances and math.isfinite(row.score)
    )
    return Published(COMMAND, made.hashes["network"], made.hashes["probes"], made.corpus, made.settings, scores)


def _ends(row: Score) -> tuple[float | None, float | None]:
    """Return the ends of an interval, None where there is none."""
    return row.low if math.isfinite(row.low) else None, row.high if math.isfinite(row.high) else None


def publish(published: Published, path: Path = FILE, documents: Sequence[Path] = DOCUMENTS) -> list[Path]:
    """Write the published scores, and their tables into documents.

    Args:
        published: scores.
        path: of their file.
        documents: with marks.

    Returns:
        The documents that changed.

    Raises:
        DocumentError: if a document has no place for the tables; nothing is written then.
    """
    changed = regenerate(documents, tables([score.as_score() for score in published.scores]))
    published.save(path)
    return changed
