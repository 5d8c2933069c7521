"""Tables between marks in documents: ``<!-- reproduce:begin NAME -->`` and ``<!-- reproduce:end NAME -->``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from storage.whole_files import write_whole

MARK = re.compile(r"^<!-- reproduce:(begin|end) (\S+) -->$", re.MULTILINE)


class DocumentError(ValueError):
    """A document whose marks cannot be filled; the message names it and the mark."""


def regenerated(text: str, tables: Mapping[str, Sequence[str]]) -> str:
    r"""Put tables between the marks of a text.

    Args:
        text: of the document.
        tables: name to lines.

    Raises:
        DocumentError: if there are no marks, one has no other, or the name of none of the tables.

    Example:
        >>> text = "<!-- reproduce:begin a -->\nold\n<!-- reproduce:end a -->\n"
        >>> regenerated(text, {"a": ["new"]})
        '<!-- reproduce:begin a -->\n\nnew\n\n<!-- reproduce:end a -->\n'
    """
    marks = list(MARK.finditer(text))
    if not marks:
        raise DocumentError("has no mark <!-- reproduce:begin NAME -->")
    parts, position = [], 0
    for begin, end in zip(marks[::2], [*marks[1::2], None], strict=False):
        _check_pair(begin, end, tables)
        assert end is not None, "it was checked"
        parts += [text[position : begin.end()], "\n\n", "\n".join(tables[begin[2]]), "\n\n"]
        position = end.start()
    return "".join([*parts, text[position:]])


def _check_pair(begin: re.Match[str], end: re.Match[str] | None, tables: Mapping[str, Sequence[str]]) -> None:
    if begin[1] != "begin" or end is None or (end[1], end[2]) != ("end", begin[2]):
        raise DocumentError(f"the mark '{begin[0]}' has no <!-- reproduce:{_other(begin[1])} {begin[2]} --> of its own")
    if begin[2] not in tables:
        raise DocumentError(f"the mark '{begin[0]}' names no table; expected one of {', '.join(tables)}")


def _other(kind: str) -> str:
    return "end" if kind == "begin" else "begin"


def regenerate(paths: Iterable[Path], tables: Mapping[str, Sequence[str]]) -> list[Path]:
    """Put tables into documents; nothing is written unless all can be.

    Returns:
        The documents that changed.

    Raises:
        DocumentError: naming the document.
    """
    contents: dict[Path, str] = {}
    for path in paths:
        if not path.is_file():
            raise DocumentError(f"{path}: no such document; tables are published from a checkout")
        old = path.read_text(encoding="utf-8")
        try:
            new = regenerated(old, tables)
        except DocumentError as error:
            raise DocumentError(f"{path}: {error}") from error
        if new != old:
            contents[path] = new
    for path, text in contents.items():
        write_whole(path, text.encode())
    return list(contents)
