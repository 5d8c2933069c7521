"""The site that `make docs` builds: complete, without dead links, and without anything from a network."""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest

from docs.generators import architecture_figure, reference_pages, repository_links
from docs.generators.reference_pages import packages, public_modules
from docs.generators.repository_links import rewritten

REPOSITORY = Path(__file__).resolve().parents[2]
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "audio": "src"}
# What a `link` that only says something about the page may point to.
ABOUT = {"canonical", "alternate", "author", "license"}


class Page(HTMLParser):
    """What a page links to, what it loads, and which anchors it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in LOADED and given.get(LOADED[tag]) and given.get("rel") not in ABOUT:
            self.loaded.append(given[LOADED[tag]])


def problems(site: Path) -> list[str]:
    """Return what is dead in a site, or comes from elsewhere."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if path.name != "404.html"}
    found = []
    for path, page in pages.items():
        found += [f"{path.name} loads {url}" for url in page.loaded if urlsplit(url).netloc]
        for url in [*page.links, *page.loaded]:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or (
                parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors | {"__skip"}
            ):
                found.append(f"{path.relative_to(site)} -> {url}")
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make docs` does."""
    pytest.importorskip("mkdocs", reason="the extra docs is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.mark.slow
def test_the_site_has_no_dead_link_and_loads_nothing_from_elsewhere(site: Path) -> None:
    assert problems(site) == []


@pytest.mark.slow
def test_every_page_and_module_is_there(site: Path) -> None:
    assert not {f"{path.stem}.html" for path in (REPOSITORY / "docs").glob("*.md")} - {p.name for p in site.glob("*")}
    for package in packages():
        text = (site / "reference" / f"{package}.html").read_text()
        missing = [name for name in public_modules(package) if f'id="{name}"' not in text]
        assert missing == []


@pytest.mark.slow
def test_formulas_examples_and_tables_are_shown_as_such(site: Path) -> None:
    assert "<sup>" in (site / "method.html").read_text()
    reference = (site / "reference" / "networks.html").read_text()
    assert "Examples:" in reference
    assert ":func:" not in reference
    for path in site.glob("*.html"):
        assert "<p>| " not in path.read_text(), f"{path.name}: a table is shown as text"


def test_planted_problems_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<h1 id="x"></h1><a href="a.html#x"></a><a href="b.html"></a><a href="#y"></a>')
    (tmp_path / "c.html").write_text('<script src="https://cdn.example.org/a.js"></script><a href="a.html#z"></a>')
    assert sorted(problems(tmp_path)) == [
        "a.html -> #y", "a.html -> b.html", "c.html -> a.html#z", "c.html loads https://cdn.example.org/a.js"
    ]  # fmt: skip


def test_links_to_the_repository_lead_to_pages() -> None:
    text = "[a](../networks/gating.py) [b](../LICENSE) [c](mixing.md#speed) [d](https://a.b/c.md) ![e](images/e.png)"
    assert rewritten(text, "gates.md", {"networks"}) == (
        "[a](reference/networks.md#networks.gating) [b](source/LICENSE.md) [c](mixing.md#speed) [d](https://a.b/c.md) "
        "![e](images/e.png)"
    )
    assert rewritten("[a](docs/gates.md)", "contributing.md", set()) == "[a](gates.md)"


@pytest.mark.parametrize("module", [architecture_figure, reference_pages, repository_links])
def test_examples_of_the_generators(module: ModuleType) -> None:
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0


def test_docstrings_are_rewritten_for_the_reference() -> None:
    pytest.importorskip("griffe", reason="the extra docs is not installed")
    from docs.generators.docstring_sections import rewritten as docstring

    assert docstring("A.\n\nExample:\n    >>> 1\n") == "A.\n\nExamples:\n    >>> 1\n"
    assert docstring("See :meth:`a.b`; an Example: none.") == "See `a.b`; an Example: none."
