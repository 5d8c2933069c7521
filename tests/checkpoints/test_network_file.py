"""Files of networks: read back as written, and refused, by name of the field, when broken."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from checkpoints.architecture import Architecture
from checkpoints.network_file import NetworkFileError, StoredNetwork
from networks.framing import FrameGrid
from networks.gate_settings import GateSettings
from tests.conftest import full_disk

GRID = FrameGrid(16000, 16, 8)
ARCHITECTURE = Architecture(9, 4, 6, stacks=2, dilations=(1, 2), gate=GateSettings(width=3))


def network(seed: int = 0) -> StoredNetwork:
    generator = np.random.default_rng(seed)
    tensors = {
        name: np.asarray(generator.random(shape), dtype=np.float32)
        for name, shape in ARCHITECTURE.tensor_shapes().items()
    }
    tensors["blocks.1.gate.threshold"] = np.asarray(-np.inf, dtype=np.float32)
    return StoredNetwork(ARCHITECTURE, GRID, tensors, {"data": "ESC-10, CC BY"})


def rewritten(path: Path, tensors: dict[str, Any] | None = None, **text: object) -> Path:
    """Write a network with some tensors and fields replaced."""
    original = network()
    original.save(path)
    head = json.loads(_metadata(path))
    save_file(load_file(path) | (tensors or {}), path, {"dyncp": json.dumps(head | text)})
    return path


def _metadata(path: Path) -> str:
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return header["__metadata__"]["dyncp"]


def test_a_file_holds_what_was_saved(tmp_path: Path) -> None:
    written = network()
    written.save(tmp_path / "n.safetensors")
    read = StoredNetwork.load(tmp_path / "n.safetensors")
    assert (read.architecture, read.grid, read.provenance) == (ARCHITECTURE, GRID, {"data": "ESC-10, CC BY"})
    assert read.tensors.keys() == written.tensors.keys()
    assert all(np.array_equal(read.tensors[name], written.tensors[name]) for name in written.tensors)
    assert read.fingerprint == written.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["n.safetensors"]


def test_the_same_network_makes_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        network().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_fingerprint_follows_what_determines_the_output() -> None:
    original = network()
    changed = dict(original.tensors)
    changed["backend.bias"] = changed["backend.bias"] + np.float32(1e-6)
    others = [
        replace(original, tensors=changed),
        replace(original, grid=FrameGrid(8000, 16, 8)),
        replace(original, architecture=replace(ARCHITECTURE, compression=0.5)),
    ]
    assert len({original.fingerprint, *(other.fingerprint for other in others)}) == 4
    assert replace(original, provenance={}).fingerprint == original.fingerprint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"format": "dyncp-probes"}, "expected a network of format 'dyncp-network', version 1"),
        ({"version": 2}, "version 1"),
        ({"architecture": {}}, "architecture.num_frequencies is missing"),
        ({"architecture": ARCHITECTURE.to_plain() | {"stacks": 10**9}}, "blocks"),
        (
            {"architecture": ARCHITECTURE.to_plain() | {"channels": 7}},
            r"logit_norm.running_mean' must be float32 \(7,\)",
        ),
        ({"grid": {"sample_rate": 16000, "window_length": 32, "hop_length": 8}}, "has 17 frequencies"),
        ({"grid": {"sample_rate": 16000, "window_length": 16, "hop_length": 7}}, "grid.window_length must be even"),
        ({"grid": None}, "grid must be a mapping"),
        ({"provenance": {"a": 1}}, "provenance must be text by label"),
        ({"architecture": ARCHITECTURE.to_plain() | {"dilations": [1, 10**12]}}, "dilations must be at most 4096"),
        ({"architecture": ARCHITECTURE.to_plain() | {"compression": 10**400}}, "compression must be like"),
        ({"grid": {"sample_rate": 10**12, "window_length": 16, "hop_length": 8}}, "sample_rate must be at most"),
    ],
)
def test_bad_text_is_refused(tmp_path: Path, text: dict[str, Any], message: str) -> None:
    path = rewritten(tmp_path / "n.safetensors", **text)
    with pytest.raises(NetworkFileError, match=message) as caught:
        StoredNetwork.load(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("backend.bias", np.full(9, np.nan, np.float32), "'backend.bias' must be finite, got nan"),
        ("backend.bias", np.zeros(9), "'backend.bias' must be float32"),
        ("backend.bias", np.zeros(8, np.float32), r"must be float32 \(9,\), got float32 \(8,\)"),
        ("backend.bais", np.zeros(9, np.float32), "'backend.bais' is not in this architecture"),
        ("blocks.0.gate.threshold", np.asarray(np.inf, np.float32), "must be finite, got inf"),
        ("blocks.0.expand_norm.running_var", np.full(6, -1, np.float32), "must be finite, not negative, got -1"),
        ("blocks.0.gate.shift", np.full(1, -np.inf, np.float32), "'blocks.0.gate.shift' must be finite"),
    ],
)
def test_bad_tensors_are_refused(tmp_path: Path, name: str, value: np.ndarray, message: str) -> None:
    with pytest.raises(NetworkFileError, match=message):
        StoredNetwork.load(rewritten(tmp_path / "n.safetensors", {name: value}))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "1" * 5000, "NaN", "\\"])
def test_text_that_no_program_would_write_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "n.safetensors"
    save_file(dict(network().tensors), path, {"dyncp": text})
    with pytest.raises(NetworkFileError, match=r"n\.safetensors"):
        StoredNetwork.load(path)


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    tensors = dict(network().tensors)
    del tensors["backend.bias"]
    with pytest.raises(NetworkFileError, match=r"'backend.bias' is missing \(1 missing, 0 unknown\)"):
        StoredNetwork(ARCHITECTURE, GRID, tensors)


def test_what_is_no_file_of_networks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkFileError, match="no such file"):
        StoredNetwork.load(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("hello, this is text")
    with pytest.raises(NetworkFileError, match="not a readable safetensors file"):
        StoredNetwork.load(tmp_path / "text.safetensors")
    save_file({"a": np.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(NetworkFileError, match="expected a network of format"):
        StoredNetwork.load(tmp_path / "other.safetensors")
    save_file({"a": np.zeros(2)}, tmp_path / "odd.safetensors", {"dyncp": "{"})
    with pytest.raises(NetworkFileError, match="not a readable safetensors file"):
        StoredNetwork.load(tmp_path / "odd.safetensors")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.safetensors"
    network().save(path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(NetworkFileError, match="not a readable safetensors file"):
        StoredNetwork.load(path)


def test_a_full_disk_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "n.safetensors"
    network().save(path)
    before = path.read_bytes()
    assert len(before) > 1000
    with full_disk(1000), pytest.raises(OSError, match="File too large"):
        network(1).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_long_value_is_cut_short_in_the_message(tmp_path: Path) -> None:
    architecture = ARCHITECTURE.to_plain()
    gate = architecture["gate"] | {"surrogate": "x" * 9000}
    path = rewritten(tmp_path / "network.safetensors", architecture=architecture | {"gate": gate})
    with pytest.raises(NetworkFileError, match=r"network\.gate\.surrogate must be one of") as refused:
        StoredNetwork.load(path)
    assert len(str(refused.value)) < 1000
