"""What the folder of a run holds, whatever of it there is: a run may be under way, resumed, or a test."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reports.curves import Series, read_series, run_chain
from reports.dashboard import media_files

METRICS, CONFIG, HYPERPARAMETERS, SUMMARY, FACTS = (
    "metrics.csv",
    "config.yaml",
    "hparams.yaml",
    "summary.json",
    "facts.json",
)


class RunError(ValueError):
    """A folder that holds no run, or a file of it that is broken; says which and what was expected."""


@dataclass(frozen=True)
class RunContents:
    """A run as far as it is known.

    Attributes:
        folder: of the run.
        chain: folders of the runs that it was resumed from, oldest first, and its own.
        series: logged name to steps and values, of the whole chain.
        config: text of the resolved configuration, empty if there is none.
        summary: of a finished run, ``RunSummary``; empty if there is none.
        checkpoint: that the run started from or tested, empty if there is none.
        facts: commit, packages and device, ``RunRecord``; empty if there are none.
        manifests: SHA-256 of the manifests of the data, by file; empty if unknown.
    """

    folder: Path
    chain: tuple[Path, ...]
    series: Series
    config: str
    summary: Mapping[str, Any]
    checkpoint: str
    facts: Mapping[str, Any]
    manifests: Mapping[str, str]

    @property
    def newest(self) -> dict[str, float]:
        """The last value of everything that was logged."""
        return {name: values[-1] for name, (_, values) in self.series.items()}

    def media(self, key: str) -> dict[str, Path]:
        """Return the newest files of a medium by caption; those of a run that was resumed count until there are own."""
        return next((found for folder in reversed(self.chain) if (found := media_files(folder, key))), {})

    def keys(self, media: Collection[str]) -> set[str]:
        """Return all logged names, those of media among the given ones included."""
        return set(self.series) | {key for key in media if self.media(key)}


def find_run(place: Path) -> Path:
    """Return the folder of a run: ``place`` itself, or the newest ``version_N`` below it.

    Raises:
        RunError: if there is none.

    Example:
        >>> find_run(Path("no/such/run"))
        Traceback (most recent call last):
        ...
        reports.run.contents.RunError: no/such/run: expected the folder of a run, runs/NAME/version_N, with metrics.csv
    """
    if (place / METRICS).is_file():
        return place
    versions = {
        int(match[1]): folder
        for folder in place.glob("version_*")
        if (match := re.fullmatch(r"version_(\d+)", folder.name)) and (folder / METRICS).is_file()
    }
    if not versions:
        raise RunError(f"{place}: expected the folder of a run, runs/NAME/version_N, with {METRICS}")
    return versions[max(versions)]


def read_run(folder: Path) -> RunContents:
    """Read a run.

    Args:
        folder: with ``metrics.csv``; everything else may be missing.

    Raises:
        RunError: if a file is broken.
    """
    try:
        chain = run_chain(folder)
    except (yaml.YAMLError, AttributeError, TypeError, UnicodeDecodeError) as error:
        raise RunError(f"{folder / CONFIG}: expected the resolved configuration, YAML ({error})") from error
    try:
        series = read_series(folder)
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise RunError(f"{folder / METRICS}: expected numbers in columns, and a column 'step' ({error})") from error
    config = folder / CONFIG
    text = config.read_text(encoding="utf-8") if config.is_file() else ""
    return RunContents(
        folder,
        tuple(chain),
        series,
        text,
        _json(folder / SUMMARY),
        (yaml.safe_load(text) or {}).get("ckpt_path") or "" if text else "",
        _json(folder / FACTS),
        _manifests(folder / HYPERPARAMETERS),
    )


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read the newest rows of a table that was logged in several steps.

    Args:
        path: CSV file with a column ``step``.

    Raises:
        RunError: if there is no such column.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if rows and "step" not in rows[0]:
        raise RunError(f"{path}: expected a column 'step', got {', '.join(rows[0])}")
    return [row for row in rows if row["step"] == rows[-1]["step"]]


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"{path}: expected JSON ({error})") from error
    if not isinstance(content, dict):
        raise RunError(f"{path}: expected an object, got {type(content).__name__}")
    return content


def _manifests(path: Path) -> dict[str, str]:
    """Read the hashes among the hyper-parameters, which may hold objects of ours that only a training needs."""
    if not path.is_file():
        return {}
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise RunError(f"{path}: expected YAML ({error})") from error
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == "manifest_sha256" and isinstance(value, yaml.MappingNode):
            return {file.value: digest.value for file, digest in value.value}
    return {}
