"""Corpus manifests: CSV files that list clean speech and noise recordings, checked before anything is trained.

``speech.csv`` has the columns path, speaker, sex, seconds, split; ``noise.csv`` has path, category, seconds, split.
An optional ``pairs.csv`` lists published mixtures by their paths: speech, noise, snr_db (may be empty), split.
Paths are relative to the corpus folder; further columns are ignored. Splits are train, valid and test; no speaker and
no noise recording may stand in two of them.

``rir.csv`` lists room responses with the columns path, seconds and, if wanted, split; it is only read where
``data.mixing.reverberation`` is on.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SPLITS = ("train", "valid", "test")
SEXES = ("F", "M")
SPEECH_COLUMNS = ("path", "speaker", "sex", "seconds", "split")
NOISE_COLUMNS = ("path", "category", "seconds", "split")
PAIR_COLUMNS = ("speech", "noise", "snr_db", "split")
OPTIONAL_COLUMNS = ("sex", "snr_db")  # may be empty
RESPONSE_COLUMNS = ("path", "seconds")


class CorpusError(ValueError):
    """A corpus that cannot be used; the message names the file, the field and what was expected."""


class DamagedRecordingError(CorpusError):
    """A recording that cannot be used because of what is in the file, unlike one that the corpus should not list."""


@dataclass(frozen=True)
class SpeechRecord:
    """One clean recording of one speaker; ``sex`` is F, M or empty if unknown."""

    path: Path
    speaker: str
    sex: str
    split: str


@dataclass(frozen=True)
class NoiseRecord:
    """One noise recording of one category; of ``part`` only, two shares of its length, anything is drawn."""

    path: Path
    category: str
    split: str
    part: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class PairRecord:
    """A published mixture, the sum of both recordings as they are; ``snr_db`` is NaN if it was not published."""

    speech: SpeechRecord
    noise: NoiseRecord
    snr_db: float


@dataclass(frozen=True)
class RoomResponse:
    """One room impulse response; without a split it serves all of them."""

    path: Path
    split: str | None


@dataclass(frozen=True)
class Corpus:
    """Checked manifests.

    Attributes:
        speech: all clean recordings, in manifest order.
        noise: all noise recordings, in manifest order.
        categories: noise categories, sorted; their position is the label ``noise_class``.
        speakers: speakers, sorted; their position is the label ``speaker``.
        pairs: published mixtures, in manifest order; none without ``pairs.csv``.
        responses: room responses, in manifest order; empty unless they were asked for.
        root: folder of the manifests, if there is one.
    """

    speech: tuple[SpeechRecord, ...]
    noise: tuple[NoiseRecord, ...]
    categories: tuple[str, ...]
    speakers: tuple[str, ...]
    pairs: tuple[PairRecord, ...] = ()
    responses: tuple[RoomResponse, ...] = ()
    root: Path | None = None

    def name_of(self, path: Path) -> str:
        """Return the path of a recording as the manifests give it, the same on every machine."""
        if self.root is None or not path.is_relative_to(self.root):  # recordings that were not copied lie elsewhere
            return path.as_posix()
        return path.relative_to(self.root).as_posix()

    def speech_of(self, split: str) -> list[SpeechRecord]:
        """Return the clean recordings of a split."""
        return [record for record in self.speech if record.split == split]

    def noise_of(self, split: str) -> list[NoiseRecord]:
        """Return the noise recordings of a split."""
        return [record for record in self.noise if record.split == split]

    def pairs_of(self, split: str) -> list[PairRecord]:
        """Return the published mixtures of a split."""
        return [pair for pair in self.pairs if pair.speech.split == split]

    def responses_of(self, split: str) -> list[RoomResponse]:
        """Return the room responses of a split: its own and those of no split."""
        return [response for response in self.responses if response.split in (split, None)]


def by_speaker(records: Iterable[SpeechRecord]) -> list[list[SpeechRecord]]:
    """Group recordings by speaker, in the order of their names."""
    speakers: dict[str, list[SpeechRecord]] = defaultdict(list)
    for record in records:
        speakers[record.speaker].append(record)
    return [speakers[speaker] for speaker in sorted(speakers)]


def by_category(records: Iterable[NoiseRecord]) -> dict[str, list[NoiseRecord]]:
    """Group noise recordings by category."""
    categories: dict[str, list[NoiseRecord]] = defaultdict(list)
    for record in records:
        categories[record.category].append(record)
    return dict(categories)


def _read_rows(manifest: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a manifest and check its columns and splits."""
    if not manifest.is_file():
        raise CorpusError(f"{manifest}: no such manifest; expected a CSV file with the columns {', '.join(columns)}")
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets write a byte order mark
            reader = csv.DictReader(file)
            header = list(reader.fieldnames or [])
            twice = next((column for column in header if column and header.count(column) > 1), None)
            if twice is not None:
                raise CorpusError(f"{manifest}: column '{twice:.50}' is there twice")
            missing = [column for column in columns if column not in (reader.fieldnames or [])]
            if missing:
                raise CorpusError(
                    f"{manifest}: column '{missing[0]}' is missing; expected {', '.join(columns)}, "
                    f"found {', '.join(header)[:200] or 'an empty file'}"
                )
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise CorpusError(f"{manifest}: not a UTF-8 CSV file ({error})") from error
    if not rows:
        raise CorpusError(f"{manifest}: no rows; expected at least one recording for each of {', '.join(SPLITS)}")
    seen: set[str] = set()
    for line, row in enumerate(rows, start=2):
        if None in row:  # so csv calls what stands behind the last column
            raise CorpusError(f"{manifest}, line {line}: more fields than columns; is there a comma without quotes?")
        for column in columns:
            if not row[column] and column not in OPTIONAL_COLUMNS:
                raise CorpusError(f"{manifest}, line {line}: column '{column}' is empty")
        if "split" in row and row["split"] not in SPLITS:
            raise CorpusError(
                f"{manifest}, line {line}: column 'split' must be one of {', '.join(SPLITS)}, "
                f"got '{row['split']!s:.50}'"
            )
        if "path" in columns:
            where = f"{manifest}, line {line}: path '{row['path']!s:.200}'"
            if not _is_plain(row["path"]):
                raise CorpusError(f"{where} must be that of a file in the folder of the manifest, without '..'")
            if str(Path(row["path"])) in seen:
                raise CorpusError(f"{where} is listed twice")
            seen.add(str(Path(row["path"])))
    return rows


def _is_plain(path: str) -> bool:
    """Tell whether a path names a file in one way only; an absolute one is that of a recording that was not copied."""
    return "\0" not in path and ".." not in Path(path).parts and Path(path) != Path()


def _read_pairs(root: Path, speech: Sequence[SpeechRecord], noise: Sequence[NoiseRecord]) -> tuple[PairRecord, ...]:
    """Read ``pairs.csv`` if there is one, and check it against the other manifests."""
    manifest = root / "pairs.csv"
    if not manifest.exists():
        return ()
    clean = {record.path: record for record in speech}
    noises = {record.path: record for record in noise}
    pairs = []
    for line, row in enumerate(_read_rows(manifest, PAIR_COLUMNS), start=2):
        pair = clean.get(root / row["speech"]), noises.get(root / row["noise"])
        for column, record in zip(("speech", "noise"), pair, strict=True):
            if record is None:
                raise CorpusError(
                    f"{manifest}, line {line}: {column} '{row[column]!s:.200}' is not listed in {column}.csv"
                )
            if record.split != row["split"]:
                raise CorpusError(
                    f"{manifest}, line {line}: split is '{row['split']}', but {column} '{row[column]!s:.200}' stands "
                    f"in '{record.split}' in {column}.csv"
                )
        try:
            snr_db = float(row["snr_db"] or math.nan)
        except ValueError as error:
            raise CorpusError(
                f"{manifest}, line {line}: snr_db must be a number, got '{row['snr_db']!s:.50}'"
            ) from error
        if math.isinf(snr_db):
            raise CorpusError(f"{manifest}, line {line}: snr_db must be finite or empty, got '{row['snr_db']!s:.50}'")
        pairs.append(PairRecord(clean[root / row["speech"]], noises[root / row["noise"]], snr_db))
    return tuple(pairs)


def _check_splits(corpus: Corpus, root: Path, splits: Sequence[str]) -> None:
    """Check that splits are complete and share no speaker, and that a speaker has one sex."""
    home: dict[str, str] = {}
    sexes: dict[str, str] = {}
    for record in corpus.speech:
        if home.setdefault(record.speaker, record.split) != record.split:
            raise CorpusError(
                f"{root / 'speech.csv'}: speaker '{record.speaker:.50}' stands in the splits "
                f"'{home[record.speaker]}' and '{record.split}'; splits must not share speakers"
            )
        if sexes.setdefault(record.speaker, record.sex) != record.sex:
            raise CorpusError(
                f"{root / 'speech.csv'}: speaker '{record.speaker:.50}' has the sexes "
                f"'{sexes[record.speaker]}' and '{record.sex}'; expected the same in every row"
            )
    for split in splits:
        if not corpus.speech_of(split):
            raise CorpusError(f"{root / 'speech.csv'}: split '{split}' has no speech")
        present = {record.category for record in corpus.noise_of(split)}
        missing = [category for category in corpus.categories if category not in present]
        if missing:
            raise CorpusError(f"{root / 'noise.csv'}: split '{split}' has no noise of category '{missing[0]:.50}'")


def _read_responses(root: Path, splits: Sequence[str]) -> tuple[RoomResponse, ...]:
    """Read the room responses, and check that every split has some."""
    manifest = root / "rir.csv"
    if not manifest.is_file():
        raise CorpusError(
            f"{manifest}: no such manifest; data.mixing.reverberation.probability above 0 needs one, "
            f"a CSV file with the columns {', '.join(RESPONSE_COLUMNS)}, and split if wanted"
        )
    responses = tuple(
        RoomResponse(root / row["path"], row.get("split")) for row in _read_rows(manifest, RESPONSE_COLUMNS)
    )
    for split in splits:
        if not any(response.split in (split, None) for response in responses):
            raise CorpusError(f"{manifest}: split '{split}' has no room response")
    return responses


def read_corpus(root: Path, splits: Sequence[str] = SPLITS, responses: bool = False) -> Corpus:
    """Read and check the manifests of a corpus folder; ``recording_checks.check_audio`` checks audio files.

    Args:
        root: folder with ``speech.csv``, ``noise.csv`` and perhaps ``pairs.csv``.
        splits: splits that must be complete.
        responses: read ``rir.csv`` too.

    Raises:
        CorpusError: naming the manifest, the line or field, and what was expected.
    """
    if not root.is_dir():
        raise CorpusError(f"data.root: no folder '{root}'; expected one with speech.csv and noise.csv")
    speech = []
    for row in _read_rows(root / "speech.csv", SPEECH_COLUMNS):
        sex = (row["sex"] or "").upper()  # None where the row ends before it
        if sex and sex not in SEXES:
            raise CorpusError(
                f"{root / 'speech.csv'}: {row['path']!s:.200}: sex must be F, M or empty, got '{row['sex']!s:.50}'"
            )
        speech.append(SpeechRecord(root / row["path"], row["speaker"], sex, row["split"]))
    noise = [
        NoiseRecord(root / row["path"], row["category"], row["split"])
        for row in _read_rows(root / "noise.csv", NOISE_COLUMNS)
    ]
    corpus = Corpus(
        speech=tuple(speech),
        noise=tuple(noise),
        categories=tuple(sorted({record.category for record in noise})),
        speakers=tuple(sorted({record.speaker for record in speech})),
        pairs=_read_pairs(root, speech, noise),
        responses=_read_responses(root, splits) if responses else (),
        root=root,
    )
    _check_splits(corpus, root, splits)
    return corpus
