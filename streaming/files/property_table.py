"""Tables of properties as CSV, Parquet or JSON: one part for every file, written as frames come, then one table.

Parts let files be enhanced side by side and in any order, and let an interrupted run go on.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import numpy as np

from streaming.files.property_columns import Column, Rows, joined
from streaming.files.property_text import csv_header, csv_lines, json_rows

ROWS_IN_A_GROUP = 32768  # of a Parquet file: about nine minutes of audio


class PropertyTableError(ValueError):
    """A table that cannot be written; the message says what is expected."""


@dataclass(frozen=True)
class TableLayout:
    """What all parts of a table share.

    Attributes:
        columns: without the one that tells the file.
        metadata: networks, probes and settings, by label; CSV has no place for it.
    """

    columns: tuple[Column, ...]
    metadata: Mapping[str, Any]


class PropertyPart(ABC):
    """Rows of one file under a temporary name; the part gets its own when a ``with`` block ends without an error.

    Args:
        path: of the part.
        file: what the table calls the file.
        layout: of the table.
    """

    def __init__(self, path: Path, file: str, layout: TableLayout) -> None:
        self.path, self.file, self.layout = path, file, layout
        self.temporary = path.with_name(path.name + ".part")

    def __enter__(self) -> PropertyPart:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._end()
            if kind is None:
                self.temporary.replace(self.path)
        finally:
            self.temporary.unlink(missing_ok=True)

    @abstractmethod
    def write(self, rows: Rows) -> None:
        """Append rows, arrays of shape (row,) by column."""

    @abstractmethod
    def _end(self) -> None: ...


class _TextPart(PropertyPart):
    def __init__(self, path: Path, file: str, layout: TableLayout) -> None:
        super().__init__(path, file, layout)
        self._stream: TextIO = self.temporary.open("w", encoding="utf-8", newline="")

    def _end(self) -> None:
        self._stream.close()


class _CsvPart(_TextPart):
    def write(self, rows: Rows) -> None:
        self._stream.write(csv_lines(self.file, self.layout.columns, rows))


class _JsonPart(_TextPart):
    def write(self, rows: Rows) -> None:
        self._stream.writelines(f"{row}\n" for row in json_rows(self.file, self.layout.columns, rows))


class _ParquetPart(PropertyPart):
    def __init__(self, path: Path, file: str, layout: TableLayout) -> None:
        super().__init__(path, file, layout)
        import pyarrow.parquet as pq  # only for this format; takes a quarter of a second

        self._writer = pq.ParquetWriter(self.temporary, _parquet_schema(layout))
        self._held: list[Rows] = []

    def write(self, rows: Rows) -> None:
        self._held.append(rows)
        if sum(len(held["frame"]) for held in self._held) >= ROWS_IN_A_GROUP:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow as pa

        rows = joined(self._held)
        arrays = [pa.array([self.file]).take(pa.array(np.zeros(len(rows["frame"]), dtype=np.int64)))]
        for column, field in zip(self.layout.columns, list(_parquet_schema(self.layout))[1:], strict=True):
            values = rows[column.name]
            if column.kind == "class":
                arrays.append(pa.array(column.classes, pa.string()).take(pa.array(values)))
            else:
                arrays.append(pa.array(values).cast(field.type, safe=False))
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=_parquet_schema(self.layout)))
        self._held = []

    def _end(self) -> None:
        if self._held:
            self._write_group()
        self._writer.close()


_PARTS: dict[str, type[PropertyPart]] = {".csv": _CsvPart, ".json": _JsonPart, ".parquet": _ParquetPart}


class PropertyTable:
    """A table in the making; its parts lie in a folder beside it until they are joined.

    Args:
        path: the table; its suffix tells the format.
        layout: columns and metadata. Parts of another layout, from an earlier run, are removed.

    Raises:
        PropertyTableError: if the format is unknown, or what it needs is not installed.
    """

    def __init__(self, path: Path, layout: TableLayout) -> None:
        check_table_format(path)
        self.path, self.layout = path, layout
        self.folder = parts_folder(path)

    def prepare(self, keep: bool) -> None:
        """Make the folder of the parts.

        Args:
            keep: parts of an earlier run with the same columns and metadata stay; otherwise all are removed.

        Raises:
            PropertyTableError: if it cannot be made, or something else has its name.
        """
        described = json.dumps([[str(column) for column in self.layout.columns], dict(self.layout.metadata)])
        label = self.folder / "layout.json"
        if self.folder.exists() and not label.is_file():
            raise PropertyTableError(f"--properties {self.path}: {self.folder} is in the way, no earlier run made it")
        try:
            if not keep or not label.is_file() or label.read_text(encoding="utf-8") != described:
                shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True, exist_ok=True)
            label.write_text(described, encoding="utf-8")
        except OSError as error:
            raise PropertyTableError(f"--properties {self.path}: cannot be written ({error.strerror})") from error

    def part_path(self, file: str) -> Path:
        """Return where the part of a file is once it is complete."""
        return self.folder / (hashlib.sha256(file.encode()).hexdigest()[:32] + self.path.suffix.lower())

    def open_part(self, file: str) -> PropertyPart:
        """Begin the part of a file."""
        return _PARTS[self.path.suffix.lower()](self.part_path(file), file, self.layout)

    def join(self, files: Iterable[str], keep_parts: bool = False) -> int:
        """Write the table of all parts that are there; without any there is no table.

        Args:
            files: in the order of the table.
            keep_parts: leave them, so that files that are missing can be added later.

        Returns:
            How many files the table has.
        """
        parts = [part for part in map(self.part_path, files) if part.is_file()]
        if not parts:
            shutil.rmtree(self.folder)
            return 0
        temporary = self.path.with_name(self.path.name + ".part")
        try:
            _JOINS[self.path.suffix.lower()](parts, temporary, self.layout)
            temporary.replace(self.path)
        finally:
            temporary.unlink(missing_ok=True)
        if not keep_parts:
            shutil.rmtree(self.folder)
        return len(parts)


def parts_folder(path: Path) -> Path:
    """Return where the parts of a table are until it is complete."""
    return path.with_name(path.name + ".parts")


def check_table_format(path: Path) -> None:
    """Check that a table can be written.

    Raises:
        PropertyTableError: if the format is unknown, or what it needs is not installed.
    """
    if path.suffix.lower() not in _PARTS:
        raise PropertyTableError(f"--properties {path}: expected a name that ends in one of {', '.join(_PARTS)}")
    if path.suffix.lower() == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401 - tells early whether it is there
        except ImportError as error:
            raise PropertyTableError(
                f"--properties {path}: Parquet needs the package pyarrow: pip install 'dyncp[parquet]'"
            ) from error


def _join_csv(parts: Sequence[Path], path: Path, layout: TableLayout) -> None:
    with path.open("wb") as table:
        table.write(csv_header(layout.columns).encode())
        for part in parts:
            with part.open("rb") as rows:
                shutil.copyfileobj(rows, table)


def _join_json(parts: Sequence[Path], path: Path, layout: TableLayout) -> None:
    names = ["file", *(column.name for column in layout.columns)]
    with path.open("w", encoding="utf-8") as table:
        head = json.dumps({"metadata": dict(layout.metadata), "columns": names}, indent=1)
        table.write(head.removesuffix("\n}") + ',\n "data": [')
        separator = "\n"
        for part in parts:
            with part.open(encoding="utf-8") as rows:
                for row in rows:
                    table.write(f"{separator}  {row.rstrip()}")
                    separator = ",\n"
        table.write("\n ]\n}\n")


def _join_parquet(parts: Sequence[Path], path: Path, layout: TableLayout) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _parquet_schema(layout)
    with pq.ParquetWriter(path, schema) as table:
        held: list[Any] = []
        for part in parts:
            with pq.ParquetFile(part) as rows:
                for batch in rows.iter_batches(ROWS_IN_A_GROUP):
                    held.append(batch)
                    if sum(each.num_rows for each in held) >= ROWS_IN_A_GROUP:
                        table.write_table(pa.Table.from_batches(held, schema))
                        held = []
        table.write_table(pa.Table.from_batches(held, schema))


_JOINS = {".csv": _join_csv, ".json": _join_json, ".parquet": _join_parquet}


def _parquet_schema(layout: TableLayout) -> Any:
    import pyarrow as pa

    types = {"count": pa.int64(), "number": pa.float32(), "flag": pa.bool_(), "class": pa.string()}
    fields = [pa.field("file", pa.string())]
    for column in layout.columns:
        fields.append(pa.field(column.name, pa.float64() if column.name == "time_s" else types[column.kind]))
    return pa.schema(fields, metadata={"dyncp": json.dumps(dict(layout.metadata))})
