"""The ONNX graph with weights of 8 bits: dynamic (ranges of every frame) or static (ranges of given spectra).

Gates stay in float32 unless asked otherwise: a decision that is rounded the other way changes which channels take part.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

from streaming.network import FoldedNetwork
from streaming.onnx.graph import FrameGraph, frame_graph
from streaming.onnx.session import StreamRunner

Quantization = Literal["dynamic", "static"]
# Calibration keeps what every layer puts out in every frame; more frames hardly change the ranges.
CALIBRATION_FRAMES = 1000
# Says that constants are folded and shapes are known, which the quantizer else warns of.
PREPARED = {"onnx.quant.pre_process": "onnxruntime.quant"}


def quantize(
    network: FoldedNetwork,
    kind: Quantization,
    calibration: Iterable[NDArray[np.float32]] = (),
    *,
    float_gates: bool = True,
) -> FrameGraph:
    """Build the graph of one frame with weights of 8 bits.

    Weights have one scale per output, and 7 bits: processors without VNNI add two products of full range with
    saturation.

    Args:
        network: to translate.
        kind: of quantization.
        calibration: compressed magnitudes of signals, shape (frame, frequency) each; for ``static``.
        float_gates: keep the gates in float32.

    Raises:
        ValueError: if ``static`` has no frames to calibrate with.
    """
    graph = frame_graph(network, fused=False)
    helper.set_model_props(graph.model, PREPARED)
    products = [node.name for node in graph.model.graph.node if node.op_type == "MatMul"]
    settings: dict[str, Any] = {
        "op_types_to_quantize": ["MatMul"],
        "nodes_to_quantize": [name for name in products if not (float_gates and name.startswith("gate_"))],
        "per_channel": True,
        "reduce_range": True,
        "weight_type": QuantType.QInt8,
    }
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "int8.onnx"
        if kind == "dynamic":
            quantize_dynamic(graph.model, target, **settings)
        else:
            _quantize_static(graph, target, calibration, settings)
        model = onnx.load(target)
    return FrameGraph(model, graph.states, graph.gated)


def _quantize_static(
    graph: FrameGraph, target: Path, calibration: Iterable[NDArray[np.float32]], settings: dict[str, Any]
) -> None:
    frames = _CalibrationFrames(graph, calibration)
    settings |= {"activation_type": QuantType.QUInt8, "quant_format": QuantFormat.QOperator}
    # sums stay in float32: they are added to or rectified next
    options = {"OpTypesToExcludeOutputQuantization": ["MatMul"]}
    quantize_static(graph.model, target, frames, extra_options=options, **settings)


class _CalibrationFrames(CalibrationDataReader):  # type: ignore[misc]
    """Frames of signals, each with the state that the frames before it leave."""

    def __init__(self, graph: FrameGraph, signals: Iterable[NDArray[np.float32]]) -> None:
        self._empty = True
        self._runner = StreamRunner(graph.model.SerializeToString())
        self._frames = islice(chain.from_iterable(map(self._signal, signals)), CALIBRATION_FRAMES)

    def _signal(self, magnitude: NDArray[np.float32]) -> Iterator[dict[str, NDArray[Any]]]:
        self._runner.reset()
        for row in magnitude[:, None]:
            yield {"magnitude": row} | self._runner.states
            self._runner.run(row)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """Return the inputs of the next frame, or None behind the last one.

        Raises:
            ValueError: if there is no frame at all.
        """
        inputs = next(self._frames, None)
        if inputs is None and self._empty:
            raise ValueError("static quantization needs spectra to calibrate with, got none")
        self._empty = False
        return inputs
