"""What a table of properties holds: its columns, and their values for the frames of a chunk."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from streaming.enhancer import Chunk
from streaming.properties import PropertySpec

Rows = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        name: ends in the unit if there is one.
        kind: ``class`` holds positions in ``classes``, which are written as names; ``flag`` is 0 or 1.
        classes: names of a ``class`` column.
    """

    name: str
    kind: Literal["count", "number", "flag", "class"]
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Selection:
    """What is wanted of the properties.

    Attributes:
        smoothed: averaged over the past, not those of single frames; properties that are true of averages alone always
            are (``averaged_s``).
        posteriors: the probabilities of all classes too.
    """

    smoothed: bool = True
    posteriors: bool = False


def columns_for(schema: Sequence[PropertySpec], selection: Selection) -> tuple[Column, ...]:
    """List the columns, all but those that tell the file.

    Args:
        schema: properties that an enhancer estimates.
        selection: what is wanted of them.

    Returns:
        In the order of the table.

    Example:
        >>> spec = PropertySpec("vad", "binary", "", (), 0.5, None, 0)
        >>> [column.name for column in columns_for([spec], Selection())]
        ['channel', 'frame', 'time_s', 'utilization', 'vad', 'vad_probability']
    """
    columns = [Column("channel", "count"), Column("frame", "count"), Column("time_s", "number")]
    columns.append(Column("utilization", "number"))
    for spec in schema:
        if spec.kind == "value":
            columns.append(Column(value_name(spec), "number"))
            continue
        columns.append(Column(spec.name, "flag" if spec.kind == "binary" else "class", spec.classes))
        columns.append(Column(f"{spec.name}_probability", "number"))
        if spec.kind == "category" and selection.posteriors:
            columns.extend(Column(posterior_name(spec, name), "number") for name in spec.classes)
    return tuple(columns)


def value_name(spec: PropertySpec) -> str:
    """Name the column of a value so that it ends in its unit.

    Example:
        >>> value_name(PropertySpec("f0_hz", "value", "Hz", (), 0.5, None, 0))
        'f0_hz'
        >>> value_name(PropertySpec("loudness", "value", "LUFS", (), 0.5, None, 0))
        'loudness_lufs'
    """
    unit = re.sub(r"[^a-z0-9]+", "_", spec.unit.lower()).strip("_")
    return spec.name if not unit or f"_{spec.name}".endswith(f"_{unit}") else f"{spec.name}_{unit}"


def posterior_name(spec: PropertySpec, name: str) -> str:
    """Name the column of the probability of one class."""
    return f"{spec.name}_probability_{name}"


def rows_of(chunk: Chunk, frame_s: float, channel: int, selection: Selection) -> dict[str, NDArray[Any]]:
    """Bring what an enhancer said about the frames of a chunk into columns.

    Args:
        chunk: what the enhancer returned.
        frame_s: time between frames in s.
        channel: number of the channel, from 0.
        selection: what is wanted.

    Returns:
        Arrays of shape (frame,) by name of the column.
    """
    frames = chunk.first_frame + np.arange(len(chunk.utilization))
    rows: dict[str, NDArray[Any]] = {
        "channel": np.full(len(frames), channel),
        "frame": frames,
        "time_s": frames * frame_s,
        "utilization": chunk.utilization,
    }
    properties = chunk.properties
    for spec in properties.schema:
        averaged = selection.smoothed or spec.averaged_s > 0
        estimate = properties.smoothed(spec.name) if averaged else properties.raw(spec.name)
        if spec.kind == "value":
            rows[value_name(spec)] = estimate
        elif spec.kind == "binary":
            rows[spec.name] = estimate >= spec.threshold
            rows[f"{spec.name}_probability"] = estimate
        else:
            rows[spec.name] = estimate.argmax(axis=1)
            rows[f"{spec.name}_probability"] = estimate.max(axis=1)
            if selection.posteriors:
                rows |= {posterior_name(spec, name): estimate[:, i] for i, name in enumerate(spec.classes)}
    return rows


def rows_of_channels(channels: Sequence[Sequence[Chunk]], frame_s: float, selection: Selection) -> Rows:
    """Bring chunks of several channels into columns, sorted by frame and then by channel.

    Args:
        channels: for every channel the chunks that came out at a time, at least one; all have the same frames.
        frame_s: time between frames in s.
        selection: what is wanted.

    Returns:
        Arrays of shape (frame * channel,) by name of the column.
    """
    rows = [
        joined([rows_of(chunk, frame_s, channel, selection) for chunk in chunks])
        for channel, chunks in enumerate(channels)
    ]
    return {name: np.stack([each[name] for each in rows], axis=1).reshape(-1) for name in rows[0]}


def joined(parts: Sequence[Rows]) -> Rows:
    """Put the rows of several chunks one after the other; there must be at least one.

    Example:
        >>> joined([{"frame": np.array([0])}, {"frame": np.array([1, 2])}])["frame"].tolist()
        [0, 1, 2]
    """
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
