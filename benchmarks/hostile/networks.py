"""Trained networks from elsewhere: network files, probes, checkpoints, ONNX files, and states of streams."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from numpy.typing import NDArray
from safetensors.numpy import save

from benchmarks.hostile.damage import DEEP, NUMBERS, altered, damaged, nested, safetensors_with
from benchmarks.hostile.target import Files, Target, demand
from checkpoints.architecture import Architecture
from checkpoints.network_file import NetworkFileError, StoredNetwork
from networks.framing import FrameGrid
from networks.gate_settings import GateSettings
from probes.deployment import DeployedProbe, ProbeBank, ProbeFileError
from streaming.enhancer import StreamingEnhancer, UnusableNetworkError

GRID = FrameGrid(16000, 32, 16)
SIZES: dict[str, Any] = {"num_frequencies": 17, "residual_channels": 4, "channels": 6, "stacks": 1, "dilations": (1, 2)}
SIGNAL = np.sin(np.arange(400, dtype=np.float32) / 5) * np.float32(0.3)
# Of float32: the largest and smallest numbers, and those whose squares or sums are too large.
EXTREMES = (float("nan"), float("inf"), float("-inf"), 3.4e38, -3.4e38, 1e30, 1e19, -1e10, 1e-45, 0.0, 128.0, -1.0)
DTYPES = ("float64", "float16", "int32", "int64", "uint8", "bool")


@cache
def small_network() -> StoredNetwork:
    """Return a network with random weights whose gates decide from the signal."""
    architecture = Architecture(**SIZES, gate=GateSettings(width=3, context="depthwise", hysteresis=0.1))
    rng = np.random.default_rng(0)
    tensors = {}
    for name, shape in architecture.tensor_shapes().items():
        values = rng.normal(0, 0.4, shape)
        tensors[name] = np.asarray(abs(values) + 0.3 if name.endswith("running_var") else values, dtype=np.float32)
    return StoredNetwork(architecture, GRID, tensors, {"data": "none"})


@cache
def small_bank() -> ProbeBank:
    """Return probes of every kind for it."""
    rng = np.random.default_rng(1)

    def probe(outputs: int, **more: Any) -> DeployedProbe:
        weights = rng.normal(size=(outputs, 5)).astype(np.float32)
        heard = np.array([0, 2, 5, 8, 11], dtype=np.int32)
        return DeployedProbe(features=heard, weights=weights, bias=np.ones(outputs, np.float32), **more)

    probes = {
        "vad": probe(1, kind="binary"),
        "noise_class": probe(3, kind="category", classes=("music", "rain", "street")),
        "f0_hz": probe(1, kind="value", unit="Hz", transform="log2"),
        "snr_db": probe(1, kind="value", unit="dB"),
    }
    return ProbeBank(probes, 2, 6, GRID.hop_length / GRID.sample_rate)


def written(thing: Any) -> bytes:
    """Return the bytes that a network or bank saves."""
    with tempfile.TemporaryDirectory() as folder:
        thing.save(Path(folder) / "file")
        return (Path(folder) / "file").read_bytes()


@cache
def small_enhancer() -> StreamingEnhancer:
    """Return an enhancer of the small network, with its probes."""
    with tempfile.TemporaryDirectory() as folder:
        small_network().save(Path(folder) / "small.safetensors")
        small_bank().save(Path(folder) / "small.probes.safetensors")
        enhancer = StreamingEnhancer(Path(folder) / "small.safetensors")
    use(enhancer)  # compiles, which takes longer than an input may
    return enhancer


def use(enhancer: StreamingEnhancer) -> None:
    """Enhance a signal and demand numbers.

    Raises:
        WrongResult: if there is a result without them.
    """
    chunks = [enhancer.feed(SIGNAL[:150]), enhancer.feed(SIGNAL[150:]), enhancer.flush()]
    demand(sum(len(chunk.samples) for chunk in chunks) == len(SIGNAL), "another number of samples")
    for chunk in chunks:
        demand(np.isfinite(chunk.samples).all(), "enhanced samples are not finite")
        demand(np.isfinite(chunk.properties.outputs).all(), "properties are not finite")


@st.composite
def tensors_like(draw: DrawFn, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return tensors with other values, types, shapes and names."""
    changed = {name: value.copy() for name, value in tensors.items()}
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(sorted(changed)))
        kind = draw(st.sampled_from(("value", "value", "all", "type", "shape", "remove", "rename", "more")))
        value = changed[name]
        if kind in ("value", "all") and value.size:
            chosen = slice(None) if kind == "all" else draw(st.integers(0, value.size - 1))
            with np.errstate(all="ignore"):
                value.reshape(-1)[chosen] = np.float64(draw(st.sampled_from(EXTREMES))).astype(value.dtype)
        elif kind == "type":
            with np.errstate(all="ignore"):
                changed[name] = value.astype(draw(st.sampled_from(DTYPES)))
        elif kind == "shape":
            changed[name] = np.zeros(draw(st.sampled_from(((), (0,), (1,), (2, 0), (1, 2, 3), (70000,)))), value.dtype)
        elif kind == "remove" and len(changed) > 1:
            del changed[name]
        elif kind == "rename":
            changed[draw(st.sampled_from(("", "x", "../x", name.upper())))] = changed.pop(name)
        elif kind == "more":
            changed[f"{name}.more"] = value
    return changed


def text_of(content: bytes) -> Any:
    """Return what a file of ours in the safetensors format says of itself."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["dyncp"])


@st.composite
def tensor_files(draw: DrawFn, content: bytes, tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """Return files in the safetensors format whose text, header, tensors or bytes are damaged."""
    text = text_of(content)
    kind = draw(st.sampled_from(("bytes", "text", "text", "tensors", "tensors", "deep", "header", "twice")))
    if kind == "bytes":
        return draw(damaged([content]))
    if kind == "deep":
        deep = draw(st.sampled_from((nested("[", "]"), nested('{"a":', "}"), "1" * 5000, "NaN", "\ud800")))
        return save(dict(tensors), {"dyncp": deep.encode("utf-8", "replace").decode()})
    if kind in ("header", "twice"):
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        if kind == "header":
            header = draw(
                altered(header, (*NUMBERS, -1, "", None, [], "F8_E4M3", "BF16", "I64", [0, 2**62], [2**31] * 9))
            )
        encoded = json.dumps(header).encode()
        if kind == "twice":
            encoded = encoded[:-1] + b"," + encoded[1:]
        return safetensors_with(encoded, content[8 + length :])
    if kind == "text":
        text = draw(altered(text))
    else:
        tensors = draw(tensors_like(tensors))
    try:
        return save(dict(tensors), {"dyncp": json.dumps(text)})
    except UnicodeError:
        return content


def network_target() -> Target:
    """Return what enhances with a network file."""

    def read(folder: Path) -> None:
        use(StreamingEnhancer(folder / "hostile.safetensors"))

    network = small_network()
    small_enhancer()
    inputs = tensor_files(written(network), network.tensors).map(lambda content: {"hostile.safetensors": content})
    return Target("network files", inputs, read, (NetworkFileError, UnusableNetworkError))


def probe_target() -> Target:
    """Return what listens with probes."""
    network, bank = written(small_network()), small_bank()
    small_enhancer()
    tensors = {
        f"{name}.{part}": getattr(probe, part)
        for name, probe in bank.probes.items()
        for part in ("features", "weights", "bias")
    }

    def files(content: bytes) -> Files:
        return {"small.safetensors": network, "hostile.probes.safetensors": content}

    def read(folder: Path) -> None:
        loaded = ProbeBank.load(folder / "hostile.probes.safetensors")
        for name, probe in loaded.probes.items():
            masks = np.ones((3, probe.features.max(initial=0) + 1), dtype=np.bool_)
            demand(np.isfinite(probe.predict(masks)).all(), f"{name} is not finite")
        use(StreamingEnhancer(folder / "small.safetensors", folder / "hostile.probes.safetensors"))

    return Target("probe files", tensor_files(written(bank), tensors).map(files), read, (ProbeFileError,))


def state_target() -> Target:
    """Return what goes on from the state of a stream."""
    enhancer = small_enhancer().new_stream()
    enhancer.feed(SIGNAL)
    state = enhancer.save_state()
    from safetensors.numpy import load

    def read(folder: Path) -> None:
        stream = enhancer.new_stream()
        stream.feed(SIGNAL[:77])
        before = stream.save_state()
        try:
            stream.restore_state((folder / "hostile.state").read_bytes())
        except ValueError:
            demand(stream.save_state() == before, "a refused state changed the stream")
            raise
        demand(np.isfinite(stream.feed(SIGNAL).samples).all(), "enhanced samples are not finite")

    inputs = tensor_files(state, load(state)).map(lambda content: {"hostile.state": content})
    return Target("states of streams", inputs, read, (ValueError,), named=("state", "clock", "sample", "network"))


def _one_of(draw: DrawFn, choices: Sequence[Any]) -> Any:
    """Draw one of several messages, which are others in every model that is read."""
    return choices[draw(st.integers(0, len(choices) - 1))]


@st.composite
def onnx_files(draw: DrawFn, content: bytes) -> bytes:
    """Return ONNX files with other bytes, texts, sizes of inputs, operations and constants."""
    import onnx

    kind = draw(st.sampled_from(("bytes", "text", "text", "shape", "operation", "external", "constant", "deep")))
    if kind == "bytes":
        return draw(damaged([content]))
    model = onnx.load_model_from_string(content)
    graph = model.graph
    body = next(attribute.g for attribute in graph.node[0].attribute if attribute.name == "body")
    if kind in ("text", "deep"):
        entry = _one_of(draw, model.metadata_props)
        if kind == "deep":
            entry.value = draw(st.sampled_from((nested("[", "]", levels=DEEP), "1" * 5000)))
        else:
            try:
                entry.value = json.dumps(draw(altered(json.loads(entry.value))))
            except ValueError:
                entry.value = draw(st.sampled_from(("", "x", "2", "../../etc/passwd")))
    elif kind == "shape":
        value = _one_of(draw, [*graph.input, *graph.output])
        for size in value.type.tensor_type.shape.dim:
            size.dim_value = draw(st.sampled_from((0, 1, 3, 2**20, 2**40, 2**62)))
        value.type.tensor_type.elem_type = draw(st.sampled_from((1, 7, 8, 9, 11)))
    elif kind == "operation":
        node = _one_of(draw, [*graph.node, *body.node])
        node.op_type = draw(st.sampled_from(("Loop", "Expand", "ConstantOfShape", "Nothing", "Identity", "Relu")))
    else:
        tensor = _one_of(draw, body.initializer)
        if kind == "external":
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=draw(st.sampled_from(("../../etc/passwd", "/etc/passwd"))))
        elif tensor.dims:
            tensor.dims[0] = draw(st.sampled_from((0, 1, 2**20, 2**40)))
    return model.SerializeToString()


def onnx_target() -> Target:
    """Return what enhances with an ONNX file."""
    from streaming.folding import fold
    from streaming.onnx.file import properties_of
    from streaming.onnx.graph import frame_graph, scan_over_frames

    network = small_network()
    small_enhancer()
    content = scan_over_frames(frame_graph(fold(network)), properties_of(network)).SerializeToString()

    def read(folder: Path) -> None:
        use(StreamingEnhancer(folder / "hostile.onnx", engine="onnx"))

    inputs = onnx_files(content).map(lambda given: {"hostile.onnx": given})
    return Target("ONNX files", inputs, read, (NetworkFileError, UnusableNetworkError))
