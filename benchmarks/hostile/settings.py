"""Settings and results from elsewhere: configurations, settings of studies, published scores, states of studies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from benchmarks.hostile.checkpoints import YAMLS
from benchmarks.hostile.damage import altered, damaged, nested
from benchmarks.hostile.target import Files, Target, demand, executes_nothing

REPOSITORY = Path(__file__).resolve().parents[2]
# The parser checks values when all files are merged, and then names a key; --config itself is none to look at.
FILE_OR_KEY = (
    r"hostile\.yaml",
    r"""(?i)\b(?:key:?|keys:|option|link) ['"](?!config['"])""",
    r"arguments are required: \w",
)


@st.composite
def yaml_files(draw: DrawFn, name: str, content: str) -> Files:
    """Return a damaged YAML file."""
    kind = draw(st.sampled_from(("tree", "tree", "tree", "bytes", "text")))
    if kind == "bytes":
        return {name: draw(damaged([content.encode()]))}
    if kind == "text":
        return {name: draw(st.sampled_from(YAMLS)).encode()}
    changed = draw(altered(yaml.safe_load(content)))
    try:
        return {name: yaml.safe_dump(changed).encode()}
    except (UnicodeError, RecursionError, yaml.YAMLError):
        return {name: content.encode()}


@st.composite
def json_files(draw: DrawFn, name: str, content: Any) -> Files:
    """Return a damaged JSON file."""
    kind = draw(st.sampled_from(("tree", "tree", "tree", "bytes", "deep")))
    encoded = json.dumps(content).encode()
    if kind == "bytes":
        return {name: draw(damaged([encoded]))}
    if kind == "deep":
        return {name: draw(st.sampled_from((nested("[", "]"), nested('{"a":', "}"), "1" * 5000, "NaN"))).encode()}
    return {name: json.dumps(draw(altered(content))).encode()}


def study_target() -> Target:
    """Return what reads the settings of a study."""
    from probing.settings import read_settings

    content = (REPOSITORY / "configs" / "probing" / "study.yaml").read_text()

    def read(folder: Path) -> None:
        with executes_nothing():
            read_settings(folder / "hostile.yaml")

    return Target("settings of studies", yaml_files("hostile.yaml", content), read, (ValueError,))


def reproduction_target() -> Target:
    """Return what reads the settings of a reproduction."""
    from reproduction.settings import read_settings

    content = (REPOSITORY / "configs" / "probing" / "reproduction.yaml").read_text()

    def read(folder: Path) -> None:
        with executes_nothing():
            read_settings(folder / "hostile.yaml")

    return Target("settings of reproductions", yaml_files("hostile.yaml", content), read, (ValueError,))


def configuration_target() -> Target:
    """Return what merges configurations of trainings; a `class_path` names code, so none is drawn."""
    from lightning_modules.enhancement_cli import ConfigError, merged_settings

    content = (REPOSITORY / "configs" / "smoke.yaml").read_text()

    def read(folder: Path) -> None:
        with executes_nothing():
            merged_settings(["--config", str(folder / "hostile.yaml")])

    inputs = yaml_files("hostile.yaml", content)
    return Target("configurations of trainings", inputs, read, (ConfigError,), named=FILE_OR_KEY)


def published_target() -> Target:
    """Return what reads published scores."""
    from reproduction.published import Published, PublishedError

    content = json.loads((REPOSITORY / "checkpoints" / "published.json").read_text())
    content["scores"] = content["scores"][:3]

    def read(folder: Path) -> None:
        published = Published.load(folder / "hostile.json")
        published.save(folder / "again.json")
        demand(Published.load(folder / "again.json") == published, "does not come back as it was")
        for score in published.scores:
            score.as_score()

    return Target("published scores", json_files("hostile.json", content), read, (PublishedError,))


def study_state_target() -> Target:
    """Return what goes on with a study."""
    from probing.state import StudyError, StudyState

    content = {"digest": "d" * 64, "sections": {"targets": {"best": 1.0}}, "seconds": {"targets": 2.0}}

    def read(folder: Path) -> None:
        state = StudyState(folder, "d" * 64, ("targets", "blocks"))
        state.begin()
        demand(isinstance(state.all_told(), dict) and isinstance(state.seconds, dict), "no mappings")
        state.done("targets")
        state.finish("blocks", {"worst": 2}, 1.0, outdated=["targets"])
        demand(state.done("blocks") and not state.done("targets"), "does not note what is done")

    return Target("states of studies", json_files("state.json", content), read, (StudyError,))
