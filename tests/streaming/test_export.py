"""Exported files compute the network, say what they are, and are refused when they do not fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile

from checkpoints.network_file import NetworkFileError, StoredNetwork
from networks.conv_fsenet import ConvFSENet
from probes.deployment import DeployedProbe, ProbeBank, ProbeFileError
from streaming.enhancer import StreamingEnhancer
from streaming.export import add_provenance, export_network, export_onnx, export_probes, read_probes
from streaming.folding import fold
from streaming.onnx.check import check_magnitudes, compare, harmonic_bursts
from streaming.onnx.file import outline, read_onnx
from streaming.onnx.graph import frame_graph, scan_over_frames
from streaming.onnx.quantization import quantize

Build = Callable[..., ConvFSENet]
Store = Callable[[ConvFSENet], StoredNetwork]


@pytest.fixture
def network(trained: Build, stored: Store) -> StoredNetwork:
    return stored(trained("default"))


def save_probes(path: Path, provenance: Mapping[str, str], channels: int = 20) -> Path:
    probe = DeployedProbe("binary", np.array([3], np.int32), np.ones((1, 1), np.float32), np.zeros(1, np.float32))
    ProbeBank({"vad": probe}, 4, channels, 32 / 16000, provenance).save(path)
    return path


def test_a_network_file_is_written_with_its_origin(network: StoredNetwork, tmp_path: Path) -> None:
    out = tmp_path / "new" / "n.safetensors"
    export_network(add_provenance(network, {"data": "speech", "licence": "CC BY"}), out)
    assert StoredNetwork.load(out).provenance == {"data": "speech", "licence": "CC BY"}
    (tmp_path / "other").write_text("")
    assert out.stat().st_mode == (tmp_path / "other").stat().st_mode  # others may read it as they may any file


def test_an_onnx_file_says_what_it_is(network: StoredNetwork, tmp_path: Path) -> None:
    out = tmp_path / "new" / "n.onnx"
    deviation = export_onnx(network, out)
    assert deviation.spectral_mask < 1e-5
    assert deviation.decisions > 0
    read = read_onnx(out)
    assert (read.architecture, read.grid) == (network.architecture, network.grid)
    assert (read.fingerprint, read.quantization) == (network.fingerprint, "none")
    assert read.provenance == network.provenance
    text = onnxruntime.InferenceSession(read.model).get_modelmeta().custom_metadata_map
    assert (float(text["compression"]), float(text["magnitude_floor"])) == (0.3, 1e-9)
    assert sorted(path.name for path in out.parent.iterdir()) == ["n.onnx"]


def test_an_outline_has_the_sizes_of_the_network(network: StoredNetwork, tmp_path: Path) -> None:
    export_onnx(network, tmp_path / "n.onnx")
    sizes, folded = outline(read_onnx(tmp_path / "n.onnx")), fold(network)
    for one, other in zip(sizes.blocks, folded.blocks, strict=True):
        assert (one.expand_weight.shape, one.dilation) == (other.expand_weight.shape, other.dilation)
        assert one.depthwise_weight.shape == other.depthwise_weight.shape
    assert (sizes.frequencies, sizes.residual_channels) == (folded.frequencies, folded.residual_channels)


def test_a_graph_of_another_network_is_found(trained: Build, stored: Store, network: StoredNetwork) -> None:
    other = trained("default")
    other.blocks[1].depthwise.conv.weight.data += 0.1  # type: ignore[union-attr]
    model = scan_over_frames(frame_graph(fold(stored(other))), {}).SerializeToString()
    folded = fold(network)
    assert not compare(folded, model, check_magnitudes(folded)).is_rounding


def test_a_file_that_computes_something_else_is_not_written(
    network: StoredNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(folded: object) -> object:
        tensors = {**network.tensors, "backend.bias": network.tensors["backend.bias"] + np.float32(0.01)}
        return frame_graph(fold(replace(network, tensors=tensors)))

    monkeypatch.setattr("streaming.onnx.graph.frame_graph", damaged)
    with pytest.raises(NetworkFileError, match="ONNX Runtime does not compute the network"):
        export_onnx(network, tmp_path / "n.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["dynamic", "static"])
@pytest.mark.parametrize("gates", ["dense", "default", "all"])
def test_quantized_files_are_smaller_and_near(
    kind: str, gates: str, trained: Build, stored: Store, tmp_path: Path
) -> None:
    network = stored(trained(gates))
    recording = tmp_path / "noisy.wav"
    soundfile.write(recording, harmonic_bursts(network.grid, 1.0), 16000)
    deviation = export_onnx(network, tmp_path / "n.onnx", kind, [recording])  # type: ignore[arg-type]
    assert 1e-5 < deviation.mean < 0.05  # it is quantized, and it works
    assert deviation.flips <= 0.05 * deviation.decisions
    read = read_onnx(tmp_path / "n.onnx")
    assert read.quantization == kind
    body = next(node for node in onnx.load_model_from_string(read.model).graph.node).attribute
    graph = next(attribute.g for attribute in body if attribute.name == "body")
    products = [node for node in graph.node if node.op_type in ("MatMulInteger", "QLinearMatMul")]
    assert len(products) == 2 * 4 + 2
    assert all(node.op_type == "MatMul" for node in graph.node if "gate_" in node.name)


def test_gates_can_be_quantized_too(network: StoredNetwork) -> None:
    nodes = quantize(fold(network), "dynamic", float_gates=False).model.graph.node
    assert sum(node.op_type == "MatMulInteger" for node in nodes) == 4 * 4 + 2


def test_calibration_takes_no_more_frames_than_it_needs(
    network: StoredNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded = fold(network)
    asked = []

    def signals() -> object:
        for number in range(5):
            asked.append(number)
            yield check_magnitudes(folded, 0.1)[:40]

    monkeypatch.setattr("streaming.onnx.quantization.CALIBRATION_FRAMES", 60)
    quantize(folded, "static", signals())  # type: ignore[arg-type]
    assert asked == [0, 1]


def test_calibration_that_cannot_be_used_is_named(network: StoredNetwork, tmp_path: Path) -> None:
    out, bad = tmp_path / "n.onnx", tmp_path / "bad.wav"
    with pytest.raises(ValueError, match=r"bad\.wav: cannot be read as audio"):
        export_onnx(network, out, "static", [bad])
    soundfile.write(bad, np.zeros(100, np.float32), 8000)
    with pytest.raises(ValueError, match=r"bad\.wav: 8000 Hz, the network has 16000 Hz"):
        export_onnx(network, out, "static", [bad])
    soundfile.write(bad, np.full(100, np.nan, np.float32), 16000, subtype="FLOAT")
    with pytest.raises(ValueError, match="not finite"):
        export_onnx(network, out, "static", [bad])
    with pytest.raises(ValueError, match="needs spectra to calibrate with"):
        export_onnx(network, out, "static", [])
    assert not out.exists()


def test_probes_go_along_under_the_name_of_the_network(network: StoredNetwork, tmp_path: Path) -> None:
    probes = save_probes(tmp_path / "p.safetensors", {"data": "speech"})
    bank = read_probes(probes, network, tmp_path / "source.safetensors")
    path = export_probes(bank, tmp_path / "my.net.onnx")
    assert path == tmp_path / "my.net.probes.safetensors"
    assert ProbeBank.load(path).provenance == {"data": "speech", "network": network.fingerprint}


def test_probes_of_another_network_are_refused(network: StoredNetwork, tmp_path: Path) -> None:
    source = tmp_path / "source.ckpt"
    source.write_bytes(b"a checkpoint")
    with pytest.raises(ProbeFileError, match=r"4 blocks of 21 channels .* has 4 of 20"):
        read_probes(save_probes(tmp_path / "p", {}, channels=21), network, source)
    with pytest.raises(ProbeFileError, match="probes of another network"):
        read_probes(save_probes(tmp_path / "p", {"network": "0" * 64}), network, source)
    with pytest.raises(ProbeFileError, match=r"fitted on another checkpoint \(SHA-256 000000000000\)"):
        read_probes(save_probes(tmp_path / "p", {"sha256": "0" * 64}), network, source)


def test_the_enhancer_runs_an_exported_file_with_its_probes(network: StoredNetwork, tmp_path: Path) -> None:
    export_network(network, tmp_path / "n.safetensors")
    export_onnx(network, tmp_path / "n.onnx")
    bank = read_probes(save_probes(tmp_path / "p", {}), network, tmp_path / "n.safetensors")
    export_probes(bank, tmp_path / "n.onnx")
    signal = harmonic_bursts(network.grid, 0.3)
    chunks = [StreamingEnhancer(tmp_path / name, engine="onnx").feed(signal) for name in ("n.safetensors", "n.onnx")]
    assert np.array_equal(chunks[0].samples, chunks[1].samples)
    assert np.array_equal(chunks[0].properties.raw("vad"), chunks[1].properties.raw("vad"))
    with pytest.raises(ValueError, match=r"n\.onnx: an ONNX file needs engine 'onnx', got 'numba'"):
        StreamingEnhancer(tmp_path / "n.onnx")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "expected an ONNX file of format 'dyncp-onnx', version 1"),
        ({"grid": "{}"}, "grid.sample_rate is missing"),
        ({"grid": "{"}, r"n\.onnx: "),
        ({"architecture": json.dumps({"channels": 2})}, "architecture.num_frequencies is missing"),
        ({"fingerprint": None}, "field 'fingerprint' is missing"),
        ({"provenance": "[]"}, r"n\.onnx: "),
    ],
)
def test_a_damaged_onnx_file_is_refused(
    change: dict[str, str | None], message: str, network: StoredNetwork, tmp_path: Path
) -> None:
    path = tmp_path / "n.onnx"
    export_onnx(network, path)
    model = onnx.load(path)
    text = {item.key: item.value for item in model.metadata_props} | change
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {key: value for key, value in text.items() if value is not None})
    onnx.save(model, path)
    with pytest.raises(NetworkFileError, match=message):
        read_onnx(path)


def test_what_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkFileError, match="no such file"):
        read_onnx(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_bytes(b"hello, this is text")
    with pytest.raises(NetworkFileError, match=r"text\.onnx: "):
        read_onnx(tmp_path / "text.onnx")
