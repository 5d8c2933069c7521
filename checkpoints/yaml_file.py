"""Reading YAML from elsewhere: plain values only, and no file that means more than it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

# Nodes that aliases may unfold into. The largest configuration of a training has about 500.
LARGEST = 100_000


class YamlError(ValueError):
    """A file that holds no plain values; the message names it, in one line."""


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Tags of Python objects are refused, as by ``yaml.safe_load``, and so are aliases of what they are part of, and those
    that unfold a few lines into millions of values.

    Args:
        path: of the file.

    Returns:
        Mappings, lists, numbers, text, dates; None of an empty file.

    Raises:
        YamlError: if it cannot be read.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        _unfolded(content, {})
    except (yaml.YAMLError, ValueError, OSError, TypeError, AttributeError, OverflowError) as error:
        raise YamlError(f"{path}: not readable as YAML ({' '.join(str(error).split()):.500})") from error
    except RecursionError as error:
        raise YamlError(f"{path}: not readable as YAML (values are nested too deeply, or inside themselves)") from error
    return content


def _unfolded(value: Any, known: dict[int, int]) -> int:
    """Count the values of a tree, those that are there by an alias as often as they are named.

    Args:
        value: tree.
        known: counts of mappings and lists by identity; each is visited once.

    Raises:
        ValueError: if there are more than ``LARGEST``.
    """
    if not isinstance(value, (dict, list)):
        return 1
    if id(value) not in known:
        below = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_unfolded(item, known) for item in below)
    if known[id(value)] > LARGEST:
        raise ValueError(f"more than {LARGEST} values")
    return known[id(value)]
