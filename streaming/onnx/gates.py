"""The gates of one frame as ONNX operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto

from streaming.network import FixedGate, FoldedGate, FoldedNetwork, FoldedStem, RandomMasks
from streaming.onnx.builder import GraphBuilder

# An infinite bias computes every channel. Large enough to do so, and finite, since quantization needs a range.
LARGEST_BIAS = 1e30


@dataclass(frozen=True)
class State:
    """What one call hands to the next; all zeros before the first frame.

    Attributes:
        name: of the input; the output is called the same with ``new_`` before.
        shape: of both.
        kind: ``onnx.TensorProto`` data type.
    """

    name: str
    shape: tuple[int, ...]
    kind: int = TensorProto.FLOAT

    @property
    def output(self) -> str:
        """Name of the output."""
        return f"new_{self.name}"


@dataclass
class GateGraph:
    """Adds the gates of a network to a graph, block after block.

    Attributes:
        builder: of the graph.
        network: whose gates.
        states: of the gates, complete from the start.
        masks: decisions so far, bool, shape (1, channel) each.
    """

    builder: GraphBuilder
    network: FoldedNetwork
    states: list[State] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._hidden = ""
        self._remembered: list[str] = []
        gates = [block.gate for block in self.network.blocks]
        listening = [gate for gate in gates if isinstance(gate, FoldedGate)]
        stems = [gate.stem for gate in listening if gate.stem is not None]
        self._past = self._memory_rows(stems)
        self._was_on = self._mask_rows(listening)
        self._random = self._random_masks([gate for gate in gates if isinstance(gate, RandomMasks)])

    def decide(self, block: int, residual: str) -> str | None:
        """Add the gate of a block.

        Args:
            block: its number; blocks come in order.
            residual: its input, shape (1, residual channel). Gates that read magnitudes take ``magnitude``, the input
                of the graph.

        Returns:
            Mask, bool, shape (1, channel); None if the same channels are computed in every frame.
        """
        gate = self.network.blocks[block].gate
        if gate is None:
            return None
        if isinstance(gate, FixedGate):
            self.masks.append(self.builder.constant(gate.channel_mask[None]))
            return None
        mask = self._random.pop(0) if isinstance(gate, RandomMasks) else self._compare(gate, residual, f"gate_{block}")
        self.masks.append(mask)
        return mask

    def finish(self) -> None:
        """Add what the next frame needs, and the masks of all blocks as ``channel_masks``, shape (block, channel)."""
        outputs = {state.name: state.output for state in self.states}
        if "gate_past" in outputs or "gate_average" in outputs:
            name = outputs.get("gate_past") or outputs["gate_average"]
            self.builder.add("Concat", self._remembered, output=name, axis=0)
        if self.masks:
            self.builder.add("Concat", self.masks, output="channel_masks", axis=0)
        if "gate_masks" in outputs:
            self.builder.add("Identity", ["channel_masks"], output=outputs["gate_masks"])
        if "frame_number" in outputs:
            one = self.builder.integers(1)
            self.builder.add("Add", ["frame_number", one], output=outputs["frame_number"])

    def _compare(self, gate: FoldedGate, residual: str, name: str) -> str:
        if gate.stem is not None:
            self._hidden = self._stem(gate.stem, residual, name)
        bias = np.minimum(gate.bias, np.float32(LARGEST_BIAS))
        logit = self.builder.affine(self._hidden, gate.weight, bias, name=f"{name}_expand")
        zero = self.builder.constant(np.zeros((), np.float32))
        if gate.hysteresis == 0:
            return self.builder.add("Greater", [logit, zero])
        margin = [self.builder.constant(np.array(sign * gate.hysteresis / 2, np.float32)) for sign in (-1, 1)]
        threshold = self.builder.add("Where", [self._was_on.pop(0), *margin])
        return self.builder.add("Greater", [logit, threshold])

    def _stem(self, stem: FoldedStem, residual: str, name: str) -> str:
        squeezed = self.builder.affine(residual, stem.weight, stem.bias, name=f"{name}_squeeze")
        if stem.magnitude_weight is not None:
            squeezed = self.builder.affine("magnitude", stem.magnitude_weight, squeezed, name=f"{name}_skip")
        if stem.filter is not None and stem.filter.shape[1] > 1:
            rows = self.builder.add("Concat", [self._past.pop(0), squeezed], axis=0)
            weighted = self.builder.add("Mul", [rows, self.builder.constant(stem.filter.T)])
            last = [self.builder.integers(value) for value in (1, stem.filter.shape[1], 0)]
            self._remembered.append(self.builder.add("Slice", [rows, *last]))
            squeezed = self.builder.add("ReduceSum", [weighted, self.builder.integers(0)], keepdims=1)
        elif stem.filter is not None:
            squeezed = self.builder.add("Mul", [squeezed, self.builder.constant(stem.filter.T)])
        elif stem.retention is not None:
            kept, taken = (self.builder.constant(np.array(v, np.float32)) for v in (stem.retention, 1 - stem.retention))
            old = self.builder.add("Mul", [self._past.pop(0), kept])
            squeezed = self.builder.add("Add", [old, self.builder.add("Mul", [squeezed, taken])])
            self._remembered.append(squeezed)
        return self.builder.add("Relu", [squeezed])

    def _memory_rows(self, stems: Sequence[FoldedStem]) -> list[str]:
        """Return what the memory of every stem holds, and declare it as one state."""
        filters = [stem.filter for stem in stems if stem.filter is not None and stem.filter.shape[1] > 1]
        if filters:
            width, taps = filters[0].shape
            self.states.append(State("gate_past", (len(filters) * (taps - 1), width)))
            return self.builder.rows("gate_past", len(filters), name="gate_past")
        averages = [stem for stem in stems if stem.retention is not None]
        if averages:
            self.states.append(State("gate_average", (len(averages), averages[0].bias.size)))
            return self.builder.rows("gate_average", len(averages), name="gate_average")
        return []

    def _mask_rows(self, gates: Sequence[FoldedGate]) -> list[str]:
        """Return the last masks of the gates, if they have hysteresis, and declare them as one state."""
        if not any(gate.hysteresis for gate in gates):
            return []
        self.states.append(State("gate_masks", (len(gates), self.network.channels), TensorProto.BOOL))
        return self.builder.rows("gate_masks", len(gates), name="gate_masks")

    def _random_masks(self, gates: Sequence[RandomMasks]) -> list[str]:
        """Return the masks of random gates, those of all blocks drawn at once, from the number of the frame."""
        if not gates:
            return []
        self.states.append(State("frame_number", (1,), TensorProto.INT64))
        keys = np.array([[_mix(gate.seed + 1)] for gate in gates], dtype=np.int64)
        mixed = self._mixed(self.builder.add("BitwiseXor", ["frame_number", self.builder.constant(keys)]))
        channels = self.builder.constant(np.arange(self.network.channels, dtype=np.int64))
        bits = self.builder.add("Div", [self._mixed(self.builder.add("BitwiseXor", [mixed, channels])), self._power(8)])
        draw = self.builder.add("Cast", [bits], to=TensorProto.FLOAT)
        # compared with the threshold times 2 ** 24, which is exact, instead of dividing every draw
        thresholds = np.array([[gate.threshold] for gate in gates], dtype=np.float32) * np.float32(2**24)
        masks = self.builder.add("Greater", [draw, self.builder.constant(np.maximum(thresholds, -1))])
        return self.builder.rows(masks, len(gates), name="random_masks")

    def _power(self, exponent: int) -> str:
        return self.builder.integers(2**exponent)

    def _mixed(self, value: str) -> str:
        """Scramble as :func:`_mix` does; a product that leaves 64 bits keeps its lower half."""
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
            value = self._folded(value, shift)
            value = self.builder.add("Mul", [value, self.builder.integers(factor)])
            value = self.builder.add("BitwiseAnd", [value, self.builder.integers(0xFFFFFFFF)])
        return self._folded(value, 16)

    def _folded(self, value: str, shift: int) -> str:
        """Compute ``value ^ (value >> shift)`` of numbers that are not negative."""
        return self.builder.add("BitwiseXor", [value, self.builder.add("Div", [value, self._power(shift)])])


def _mix(value: int) -> int:
    """Scramble a 32-bit integer, as ``networks.constant_gates`` does.

    Example:
        >>> _mix(1)
        1364076727
    """
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        value = ((value ^ (value >> shift)) * factor) & 0xFFFFFFFF
    return value ^ (value >> 16)
