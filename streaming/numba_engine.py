"""The engine of the project: compiled loops that read and compute the active channels only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streaming.engine import Engine, EngineStream, FrameBuffers
from streaming.kernels import compiled
from streaming.kernels.workspace import position_count, work_size
from streaming.packing import PackedNetwork


class NumbaStream(EngineStream):
    """A stream whose whole way from samples to samples is one call, without the interpreter's lock."""

    def __init__(self, packed: PackedNetwork) -> None:
        super().__init__(packed)
        self.work = np.zeros(work_size.py_func(packed.plan), dtype=np.float32)
        self.positions = np.zeros(position_count.py_func(packed.plan), dtype=np.int64)

    def advance(self, samples: NDArray[np.float32], buffers: FrameBuffers) -> int:
        """See :meth:`EngineStream.advance`."""
        packed = self.packed
        return compiled.advance(
            packed.plan,
            packed.blocks,
            packed.weights,
            packed.fixed,
            packed.heads,
            self.state,
            self.clock,
            samples,
            *buffers,
            self.work,
            self.positions,
        )

    @property
    def bytes(self) -> int:
        """Memory of the stream beside the shared weights, in bytes."""
        return super().bytes + self.work.nbytes + self.positions.nbytes


class NumbaEngine(Engine):
    """Computes streams with compiled loops; the first call of a machine compiles them."""

    def new_stream(self) -> NumbaStream:
        """Return a stream at its start."""
        return NumbaStream(self.packed)
