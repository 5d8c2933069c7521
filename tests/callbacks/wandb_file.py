"""Reads the file of an offline W&B run: the records that ``wandb sync`` would send."""

from __future__ import annotations

import json
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BLOCK = 32768  # as in LevelDB's log: no header crosses the end of a block
HEADER = struct.Struct("<IHB")  # checksum, length, type
MAGIC = b":W&B"
FULL, FIRST, LAST = 1, 2, 4


@dataclass
class OfflineRun:
    """What a run file holds: rows of the history, configuration, artifacts by type, paths of files to upload."""

    history: list[dict[str, Any]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, Any] = field(default_factory=dict)
    metrics: list[Any] = field(default_factory=list)
    finished: bool = False

    @property
    def keys(self) -> set[str]:
        """Keys that were logged."""
        return {key for row in self.history for key in row}

    def rows(self, key: str) -> list[tuple[int, Any]]:
        """Return step and value of every row with a key."""
        return [(row["trainer/global_step"], row[key]) for row in self.history if key in row]


def read_records(path: Path) -> Iterator[Any]:
    """Yield the records of a run file."""
    from wandb.proto import wandb_internal_pb2

    data = path.read_bytes()
    assert data[:4] == MAGIC
    place, parts = 7, b""
    while place + HEADER.size <= len(data):
        left = BLOCK - place % BLOCK
        if left < HEADER.size:
            place += left
            continue
        checksum, length, kind = HEADER.unpack_from(data, place)
        chunk = data[place + HEADER.size : place + HEADER.size + length]
        if len(chunk) < length:  # still being written
            return
        assert zlib.crc32(bytes([kind]) + chunk) == checksum
        parts = chunk if kind in (FULL, FIRST) else parts + chunk
        place += HEADER.size + length
        if kind in (FULL, LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            yield record


def read_run(path: Path) -> OfflineRun:
    """Read a run file."""
    run = OfflineRun()
    for record in read_records(path):
        kind = record.WhichOneof("record_type")
        if kind == "history":
            run.history.append(_items(record.history.item))
        elif kind == "config":
            run.config |= _items(record.config.update)
        elif kind == "artifact":
            run.artifacts[record.artifact.type] = record.artifact
        elif kind == "metric":
            run.metrics.append(record.metric)
        elif kind == "exit":
            run.finished = True
    return run


def read_finished_run(path: Path, timeout_s: float = 60.0) -> OfflineRun:
    """Read the file of a run of this process: the one that writes it may be some seconds behind."""
    deadline = time.monotonic() + timeout_s
    while not (run := read_run(path)).finished and time.monotonic() < deadline:
        time.sleep(0.2)
    assert run.finished, f"{path} was not finished in {timeout_s} s"
    return run


def _items(items: Any) -> dict[str, Any]:
    """Return keys and values; nested keys are joined."""
    found: dict[str, Any] = {}
    for item in items:
        place = found
        *above, last = item.nested_key or [item.key]
        for name in above:
            place = place.setdefault(name, {})
        place[last] = json.loads(item.value_json)
    return found
