"""Small networks with every kind of gate, as files and in torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.gate_settings import GateSettings
from probes.deployment import DeployedProbe, ProbeBank
from streaming.architecture import Architecture
from streaming.network_file import StoredNetwork

GATES = {
    "dense": None,
    "default": GateSettings(width=5),
    "raw": GateSettings(width=5, normalize=False),
    "stack": GateSettings(width=5, stem_scope="stack"),
    "network": GateSettings(width=5, stem_scope="network", normalize=False),
    "depthwise": GateSettings(width=5, context="depthwise", context_frames=4),
    "leaky": GateSettings(width=5, context="leaky", context_frames=6, stem_scope="stack"),
    "hysteresis": GateSettings(width=5, hysteresis=0.4, target_utilization=0.5),
    "everything": GateSettings(
        width=5, context="depthwise", stem_scope="network", hysteresis=0.4, target_utilization=0.5
    ),
    "static": GateSettings(decision="static"),
    "random": GateSettings(decision="random", target_utilization=0.4),
}


class SmallNetwork:
    """A network with statistics of real spectra, in torch and as a file."""

    def __init__(self, gate: GateSettings | None, grid: FrameGrid, **sizes: Any) -> None:
        torch.manual_seed(0)
        arguments: dict[str, Any] = {
            "num_frequencies": grid.num_frequencies, "residual_channels": 12, "channels": 20, "stacks": 2,
            "dilations": (1, 3),
        }  # fmt: skip
        arguments |= sizes
        if gate is not None:
            arguments["gate"] = gate
        self.grid = grid
        self.torch = ConvFSENet(**arguments, gated=gate is not None)
        with torch.no_grad():
            for module in self.torch.modules():
                if isinstance(module, nn.BatchNorm1d) and module.affine:
                    module.weight.uniform_(0.5, 1.5)
                    module.bias.normal_(0, 0.3)
            for name, parameter in self.torch.named_parameters():
                if name.endswith(".shift"):
                    parameter.normal_(0, 0.2)
            for _ in range(40):
                magnitude = torch.rand(1, grid.num_frequencies, 90) * 10 ** (torch.rand(1, 1, 90) * 2 - 1)
                self.torch.estimate(magnitude**0.3)
        self.torch.eval()
        state = {name: value.numpy() for name, value in self.torch.state_dict().items() if "num_batches" not in name}
        self.stored = StoredNetwork(Architecture(**arguments, gated=gate is not None), grid, state)

    def save(self, folder: Path, probes: bool = True) -> Path:
        """Write network and probes and return the path of the network."""
        path = folder / "small.safetensors"
        self.stored.save(path)
        if probes:
            self.bank().save(folder / "small.probes.safetensors")
        return path

    def bank(self) -> ProbeBank:
        """Probes of every kind with random weights."""
        rng = np.random.default_rng(0)
        blocks, channels = len(self.torch.blocks), self.torch.channels

        def probe(outputs: int, features: int, **more: Any) -> DeployedProbe:
            features = min(features, blocks * channels)
            heard = np.sort(rng.choice(blocks * channels, features, replace=False)).astype(np.int32)
            weights = rng.normal(size=(outputs, features)).astype(np.float32)
            return DeployedProbe(
                features=heard, weights=weights, bias=rng.normal(size=outputs).astype(np.float32), **more
            )

        probes = {
            "vad": probe(1, 11, kind="binary", threshold=0.4),
            "noise_class": probe(3, blocks * channels, kind="category", classes=("music", "rain", "street")),
            "f0_hz": probe(1, 30, kind="value", unit="Hz", transform="log2"),
            "snr_db": probe(1, blocks * channels, kind="value", unit="dB"),
        }
        return ProbeBank(probes, blocks, channels, self.grid.hop_length / self.grid.sample_rate)


@pytest.fixture(scope="session")
def small_network() -> Callable[..., SmallNetwork]:
    """Return a function that builds a small network from the name of a gate, a grid and sizes."""
    built: dict[Any, SmallNetwork] = {}

    def build(gate: str = "default", window: int = 64, hop: int = 32, **sizes: Any) -> SmallNetwork:
        key = (gate, window, hop, tuple(sizes.items()))
        if key not in built:
            built[key] = SmallNetwork(GATES[gate], FrameGrid(16000, window, hop), **sizes)
        return built[key]

    return build


@pytest.fixture(scope="session")
def signal() -> np.ndarray:
    """Return bursts of noise and tones with pauses, shape (sample,)."""
    rng = np.random.default_rng(5)
    time = np.arange(6000)
    loudness = np.repeat(10 ** rng.uniform(-2.5, -0.3, 12), 500) * np.repeat(rng.random(12) > 0.2, 500)
    tone = np.sin(2 * np.pi * np.cumsum(0.02 + 0.01 * np.sin(time / 700)))
    return (loudness * (0.3 * rng.normal(size=6000) + tone)).astype(np.float32)
