"""Writing and reading the tables of a probing study, as CSV for reading back and as JSON for other programs."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

from reports.probing.rows import TABLES
from storage.whole_files import replacing

Row = TypeVar("Row")
Cell = str | int | float | bool | None
TRUTHS = {"true": True, "false": False}


class TableError(ValueError):
    """A table is missing or broken; says which file, line and column."""


def column_types(row_type: type) -> dict[str, type]:
    """Return the type of every column that is a field; the columns of a dict come after these.

    Example:
        >>> from reports.probing.rows import EmbeddingPoint
        >>> column_types(EmbeddingPoint)
        {'x': <class 'float'>, 'y': <class 'float'>, 'utterance': <class 'int'>}
    """
    hints = get_type_hints(row_type)
    plain = {}
    for field in fields(row_type):
        options = [option for option in get_args(hints[field.name]) or (hints[field.name],) if option is not NoneType]
        if len(options) == 1:
            plain[field.name] = options[0]
    return plain


def _dict_field(row_type: type) -> str | None:
    """Return the name of the field whose entries are columns of their own."""
    plain = column_types(row_type)
    return next((field.name for field in fields(row_type) if field.name not in plain), None)


def _optional(row_type: type) -> set[str]:
    """Return the columns that may be empty: those of floats, strings, and numbers that may be None."""
    hints = get_type_hints(row_type)
    return {name for name, kind in column_types(row_type).items() if kind in (float, str) or hints[name] is not kind}


def _normal(value: Any) -> Cell:
    """Turn a value, one of numpy's perhaps, into what is written; unknown numbers become None."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value


def records(rows: Sequence[Any], row_type: type) -> list[dict[str, Cell]]:
    """Return rows as dicts of cells, columns in the order of the table, None where a number is unknown.

    Args:
        rows: instances of ``row_type``.
        row_type: class of the rows.

    Raises:
        ValueError: if an entry of a dict has the name of another column.

    Example:
        >>> from reports.probing.rows import LearningPoint
        >>> records([LearningPoint("vad", "accuracy", 10, 0.8)], LearningPoint)[0]["low"] is None
        True
    """
    plain, extra = column_types(row_type), _dict_field(row_type)
    names = list(dict.fromkeys(name for row in rows for name in getattr(row, extra))) if extra else []
    taken = [name for name in names if name in plain]
    if taken:
        raise ValueError(f"{row_type.__name__}.{extra}: '{taken[0]}' is already a column of its own")
    cells = []
    for row in rows:
        record = {name: _normal(getattr(row, name)) for name in plain}
        if extra:
            record |= {name: _normal(getattr(row, extra).get(name)) for name in names}
        cells.append(record)
    return cells


def write_table(path: Path, rows: Sequence[Any], row_type: type | None = None) -> None:
    """Write ``<path>.csv`` and ``<path>.json``; numbers are written so that they are read back exactly.

    Infinite numbers are ``inf`` in the CSV file and null in the JSON file, which has no word for them.

    Args:
        path: without suffix.
        rows: instances of one class of :mod:`reports.probing.rows`.
        row_type: their class; needed only without rows, under a name that no table has.

    Raises:
        ValueError: if the class of the rows cannot be known.
        TypeError: if rows are of several classes.
    """
    kind = row_type or (type(rows[0]) if rows else TABLES.get(path.name))
    if kind is None:
        raise ValueError(f"{path}: without rows, row_type must be given or the name one of {sorted(TABLES)}")
    others = {type(row).__name__ for row in rows if not isinstance(row, kind)}
    if others:
        raise TypeError(f"{path}: all rows must be of {kind.__name__}, got {sorted(others)}")
    cells = records(rows, kind)
    columns = list(cells[0]) if cells else list(column_types(kind))
    with replacing(path.with_name(f"{path.name}.csv")) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([_written(value) for value in record.values()] for record in cells)
    finite = [{name: None if value in (math.inf, -math.inf) else value for name, value in row.items()} for row in cells]
    objects = ",\n".join(json.dumps(record, ensure_ascii=False, allow_nan=False) for record in finite)
    with replacing(path.with_name(f"{path.name}.json")) as part:
        part.write_text(f"[\n{objects}\n]\n" if objects else "[]\n", encoding="utf-8")


def _written(value: Cell) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _parsed(text: str, kind: type, optional: bool, place: str) -> Cell:
    """Read one cell.

    Raises:
        TableError: if the text is not of that type.
    """
    if kind is str:
        return text
    if text == "" and optional:
        return math.nan if kind is float else None
    try:
        return TRUTHS[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError) as error:
        name = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise TableError(f"{place} must be {name}{' or empty' if optional else ''}, got {text!r}") from error


def _lines(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the header and the lines of a CSV file.

    Raises:
        TableError: if it is missing, empty, no text, or has a line that is too short or too long.
    """
    if not path.is_file():
        raise TableError(f"{path}: no such file; expected a table of a probing study")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *lines = list(csv.reader(file, strict=True)) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path}: not a CSV file: {error}") from error
    for number, line in enumerate(lines, start=2):
        if len(line) < len(header):
            raise TableError(f"{path}, row {number}: column '{header[len(line)]}' is missing, the line ends before it")
        if len(line) > len(header):
            raise TableError(f"{path}, row {number}: {len(line)} cells, expected {len(header)}, as in the header")
    return header, lines


def _targets(header: Sequence[str], lines: Sequence[Sequence[str]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Read the columns of a dict: floats if every cell is a number or empty, else strings."""
    columns: dict[str, list[Any]] = {}
    for name in names:
        texts = [line[header.index(name)] for line in lines]
        try:
            columns[name] = [float(text) if text else math.nan for text in texts]
        except ValueError:
            columns[name] = list(texts)
    return [{name: values[row] for name, values in columns.items()} for row in range(len(lines))]


def read_table(path: Path, row_type: type[Row]) -> list[Row]:
    """Read a table.

    Args:
        path: the CSV file; columns that ``row_type`` does not know are ignored.
        row_type: class of :mod:`reports.probing.rows`.

    Returns:
        The rows, in the order of the file.

    Raises:
        TableError: naming file, line and column, if something is missing or of another type.
    """
    header, lines = _lines(path)
    plain, extra, optional = column_types(row_type), _dict_field(row_type), _optional(row_type)
    for name in plain:
        if name not in header:
            raise TableError(f"{path}: column '{name}' is missing; expected {', '.join(plain)}")
    places = {name: header.index(name) for name in plain}
    others = [name for name in header if name not in plain] if extra else []
    targets = _targets(header, lines, others)
    rows = []
    for number, line in enumerate(lines):
        cells: dict[str, Any] = {
            name: _parsed(line[places[name]], kind, name in optional, f"{path}, row {number + 2}, column '{name}'")
            for name, kind in plain.items()
        }
        rows.append(row_type(**cells, **({extra: targets[number]} if extra else {})))
    return rows


def read_tables(folder: Path) -> Mapping[str, list[Any]]:
    """Read every table of :data:`reports.probing.rows.TABLES` that a folder holds; absent ones are left out.

    Raises:
        TableError: if one is broken.
    """
    return {
        name: read_table(folder / f"{name}.csv", kind)
        for name, kind in TABLES.items()
        if (folder / f"{name}.csv").is_file()
    }
