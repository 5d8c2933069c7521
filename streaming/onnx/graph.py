"""The network as an ONNX graph for streaming: any number of frames per call, states in and out.

The graph is one Scan over frames. Inside, the taps of past frames of all blocks are gathered and weighted at once, so
that a block takes few operations: with one frame per call a runtime spends as long between operations as in them.
Measured with onnxruntime 1.31 on one thread, microseconds per frame of the dense network: 109 so, 136 with one gather
in every block, 150 with one slice for every tap, 430 with a depthwise Conv; the Scan costs nothing (docs/export.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from streaming.network import FixedGate, FoldedBlock, FoldedNetwork
from streaming.onnx.builder import GraphBuilder
from streaming.onnx.gates import GateGraph, State

OPSET = 21  # the first one that onnxruntime 1.18 of 2024 has; nothing newer is needed
IR_VERSION = 10  # of the same time


@dataclass(frozen=True)
class FrameGraph:
    """The graph of one frame: shapes (1, frequency) and (block, channel), without the dimension of frames.

    Attributes:
        model: with the inputs ``magnitude`` and the states, the outputs ``spectral_mask``, ``channel_masks`` and the
            new states.
        states: in the order of the inputs.
        gated: whether there are ``channel_masks``.
    """

    model: onnx.ModelProto
    states: tuple[State, ...]
    gated: bool


def frame_graph(network: FoldedNetwork, *, fused: bool = True) -> FrameGraph:
    """Build the graph of one frame.

    Args:
        network: to translate.
        fused: let one operation multiply and add; quantization needs them apart.
    """
    builder = GraphBuilder(fused)
    gates = GateGraph(builder, network)
    sizes = network.frequencies, len(network.blocks), network.channels
    network = without_idle_channels(network)
    past = _PastFrames(builder, network)
    weight, bias = network.frontend_weight, network.frontend_bias
    residual = builder.add("Relu", [builder.affine("magnitude", weight, bias, name="frontend")])
    for number, block in enumerate(network.blocks):
        mask = gates.decide(number, residual)
        factor = None if mask is None else builder.add("Cast", [mask], to=TensorProto.FLOAT)
        hidden = builder.affine(residual, block.expand_weight, block.expand_bias, name=f"block_{number}_expand")
        hidden = builder.add("Relu", [hidden])
        hidden = past.held(number, hidden, mask) if mask and block.holds else _masked(builder, hidden, factor)
        filtered = _masked(builder, builder.add("Relu", [past.filtered(number, hidden)]), factor)
        residual = builder.affine(filtered, block.project_weight, residual, name=f"block_{number}_project")
    logit = builder.affine(residual, network.backend_weight, network.backend_bias, name="backend")
    builder.add("Sigmoid", [logit], output="spectral_mask")
    gates.finish()
    past.finish()
    return _frame_model(builder, sizes, (*past.states, *gates.states), gated=bool(gates.masks))


def scan_over_frames(frame: FrameGraph, properties: dict[str, str]) -> onnx.ModelProto:
    """Repeat the graph of one frame over all frames of a call.

    Args:
        frame: the graph of one frame, also a quantized one.
        properties: text by label, kept in the file.

    Returns:
        Model with the inputs ``magnitude`` (frame, frequency) and the states, and the outputs ``spectral_mask`` (frame,
        frequency), ``channel_masks`` (frame, block, channel) of gated networks, and the new states.
    """
    frequencies = _frequencies(frame)
    outputs = {value.name: value for value in frame.model.graph.output}
    results = [helper.make_tensor_value_info("spectral_mask", TensorProto.FLOAT, ["frame", frequencies])]
    if frame.gated:
        shape = [size.dim_value for size in outputs["channel_masks"].type.tensor_type.shape.dim]
        results.append(helper.make_tensor_value_info("channel_masks", TensorProto.BOOL, ["frame", *shape]))
    states = [helper.make_tensor_value_info(state.name, state.kind, state.shape) for state in frame.states]
    new = [helper.make_tensor_value_info(state.output, state.kind, state.shape) for state in frame.states]
    scan = helper.make_node(
        "Scan",
        [*(state.name for state in frame.states), "magnitude"],
        [*(state.output for state in frame.states), *(result.name for result in results)],
        name="frames",
        num_scan_inputs=1,
        body=_scan_body(frame),
    )
    magnitude = helper.make_tensor_value_info("magnitude", TensorProto.FLOAT, ["frame", frequencies])
    graph = helper.make_graph([scan], "conv_fsenet", [magnitude, *states], [*results, *new])
    model = helper.make_model(graph, opset_imports=frame.model.opset_import, ir_version=frame.model.ir_version)
    helper.set_model_props(model, properties)
    onnx.checker.check_model(model)
    return model


def without_idle_channels(network: FoldedNetwork) -> FoldedNetwork:
    """Leave out the channels that fixed gates never compute; blocks keep as many as the one with most needs.

    Args:
        network: with gates of any kind; only fixed ones change it.
    """
    gates = [block.gate for block in network.blocks]
    fixed = [gate.channel_mask for gate in gates if isinstance(gate, FixedGate)]
    if len(fixed) < len(gates):
        return network
    count = max(1, *(int(mask.sum()) for mask in fixed))
    kept = [np.sort(np.argsort(~mask, kind="stable")[:count]) for mask in fixed]
    blocks = zip(network.blocks, fixed, kept, strict=True)
    return replace(network, blocks=tuple(_without_idle(block, mask, rows) for block, mask, rows in blocks))


def _without_idle(block: FoldedBlock, mask: NDArray[np.bool_], rows: NDArray[np.int64]) -> FoldedBlock:
    """Keep some channels, whose output is 0 where they are idle."""
    active = mask[rows].astype(np.float32)
    return replace(
        block,
        expand_weight=block.expand_weight[rows] * active[:, None],
        expand_bias=block.expand_bias[rows] * active,
        depthwise_weight=block.depthwise_weight[rows],
        depthwise_bias=block.depthwise_bias[rows] * active,
        project_weight=block.project_weight[:, rows] * active,
    )


class _PastFrames:
    """What the depthwise filters of all blocks make of the past, in a few operations for all of them.

    The state holds the hidden frames of block after block, masked or held, the oldest first.
    """

    def __init__(self, builder: GraphBuilder, network: FoldedNetwork) -> None:
        self._builder, self._blocks = builder, network.blocks
        channels, self._taps = network.blocks[0].depthwise_weight.shape
        self._histories = [(self._taps - 1) * block.dilation for block in network.blocks]
        self._offsets = [sum(self._histories[:number]) for number in range(len(network.blocks))]
        self._new: list[str] = []
        self.states = [State("past", (sum(self._histories), channels))] if self._taps > 1 else []
        biases = np.stack([block.depthwise_bias for block in network.blocks])
        self._sums = builder.rows(self._weighted(biases), len(network.blocks), name="past_sum")

    def held(self, number: int, hidden: str, mask: str) -> str:
        """Keep what the channels of a block that are off were in the frame before, shape (1, channel)."""
        if not self.states:  # without past taps nobody reads them
            return hidden
        newest = self._builder.integers(self._offsets[number] + self._histories[number] - 1)
        return self._builder.add("Where", [mask, hidden, self._builder.add("Gather", ["past", newest], axis=0)])

    def filtered(self, number: int, hidden: str) -> str:
        """Filter the hidden channels of a block, shape (1, channel)."""
        self._new.append(hidden)
        last = self._builder.constant(self._blocks[number].depthwise_weight[:, -1][None])
        return self._builder.add("Add", [self._builder.add("Mul", [hidden, last]), self._sums[number]])

    def finish(self) -> None:
        """Add the state for the next frame."""
        if not self.states:
            return
        total = sum(self._histories)
        rows = [
            source
            for number, (offset, history) in enumerate(zip(self._offsets, self._histories, strict=True))
            for source in (*range(offset + 1, offset + history), total + number)
        ]
        everything = self._builder.add("Concat", ["past", *self._new], axis=0)
        self._builder.add("Gather", [everything, self._builder.integers(*rows)], output="new_past", axis=0)

    def _weighted(self, biases: NDArray[np.float32]) -> str:
        """Sum the weighted past taps and the biases of every block, shape (block, channel)."""
        if not self.states:
            return self._builder.constant(biases)
        rows = [
            offset + tap * block.dilation
            for offset, block in zip(self._offsets, self._blocks, strict=True)
            for tap in range(self._taps - 1)
        ]
        weights = np.concatenate([block.depthwise_weight[:, :-1].T for block in self._blocks])
        taps = self._builder.add("Gather", ["past", self._builder.integers(*rows)], axis=0)
        taps = self._builder.add("Mul", [taps, self._builder.constant(weights)])
        shape = self._builder.integers(len(self._blocks), self._taps - 1, biases.shape[1])
        taps = self._builder.add("Reshape", [taps, shape])
        summed = self._builder.add("ReduceSum", [taps, self._builder.integers(1)], keepdims=0)
        return self._builder.add("Add", [summed, self._builder.constant(biases)])


def _masked(builder: GraphBuilder, values: str, factor: str | None) -> str:
    return values if factor is None else builder.add("Mul", [values, factor])


def _frame_model(
    builder: GraphBuilder, sizes: tuple[int, int, int], states: tuple[State, ...], gated: bool
) -> FrameGraph:
    """Declare inputs and outputs; ``sizes`` are frequencies, blocks and channels."""
    inputs = [helper.make_tensor_value_info("magnitude", TensorProto.FLOAT, [1, sizes[0]])]
    inputs += [helper.make_tensor_value_info(state.name, state.kind, state.shape) for state in states]
    outputs = [helper.make_tensor_value_info("spectral_mask", TensorProto.FLOAT, [1, sizes[0]])]
    if gated:
        outputs.append(helper.make_tensor_value_info("channel_masks", TensorProto.BOOL, sizes[1:]))
    outputs += [helper.make_tensor_value_info(state.output, state.kind, state.shape) for state in states]
    graph = helper.make_graph(builder.nodes, "frame", inputs, outputs, builder.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return FrameGraph(model, states, gated)


def _scan_body(frame: FrameGraph) -> onnx.GraphProto:
    """Return the graph of a frame as the body of a Scan: states first, a frame as a vector, names of its own."""
    graph = onnx.compose.add_prefix_graph(frame.model.graph, "frame/")
    frequencies = _frequencies(frame)
    axis = numpy_helper.from_array(np.zeros(1, np.int64), "frame/axis")
    magnitude = helper.make_tensor_value_info("frame/vector", TensorProto.FLOAT, [frequencies])
    spectral = helper.make_tensor_value_info("frame/result", TensorProto.FLOAT, [frequencies])
    nodes = [
        helper.make_node("Unsqueeze", [magnitude.name, axis.name], ["frame/magnitude"], name="frame/as_row"),
        *graph.node,
        helper.make_node("Squeeze", ["frame/spectral_mask", axis.name], [spectral.name], name="frame/as_vector"),
    ]
    results = {value.name: value for value in graph.output}
    masks = [results["frame/channel_masks"]] if frame.gated else []
    new = [results[f"frame/{state.output}"] for state in frame.states]
    states = [value for value in graph.input if value.name != "frame/magnitude"]
    return helper.make_graph(nodes, "frame", [*states, magnitude], [*new, spectral, *masks], [axis, *graph.initializer])


def _frequencies(frame: FrameGraph) -> int:
    return int(frame.model.graph.input[0].type.tensor_type.shape.dim[1].dim_value)
