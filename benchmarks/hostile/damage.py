"""Damage: bytes, trees of plain values and tables as somebody may hand them to us, by chance or on purpose."""

from __future__ import annotations

import copy
import csv
import io
import struct
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

HEAD_BYTES = 512  # of a file, where most of what is read first stands
NUMBERS = (0, 1, 2, 3, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**36, 2**40, 2**63 - 1, 2**64 - 1)
DEEP = 3000  # levels, more than the interpreter's stack takes
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 7, 10**6, 10**9, 10**12, 2**63, 10**400, 0.0, -0.5, 0.5, 1e-300, 1e30, 1e300,
    float("nan"), float("inf"), float("-inf"), "", "0", "nan", "x" * 5000, "../../etc/passwd", "/etc/passwd", "a\0b",
    "\ud800", "\u202e", [], {}, [1], [[[1]]], [10**12], [None], {"a": 1}, [1e30, 1e30],
)  # fmt: skip
CELLS = (
    "", " ", "0", "-1", "1e999", "nan", "inf", "1" * 5000, "x" * 200_000, "../../etc/passwd", "/etc/passwd", "..", ".",
    "a\0b", "speech", "train", "valid", "test", "TRAIN", '"', 'a"b', "a\nb", "a,b", "\ufeff", "\u202e", "F", "f", "M",
    "X", "missing.wav", "noise/n0.wav", "speech/s0.wav", "./speech/s0.wav", "speech/../speech/s0.wav", "link.wav",
)  # fmt: skip


@st.composite
def damaged(draw: DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Return a file with up to four kinds of damage, rarely with none."""
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 4))):
        content = _damage(draw, content)
    return bytes(content)


def _position(draw: DrawFn, content: bytearray) -> int:
    """Draw a position, in half of the cases near the beginning."""
    end = max(0, len(content) - 1)
    return draw(st.integers(0, min(end, HEAD_BYTES)) | st.integers(0, end))


def _damage(draw: DrawFn, content: bytearray) -> bytearray:
    kind = draw(st.sampled_from(("cut", "bit", "number", "remove", "repeat", "swap", "noise", "anything")))
    start = _position(draw, content)
    if kind == "cut":
        return content[:start]
    if kind == "anything":
        return bytearray(draw(st.binary(max_size=200)))
    length = draw(st.integers(1, 16))
    if kind == "bit" and content:
        content[start] ^= 1 << draw(st.integers(0, 7))
    elif kind == "number":
        size = draw(st.sampled_from((1, 2, 4, 8)))
        number = draw(st.sampled_from(NUMBERS)) & (1 << 8 * size) - 1
        content[start : start + size] = number.to_bytes(size, draw(st.sampled_from(("little", "big"))))
    elif kind == "remove":
        del content[start : start + length]
    elif kind == "repeat":
        content[start:start] = content[start : start + length] * draw(st.sampled_from((1, 2, 50)))
    elif kind == "swap":
        other = _position(draw, content)
        here, there = content[start : start + length], content[other : other + length]
        content[start : start + length], content[other : other + length] = there, here
    elif kind == "noise":
        content[start : start + length] = draw(st.binary(min_size=length, max_size=length))
    return content


def places_of(tree: Any, *keys: Any) -> list[tuple[Any, ...]]:
    """Return the keys that lead to every value of a tree.

    Example:
        >>> places_of({"a": [1, {"b": 2}]})
        [(), ('a',), ('a', 0), ('a', 1), ('a', 1, 'b')]
    """
    below = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [keys, *(place for key, value in below for place in places_of(value, *keys, key))]


@st.composite
def altered(draw: DrawFn, tree: Any, values: Sequence[Any] = VALUES) -> Any:
    """Return a tree of plain values with up to three values replaced, removed, renamed, exchanged or buried."""
    changed = copy.deepcopy(tree)
    for _ in range(draw(st.integers(0, 3))):
        places = [place for place in places_of(changed) if place]
        if not places:
            return copy.deepcopy(draw(st.sampled_from(values)))
        place = draw(st.sampled_from(places))
        parent = _at(changed, place[:-1])
        kind = draw(st.sampled_from(("replace", "replace", "remove", "rename", "exchange", "bury")))
        if kind == "replace":
            drawn = draw(st.sampled_from(values) | st.integers() | st.floats() | st.text(max_size=9))
            parent[place[-1]] = copy.deepcopy(drawn)  # what is changed next must not be a value for all
        elif kind == "remove":
            del parent[place[-1]]
        elif kind == "rename" and isinstance(parent, dict):
            parent[draw(st.sampled_from(("", "x", "__class__", "a/b")))] = parent.pop(place[-1])
        elif kind == "exchange":
            other = draw(st.sampled_from(places))
            if other[: len(place)] != place:
                parent[place[-1]] = copy.deepcopy(_at(changed, other))
        elif kind == "bury":
            parent[place[-1]] = [parent[place[-1]]]
    return changed


def _at(tree: Any, place: Sequence[Any]) -> Any:
    for key in place:
        tree = tree[key]
    return tree


def nested(opening: str, closing: str, inside: str = "1", levels: int = DEEP) -> str:
    """Return brackets in brackets.

    Example:
        >>> nested("[", "]", levels=2)
        '[[1]]'
    """
    return opening * levels + inside + closing * levels


@st.composite
def damaged_csv(draw: DrawFn, text: str) -> bytes:
    """Return a table with other cells, columns, rows and encodings."""
    rows = [list(row) for row in csv.reader(io.StringIO(text))]
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(("cell", "cell", "cell", "row", "twice", "column", "shift", "longer", "header")))
        row = draw(st.integers(0, len(rows) - 1)) if rows else 0
        if not rows or not rows[row]:
            break
        column = draw(st.integers(0, len(rows[row]) - 1))
        if kind == "cell":
            rows[row][column] = draw(st.sampled_from(CELLS) | st.text(max_size=8))
        elif kind == "row":
            del rows[row]
        elif kind == "twice":
            rows.insert(row, list(rows[row]))
        elif kind == "column":
            rows = [cells[:column] + cells[column + 1 :] for cells in rows]
        elif kind == "shift":
            rows[row] = rows[row][column:]
        elif kind == "longer":
            rows[row].append("more")
        elif kind == "header" and rows[0]:
            rows[0][column % len(rows[0])] = rows[0][0]
    out = io.StringIO()
    csv.writer(out, lineterminator=draw(st.sampled_from(("\n", "\r\n")))).writerows(rows)
    content = out.getvalue().encode(draw(st.sampled_from(("utf-8", "utf-8-sig", "utf-16"))), "surrogatepass")
    return draw(st.just(content) | st.just(content) | damaged([content]))


def safetensors_with(header: bytes, body: bytes) -> bytes:
    """Return a file in the safetensors format, whatever its header says."""
    return struct.pack("<Q", len(header)) + header + body
