"""Networks, probes, states and ONNX graphs from elsewhere: no silent NaN, nothing unbounded, every refusal by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.numpy import load, save

from benchmarks.hostile.audio import flac_of, wave
from benchmarks.hostile.networks import SIGNAL, small_enhancer, small_network, use
from checkpoints.network_file import NetworkFileError, StoredNetwork
from streaming.enhancer import StreamingEnhancer, UnusableNetworkError
from streaming.export import export_onnx
from streaming.files.audio import AudioFileError, AudioSource
from streaming.files.enhancement import FileSettings, enhance_file
from streaming.files.pipe import PcmError, PcmFormat
from streaming.files.plan import FileJob
from streaming.onnx.trust import OPERATIONS
from streaming.state_file import write_state

Change = Callable[[onnx.ModelProto], None]


def with_value(name: str, value: float) -> StoredNetwork:
    network = small_network()
    return replace(network, tensors={**network.tensors, name: np.full_like(network.tensors[name], value)})


def test_weights_that_give_no_numbers_are_told(tmp_path: Path) -> None:
    with_value("frontend.weight", 3e38).save(tmp_path / "loud.safetensors")
    with pytest.raises(UnusableNetworkError, match=r"loud\.safetensors: network or probes return no numbers"):
        use(StreamingEnhancer(tmp_path / "loud.safetensors"))


def test_weights_that_are_too_large_once_norms_are_folded_in_are_told(tmp_path: Path) -> None:
    with_value("blocks.0.expand_norm.weight", 3e38).save(tmp_path / "loud.safetensors")
    with pytest.raises(NetworkFileError, match=r"loud\.safetensors: weights become "):
        StreamingEnhancer(tmp_path / "loud.safetensors")


def test_a_state_with_values_that_are_no_numbers_is_refused() -> None:
    stream = small_enhancer().new_stream()
    stream.feed(SIGNAL)
    tensors = load(stream.save_state())
    tensors["state"][3] = np.nan
    before = stream.save_state()
    with pytest.raises(ValueError, match="'state' holds values that are not finite"):
        stream.restore_state(write_state(tensors, stream.identity))
    assert stream.save_state() == before


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 5000, "{}", '{"format": "dyncp-stream", "version": 1}'])
def test_text_that_is_no_state_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="state"):
        small_enhancer().new_stream().restore_state(save({"a": np.zeros(1)}, {"dyncp": text}))


def _set_operation(kind: str) -> Change:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[0].op_type = kind

    return change


def _set_size(model: onnx.ModelProto) -> None:
    model.graph.input[1].type.tensor_type.shape.dim[0].dim_value = 2**40


def _external(model: onnx.ModelProto) -> None:
    body = next(attribute.g for attribute in model.graph.node[0].attribute if attribute.name == "body")
    body.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    body.initializer[0].external_data.add(key="location", value="/etc/passwd")


def _set_text(key: str, old: str, new: str) -> Change:
    def change(model: onnx.ModelProto) -> None:
        entry = next(item for item in model.metadata_props if item.key == key)
        assert old in entry.value
        entry.value = entry.value.replace(old, new)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set_operation("Loop"), "operation 'Loop' is none that an export writes"),
        (_set_operation("Identity"), "cannot run the graph"),
        (_set_size, "has the sizes"),
        (_external, "weights in other files are not read"),
        (_set_text("architecture", '"channels": 6', '"channels": 1000000000'), "more than 67108864 weights"),
        (_set_text("architecture", '"channels": 6', '"channels": 7'), "output 'channel_masks' must be bool"),
        (_set_text("architecture", '"residual_channels": 4', '"residual_channels": 400000'), "more weights than the"),
        (_set_text("grid", '"window_length": 32', '"window_length": 64'), "grid has 33 frequencies"),
        (_set_text("provenance", "{", "[" * 5000 + "{"), "hostile.onnx"),
    ],
)
def test_graphs_of_others_are_refused(tmp_path: Path, change: Change, message: str) -> None:
    path = tmp_path / "hostile.onnx"
    export_onnx(small_network(), path)
    use(StreamingEnhancer(path, probes=False, engine="onnx"))
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(NetworkFileError, match=rf"hostile\.onnx: .*{message}|{message}"):
        StreamingEnhancer(path, probes=False, engine="onnx")


@pytest.mark.parametrize("quantization", [None, "dynamic"])
def test_exports_consist_of_what_is_run(tmp_path: Path, quantization: str | None) -> None:
    export_onnx(small_network(), tmp_path / "a.onnx", quantization)  # type: ignore[arg-type]
    StreamingEnhancer(tmp_path / "a.onnx", probes=False, engine="onnx")
    assert "Loop" not in OPERATIONS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (flac_of(0), "does not say how long it is"),
        (wave(bytes(800), rate=2**31 - 1), "sample_rate must be 1000 to 1000000 Hz, got 2147483647"),
        (wave(bytes(800), rate=1), "sample_rate must be 1000 to 1000000 Hz, got 1"),
    ],
)
def test_files_whose_headers_lie_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=rf"a\.wav: .*{message}"):
        enhance_file(FileJob(path, tmp_path / "out.wav", "a.wav"), small_enhancer(), FileSettings())
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]


def test_blocks_are_bounded_whatever_the_header_says(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(flac_of(2**36 - 1))
    with AudioSource(path) as source, pytest.raises(AudioFileError, match=r"a\.flac: cannot be decoded"):
        for block in source.blocks(1e9):
            assert len(block) <= 1 << 24


@pytest.mark.parametrize(("rate", "channels", "option"), [(10**9, 1, "--rate"), (16000, 10**9, "--channels")])
def test_pipes_of_no_sound_card_are_refused(rate: int, channels: int, option: str) -> None:
    with pytest.raises(PcmError, match=option):
        PcmFormat("s16le", rate, channels)
