"""The tables of trainings in docs/study.md are what their commands print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reports.probing.variants import main

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = re.compile(r"python -m reports\.probing\.variants docs/data/study/\{(.+)\}\n\n((?:\|.*\n)+)")


def test_tables_are_printed_by_the_commands_above_them(capsys: pytest.CaptureFixture[str]) -> None:
    text = (REPOSITORY / "docs" / "study.md").read_text("utf-8")
    data, told = REPOSITORY / "docs" / "data" / "study", set()
    for names, table in COMMAND.findall(text):
        folders = [data / name for name in names.split(",")]
        main([str(folder) for folder in folders])
        assert capsys.readouterr().out.strip() == table.strip()
        told |= set(folders)
    assert told == set(data.iterdir()), "every row that there is stands in a table"


def test_rows_are_configurations() -> None:
    names = {path.name for path in (REPOSITORY / "docs" / "data" / "study").iterdir()}
    rows = {name.removesuffix("_rooms").removesuffix("_6000") for name in names}
    files = [path for folder in ("study", "experiment") for path in (REPOSITORY / "configs" / folder).glob("*.yaml")]
    assert rows - {"half_data", "steps", "further_steps"} <= {path.stem for path in files}
