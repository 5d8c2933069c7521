"""The command writes what it is asked for, and refuses what does not go together in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from checkpoints.architecture import Architecture
from checkpoints.network_file import StoredNetwork
from commands.main import build_parser
from networks.framing import FrameGrid
from networks.gate_settings import GateSettings
from probes.deployment import DeployedProbe, ProbeBank
from reports.environment import software_text

ARCHITECTURE = Architecture(9, 4, 6, stacks=1, dilations=(1, 2), gate=GateSettings(width=3))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    tensors = {
        name: np.asarray(generator.random(shape) if shape else 0.2, dtype=np.float32)
        for name, shape in ARCHITECTURE.tensor_shapes().items()
    }
    path = tmp_path / "source.safetensors"
    StoredNetwork(ARCHITECTURE, FrameGrid(16000, 16, 8), tensors, {"data": "old", "epochs": "3"}).save(path)
    return path


def export(*arguments: str | Path) -> int:
    parsed = build_parser().parse_args(["export", *map(str, arguments)])
    from commands.export import run

    return run(parsed)


def test_a_network_file_with_probes_and_origin(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    probe = DeployedProbe("binary", np.array([3], np.int32), np.ones((1, 1), np.float32), np.zeros(1, np.float32))
    ProbeBank({"vad": probe}, 2, 6, 0.0005).save(tmp_path / "p")
    out = tmp_path / "out.safetensors"
    assert export(source, out, "--probes", tmp_path / "p", "--provenance", "data=new=er", "--provenance", "by=us") == 0
    provenance = dict(StoredNetwork.load(out).provenance)
    assert provenance.pop("exported_with") == software_text()
    assert provenance == {"data": "new=er", "epochs": "3", "by": "us"}
    assert ProbeBank.load(tmp_path / "out.probes.safetensors").probes.keys() == {"vad"}
    printed = capsys.readouterr().out.splitlines()
    assert "2 blocks of 6 channels" in printed[0]
    assert printed[1].startswith(str(tmp_path / "out.probes.safetensors"))


@pytest.mark.parametrize("options", [[], ["--quantize", "dynamic"]])
def test_an_onnx_file(source: Path, tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert export(source, tmp_path / "out.onnx", *options) == 0
    assert (tmp_path / "out.onnx").is_file()
    assert "gate decisions differ" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        ("out.pt", [], "OUT must end in .safetensors or .onnx"),
        ("out.safetensors", ["--quantize", "dynamic"], "--quantize is for .onnx files"),
        ("out.onnx", ["--quantize", "static"], "--quantize static needs --calibration"),
        ("out.onnx", ["--calibration", "a.wav"], "--calibration is for --quantize static"),
        ("out.onnx", ["--provenance", "=x"], "--provenance must look like KEY=VALUE, got '=x'"),
        ("out.onnx", ["--provenance", "data"], "--provenance must look like KEY=VALUE, got 'data'"),
        ("out.onnx", ["--probes", "none.safetensors"], "none.safetensors: no such file"),
        ("out.safetensors", ["--probes", "none.safetensors"], "none.safetensors: no such file"),
        ("out.probes.safetensors", [], "files that end in .probes.safetensors hold probes"),
    ],
)
def test_mistakes_are_one_line(
    source: Path, tmp_path: Path, out: str, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(source, tmp_path / out, *options) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["source.safetensors"]


def test_a_missing_checkpoint_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(tmp_path / "none.ckpt", tmp_path / "out.onnx") == 1
    assert "none.ckpt: no such file" in capsys.readouterr().err
