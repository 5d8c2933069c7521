"""Rows of properties as text: CSV, rows of JSON, and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streaming.files.property_columns import Column, Rows

FORMATS_OF_NUMBERS = {"time_s": "%.6f"}
FORMAT_OF_NUMBERS = "%.6g"  # probes are not that accurate; float32 has seven digits


def csv_header(columns: Sequence[Column]) -> str:
    r"""Return the first line of a table, with the column that tells the file.

    Example:
        >>> csv_header([Column("frame", "count")])
        'file,frame\n'
    """
    return _csv_row(["file", *(column.name for column in columns)])


def csv_lines(file: str, columns: Sequence[Column], rows: Rows) -> str:
    r"""Return the lines of one file; numbers that are not finite are empty.

    Example:
        >>> csv_lines("a, b.wav", [Column("frame", "count")], {"frame": np.arange(2)})
        '"a, b.wav",0\n"a, b.wav",1\n'
    """
    label = _csv_row([file]).rstrip("\n")
    names = {column: [_csv_row([name]).rstrip("\n") for name in column.classes] for column in columns}
    cells = [_texts(column, rows[column.name], names[column], "") for column in columns]
    return "".join(f"{label},{','.join(row)}\n" for row in zip(*cells, strict=True))


def json_rows(file: str, columns: Sequence[Column], rows: Rows) -> list[str]:
    """Return every row as a JSON array, the file first; numbers that are not finite are null.

    Example:
        >>> json_rows("a.wav", [Column("vad", "flag")], {"vad": np.array([True])})
        ['["a.wav", 1]']
    """
    label = json.dumps(file)
    cells = [_texts(column, rows[column.name], _json_names(column), "null") for column in columns]
    return [f"[{label}, {', '.join(row)}]" for row in zip(*cells, strict=True)]


def json_lines(columns: Sequence[Column], rows: Rows) -> str:
    r"""Return every row as a JSON object on a line of its own.

    Example:
        >>> json_lines([Column("noise", "class", ("rain", "wind"))], {"noise": np.array([1])})
        '{"noise": "wind"}\n'
    """
    cells = [
        [
            f"{json.dumps(column.name)}: {text}"
            for text in _texts(column, rows[column.name], _json_names(column), "null")
        ]
        for column in columns
    ]
    return "".join(f"{{{', '.join(row)}}}\n" for row in zip(*cells, strict=True))


def _texts(column: Column, values: NDArray[Any], class_names: Sequence[str], undefined: str) -> list[str]:
    if column.kind == "class":
        return [class_names[index] for index in values.tolist()]
    if column.kind != "number":
        return list(map(str, values.astype(np.int64).tolist()))
    template = FORMATS_OF_NUMBERS.get(column.name, FORMAT_OF_NUMBERS)
    texts = [template % value for value in values.tolist()]
    for position in np.flatnonzero(~np.isfinite(values)):
        texts[position] = undefined
    return texts


def _json_names(column: Column) -> list[str]:
    return [json.dumps(name) for name in column.classes]


def _csv_row(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
