"""Whether an ONNX file from elsewhere may be run: only what an export writes, of the sizes that it says it has."""

from __future__ import annotations

import math
from collections.abc import Iterable

import onnx

from checkpoints.architecture import Architecture

# All that graphs of ours consist of, those of 8 bits too. None of them repeats anything by a number in the file, or
# makes more values than it is given, so that memory and time follow from the sizes that are checked below.
OPERATIONS = frozenset([
    "Add", "BitwiseAnd", "BitwiseXor", "Cast", "Concat", "DequantizeLinear", "Div", "DynamicQuantizeLinear",
    "Gather", "Gemm", "Greater", "Identity", "MatMul", "MatMulInteger", "Mul", "QLinearMatMul",
    "QuantizeLinear", "ReduceSum", "Relu", "Reshape", "Scan", "Sigmoid", "Slice", "Split", "Squeeze", "Sub",
    "Unsqueeze", "Where",
])  # fmt: skip
DOMAINS = ("", "ai.onnx")
LARGEST = 1 << 26  # numbers in the weights of all blocks, or in a state of a stream: 256 MiB


def check_graph(model: onnx.ModelProto, architecture: Architecture, num_bytes: int) -> None:
    """Check a model before it is run.

    Args:
        model: as it was read.
        architecture: that it says it has.
        num_bytes: of the file.

    Raises:
        ValueError: naming what is wrong.
    """
    if model.functions:
        raise ValueError("graph: functions of its own are not run")
    for graph in _graphs([model.graph]):
        for node in graph.node:
            if node.op_type not in OPERATIONS or node.domain not in DOMAINS:
                raise ValueError(f"graph: operation '{node.domain}{node.op_type:.50}' is none that an export writes")
        if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in graph.initializer):
            raise ValueError("graph: weights in other files are not read")
        if graph.sparse_initializer:
            raise ValueError("graph: sparse weights are not read")
    sizes = architecture
    ends = 2 * sizes.num_frequencies * sizes.residual_channels  # stored whole, with at least one byte each
    if ends > num_bytes or sizes.blocks > num_bytes:
        raise ValueError(f"architecture has more weights than the {num_bytes} bytes of the file")
    if sizes.blocks * sizes.channels * (2 * sizes.residual_channels + sizes.kernel_size) > LARGEST:
        raise ValueError(f"architecture has more than {LARGEST} weights")
    for value in model.graph.input:
        _check_input(value)


def _graphs(found: Iterable[onnx.GraphProto]) -> Iterable[onnx.GraphProto]:
    """Yield graphs and those inside of their operations."""
    for graph in found:
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.t.data_location == onnx.TensorProto.EXTERNAL:
                    raise ValueError("graph: weights in other files are not read")
                yield from _graphs([*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs])


def _check_input(value: onnx.ValueInfoProto) -> None:
    """Check that a state has a size, and not too large a one; the first axis of ``magnitude`` is that of the frames."""
    dims = value.type.tensor_type.shape.dim
    sizes = [size.dim_value for size in dims[value.name == "magnitude" :]]
    if min(sizes, default=1) < 1 or math.prod(sizes) > LARGEST:
        raise ValueError(f"graph: input '{value.name:.50}' has the sizes {sizes}")
