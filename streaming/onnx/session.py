"""ONNX Runtime for streams: a session, its states, and frames through it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

# Of onnxruntime's inputs and outputs.
DTYPES: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(bool)": np.bool_,
    "tensor(int64)": np.int64,
}


class Estimates(NamedTuple):
    """What the network says of some frames.

    Attributes:
        spectral_mask: shape (frame, frequency).
        channel_masks: shape (frame, block, channel); None of a dense network.
    """

    spectral_mask: NDArray[np.float32]
    channel_masks: NDArray[np.bool_] | None


def open_session(model: bytes, threads: int = 1) -> onnxruntime.InferenceSession:
    """Load a model for streaming on the CPU.

    Args:
        model: serialized.
        threads: that one operation may use; more than one does not help with one frame per call.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # it warns of constants that its own optimizations leave unused
    # no second attempt where a model cannot be loaded, which would be told on stdout
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"], enable_fallback=0)


def first_states(session: onnxruntime.InferenceSession) -> dict[str, NDArray[Any]]:
    """Return the states before the first frame, by name of the input."""
    inputs = [item for item in session.get_inputs() if item.name != "magnitude"]
    return {item.name: np.zeros(item.shape, DTYPES[item.type]) for item in inputs}


class StreamRunner:
    """One signal on its way through a model.

    Args:
        model: serialized, of one frame per call or of any number.
    """

    def __init__(self, model: bytes) -> None:
        self._session = open_session(model)
        self._names = [output.name for output in self._session.get_outputs()]
        self.states = first_states(self._session)

    def reset(self) -> None:
        """Forget the signal."""
        self.states = first_states(self._session)

    def run(self, magnitude: NDArray[np.float32]) -> Estimates:
        """Take the next frames.

        Args:
            magnitude: compressed, shape (frame, frequency), at least one frame.
        """
        found = dict(zip(self._names, self._session.run(None, {"magnitude": magnitude} | self.states), strict=True))
        self.states = {name: found[f"new_{name}"] for name in self.states}
        return Estimates(found["spectral_mask"], found.get("channel_masks"))
