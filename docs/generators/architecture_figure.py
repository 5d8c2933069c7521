"""Draws which package imports which, from the imports themselves: `python docs/generators/architecture_figure.py`.

Writes docs/images/architecture.svg. A test fails where the file is not what the imports say.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

REPOSITORY = Path(__file__).resolve().parents[2]
FIGURE = REPOSITORY / "docs" / "images" / "architecture.svg"
ANSWERS = {  # the question that a package answers, in a few words
    "storage": "files, whole or not at all",
    "networks": "gates, blocks, MACs",
    "datamodules": "mixtures and targets",
    "probes": "what masks know, linearly",
    "estimators": "dedicated detectors",
    "enhancers": "other enhancers",
    "reports": "tables, figures, pages",
    "lightning_modules": "training and its losses",
    "callbacks": "accumulate, call, log",
    "probing": "a study of one network",
    "corpora": "public corpora prepared",
    "sweeps": "several networks, one recipe",
    "checkpoints": "networks as files",
    "streaming": "frame by frame, no torch",
    "reproduction": "published scores checked",
    "commands": "the dyncp command",
}
WIDTH, HEIGHT, COLUMN, ROW, MARGIN = 168, 44, 188, 92, 20


def packages(repository: Path = REPOSITORY) -> list[str]:
    """Return the top-level packages that are shipped."""
    with (repository / "pyproject.toml").open("rb") as file:
        shipped = tomllib.load(file)["tool"]["setuptools"]["packages"]
    return list(dict.fromkeys(name.partition(".")[0] for name in shipped))


def imports(names: list[str], repository: Path = REPOSITORY) -> dict[str, set[str]]:
    """Return for every package which others its modules import, wherever in the file."""
    found: dict[str, set[str]] = {name: set() for name in names}
    for name in names:
        for path in (repository / name).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found[name] |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found[name].add(node.module.partition(".")[0])
    return {name: (targets & set(names)) - {name} for name, targets in found.items()}


def levels(graph: Mapping[str, set[str]]) -> dict[str, int]:
    """Return the height of every package: one above the highest that it imports.

    Raises:
        ValueError: if imports go in a circle.

    Example:
        >>> levels({"a": {"b"}, "b": set()})
        {'a': 1, 'b': 0}
    """

    def height(name: str, above: tuple[str, ...]) -> int:
        if name in above:
            raise ValueError(f"imports go in a circle: {' -> '.join([*above, name])}")
        return 1 + max((height(target, (*above, name)) for target in graph[name]), default=-1)

    return {name: height(name, ()) for name in graph}


def direct(graph: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Return the arrows to draw: those that no path over other packages implies."""

    def reachable(name: str) -> set[str]:
        return set().union(*({target} | reachable(target) for target in graph[name])) if graph[name] else set()

    return sorted(
        (name, target)
        for name, targets in graph.items()
        for target in targets
        if not any(target in reachable(other) for other in targets - {target})
    )


def places(graph: Mapping[str, set[str]]) -> dict[str, tuple[float, float]]:
    """Return the upper left corner of every box: imported ones below, each row ordered by what it imports."""
    heights = levels(graph)
    rows = [[name for name in graph if heights[name] == height] for height in range(max(heights.values()) + 1)]
    widest = max(map(len, rows))
    corners: dict[str, tuple[float, float]] = {}
    for height, row in enumerate(rows):

        def middle(name: str) -> float:
            targets = [corners[target][0] for target in graph[name]]
            return sum(targets) / len(targets) if targets else 0.0

        y = MARGIN + (len(rows) - 1 - height) * ROW
        indent = MARGIN + (widest - len(row)) * COLUMN / 2
        for column, name in enumerate(sorted(row, key=lambda name: (middle(name), name))):
            corners[name] = (indent + column * COLUMN, y)
    return corners


def figure(graph: Mapping[str, set[str]]) -> str:
    """Return the figure as SVG."""
    corners = places(graph)
    right = max(x for x, _ in corners.values()) + WIDTH + MARGIN
    bottom = max(y for _, y in corners.values()) + HEIGHT + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right:g} {bottom:g}" font-family="sans-serif">',
        "<title>Which package imports which</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#7986cb"/></marker></defs>',
        f'<rect width="{right:g}" height="{bottom:g}" fill="#fff"/>',
    ]
    for name, target in direct(graph):
        (x1, y1), (x2, y2) = corners[name], corners[target]
        x1, x2, y1 = x1 + WIDTH / 2, x2 + WIDTH / 2, y1 + HEIGHT
        bend = (y2 - y1) / 2
        curve = f"M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2 - 1:g}"
        parts.append(f'<path d="{curve}" fill="none" stroke="#7986cb" stroke-width="1.2" marker-end="url(#tip)"/>')
    for name, (x, y) in sorted(corners.items()):
        parts += [
            f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#e8eaf6" stroke="#3f51b5"/>',
            f'<text x="{x + WIDTH / 2:g}" y="{y + 18:g}" text-anchor="middle" font-size="13" font-weight="bold" '
            f'fill="#1a237e">{name}</text>',
            f'<text x="{x + WIDTH / 2:g}" y="{y + 34:g}" text-anchor="middle" font-size="11" fill="#333">'
            f"{escape(ANSWERS[name])}</text>",
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    """Draw the figure anew."""
    temporary = FIGURE.with_suffix(".part")
    temporary.write_text(figure(imports(packages())), encoding="utf-8")
    temporary.replace(FIGURE)


if __name__ == "__main__":
    main()
