"""Hook of the site: one page of the API reference for each package, made from its docstrings and never stored."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

REPOSITORY = Path(__file__).resolve().parents[2]
INTERNAL = {"streaming.kernels"}  # compiled loops; docs/streaming.md says what is where


def packages(repository: Path = REPOSITORY) -> list[str]:
    """Return the packages with a page of their own, in the order of pyproject.toml."""
    with (repository / "pyproject.toml").open("rb") as file:
        shipped: list[str] = tomllib.load(file)["tool"]["setuptools"]["packages"]
    return [name for name in shipped if name not in INTERNAL]


def public_modules(package: str, repository: Path = REPOSITORY) -> list[str]:
    """Return the dotted names of a package's own modules, private ones left out."""
    folder = repository / package.replace(".", "/")
    return [f"{package}.{path.stem}" for path in sorted(folder.glob("*.py")) if not path.stem.startswith("_")]


def page_name(package: str) -> str:
    """Return the path of a package's page below docs/.

    Example:
        >>> page_name("datamodules.targets")
        'reference/datamodules.targets.md'
    """
    return f"reference/{package}.md"


def page_text(package: str, repository: Path = REPOSITORY) -> str:
    """Return the Markdown of a package's page."""
    summary = f"::: {package}\n    options: {{members: [], show_root_heading: false, show_root_toc_entry: false}}"
    modules = [f"::: {module}" for module in public_modules(package, repository)]
    return "\n\n".join([f"# {package}", summary, *modules]) + "\n"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Append the pages of the reference to the navigation."""
    entries = [{name: page_name(name)} for name in packages()]
    config.nav = [*(config.nav or []), {"Reference": entries}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the reference to what is built."""
    from mkdocs.structure.files import File

    for name in packages():
        files.append(File.generated(config, page_name(name), content=page_text(name)))
    return files
