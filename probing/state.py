"""What a study is of, which of its sections are done, and its tables."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from probing.settings import StudySettings
from reports.probing.rows import TABLES
from reports.probing.tables import write_table
from storage.whole_files import replacing

STATE = "state.json"


class StudyError(ValueError):
    """A study that cannot be made; the message says what to do."""


@dataclass(frozen=True)
class StudyIdentity:
    """What the tables of a folder depend on.

    Attributes:
        checkpoint: path, as given.
        sha256: of the checkpoint.
        config: path of the configuration.
        config_sha256: of its content.
        arguments: that override it.
        settings: of the study, as plain values.
    """

    checkpoint: str
    sha256: str
    config: str
    config_sha256: str
    arguments: tuple[str, ...]
    settings: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Hash of everything that changes a number."""
        parts = [self.sha256, self.config_sha256, self.arguments, self.settings]
        text = json.dumps(parts, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def identify(checkpoint: Path, config: Path, arguments: Iterable[str], settings: StudySettings) -> StudyIdentity:
    """Describe a study.

    Args:
        checkpoint: of the network.
        config: of its training.
        arguments: that override the configuration.
        settings: of the study.
    """
    hashes = []
    for path in (checkpoint, config):
        with path.open("rb") as file:
            hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    return StudyIdentity(str(checkpoint), hashes[0], str(config), hashes[1], tuple(arguments), asdict(settings))


class StudyState:
    """Which sections of a folder are done, and what they told; kept beside the tables.

    Args:
        out: folder of the study; it is made.
        digest: of everything that the tables depend on.
        sections: names of all sections.
        only: names of those that are wanted; all if empty.
        anew: forget what was done; :meth:`begin` removes its tables.

    Raises:
        StudyError: if the folder holds another study, or a wanted section is unknown.
    """

    def __init__(
        self, out: Path, digest: str, sections: Iterable[str], only: Sequence[str] = (), anew: bool = False
    ) -> None:
        known = list(sections)
        unknown = [name for name in only if name not in known]
        if unknown:
            raise StudyError(f"--only {unknown[0]}: expected one of {', '.join(known)}")
        self.wanted = [name for name in known if not only or name in only]
        self._path = out / STATE
        self._anew = anew
        self._content: dict[str, Any] = {"digest": digest, "sections": {}, "seconds": {}}
        if self._path.is_file() and not anew:
            stored = _read(self._path)
            if stored["digest"] != digest:
                raise StudyError(
                    f"--out: {out} holds a study of another checkpoint or with other settings; name another folder, "
                    "or give --anew to replace it"
                )
            self._content = stored
        out.mkdir(parents=True, exist_ok=True)

    def begin(self) -> None:
        """Remove what is to be replaced, before the first section is computed: tables of two studies never mix."""
        if not self._anew:
            return
        self._path.unlink(missing_ok=True)
        for name in TABLES:
            for suffix in (".csv", ".json"):
                self._path.with_name(name + suffix).unlink(missing_ok=True)
        self._anew = False

    def done(self, section: str) -> bool:
        """Tell whether a section has been finished."""
        return section in self._content["sections"]

    def all_told(self) -> dict[str, Any]:
        """Return what all finished sections told beside their tables, by name."""
        return {name: value for told in self._content["sections"].values() for name, value in told.items()}

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds that every finished section took."""
        return dict(self._content["seconds"])

    def note_seconds(self, what: str, seconds: float) -> None:
        """Note how long something took that is no section."""
        self._content["seconds"][what] = round(seconds, 1)

    def finish(self, section: str, told: Mapping[str, Any], seconds: float, outdated: Iterable[str] = ()) -> None:
        """Note that a section is done, and that others, made from what it told before, have to be done again."""
        self._content["sections"][section] = dict(told)
        for name in outdated:
            self._content["sections"].pop(name, None)
        self.note_seconds(section, seconds)
        with replacing(self._path) as part:
            part.write_text(json.dumps(self._content, indent=1), encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    """Read a state.

    Raises:
        StudyError: if the file is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError):
        content = None
    if not isinstance(content, dict) or not _is_state(content):
        raise StudyError(f"{path}: not the state of a study; give --anew to begin again")
    return content


def _is_state(content: Mapping[str, Any]) -> bool:
    """Tell whether everything is there and of its type."""
    sections, seconds = content.get("sections"), content.get("seconds")
    return (
        isinstance(content.get("digest"), str)
        and isinstance(sections, dict)
        and all(isinstance(told, dict) for told in sections.values())
        and isinstance(seconds, dict)
        and all(type(value) in (int, float) and 0 <= value < math.inf for value in seconds.values())
    )


class Tables:
    """Gathers rows by table and writes each table once.

    Args:
        out: folder of the study.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._rows: dict[str, list[Any]] = {}

    def add(self, tables: Mapping[str, list[Any]]) -> None:
        """Add rows to tables."""
        for name, rows in tables.items():
            self._rows.setdefault(name, []).extend(rows)

    def write(self) -> None:
        """Write all tables that have rows."""
        for name, rows in self._rows.items():
            if rows:
                write_table(self._out / name, rows)
        self._rows = {}


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return time.monotonic() - self._started
