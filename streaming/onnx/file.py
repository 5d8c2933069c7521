"""ONNX files of networks: the graph for streaming, and what it is of, as text inside the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from checkpoints.architecture import Architecture, plain_fields
from checkpoints.network_file import NetworkFileError, StoredNetwork
from networks.framing import MAGNITUDE_FLOOR, FrameGrid
from storage.whole_files import write_whole
from streaming.network import FoldedBlock, FoldedNetwork
from streaming.onnx.trust import check_graph

FORMAT = "dyncp-onnx"
VERSION = 1


@dataclass(frozen=True, eq=False)
class OnnxNetwork:
    """A network as an ONNX file holds it.

    Attributes:
        model: serialized graph.
        architecture: of the network.
        grid: sample-to-frame alignment.
        fingerprint: of the network that was exported, also of a quantized one.
        quantization: ``none``, ``dynamic`` or ``static``.
        provenance: free text by label.
    """

    model: bytes
    architecture: Architecture
    grid: FrameGrid
    fingerprint: str
    quantization: str
    provenance: Mapping[str, str]


def properties_of(network: StoredNetwork, quantization: str = "none") -> dict[str, str]:
    """Return the text that goes into a file, by label: what a program that runs the graph has to know."""
    return {
        "format": FORMAT,
        "version": str(VERSION),
        "architecture": json.dumps(network.architecture.to_plain()),
        "grid": json.dumps(asdict(network.grid)),
        "compression": repr(network.architecture.compression),
        "magnitude_floor": repr(MAGNITUDE_FLOOR),
        "fingerprint": network.fingerprint,
        "quantization": quantization,
        "provenance": json.dumps(dict(network.provenance)),
    }


def save_onnx(model: onnx.ModelProto, path: Path) -> None:
    """Write the file; it is there when it is complete."""
    write_whole(path, model.SerializeToString())


def read_onnx(path: Path) -> OnnxNetwork:
    """Read a file.

    Raises:
        NetworkFileError: if it is missing, broken, or not one that `dyncp export` wrote.
    """
    if not path.is_file():
        raise NetworkFileError(f"{path}: no such file; `dyncp export` writes one")
    content = path.read_bytes()
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise NetworkFileError(f"{path}: not a readable ONNX file ({error})") from error
    text = {item.key: item.value for item in model.metadata_props}
    if (text.get("format"), text.get("version")) != (FORMAT, str(VERSION)):
        raise NetworkFileError(f"{path}: expected an ONNX file of format '{FORMAT}', version {VERSION}")
    try:
        grid = FrameGrid(**plain_fields(FrameGrid, json.loads(text["grid"]), "grid"))
        architecture = Architecture.from_plain(json.loads(text["architecture"]))
        if grid.num_frequencies != architecture.num_frequencies:
            raise ValueError(
                f"grid has {grid.num_frequencies} frequencies, architecture {architecture.num_frequencies}"
            )
        check_graph(model, architecture, len(content))
        return OnnxNetwork(
            model=content,
            architecture=architecture,
            grid=grid,
            fingerprint=text["fingerprint"],
            quantization=text["quantization"],
            provenance={str(key): str(value) for key, value in json.loads(text["provenance"]).items()},
        )
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        reason = f"field {error} is missing" if isinstance(error, KeyError) else str(error)
        raise NetworkFileError(f"{path}: {reason}") from error


def outline(network: OnnxNetwork) -> FoldedNetwork:
    """Return a network of these sizes without weights or gates, for what is computed around the graph."""
    sizes = network.architecture
    bins, outer, inner = sizes.num_frequencies, sizes.residual_channels, sizes.channels

    def zeros(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.zeros(shape, dtype=np.float32)

    blocks = tuple(
        FoldedBlock(
            expand_weight=zeros(inner, outer),
            expand_bias=zeros(inner),
            depthwise_weight=zeros(inner, sizes.kernel_size),
            depthwise_bias=zeros(inner),
            project_weight=zeros(outer, inner),
            dilation=sizes.dilation(block),
            gate=None,
            holds=False,
        )
        for block in range(sizes.blocks)
    )
    return FoldedNetwork(
        frontend_weight=zeros(outer, bins),
        frontend_bias=zeros(outer),
        blocks=blocks,
        backend_weight=zeros(bins, outer),
        backend_bias=zeros(bins),
        compression=sizes.compression,
        grid=network.grid,
        fingerprint=network.fingerprint,
    )
