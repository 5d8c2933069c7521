"""The table that is printed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from reproduction.comparison import is_within
from reproduction.published import Published
from reproduction.run import Reproduction


def score_lines(made: Reproduction) -> list[str]:
    """Tabulate all scores of a run with their intervals."""
    rows = [("score", "", "interval", "mixtures")]
    for row in made.scores:
        interval = "" if math.isnan(row.low) else f"[{row.low:.4f}, {row.high:.4f}]"
        rows.append((row.name, f"{row.score:.4f}", interval, str(row.utterances)))
    return list(aligned(rows))


def comparison_lines(published: Published, made: Reproduction) -> list[str]:
    """Tabulate published scores beside those of a run."""
    got = {row.name: row.score for row in made.scores}
    rows = [("score", "published", "now", "difference", "tolerance", "")]
    for score in published.scores:
        value = got.get(score.name, math.nan)
        verdict = "" if is_within(score, value) else "not checked" if made.reason_without(score.name) else "DIFFERS"
        numbers = f"{score.score:.4f}", f"{value:.4f}", f"{value - score.score:+.4f}", f"{score.tolerance:g}"
        rows.append((score.name, *numbers, verdict))
    return list(aligned(rows))


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield lines whose cells stand under each other, the first to the left, the others to the right.

    Example:
        >>> list(aligned([("a", "b"), ("long", "12")]))
        ['a      b', 'long  12']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        yield "  ".join([first.ljust(widths[0]), *cells]).rstrip()
