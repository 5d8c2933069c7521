"""Hook of the site: links to files of the repository, which a Git host follows, lead to pages of the site.

A module leads to its place in the API reference, a package to its page, any other file to a page that shows its text.
CHANGELOG.md and CONTRIBUTING.md, which stand beside docs/, become pages as they are.
"""

from __future__ import annotations

import posixpath
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).resolve().parents[2]
TOP_PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}  # file -> page below docs/
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".cff": "yaml"}


def shipped_packages() -> set[str]:
    """Return the packages that the reference documents."""
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        return set(tomllib.load(file)["tool"]["setuptools"]["packages"]) - {"streaming.kernels"}


def site_target(path: str, packages: set[str]) -> str:
    """Return the page of a file or folder of the repository, as a path below docs/ with its anchor.

    Example:
        >>> site_target("networks/gating.py", {"networks"}), site_target("docs/gates.md", set())
        ('reference/networks.md#networks.gating', 'gates.md')
        >>> site_target("configs/corpus.yaml", set()), site_target("README.md", set())
        ('source/configs/corpus.yaml.md', 'index.md')
    """
    if path.startswith("docs/") and not path.startswith("docs/generators/"):
        return path.removeprefix("docs/")
    if path == "README.md":
        return "index.md"
    if path in TOP_PAGES:
        return TOP_PAGES[path]
    dotted = path.removesuffix(".py").replace("/", ".")
    if dotted in packages:
        return f"reference/{dotted}.md"
    package, _, module = dotted.rpartition(".")
    if path.endswith(".py") and package in packages and not module.startswith("_"):
        return f"reference/{package}.md#{dotted}"
    return f"source/{path}.md"


def origin(page: str) -> str:
    """Return the file of the repository that a page below docs/ is made from."""
    return next((file for file, name in TOP_PAGES.items() if name == page), f"docs/{page}")


def linked_paths(markdown: str, file: str) -> list[str]:
    """Return the files and folders of the repository that Markdown of one of its files links to."""
    folder = posixpath.dirname(file)
    return [posixpath.normpath(posixpath.join(folder, match[1])) for match in LINK.finditer(markdown)]


def rewritten(markdown: str, page: str, packages: set[str]) -> str:
    """Return Markdown whose links lead to pages of the site."""
    folder = posixpath.dirname(origin(page))

    def replaced(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, match[1]))
        target, _, anchor = site_target(path, packages).partition("#")
        relative = posixpath.relpath(target, posixpath.dirname(page) or ".")
        return relative + (match[2] or (f"#{anchor}" if anchor else ""))

    return LINK.sub(replaced, markdown)


def source_page(path: Path, name: str) -> str:
    """Return a page that shows a file of the repository, or lists a folder of it."""
    if path.is_dir():
        entries = "\n".join(sorted(entry.name for entry in path.iterdir() if not entry.name.startswith((".", "__"))))
        return f"# `{name}`\n\n```text\n{entries}\n```\n"
    return f"# `{name}`\n\n````{LANGUAGES.get(path.suffix, 'text')}\n{path.read_text(encoding='utf-8')}````\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages beside docs/, and one for every file that a page links to and that has none."""
    from mkdocs.structure.files import File, InclusionLevel

    for file, page in TOP_PAGES.items():
        text = (REPOSITORY / file).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    packages = shipped_packages()
    for page_file in list(files.documentation_pages()):
        markdown = page_file.content_string
        for path in linked_paths(markdown, origin(page_file.src_uri)):
            target = site_target(path, packages).partition("#")[0]
            if target.startswith("source/") and files.get_file_from_path(target) is None:
                text = source_page(REPOSITORY / path, path)
                added = File.generated(config, target, content=text, inclusion=InclusionLevel.NOT_IN_NAV)
                files.append(added)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links of a page that somebody wrote."""
    if page.file.src_uri.startswith(("reference/", "source/")):
        return markdown
    return rewritten(markdown, page.file.src_uri, shipped_packages())
