"""The program in docs/export.md does what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from checkpoints.network_file import StoredNetwork
from networks.conv_fsenet import ConvFSENet
from streaming.enhancer import StreamingEnhancer
from streaming.export import export_onnx
from streaming.onnx.check import harmonic_bursts

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "export.md"


@pytest.mark.parametrize("gates", ["dense", "all"])
def test_the_program_enhances_as_the_enhancer_does(
    gates: str,
    trained: Callable[..., ConvFSENet],
    stored: Callable[[ConvFSENet], StoredNetwork],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = stored(trained(gates))
    export_onnx(network, tmp_path / "network.onnx")
    noisy = harmonic_bursts(network.grid, 0.5)
    soundfile.write(tmp_path / "noisy.wav", noisy, 16000, subtype="FLOAT")
    program = DOCUMENT.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    assert len(program.strip().splitlines()) <= 20
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(program, names)
    enhancer = StreamingEnhancer(tmp_path / "network.onnx", engine="onnx")
    expected = np.concatenate([enhancer.feed(noisy).samples, enhancer.flush().samples])
    enhanced, weight = names["enhanced"], names["weight"]
    assert isinstance(enhanced, np.ndarray)
    assert isinstance(weight, np.ndarray)
    half = network.grid.window_length // 2
    found = (enhanced / np.maximum(weight, 1e-3))[half : half + noisy.size]
    inside = slice(0, noisy.size - network.grid.window_length)  # the last samples fade out
    assert np.abs(found - expected)[inside].max() < 1e-5
    assert soundfile.info(tmp_path / "enhanced.wav").frames == noisy.size
