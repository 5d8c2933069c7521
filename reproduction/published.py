"""The scores that were published, as a file, with all that they depend on."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reproduction.rows import Score
from storage.whole_files import write_whole

FORMAT = "dyncp-published"
VERSION = 1
HASHES = ("network", "probes")


class PublishedError(ValueError):
    """A file that holds no published scores; the message names the file, the field and what was expected."""


@dataclass(frozen=True)
class PublishedScore:
    """One published score; ``low`` and ``high`` are None where there is no interval."""

    name: str
    score: float
    low: float | None
    high: float | None
    utterances: int
    tolerance: float

    def as_score(self) -> Score:
        """Return it as a row of a table."""
        low, high = (math.nan if end is None else end for end in (self.low, self.high))
        return Score(self.name, self.score, low, high, self.utterances)


@dataclass(frozen=True)
class Published:
    """Published scores.

    Attributes:
        command: that makes them.
        network: fingerprint of the network.
        probes: hash of what the probes compute.
        corpus: name of every manifest to the SHA-256 of its bytes.
        settings: identity of the settings.
        scores: in the order of the tables.
    """

    command: str
    network: str
    probes: str
    corpus: Mapping[str, str]
    settings: Mapping[str, Any]
    scores: tuple[PublishedScore, ...]

    def save(self, path: Path) -> None:
        """Write the file; it is there when it is complete."""
        text = {"format": FORMAT, "version": VERSION, **asdict(self)}
        write_whole(path, (json.dumps(text, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())

    @classmethod
    def load(cls, path: Path) -> Published:
        """Read a file.

        Raises:
            PublishedError: if it is missing, broken, or of another format or version.
        """
        if not path.is_file():
            raise PublishedError(f"{path}: no such file; `dyncp reproduce --publish` writes one")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            json.dumps(content, ensure_ascii=False).encode()  # escapes can stand for what is no character
        except (ValueError, RecursionError, OSError) as error:
            raise PublishedError(f"{path}: not readable as JSON ({error!s:.500})") from error
        if not isinstance(content, dict) or (content.get("format"), content.get("version")) != (FORMAT, VERSION):
            raise PublishedError(f"{path}: expected scores of format '{FORMAT}', version {VERSION}")
        try:
            return _read(content)
        except ValueError as error:
            raise PublishedError(f"{path}: {error!s:.500}") from error


def _read(content: Mapping[str, Any]) -> Published:
    for name, kind in {
        **dict.fromkeys(("command", *HASHES), str),
        "corpus": dict,
        "settings": dict,
        "scores": list,
    }.items():
        if not isinstance(content.get(name), kind):
            raise ValueError(f"{name} must be {_KINDS[kind]}, got {content.get(name)!r:.50}")
    if not _has_finite_numbers(content["settings"]):
        raise ValueError("settings must hold finite numbers only")
    scores = tuple(_read_score(position, row) for position, row in enumerate(content["scores"]))
    names = [score.name for score in scores]
    twice = next((name for name in names if names.count(name) > 1), None)
    if not scores or twice is not None:
        raise ValueError("scores is empty" if twice is None else f"scores: '{twice}' is there twice")
    plain = {name: content[name] for name in ("command", *HASHES, "corpus", "settings")}
    return Published(scores=scores, **plain)


def _has_finite_numbers(values: Any) -> bool:
    """Tell whether plain values can be written as JSON."""
    try:
        json.dumps(values, allow_nan=False)
    except ValueError:
        return False
    return True


def _read_score(position: int, row: object) -> PublishedScore:
    """Read one score.

    Raises:
        ValueError: naming the field.
    """
    if not isinstance(row, dict) or not isinstance(row.get("name"), str):
        raise ValueError(f"scores[{position}].name must be text, got {row!r:.50}")
    where = f"scores[{position}] ({row['name']})"
    for field in ("score", "tolerance", "utterances", "low", "high"):
        value = row.get(field)
        if field in ("low", "high") and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
            raise ValueError(f"{where}.{field} must be a number, got {value!r:.50}")
    if row["tolerance"] < 0:
        raise ValueError(f"{where}.tolerance must be 0 or more, got {row['tolerance']}")
    unknown = sorted(set(row) - set(PublishedScore.__dataclass_fields__))
    if unknown:
        raise ValueError(f"{where}.{unknown[0]} is unknown; expected {', '.join(PublishedScore.__dataclass_fields__)}")
    complete: dict[str, Any] = {"low": None, "high": None} | row
    return PublishedScore(**complete)


_KINDS: Mapping[type, str] = {str: "text", dict: "a mapping", list: "a list"}
