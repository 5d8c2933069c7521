"""Tables between marks: renewed, the same the second time, and nothing is written where a mark is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from reproduction.documents import DocumentError, regenerate, regenerated
from reproduction.published import Published
from reproduction.publishing import DOCUMENTS, FILE, publish
from reproduction.tables import tables
from tests.reproduction.made import MADE, PUBLISHED

TABLES = {"a": ["| 1 |"], "b": ["| 2 |", "| 3 |"]}
TEXT = "x\n\n<!-- reproduce:begin a -->\nold\n<!-- reproduce:end a -->\n\ny <!-- reproduce:begin z -->\n"


def test_only_what_is_between_marks_changes_and_only_once() -> None:
    text = TEXT + "<!-- reproduce:begin b -->\n<!-- reproduce:end b -->"
    new = regenerated(text, TABLES)
    assert new == (
        "x\n\n<!-- reproduce:begin a -->\n\n| 1 |\n\n<!-- reproduce:end a -->\n\ny <!-- reproduce:begin z -->\n"
        "<!-- reproduce:begin b -->\n\n| 2 |\n| 3 |\n\n<!-- reproduce:end b -->"
    )
    assert regenerated(new, TABLES) == new


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nothing", "has no mark"),
        ("<!-- reproduce:begin a -->\n", "has no <!-- reproduce:end a -->"),
        ("<!-- reproduce:end a -->\n", "has no <!-- reproduce:begin a -->"),
        ("<!-- reproduce:begin a -->\n<!-- reproduce:end b -->\n", "has no <!-- reproduce:end a -->"),
        ("<!-- reproduce:begin a -->\n<!-- reproduce:begin a -->\n", "has no <!-- reproduce:end a -->"),
        ("<!-- reproduce:begin c -->\n<!-- reproduce:end c -->\n", "names no table; expected one of a, b"),
    ],
)
def test_a_wrong_mark_leaves_all_documents_alone(tmp_path: Path, text: str, expected: str) -> None:
    good, bad = tmp_path / "good.md", tmp_path / "bad.md"
    good.write_text(TEXT)
    bad.write_text(text)
    with pytest.raises(DocumentError, match=expected) as raised:
        regenerate([good, bad], TABLES)
    assert str(bad) in str(raised.value)
    assert good.read_text() == TEXT


def test_a_missing_document_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"missing\.md: no such document"):
        regenerate([tmp_path / "missing.md"], TABLES)


def test_publishing_twice_changes_nothing_the_second_time(tmp_path: Path) -> None:
    document, file = tmp_path / "a.md", tmp_path / "published.json"
    document.write_text("<!-- reproduce:begin scores -->\n<!-- reproduce:end scores -->\n")
    assert publish(PUBLISHED, file, [document]) == [document]
    first = document.read_bytes(), file.read_bytes()
    assert publish(Published.load(file), file, [document]) == []
    assert (document.read_bytes(), file.read_bytes()) == first
    assert "| voice activity | accuracy | 0.900 [0.880, 0.920] |" in document.read_text()


def test_tables_show_what_there_is() -> None:
    made = tables(MADE.scores)
    assert made["headline"][2:] == ["| F0, voiced frames | R² | 0.650 [0.550, 0.740] |"]
    assert made["cost"][2:] == ["| utilization (share of channels computed) | 25.0% |"]
    assert made["enhancement"][2:] == []  # a gain alone is no row


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_say_what_is_published(document: Path) -> None:
    text = document.read_text()
    made = tables([score.as_score() for score in Published.load(FILE).scores])
    assert regenerated(text, made) == text, "run make reproduce ARGS=--publish"
    assert "| voice activity | balanced accuracy |" in text
