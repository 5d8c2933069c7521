"""Collect the operations and constants of an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper


class GraphBuilder:
    """Nodes and constants in the order in which they were added; equal constants are kept once.

    Args:
        fused: use Gemm, and not MatMul and Add, which quantization needs apart.

    Example:
        >>> builder = GraphBuilder()
        >>> builder.add("Add", ["x", builder.constant(np.ones(2, np.float32))], output="y")
        'y'
        >>> [node.op_type for node in builder.nodes], len(builder.initializers)
        (['Add'], 1)
    """

    def __init__(self, fused: bool = True) -> None:
        self.fused = fused
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def constant(self, value: NDArray[Any]) -> str:
        """Return the name of a constant."""
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self._constants:
            name = self._constants[key] = f"constant_{len(self._constants)}"
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name))
        return self._constants[key]

    def integers(self, *values: int) -> str:
        """Return the name of a constant int64 vector."""
        return self.constant(np.array(values, dtype=np.int64))

    def add(self, kind: str, inputs: Sequence[str], *, name: str = "", output: str = "", **attributes: Any) -> str:
        """Append an operation and return the name of its only output."""
        return self.add_split(kind, inputs, [output or f"value_{len(self.nodes)}"], name=name, **attributes)[0]

    def add_split(
        self, kind: str, inputs: Sequence[str], outputs: Sequence[str], *, name: str = "", **attributes: Any
    ) -> list[str]:
        """Append an operation with several outputs and return their names."""
        label = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), list(outputs), name=label, **attributes))
        return list(outputs)

    def rows(self, matrix: str, count: int, *, name: str) -> list[str]:
        """Take a matrix apart into ``count`` groups of rows of equal size."""
        if count == 1:
            return [matrix]
        return self.add_split("Split", [matrix], [f"{name}_{row}" for row in range(count)], axis=0, num_outputs=count)

    def affine(self, x: str, weight: NDArray[np.float32], addend: NDArray[np.float32] | str, *, name: str) -> str:
        """Compute ``x @ weight.T + addend``; the weights are stored transposed, as runtimes read them best.

        Args:
            x: shape (1, input).
            weight: shape (output, input).
            addend: constant of shape (output,), or name of a value of shape (1, output).
            name: of the product.
        """
        factor = self.constant(weight.T)
        added = addend if isinstance(addend, str) else self.constant(addend)
        if self.fused:
            return self.add("Gemm", [x, factor, added], name=name)
        return self.add("Add", [self.add("MatMul", [x, factor], name=name), added])
