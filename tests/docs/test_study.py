"""The table of trainings in docs/study.md is what its command prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reports.probing.variants import main

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = re.compile(r"python -m reports\.probing\.variants docs/data/study/\{(.+)\}\n\n((?:\|.*\n)+)")


def test_the_table_is_printed_by_the_command_above_it(capsys: pytest.CaptureFixture[str]) -> None:
    text = (REPOSITORY / "docs" / "study.md").read_text("utf-8")
    ((names, table),) = COMMAND.findall(text)
    folders = [REPOSITORY / "docs" / "data" / "study" / name for name in names.split(",")]
    assert set(folders) == set(folders[0].parent.iterdir()), "every row that there is stands in the table"
    main([str(folder) for folder in folders])
    assert capsys.readouterr().out.strip() == table.strip()


def test_rows_are_configurations() -> None:
    rows = {path.name for path in (REPOSITORY / "docs" / "data" / "study").iterdir()} - {"half_data"}
    assert rows <= {path.stem for path in (REPOSITORY / "configs" / "study").glob("*.yaml")}
