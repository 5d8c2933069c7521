"""What a sharded corpus consists of: names of shards and members, and the files that list them.

``shards.csv`` has the columns shard, bytes, sha256, sample_rate, pitch; the manifests ``speech.csv`` and ``noise.csv``
have, besides their usual columns, ``offset`` and ``bytes`` of every recording in its shard, and ``speech.csv`` may have
``pitch_offset`` and ``pitch_bytes`` of its pitch track. ``rir.csv`` is like ``noise.csv``, and there only if the corpus
has room responses. ``path`` is ``SHARD.tar/MEMBER``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from datamodules.corpus import CorpusError

KINDS = ("speech", "noise", "rir")
SHARD_LIST = "shards.csv"
MANIFESTS = ("rir.csv", "noise.csv", "speech.csv")  # in the order of writing
SHARD_COLUMNS = ("shard", "bytes", "sha256", "sample_rate", "pitch")
POSITION_COLUMNS = ("offset", "bytes")
PITCH_COLUMNS = ("pitch_offset", "pitch_bytes")
SHARD_NAME = re.compile(r"[A-Za-z0-9_]+-[A-Za-z0-9_]+-[0-9]{6,}\.tar")
SHA256 = re.compile(r"([0-9a-f]{64})?")


@dataclass(frozen=True)
class ShardFile:
    """One shard as ``shards.csv`` lists it.

    Attributes:
        name: of the file, ``speech-train-000000.tar``.
        num_bytes: of the file.
        sha256: of the file; empty if it was not recorded.
        sample_rate: Hz of its recordings.
        pitch: settings of its pitch tracks; empty if it has none.
    """

    name: str
    num_bytes: int
    sha256: str
    sample_rate: int
    pitch: str

    @property
    def cached_name(self) -> str:
        """Name in a cache: another content has another name, so a corpus that was written anew is fetched anew."""
        return f"{self.name.removesuffix('.tar')}.{self.sha256[:12] or 'unchecked'}.tar"


class Span(NamedTuple):
    """Bytes of a member in its shard."""

    offset: int
    num_bytes: int


class Member(NamedTuple):
    """Where a recording lies, and its pitch track if there is one."""

    shard: str
    audio: Span
    pitch: Span | None


def shard_name(kind: str, split: str, number: int) -> str:
    """Return the file name of a shard.

    Example:
        >>> shard_name("noise", "valid", 3)
        'noise-valid-000003.tar'
    """
    return f"{kind}-{split}-{number:06d}.tar"


def csv_text(columns: Sequence[str], rows: Iterable[dict[str, str]]) -> str:
    """Return a CSV file with the given columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def is_sharded(folder: Path) -> bool:
    """Tell from its manifest whether a folder holds a sharded corpus."""
    manifest = folder / "speech.csv"
    if not manifest.is_file():
        return False
    try:
        with manifest.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            header = next(csv.reader(file), [])
    except csv.Error:  # told by who reads the manifest
        return False
    return set(POSITION_COLUMNS) <= set(header)


def read_shard_list(folder: Path) -> dict[str, ShardFile]:
    """Read ``shards.csv``.

    Raises:
        CorpusError: if it is missing or damaged.
    """
    path = folder / SHARD_LIST
    try:
        with path.open(newline="", encoding="utf-8") as file:
            shards = [_shard(row) for row in csv.DictReader(file)]
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise CorpusError(
            f"{path}: expected a CSV file with the columns {', '.join(SHARD_COLUMNS)} ({error})"
        ) from error
    return {shard.name: shard for shard in shards}


def _shard(row: dict[str, str]) -> ShardFile:
    """Read a row of ``shards.csv``, of which names of files are made.

    Raises:
        ValueError: if a field is none that the writer writes.
    """
    if not SHARD_NAME.fullmatch(row["shard"]):
        raise ValueError(f"shard must be a name like {shard_name('speech', 'train', 0)}, got {row['shard']!r:.100}")
    if not SHA256.fullmatch(row["sha256"]):
        raise ValueError(f"{row['shard']}: sha256 must be 64 hexadecimal digits or empty, got {row['sha256']!r:.100}")
    shard = ShardFile(row["shard"], int(row["bytes"]), row["sha256"], int(row["sample_rate"]), row["pitch"])
    if shard.num_bytes < 0 or shard.sample_rate < 1:
        raise ValueError(f"{shard.name}: bytes and sample_rate must be positive")
    return shard


def listed_manifests(shards: Iterable[str]) -> list[str]:
    """Return the manifests of a corpus with these shards: that of room responses is there only if they are."""
    kinds = {name.split("-")[0] for name in shards}
    return [name for name in MANIFESTS if name != "rir.csv" or "rir" in kinds]


def read_members(folder: Path, shards: dict[str, ShardFile]) -> dict[Path, Member]:
    """Read where every recording of the manifests lies; keys are the paths of its corpus records.

    Raises:
        CorpusError: naming manifest, path and column of an entry that does not lie in a listed shard.
    """
    members: dict[Path, Member] = {}
    for name in listed_manifests(shards):
        try:
            with (folder / name).open(newline="", encoding="utf-8-sig") as file:
                for row in csv.DictReader(file):
                    members[folder / row["path"]] = _member(folder / name, row, shards)
        except (OSError, KeyError, TypeError, AttributeError, UnicodeDecodeError, csv.Error) as error:
            raise CorpusError(f"{folder / name}: not a manifest of shards in UTF-8 ({error!r:.300})") from error
    return members


def _member(manifest: Path, row: dict[str, str], shards: dict[str, ShardFile]) -> Member:
    where = f"{manifest}: {row['path']:.200}"
    shard = row["path"].split("/")[0]
    if shard not in shards:
        raise CorpusError(f"{where}: shard '{shard:.100}' is not listed in {SHARD_LIST}")
    audio = _span(where, row, POSITION_COLUMNS, shards[shard])
    if audio is None:
        raise CorpusError(f"{where}: columns 'offset' and 'bytes' must be filled; write the shards anew")
    return Member(shard, audio, _span(where, row, PITCH_COLUMNS, shards[shard]))


def _span(where: str, row: dict[str, str], columns: Sequence[str], shard: ShardFile) -> Span | None:
    """Return the bytes that two columns name, or None if they are empty."""
    texts = [row.get(column) or "" for column in columns]
    if not any(texts):
        return None
    try:
        offset, num_bytes = map(int, texts)
    except ValueError as error:
        raise CorpusError(f"{where}: columns '{columns[0]}' and '{columns[1]}' must be whole numbers") from error
    if offset < 0 or num_bytes < 1 or offset + num_bytes > shard.num_bytes:
        raise CorpusError(
            f"{where}: {texts[1]:.50} bytes from {texts[0]:.50} lie outside of {shard.name} ({shard.num_bytes} bytes)"
        )
    return Span(offset, num_bytes)
