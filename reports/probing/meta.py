"""``report.json``: what a probing study is of, its numbers and examples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from storage.whole_files import replacing

META = "report.json"
# Numbers with a meaning for the comparison of several studies; any other label is only shown.
TARGET_UTILIZATION, PESQ, MACS = "target utilization", "PESQ-WB", "MACs per second"


class MetaError(ValueError):
    """``report.json`` is missing or broken; says which file and field."""


@dataclass(frozen=True)
class Example:
    """One mixture to look at and listen to.

    Attributes:
        title: one line.
        overview: figure (PNG), and ``noisy``, ``enhanced`` and ``clean`` audio, WAV or FLAC; relative to the folder of
            the study, empty if there is none.
        truths: text, what is true of the mixture: speaker, noise, SNR.
    """

    title: str
    overview: str = ""
    noisy: str = ""
    enhanced: str = ""
    clean: str = ""
    truths: str = ""


@dataclass(frozen=True)
class ReportMeta:
    """What is said above and between the figures.

    Attributes:
        title: of the page.
        checkpoint: whose masks were probed.
        config: recipe of the network.
        created: when, as text.
        numbers: label to number or text. ``target utilization`` (share), ``PESQ-WB`` and ``MACs per second`` are what
            several studies are compared by.
        notes: name of a section (``reports.probing.drawing.SECTIONS``) to a paragraph.
        examples: mixtures.
    """

    title: str
    checkpoint: str = ""
    config: str = ""
    created: str = ""
    numbers: Mapping[str, float | str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()


def write_meta(folder: Path, meta: ReportMeta) -> None:
    """Write ``report.json`` into the folder of a study."""
    with replacing(folder / META) as part:
        part.write_text(json.dumps(asdict(meta), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_meta(folder: Path) -> ReportMeta:
    """Read ``report.json``; fields that are not known are ignored.

    Raises:
        MetaError: naming file and field, if it is missing or holds anything else.
    """
    path = folder / META
    if not path.is_file():
        raise MetaError(f"{path}: no such file; expected the folder of a probing study")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MetaError(f"{path}: not a JSON file: {error}") from error
    values = _texts(content, ReportMeta, ("title", "checkpoint", "config", "created"), str(path))
    for name, kinds in (("numbers", (int, float, str)), ("notes", (str,))):
        entries = content.get(name, {})
        if not isinstance(entries, dict) or not all(isinstance(entry, kinds) for entry in entries.values()):
            wanted = "numbers or texts" if float in kinds else "texts"
            raise MetaError(f"{path}: {name} must hold {wanted} by label, got {entries!r}")
        values[name] = entries
    examples = content.get("examples", [])
    if not isinstance(examples, list):
        raise MetaError(f"{path}: examples must be a list, got {examples!r}")
    names = tuple(entry.name for entry in fields(Example))
    made = [
        Example(**_texts(entry, Example, names, f"{path}, examples[{place}]")) for place, entry in enumerate(examples)
    ]
    return ReportMeta(**values, examples=tuple(made))


def _texts(content: Any, kind: type, names: tuple[str, ...], place: str) -> dict[str, Any]:
    """Return the texts among the fields of an object.

    Raises:
        MetaError: if it is no object, has no title, or a field is no text.
    """
    if not isinstance(content, dict) or "title" not in content:
        raise MetaError(f"{place}: field 'title' is missing; expected an object with {', '.join(names)}")
    for name in names:
        if not isinstance(content.get(name, ""), str):
            raise MetaError(f"{place}: {name} must be a text, got {content[name]!r}")
    return {name: content[name] for name in names if name in content}
