"""A bounded, seeded, uniform sample of frames; binary features take one bit each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.moments import is_binary

UNPACKED_ROWS = 16384  # bounds the memory of picking columns
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_STEP = np.uint64(0x9E3779B97F4A7C15)


def row_keys(seed: int, stream: int, index: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Draw a 64-bit key per row from (seed, stream, index) with SplitMix64 (Steele et al., 2014).

    The key does not depend on how rows are cut into batches; keeping the smallest keys is a uniform sample.

    Example:
        >>> bool((row_keys(0, 0, np.arange(4))[2:] == row_keys(0, 0, np.arange(2, 4))).all())
        True
    """
    state = np.full(1, seed % 2**64, dtype=np.uint64)
    for part in (np.full(1, stream % 2**64, dtype=np.uint64), index.astype(np.uint64)):
        state = _splitmix(state) + part
    return _splitmix(state)


def _splitmix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = state + _STEP
    z = (z ^ (z >> np.uint64(30))) * _MIX[0]
    z = (z ^ (z >> np.uint64(27))) * _MIX[1]
    return z ^ (z >> np.uint64(31))


@dataclass(frozen=True)
class FrameRows:
    """Rows kept for a fit or a score.

    Attributes:
        stored: bit-packed bytes, shape (row, ceil(feature / 8)), if ``packed``; else float32, shape (row, feature).
        packed: whether the features are binary.
        num_features: features per row.
        targets: name -> shape (row,).
        utterances: utterance of every row, shape (row,).
        keys: random key of every row; the rows with the smallest keys are a uniform sub-sample.
        order: shape (row, 2), stream and running index; rows are sorted by it.
    """

    stored: NDArray[Any]
    packed: bool
    num_features: int
    targets: dict[str, NDArray[Any]]
    utterances: NDArray[Any]
    keys: NDArray[np.uint64]
    order: NDArray[np.int64]

    def __len__(self) -> int:
        return self.keys.size

    @property
    def features(self) -> NDArray[Any]:
        """All features unpacked, shape (row, feature)."""
        return self.dense(slice(None))

    def dense(self, rows: NDArray[Any] | slice) -> NDArray[Any]:
        """Unpack the features of some rows: bool if binary, else float32, shape (row, feature)."""
        stored = self.stored[rows]
        return np.unpackbits(stored, axis=1, count=self.num_features).view(np.bool_) if self.packed else stored

    def columns(self, features: NDArray[np.int64]) -> FrameRows:
        """Keep some features of all rows, given by index, in that order."""
        if not self.packed:
            return replace(self, stored=self.stored[:, features], num_features=len(features))
        chosen = [
            np.packbits(self.dense(slice(start, start + UNPACKED_ROWS))[:, features], axis=1)
            for start in range(0, len(self), UNPACKED_ROWS)
        ]
        stored = np.concatenate(chosen) if chosen else np.zeros((0, -(-len(features) // 8)), dtype=np.uint8)
        return replace(self, stored=stored, num_features=len(features))

    def take(self, rows: NDArray[Any]) -> FrameRows:
        """Keep some rows, given by index or mask."""
        targets = {name: values[rows] for name, values in self.targets.items()}
        arrays = (self.utterances[rows], self.keys[rows], self.order[rows])
        return FrameRows(self.stored[rows], self.packed, self.num_features, targets, *arrays)


class FrameReservoir:
    """Uniform sample without replacement of a stream of frames.

    The sample depends on (seed, stream, running row index) only, not on the batches, and samples of several streams
    merge into the sample of their union. Rows that come with their positions in the whole data set need no streams:
    however they are dealt out to ranks, the merged sample is that of one process. 2304 binary features take 288 bytes a
    frame.

    Args:
        capacity: most rows kept; None keeps every row.
        seed: seed of the sample.
        stream: number of the stream; samples without positions that are to be merged must differ in it.

    Raises:
        ValueError: if ``capacity`` is not positive.

    Example:
        >>> reservoir = FrameReservoir(capacity=2, seed=0)
        >>> reservoir.add(np.eye(5, dtype=bool), {"vad": np.arange(5) % 2}, np.zeros(5, dtype=int))
        >>> len(reservoir.rows()), reservoir.seen
        (2, 5)
    """

    def __init__(self, capacity: int | None, seed: int = 0, stream: int = 0) -> None:
        if capacity is not None and capacity < 1:
            raise ValueError(f"capacity must be positive or None, got {capacity}")
        self.capacity, self.seed, self.stream = capacity, seed, stream
        self.seen = 0
        self._next_index = 0
        self._streams = {stream}
        self._positioned = False
        self._chunks: list[FrameRows] = []
        self._held = 0
        self._threshold = np.uint64(2**64 - 1)

    def add(
        self,
        features: NDArray[Any],
        targets: Mapping[str, NDArray[Any]],
        utterance_ids: NDArray[Any],
        positions: NDArray[np.int64] | None = None,
    ) -> None:
        """Offer rows.

        Args:
            features: shape (row, feature); bool or 0/1 uint8 is packed, anything else kept as float32.
            targets: name -> shape (row,), the same names in every call.
            utterance_ids: shape (row,), unique over the whole data set.
            positions: running index of every row in the whole data set, shape (row,), in every call or in none; None
                counts the rows of this reservoir.

        Raises:
            ValueError: if shapes, names or the kind of features disagree with each other or with earlier calls.
        """
        rows = features.shape[0]
        arrays = {"utterance_ids": np.asarray(utterance_ids)} | {k: np.asarray(v) for k, v in targets.items()}
        if positions is not None:
            arrays["positions"] = positions
        for name, values in arrays.items():
            if features.ndim != 2 or values.shape != (rows,):
                raise ValueError(f"features {features.shape} must be (row, feature) and {name} {values.shape} (row,)")
        if self.seen and self._positioned != (positions is not None):
            raise ValueError("positions must be given in every call or in none")
        self._positioned = positions is not None
        index = np.arange(self._next_index, self._next_index + rows) if positions is None else positions
        keys = row_keys(self.seed, self.stream, index)
        keep = np.flatnonzero(keys <= self._threshold)
        packed = is_binary(features)
        chosen = features[keep]
        chunk = FrameRows(
            stored=np.packbits(chosen, axis=1) if packed else chosen.astype(np.float32),
            packed=packed,
            num_features=features.shape[1],
            targets={name: np.asarray(values)[keep] for name, values in targets.items()},
            utterances=arrays["utterance_ids"][keep],
            keys=keys[keep],
            order=np.stack([np.full(keep.size, self.stream), index[keep]], axis=1),
        )
        self._append(chunk)
        self._next_index += rows
        self.seen += rows

    def merge(self, other: FrameReservoir) -> FrameReservoir:
        """Take in the sample of another stream, or of another rank if rows have positions, and return self.

        Raises:
            ValueError: if seed or capacity differ, or a stream is in both; with positions, if an utterance is in both.
        """
        if (self.capacity, self.seed) != (other.capacity, other.seed):
            raise ValueError(
                f"reservoirs must share capacity and seed, got {(self.capacity, self.seed)} "
                f"and {(other.capacity, other.seed)}"
            )
        self._check_apart(other)
        self._positioned = self._positioned or other._positioned
        self._streams |= other._streams
        self.seen += other.seen
        if other._chunks:
            self._append(other.rows())
        return self

    def rows(self) -> FrameRows:
        """Return the sample, ordered by stream and running index; without any ``add``, zero rows of zero features."""
        if not self._chunks:
            nothing = np.zeros(0, dtype=np.int64)
            empty = np.zeros((0, 0), dtype=np.uint8)
            return FrameRows(empty, True, 0, {}, nothing, nothing.astype(np.uint64), np.zeros((0, 2), dtype=np.int64))
        self._compact()
        return self._chunks[0]

    def _check_apart(self, other: FrameReservoir) -> None:
        """Refuse rows that are here already."""
        positioned = [one._positioned for one in (self, other) if one.seen]
        if not all(positioned) and any(positioned):
            raise ValueError("merged reservoirs must both have positions, or neither")
        if positioned and not any(positioned) and self._streams & other._streams:
            raise ValueError(
                f"streams must differ between merged reservoirs, both hold {self._streams & other._streams}"
            )
        if all(positioned):
            both = np.intersect1d(self.rows().utterances, other.rows().utterances)
            if both.size:
                raise ValueError(f"utterances must differ between merged reservoirs, both hold {both[:3].tolist()}")

    def _append(self, chunk: FrameRows) -> None:
        if self._chunks:
            first = self._chunks[0]
            expected = (first.num_features, first.packed, sorted(first.targets))
            received = (chunk.num_features, chunk.packed, sorted(chunk.targets))
            if expected != received:
                raise ValueError(f"(features, binary, targets) were {expected} before, now {received}")
        self._chunks.append(chunk)
        self._held += len(chunk)
        if self.capacity is not None and self._held > 2 * self.capacity:
            self._compact()

    def _compact(self) -> None:
        first = self._chunks[0]
        merged = FrameRows(
            stored=np.concatenate([chunk.stored for chunk in self._chunks]),
            packed=first.packed,
            num_features=first.num_features,
            targets={name: np.concatenate([chunk.targets[name] for chunk in self._chunks]) for name in first.targets},
            utterances=np.concatenate([chunk.utterances for chunk in self._chunks]),
            keys=np.concatenate([chunk.keys for chunk in self._chunks]),
            order=np.concatenate([chunk.order for chunk in self._chunks]),
        )
        keep = np.arange(len(merged))
        if self.capacity is not None and len(merged) > self.capacity:
            keep = np.argpartition(merged.keys, self.capacity - 1)[: self.capacity]
            self._threshold = merged.keys[keep].max()
        keep = keep[np.lexsort((merged.order[keep, 1], merged.order[keep, 0]))]
        self._chunks = [merged.take(keep)]
        self._held = keep.size
