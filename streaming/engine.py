"""What computes the frames of a stream; another engine (in C, say) is two more classes with their own ``advance``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.kernels import layout as at
from streaming.packing import PackedNetwork


class FrameBuffers(NamedTuple):
    """What an engine writes for some frames.

    Attributes:
        enhanced: samples that became final, shape (sample,), with room for those of all frames.
        outputs: what the probes say, of every frame by itself and smoothed, shape (2, frame, output).
        utilization: share of active channels, shape (frame,).
        masks: uint8, shape (frame, block, channel), or (0, 0, 0) if not wanted.
        forced: masks to compute with instead of those of the gates, in the same shapes.
    """

    enhanced: NDArray[np.float32]
    outputs: NDArray[np.float32]
    utilization: NDArray[np.float32]
    masks: NDArray[np.uint8]
    forced: NDArray[np.uint8]


class EngineStream(ABC):
    """One signal on its way through a network.

    Args:
        packed: network and probes, shared by all streams.

    Attributes:
        state: memory of analysis, synthesis, smoothing and, if the engine keeps it here, of the network.
        clock: frames and samples so far, see ``kernels.layout``.
    """

    def __init__(self, packed: PackedNetwork) -> None:
        self.packed = packed
        self.state = np.zeros(packed.plan[at.STATE_SIZE], dtype=np.float32)
        self.clock = np.zeros(at.CLOCK_FIELDS, dtype=np.int64)
        self.reset()

    def reset(self) -> None:
        """Forget the signal: the next sample is the first, with silence before it."""
        self.state[:] = 0
        self.clock[:] = 0
        self.clock[at.FILLED] = self.packed.plan[at.WINDOW] // 2  # frame 0 is centred on the first sample

    @abstractmethod
    def advance(self, samples: NDArray[np.float32], buffers: FrameBuffers) -> int:
        """Take samples, write what they complete, and return how many enhanced samples that are.

        Returns -1 and changes nothing if a sample is not finite or too large.
        """

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return copies of all that the stream remembers."""
        return {"state": self.state.copy(), "clock": self.clock.copy()}

    def set_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what :meth:`tensors` returned.

        Raises:
            ValueError: if an array is missing, of another shape or type, or a position is none that a stream reaches;
                nothing is changed then.
        """
        for name, value in self.tensors().items():
            given = tensors.get(name)
            if given is None or given.shape != value.shape or given.dtype != value.dtype:
                found = "none" if given is None else f"{given.dtype} of shape {given.shape}"
                raise ValueError(f"'{name}' must be {value.dtype} of shape {value.shape}, got {found}")
            if not np.isfinite(given).all():
                raise ValueError(f"the state is damaged: '{name}' holds values that are not finite")
        self._check_clock(tensors["clock"])
        self.state[:], self.clock[:] = tensors["state"], tensors["clock"]

    def _check_clock(self, clock: NDArray[np.int64]) -> None:
        """Check positions from outside: the loops, which know no bounds, write where they point."""
        window, hop = int(self.packed.plan[at.WINDOW]), int(self.packed.plan[at.HOP])
        frames, filled, received = (int(clock[field]) for field in (at.FRAME_NUMBER, at.FILLED, at.RECEIVED))
        if min(frames, filled, received) < 0 or filled >= window or filled != window // 2 + received - frames * hop:
            raise ValueError(
                f"'clock' must be a position in a stream, got {frames} frames of {received} samples with {filled} left"
            )

    @property
    def bytes(self) -> int:
        """Memory of the stream beside the shared weights, in bytes."""
        return self.state.nbytes + self.clock.nbytes


class Engine(ABC):
    """Computes streams of one network.

    Args:
        packed: network and probes.
    """

    def __init__(self, packed: PackedNetwork) -> None:
        self.packed = packed

    @abstractmethod
    def new_stream(self) -> EngineStream:
        """Return a stream at its start."""
