"""What a section of a study is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_modules.enhancement import EnhancementModule
from probing.data import StudyData


@dataclass(frozen=True)
class Study:
    """What sections work on.

    Attributes:
        module: the trained network.
        data: features and targets of all mixtures.
        out: folder of the report.
        provenance: of the network, by label.
    """

    module: EnhancementModule
    data: StudyData
    out: Path
    provenance: Mapping[str, str]


@dataclass
class Outcome:
    """Where a section puts its tables and numbers.

    Attributes:
        add: takes rows by name of the table.
        say: tells how far it is.
        before: what the sections before this one have told.
        told: numbers by name, kept beside the tables for later sections and for the report.
    """

    add: Callable[[Mapping[str, list[Any]]], None]
    say: Callable[[str], None]
    before: Mapping[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)


Section = Callable[[Study, Outcome], None]
