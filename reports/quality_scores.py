"""Scores per utterance: the table, its CSV file, and whether two of them are of the same mixtures."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storage.whole_files import replacing

IDENTITY = ("speaker", "speech", "noise_class", "noise")
NUMBERS = ("snr_db", "utilization", "macs_per_frame")
NOISY, SCORED, DENSE = "_noisy", "", "_dense"  # suffixes of a measure, one per system, in the order of the columns
DECIMALS = 6  # of every number in the file, and so in memory: a table is equal to the one that is read back
# Scores of the same noisy signal differ by this much between processors and releases of the packages, not by more.
NOISY_TOLERANCE = 5e-3
SNR_TOLERANCE_DB = 1e-2
EXPECTED = "only scores of the same mixtures can stand side by side"


class ScoresError(ValueError):
    """Scores that cannot be used; the message names the file, the row, and what was expected."""


@dataclass(frozen=True)
class UtteranceScores:
    """One row.

    Attributes:
        utterance: index of the mixture, from 0.
        speaker, speech, noise_class, noise: what the mixture is made of.
        snr_db: of the mixture.
        utilization: share of channels computed.
        macs_per_frame: mean over the frames.
        scores: measure with the suffix of a system to value; NaN where it is not defined.
    """

    utterance: int
    speaker: str
    speech: str
    noise_class: str
    noise: str
    snr_db: float
    utilization: float
    macs_per_frame: float
    scores: Mapping[str, float] = field(default_factory=dict)

    def rounded(self) -> UtteranceScores:
        """Return the row with the decimals of the file."""
        snr_db, utilization, macs = (round(float(getattr(self, name)), DECIMALS) for name in NUMBERS)
        scores = {name: round(float(value), DECIMALS) for name, value in self.scores.items()}
        return replace(self, snr_db=snr_db, utilization=utilization, macs_per_frame=macs, scores=scores)


@dataclass(frozen=True)
class ScoreTable:
    """All rows of a test.

    Attributes:
        measures: what was measured, in the order of the columns.
        rows: sorted by utterance.
    """

    measures: tuple[str, ...]
    rows: tuple[UtteranceScores, ...]

    def column(self, measure: str, system: str) -> NDArray[np.float64]:
        """Return the scores of a system, shape (utterance,); NaN where there is none."""
        return np.array([row.scores.get(measure + system, math.nan) for row in self.rows], dtype=np.float64)

    @property
    def snr_db(self) -> NDArray[np.float64]:
        """SNR of the mixtures, shape (utterance,)."""
        return np.array([row.snr_db for row in self.rows], dtype=np.float64)


def make_table(measures: Sequence[str], rows: Iterable[UtteranceScores]) -> ScoreTable:
    """Sort rows by utterance; one that several processes have scored counts once."""
    unique = {row.utterance: row.rounded() for row in rows}
    return ScoreTable(tuple(measures), tuple(unique[utterance] for utterance in sorted(unique)))


def score_columns(measures: Sequence[str]) -> list[str]:
    """Return the columns of measures, all systems side by side."""
    return [measure + system for measure in measures for system in (NOISY, SCORED, DENSE)]


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV file whole, or not at all; None and NaN become empty cells."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in rows:
            writer.writerow({name: "" if value is None or value != value else value for name, value in row.items()})


def write_table(path: Path, table: ScoreTable) -> None:
    """Write the scores per utterance."""
    names = score_columns(table.measures)
    fields = ("utterance", *IDENTITY, *NUMBERS)

    def cells() -> Iterator[dict[str, object]]:
        for row in table.rows:
            yield {name: getattr(row, name) for name in fields} | {name: row.scores.get(name) for name in names}

    write_csv(path, [*fields, *names], cells())


def _number(cell: str | None, place: str) -> float:
    try:
        return float(cell) if cell else math.nan
    except ValueError as error:
        raise ScoresError(f"{place} must be a number or empty, got '{cell}'") from error


def read_table(path: Path) -> ScoreTable:
    """Read the scores per utterance of an earlier test.

    Raises:
        ScoresError: if the file is missing or holds anything else.
    """
    if not path.is_file():
        raise ScoresError(f"{path}: no such file; expected utterances.csv of an earlier test, in its folder quality")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or [])
        lines = list(reader)
    fields = ("utterance", *IDENTITY, *NUMBERS)
    missing = [name for name in fields if name not in columns]
    if missing:
        raise ScoresError(f"{path}: column '{missing[0]}' is missing; expected utterances.csv of an earlier test")
    names = [name for name in columns if name not in fields]
    measures = [name for name in names if not name.endswith((NOISY, DENSE))]
    rows = []
    for line, cells in enumerate(lines, start=2):
        place = f"{path}, line {line}: "
        if not (cells["utterance"] or "").isdigit():
            raise ScoresError(f"{place}utterance must be an index, got '{cells['utterance']}'")
        speaker, speech, noise_class, noise = (cells[name] or "" for name in IDENTITY)
        snr_db, utilization, macs = (_number(cells[name], place + name) for name in NUMBERS)
        scores = {name: _number(cells[name], place + name) for name in names}
        index = int(cells["utterance"])
        rows.append(UtteranceScores(index, speaker, speech, noise_class, noise, snr_db, utilization, macs, scores))
    return make_table(measures, rows)


def _agree(first: float, second: float, tolerance: float) -> bool:
    return abs(first - second) <= tolerance or (math.isnan(first) and math.isnan(second)) or first == second


def mixture_difference(ours: UtteranceScores, theirs: UtteranceScores, measures: Sequence[str]) -> str | None:
    """Say in what two mixtures differ, or return None.

    Args:
        ours: a mixture.
        theirs: the one that it is to be compared with.
        measures: whose noisy scores must agree too.
    """
    for name in ("utterance", *IDENTITY):
        if getattr(ours, name) != getattr(theirs, name):
            return f"{name} is '{getattr(theirs, name)}', expected '{getattr(ours, name)}'"
    if not _agree(ours.snr_db, theirs.snr_db, SNR_TOLERANCE_DB):
        return f"snr_db is {theirs.snr_db}, expected {ours.snr_db}"
    for name in (measure + NOISY for measure in measures):
        if not _agree(ours.scores[name], theirs.scores[name], NOISY_TOLERANCE):
            return f"{name} is {theirs.scores[name]}, expected {ours.scores[name]}"
    return None


def common_measures(ours: ScoreTable, theirs: ScoreTable) -> list[str]:
    """Return the measures whose noisy scores both tables hold; one that had no package there has none at all."""
    both = [measure for measure in ours.measures if measure in theirs.measures]
    return [name for name in both if all(np.isfinite(table.column(name, NOISY)).any() for table in (ours, theirs))]


def check_labels(rows: Iterable[UtteranceScores], theirs: ScoreTable, path: Path) -> None:
    """Refuse scores of other mixtures as far as their labels tell, before anything is rated.

    Args:
        rows: mixtures of a test.
        theirs: scores that are to stand beside.
        path: where these come from, for messages.

    Raises:
        ScoresError: naming the first row that is of another mixture.
    """
    known = {row.utterance: (position, row) for position, row in enumerate(theirs.rows)}
    for row in rows:
        if row.utterance not in known:
            raise ScoresError(f"{path}: utterance {row.utterance} is missing; {EXPECTED}")
        position, their = known[row.utterance]
        difference = mixture_difference(row.rounded(), their, ())
        if difference is not None:
            raise ScoresError(f"{path}, line {position + 2}, utterance {their.utterance}: {difference}; {EXPECTED}")


def beside(ours: ScoreTable, theirs: ScoreTable, path: Path) -> ScoreTable:
    """Put the scores of another network into the columns of the dense one.

    Args:
        ours: scores of a test.
        theirs: those of the other network on the same mixtures.
        path: where these come from, for messages.

    Raises:
        ScoresError: naming the first row that is of another mixture.
    """
    measures = common_measures(ours, theirs)
    for position, (our, their) in enumerate(zip(ours.rows, theirs.rows, strict=False)):
        difference = mixture_difference(our, their, measures)
        if difference is not None:
            raise ScoresError(f"{path}, line {position + 2}, utterance {our.utterance}: {difference}; {EXPECTED}")
    if len(ours.rows) != len(theirs.rows):
        first = min(len(ours.rows), len(theirs.rows))
        raise ScoresError(
            f"{path}: {len(theirs.rows)} utterances, expected {len(ours.rows)}; line {first + 2} is the first that "
            f"only one of both has; {EXPECTED}"
        )
    rows = []
    for our, their in zip(ours.rows, theirs.rows, strict=True):
        scores = {name + DENSE: their.scores.get(name, math.nan) for name in ours.measures}
        rows.append(replace(our, scores={**our.scores, **scores}))
    return ScoreTable(ours.measures, tuple(rows))


def read_dense(path: Path) -> ScoreTable:
    """Read the scores of a dense network.

    Raises:
        ScoresError: if the file is no table of scores, or of a network that leaves out channels.
    """
    table = read_table(path)
    for position, row in enumerate(table.rows):
        if row.utilization < 1.0:
            raise ScoresError(
                f"{path}, line {position + 2}: utilization is {row.utilization}, expected 1, that of a dense network"
            )
    return table
