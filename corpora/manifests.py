"""Merging manifests: the rows of one source are replaced, those of others and of the user stay."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from datamodules.corpus import CorpusError
from storage.whole_files import write_whole

Row = dict[str, str]


def read_rows(manifest: Path) -> list[Row]:
    """Return the rows of a manifest as they are; none if there is no file.

    Raises:
        CorpusError: if it is no CSV file with a column ``path`` or ``speech``.
    """
    if not manifest.is_file():
        return []
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{manifest}: not a UTF-8 CSV file ({error})") from error
    if rows and not {"path", "speech"} & set(rows[0]):
        raise CorpusError(f"{manifest}: column 'path' is missing; found {', '.join(map(str, rows[0]))}")
    if any(None in row for row in rows):
        raise CorpusError(f"{manifest}: a row has more fields than the header")
    return rows


def merge(manifest: Path, source: str, rows: Sequence[Row]) -> list[Row]:
    """Return what a manifest becomes: rows of other sources first, then the new ones of this source.

    Raises:
        CorpusError: if a new path is already listed by another source.
    """
    others = [row for row in read_rows(manifest) if row.get("source") != source]
    listed = {row["path"]: row.get("source") or "the user" for row in others if "path" in row}
    for row in rows:
        if row.get("path") in listed:
            raise CorpusError(f"{manifest}: '{row['path']}' of {source} is already listed by {listed[row['path']]}")
    return [*others, *rows]


def check_speakers(manifest: Path, rows: Iterable[Row]) -> None:
    """Check that no speaker stands in two splits or has two sexes, across all sources.

    Raises:
        CorpusError: naming the speaker, and both sources.
    """
    first: dict[str, Row] = {}
    for row in rows:
        other = first.setdefault(row["speaker"], row)
        for column in ("split", "sex"):
            if row[column].upper() != other[column].upper():
                raise CorpusError(
                    f"{manifest}: speaker '{row['speaker']}' would have the {column} '{other[column]}' "
                    f"(source {other.get('source') or 'unnamed'}) and '{row[column]}' (source "
                    f"{row.get('source') or 'unnamed'}); these corpora share speakers: prepare one of them into "
                    "another folder"
                )


def write_manifest(manifest: Path, columns: Sequence[str], rows: Sequence[Row], line_end: str = "\n") -> None:
    """Write a manifest completely or not at all; one without rows is removed.

    Args:
        manifest: CSV file.
        columns: that come first; further ones follow in the order in which rows have them.
        rows: of all sources.
        line_end: after every row.

    Raises:
        OSError: if it cannot be written; the earlier one is then still there.
    """
    if not rows:
        manifest.unlink(missing_ok=True)
        return
    names = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator=line_end)
    writer.writeheader()
    writer.writerows(rows)
    write_whole(manifest, text.getvalue().encode("utf-8"))
