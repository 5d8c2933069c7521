"""The file of published scores: read back as written, and refused by name where it is broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checkpoints import default_network
from reproduction.comparison import other_settings
from reproduction.published import Published, PublishedError
from reproduction.publishing import FILE, publish, to_publish
from streaming.enhancer import StreamingEnhancer
from tests.reproduction.made import MADE, PUBLISHED, SETTINGS


def test_written_scores_are_read_back(tmp_path: Path) -> None:
    PUBLISHED.save(tmp_path / "published.json")
    assert Published.load(tmp_path / "published.json") == PUBLISHED
    assert [path.name for path in tmp_path.iterdir()] == ["published.json"]


def _set(*path: str | int, value: Any) -> Callable[[Any], Any]:
    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_set("format", value="other"), "format 'dyncp-published'"),
        (_set("version", value=2), "version 1"),
        (_set("network", value=3), "network must be text"),
        (_set("corpus", value=[]), "corpus must be a mapping"),
        (_set("scores", value=[]), "scores is empty"),
        (_set("scores", 0, "name", value=None), r"scores\[0\].name must be text"),
        (_set("scores", 1, "score", value="0.9"), r"scores\[1\] \(f0_hz/r2\).score must be a number, got '0.9'"),
        (_set("scores", 1, "score", value=True), "score must be a number"),
        (_set("scores", 1, "tolerance", value=-1), "tolerance must be 0 or more"),
        (_set("scores", 1, "low", value=float("nan")), "low must be a number"),
        (_set("scores", 1, "note", value="x"), "note is unknown"),
        (_set("scores", 1, "score", value=10**400), "score must be a number"),
        (_set("settings", value={"seed": float("inf")}), "settings must hold finite numbers only"),
        (_set("scores", 1, "name", value="vad/accuracy"), "'vad/accuracy' is there twice"),
    ],
)
def test_a_broken_file_is_refused_by_name(tmp_path: Path, change: Callable[[Any], Any], expected: str) -> None:
    path = tmp_path / "published.json"
    PUBLISHED.save(path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(PublishedError, match=expected) as raised:
        Published.load(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 5000, b"1" * 5000, b'{"command": "\\ud800"}']
)
def test_no_scores_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "published.json"
    path.write_bytes(content)
    with pytest.raises(PublishedError, match=r"published\.json"):
        Published.load(path)
    with pytest.raises(PublishedError, match="no such file"):
        Published.load(tmp_path / "missing.json")


def test_less_than_before_is_not_published() -> None:
    with pytest.raises(ValueError, match="no pesq_wb, the package pesq is not installed"):
        to_publish(replace(MADE, missing={"pesq_wb": "the package pesq is not installed"}), SETTINGS.tolerances)


def test_nothing_is_published_if_a_document_has_no_place_for_it(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text("no marks")
    with pytest.raises(ValueError, match=r"README\.md"):
        publish(PUBLISHED, tmp_path / "published.json", [document])
    assert not (tmp_path / "published.json").exists()


def test_what_is_published_is_of_the_files_of_the_package() -> None:
    identity = StreamingEnhancer(default_network()).identity
    published = Published.load(FILE)
    assert {name: getattr(published, name) for name in ("network", "probes")} == {
        name: identity[name] for name in ("network", "probes")
    }
    assert not other_settings(published.settings, SETTINGS.identity())
