"""ONNX Runtime as an engine: the network runs there, analysis, synthesis and probes are the compiled loops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from streaming.engine import Engine, EngineStream, FrameBuffers
from streaming.kernels import compiled
from streaming.kernels import layout as at
from streaming.kernels.workspace import position_count, split_floats, split_integers, work_size
from streaming.network import FoldedNetwork
from streaming.onnx.graph import frame_graph, scan_over_frames
from streaming.onnx.session import first_states, open_session
from streaming.packing import PackedNetwork

# Spectral masks nearer to 0 or 1 count as this near; what is left of them is under the rounding of float32.
SMALLEST, LARGEST = np.float32(1e-30), np.float32(1 - 2**-24)


class OnnxStream(EngineStream):
    """A stream whose network runs in ONNX Runtime.

    Inputs and outputs are bound to memory of the stream once for every number of frames, which saves a sixth of the
    time of a call. States have two places each: one is read while the other is written.

    Args:
        packed: network and probes.
        session: shared by all streams.
    """

    def __init__(self, packed: PackedNetwork, session: onnxruntime.InferenceSession) -> None:
        plan = packed.plan
        self._session = session
        self._states = [first_states(session) for _ in range(2)]
        self._current = 0
        self._bindings: dict[tuple[int, int], Any] = {}
        self._gated = any(output.name == "channel_masks" for output in session.get_outputs())
        bins = int(plan[at.FREQUENCIES])
        self._magnitude, self._spectral_mask = np.zeros((2, at.BATCH, bins), dtype=np.float32)
        self._masks = np.ones((at.BATCH, int(plan[at.BLOCKS]), int(plan[at.CHANNELS])), dtype=np.bool_)
        self._work = np.zeros(work_size.py_func(plan), dtype=np.float32)
        self._positions = np.zeros(position_count.py_func(plan), dtype=np.int64)
        super().__init__(packed)

    def reset(self) -> None:
        """Forget the signal."""
        super().reset()
        for state in self._states[self._current].values():
            state[:] = 0

    def advance(self, samples: NDArray[np.float32], buffers: FrameBuffers) -> int:
        """See :meth:`EngineStream.advance`.

        Raises:
            ValueError: if masks are given to compute with; nothing is changed then.
        """
        if buffers.forced.size:
            raise ValueError("the engine 'onnx' computes with the masks of its gates only; use 'numba' to give others")
        if compiled.count_unusable(samples):
            return -1
        packed, plan = self.packed, self.packed.plan
        (re, im, magnitudes, estimates), _, outputs, spare, sums = split_floats.py_func(plan, self._work)
        starts = split_integers.py_func(plan, self._positions)[1]
        position = written = done = 0
        while position < samples.size:
            frames, position = compiled.collect(
                plan, packed.weights, self.state, self.clock, samples, position, re, im, magnitudes, spare, starts, sums
            )
            if frames == 0:
                break
            self._estimate(frames, magnitudes, estimates)
            self._listen(frames, outputs, buffers, done)
            written = compiled.deliver(
                plan, packed.weights, packed.heads, self.state, self.clock, frames, estimates, re, im, outputs,
                buffers.enhanced, written, buffers.outputs, done, spare, starts, sums,
            )  # fmt: skip
            done += frames
        self.clock[at.RECEIVED] += samples.size
        return written

    def _estimate(self, frames: int, magnitudes: NDArray[np.float32], estimates: NDArray[np.float32]) -> None:
        """Run the network; ``estimates`` get what a sigmoid makes the spectral mask of, as the loops expect it."""
        padded, bins = int(self.packed.plan[at.PADDED_FREQUENCIES]), self._magnitude.shape[1]
        self._magnitude[:frames] = magnitudes.reshape(at.BATCH, padded)[:frames, :bins]
        self._session.run_with_iobinding(self._binding(frames))
        self._current = 1 - self._current
        mask = np.clip(self._spectral_mask[:frames], SMALLEST, LARGEST)
        estimates.reshape(at.BATCH, padded)[:frames, :bins] = np.log(mask / (1 - mask))

    def _listen(self, frames: int, outputs: NDArray[np.float32], buffers: FrameBuffers, done: int) -> None:
        """Sum the probes' weights of the active channels of the frames."""
        packed, count = self.packed, int(self.packed.plan[at.OUTPUTS])
        masks = self._masks.view(np.uint8)
        for frame in range(frames):
            active = compiled.sum_active(
                packed.plan, packed.blocks, packed.weights, masks, frame, outputs, frame * count
            )
            buffers.utilization[done + frame] = active / masks[0].size
        if buffers.masks.size:
            buffers.masks[done : done + frames] = masks[:frames]

    def _binding(self, frames: int) -> Any:
        """Return the inputs and outputs of a call, bound once."""
        key = frames, self._current
        if key not in self._bindings:
            binding = self._bindings[key] = self._session.io_binding()
            old, new = self._states[self._current], self._states[1 - self._current]
            inputs: dict[str, NDArray[Any]] = {"magnitude": self._magnitude[:frames], **old}
            outputs: dict[str, NDArray[Any]] = {f"new_{name}": state for name, state in new.items()}
            outputs["spectral_mask"] = self._spectral_mask[:frames]
            if self._gated:
                outputs["channel_masks"] = self._masks[:frames]
            for name, array in inputs.items():
                binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
            for name, array in outputs.items():
                binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        return self._bindings[key]

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return copies of all that the stream remembers."""
        states = self._states[self._current]
        return super().tensors() | {f"network.{name}": state.copy() for name, state in states.items()}

    def set_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what :meth:`tensors` returned; see :meth:`EngineStream.set_tensors`."""
        super().set_tensors(tensors)
        for name, state in self._states[self._current].items():
            state[:] = tensors[f"network.{name}"]

    @property
    def bytes(self) -> int:
        """Memory of the stream beside the shared weights, in bytes; what ONNX Runtime allocates does not count."""
        arrays = [self._magnitude, self._spectral_mask, self._masks, self._work, self._positions]
        states = [state for place in self._states for state in place.values()]
        return super().bytes + sum(array.nbytes for array in [*arrays, *states])


class OnnxEngine(Engine):
    """Computes streams with ONNX Runtime, all channels of every frame.

    Args:
        network: to run.
        packed: the same with its probes.
        model: serialized graph of this network, a quantized one for example; None builds one.
        threads: that one operation may use.
    """

    def __init__(
        self, network: FoldedNetwork, packed: PackedNetwork, *, model: bytes | None = None, threads: int = 1
    ) -> None:
        super().__init__(packed)
        if model is None:
            model = scan_over_frames(frame_graph(network), {}).SerializeToString()
        self._session = open_session(model, threads)

    def try_out(self) -> None:
        """Run the graph on silence, and check what comes out before memory is bound to it.

        Raises:
            ValueError: if the graph is not one that can be streamed with these sizes.
            Exception: of ONNX Runtime, if it cannot run the graph.
        """
        plan = self.packed.plan
        bins, masks = int(plan[at.FREQUENCIES]), (int(plan[at.BLOCKS]), int(plan[at.CHANNELS]))
        names = [output.name for output in self._session.get_outputs()]
        for frames in (1, 2, int(at.BATCH)):
            states = first_states(self._session)
            given = {"magnitude": np.zeros((frames, bins), dtype=np.float32)} | states
            found = dict(zip(names, self._session.run(None, given), strict=True))
            expected = {f"new_{name}": (state.shape, state.dtype) for name, state in states.items()}
            expected["spectral_mask"] = (frames, bins), np.dtype(np.float32)
            if "channel_masks" in found:
                expected["channel_masks"] = (frames, *masks), np.dtype(np.bool_)
            for name, (shape, dtype) in expected.items():
                value = found.get(name)
                if value is None or (value.shape, value.dtype) != (shape, dtype):
                    got = "nothing" if value is None else f"{value.dtype} {value.shape}"
                    raise ValueError(f"output '{name:.50}' must be {dtype} {shape}, got {got}")

    def new_stream(self) -> OnnxStream:
        """Return a stream at its start."""
        return OnnxStream(self.packed, self._session)
