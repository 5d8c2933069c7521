"""Whether the scores of a run are the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reproduction.published import HASHES, Published, PublishedScore
from reproduction.run import Reproduction

ROUNDING = 1e-9  # a difference of exactly the tolerance is within it


@dataclass(frozen=True)
class Difference:
    """A score that is not the published one; ``got`` is None where the run has none."""

    name: str
    expected: float
    got: float | None
    tolerance: float

    def __str__(self) -> str:
        """Say what was expected and what came out."""
        got = "nothing" if self.got is None else f"{self.got:.4f}"
        return f"{self.name}: expected {self.expected:.4f}, got {got}, tolerance {self.tolerance:g}"


@dataclass(frozen=True)
class Comparison:
    """What came of comparing.

    Attributes:
        unlike: why nothing is compared; empty if everything is.
        confirmed: number of scores within tolerance.
        differences: scores outside.
        other_files: hashes that are not the published ones, one line each.
        unchecked: published scores that could not be made here, with the reason.
    """

    unlike: tuple[str, ...] = ()
    confirmed: int = 0
    differences: tuple[Difference, ...] = ()
    other_files: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether something is not as published."""
        return bool(self.differences or self.other_files)


def is_within(score: PublishedScore, value: float) -> bool:
    """Tell whether a score is the published one; NaN is not.

    Example:
        >>> published = PublishedScore("vad/accuracy", 0.9, None, None, utterances=360, tolerance=0.01)
        >>> is_within(published, 0.89), is_within(published, 0.88), is_within(published, float("nan"))
        (True, False, False)
    """
    return abs(value - score.score) <= score.tolerance + ROUNDING


def compare(published: Published, made: Reproduction) -> Comparison:
    """Compare the scores of a run with the published ones.

    Args:
        published: what is expected.
        made: what came out.

    Returns:
        What differs; nothing is compared where corpus or settings are others.
    """
    unlike = [
        f"{name} is another one"
        for name in sorted({*published.corpus, *made.corpus})
        if published.corpus.get(name) != made.corpus.get(name)
    ]
    unlike += other_settings(published.settings, made.settings)
    if unlike:
        return Comparison(unlike=tuple(unlike))
    got = {row.name: row.score for row in made.scores}
    differences, unchecked = [], []
    for score in published.scores:
        reason = made.reason_without(score.name)
        if reason is not None:
            unchecked.append(f"{score.name}: {reason}")
            continue
        value = got.get(score.name)
        if value is None or not is_within(score, value):
            differences.append(Difference(score.name, score.score, value, score.tolerance))
    other_files = tuple(
        f"{name}: expected the one of hash {getattr(published, name)[:12]}, got {made.hashes[name][:12]}"
        for name in HASHES
        if getattr(published, name) != made.hashes[name]
    )
    confirmed = len(published.scores) - len(differences) - len(unchecked)
    return Comparison((), confirmed, tuple(differences), other_files, tuple(unchecked))


def other_settings(expected: Mapping[str, Any], got: Mapping[str, Any]) -> list[str]:
    """Name the settings that differ; one that is null and one that is absent are the same.

    Example:
        >>> other_settings({"split": "test", "mixtures": {"score": 360}}, {"split": "test", "mixtures": {"score": 12}})
        ['mixtures.score is 12, published 360']
    """
    left, right = _flat(expected), _flat(got)
    return [
        f"{name} is {right.get(name)}, published {left.get(name)}"
        for name in dict.fromkeys([*left, *right])
        if left.get(name) != right.get(name)
    ]


def _flat(values: Any, *path: str) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        return {".".join(path): values}
    return {name: leaf for key, value in values.items() for name, leaf in _flat(value, *path, key).items()}
