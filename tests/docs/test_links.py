"""No link of a document leads nowhere: files, folders and headings are looked for, addresses are left alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it.token import Token

from tests.docs.documents import DOCUMENTS, REPOSITORY, tokens


def leaves(found: list[Token]) -> Iterator[Token]:
    """Yield tokens and what is inside them."""
    for token in found:
        yield token
        yield from leaves(token.children or [])


def links(path: Path) -> list[str]:
    """Return where the links and images of a document lead."""
    targets = [token.attrs.get("href") or token.attrs.get("src") for token in leaves(tokens(path))]
    return [str(target) for target in targets if target]


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as a Git host and the site make them."""
    found = tokens(path)
    headings = [found[place + 1].content for place, token in enumerate(found) if token.type == "heading_open"]
    plain = [re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def dead_links(path: Path) -> list[str]:
    """Return the links of a document that lead nowhere."""
    dead = []
    for link in links(path):
        if re.match(r"(https?|mailto):", link):
            continue
        target, _, anchor = unquote(link).partition("#")
        file = (path.parent / target).resolve() if target else path
        outside = not file.is_relative_to(REPOSITORY) and not file.is_relative_to(path.parent)
        if outside or not file.exists() or (anchor and anchor not in anchors(file)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_link_is_dead(document: Path) -> None:
    assert dead_links(document) == []


def test_every_page_is_reached_from_the_readme_or_the_index() -> None:
    reached = {(path.parent / link.partition("#")[0]).resolve() for path in DOCUMENTS for link in links(path)}
    assert [path.name for path in DOCUMENTS if path not in reached and path.name not in ("README.md", "index.md")] == []


@pytest.mark.parametrize(
    ("text", "dead"),
    [
        ("[a](b.md)", []),
        ("[a](b.md#one-two)", []),
        ("[a](#here)", []),
        ("[a](c.md)", ["c.md"]),
        ("[a](b.md#three)", ["b.md#three"]),
        ("![a](images/c.png)", ["images/c.png"]),
        ("[a](#there)", ["#there"]),
        ("[a](https://example.org/nothing)", []),
    ],
)
def test_planted_links(tmp_path: Path, text: str, dead: list[str]) -> None:
    (tmp_path / "b.md").write_text("# One, `two`\n")
    (tmp_path / "a.md").write_text(f"# Here\n\n{text}\n")
    assert dead_links(tmp_path / "a.md") == dead
