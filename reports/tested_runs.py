"""The folder of a run and its numbered versions: what was trained in it, and what was tested."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

DENSE = "dense"  # folder of the network of a sweep that the others are compared with
QUALITY_FOLDER, UTTERANCES = "quality", "utterances.csv"
SCORES = Path(QUALITY_FOLDER) / UTTERANCES  # in the version that a test wrote


def versions(folder: Path) -> list[Path]:
    """Return the folders ``version_N`` of a run, oldest first.

    Args:
        folder: that the run's CSV logger writes to; it may not exist.
    """
    numbered = {path: path.name.removeprefix("version_") for path in folder.glob("version_*") if path.is_dir()}
    return sorted((path for path, number in numbered.items() if number.isdigit()), key=lambda path: int(numbered[path]))


def read_summary(version: Path) -> dict[str, Any]:
    """Return ``summary.json`` of a version, empty if it has none: it was interrupted."""
    path = version / "summary.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest ``last.ckpt`` of a run that is a whole archive, or None."""
    checkpoints = [version / "checkpoints" / "last.ckpt" for version in reversed(versions(folder))]
    return next((path for path in checkpoints if path.is_file() and zipfile.is_zipfile(path)), None)


def is_trained(folder: Path) -> bool:
    """Tell whether the training of a run reached its end."""
    return any(read_summary(version).get("finished", False) for version in versions(folder))


def scored_version(folder: Path) -> Path | None:
    """Return the newest version in which a test ended and left the scores of its utterances, or None."""
    for version in reversed(versions(folder)):
        if read_summary(version).get("stage") == "test" and (version / SCORES).is_file():
            return version
    return None
