"""Options of the command line from the fields of a dataclass, so that each is written once."""

from __future__ import annotations

import argparse
import dataclasses
import types
import typing
from collections.abc import Sequence
from typing import Any, Literal, Union


def add_options(parser: argparse._ActionsContainer, described: type[Any]) -> None:
    """Add one option for every field of a dataclass that has a ``help`` in its metadata.

    A boolean becomes a flag, a Literal a choice, a sequence an option with several values; ``choices`` in the metadata
    restricts values.

    Args:
        parser: or a group of it.
        described: a dataclass.
    """
    hints = typing.get_type_hints(described)
    for field in dataclasses.fields(described):
        if "help" not in field.metadata:
            continue
        flag, text = f"--{field.name.replace('_', '-')}", field.metadata["help"]
        kind, default = _plain(hints[field.name]), field.default
        if kind is bool:
            parser.add_argument(flag, action="store_true", help=text)
            continue
        more: dict[str, Any] = {"type": kind, "choices": field.metadata.get("choices")}
        if typing.get_origin(kind) is Literal:
            more = {"choices": typing.get_args(kind)}
        elif typing.get_origin(kind) is Sequence:
            more |= {"type": typing.get_args(kind)[0], "nargs": "+"}
            default = []
        if default not in (None, []) and "default" not in text:
            text += f" (default: {default})"
        metavar = None if more.get("choices") else field.name.split("_")[-1].removesuffix("s").upper()
        parser.add_argument(flag, default=default, help=text.replace("%", "%%"), metavar=metavar, **more)


def values_of(parsed: argparse.Namespace, described: type[Any]) -> dict[str, Any]:
    """Return what was given for the options of :func:`add_options`, by field."""
    names = [field.name for field in dataclasses.fields(described) if "help" in field.metadata]
    return {name: getattr(parsed, name) for name in names}


def _plain(hint: Any) -> Any:
    """Return the type without ``| None``."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        return next(argument for argument in typing.get_args(hint) if argument is not type(None))
    return hint
