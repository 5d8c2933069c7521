"""The figure of docs/architecture.md is what the imports say."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.generators.architecture_figure import FIGURE, direct, figure, imports, levels, packages
from tests.test_import_direction import ALLOWED, PACKAGES

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_figure_is_up_to_date() -> None:
    assert FIGURE.read_text() == figure(imports(packages())), "run python docs/generators/architecture_figure.py"


def test_packages_and_arrows_are_those_of_the_import_rules() -> None:
    graph = imports(packages())
    assert set(graph) == set(PACKAGES)
    for name, targets in graph.items():
        rules = [allowed for rule, allowed in ALLOWED.items() if rule.partition(".")[0] == name]
        assert targets <= {target.partition(".")[0] for allowed in rules for target in allowed}, name


def test_a_new_import_changes_the_figure() -> None:
    graph = imports(packages())
    assert figure(graph | {"networks": {"probes"}}) != figure(graph)


def test_arrows_that_others_imply_are_left_out() -> None:
    assert direct({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == [("a", "b"), ("b", "c")]


def test_a_circle_is_refused() -> None:
    with pytest.raises(ValueError, match="a -> b -> a"):
        levels({"a": {"b"}, "b": {"a"}})


def test_the_page_names_every_package() -> None:
    page = (REPOSITORY / "docs" / "architecture.md").read_text()
    assert [name for name in PACKAGES if f"| [{name}](../{name}) |" not in page] == []
