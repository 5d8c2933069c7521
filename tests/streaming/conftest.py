"""Networks with every kind of gate, whose norms have statistics of their input; in torch and as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from checkpoints.architecture import Architecture
from checkpoints.network_file import StoredNetwork
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.gate_settings import GateSettings
from probes.deployment import DeployedProbe, ProbeBank

GATES = {
    "default": GateSettings(width=5),
    "raw": GateSettings(width=5, normalize=False),
    "stack": GateSettings(width=5, stem_scope="stack"),
    "network": GateSettings(width=5, stem_scope="network", normalize=False),
    "depthwise": GateSettings(width=5, context="depthwise", context_frames=4),
    "one tap": GateSettings(width=5, context="depthwise", context_frames=1),
    "leaky": GateSettings(width=5, context="leaky", context_frames=6, stem_scope="stack"),
    "hysteresis": GateSettings(width=5, hysteresis=0.4, target_utilization=0.5),
    "hold": GateSettings(width=5, idle="hold"),
    "skip": GateSettings(width=5, skip="magnitude"),
    "all": GateSettings(
        width=5,
        context="depthwise",
        stem_scope="network",
        hysteresis=0.4,
        target_utilization=0.5,
        context_frames=3,
        idle="hold",
        skip="magnitude",
    ),
    "static": GateSettings(decision="static"),
    "static raw": GateSettings(decision="static", normalize=False, hysteresis=0.4),
    "random": GateSettings(decision="random", target_utilization=0.4, idle="hold"),
}
KINDS = ["dense", *GATES]
FRAMES = 90


def magnitudes() -> torch.Tensor:
    """Compressed magnitudes with quiet and loud frames, shape (1, frequency, frame)."""
    generator = torch.Generator().manual_seed(1)
    loudness = 10 ** (torch.rand(1, 1, FRAMES, generator=generator) * 2 - 1)
    return (torch.rand(1, 33, FRAMES, generator=generator) * loudness) ** 0.3


def build(kind: str, kernel_size: int = 3) -> ConvFSENet:
    """Build a network in evaluation mode."""
    torch.manual_seed(0)
    gate = GATES.get(kind, GateSettings())
    network = ConvFSENet(33, 12, 20, 2, (1, 3), kernel_size, gated=kind != "dense", gate=gate)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.momentum = 1.0  # the statistics become those of the only batch
            if isinstance(module, nn.BatchNorm1d) and module.affine:
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.3)
        for name, parameter in network.named_parameters():
            if name.endswith(".shift"):
                parameter.normal_(0, 0.2)
        network.estimate(magnitudes())
        for name, buffer in network.named_buffers():
            if name.endswith("_norm.running_var") and "gate" not in name:
                buffer.clamp_(min=0.3)  # of channels that are mostly off; without this, they explode when on
    return network.eval()


@pytest.fixture
def trained() -> Callable[..., ConvFSENet]:
    """Return a function that builds a network by the kind of its gates."""
    return build


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Name every kind of gates in turn."""
    return request.param


@pytest.fixture
def features() -> torch.Tensor:
    """Return compressed magnitudes, shape (1, frequency, frame)."""
    return magnitudes()


@pytest.fixture
def stored() -> Callable[[ConvFSENet], StoredNetwork]:
    """Return a function that turns a network of these fixtures into what a file holds."""

    def convert(network: ConvFSENet) -> StoredNetwork:
        state = {name: value.numpy() for name, value in network.state_dict().items() if "num_batches" not in name}
        taps = network.blocks[0].depthwise.conv.kernel_size[0]  # type: ignore[union-attr]
        architecture = Architecture(33, 12, 20, 2, (1, 3), taps, gated=network.gated, gate=network.gate_settings)
        return StoredNetwork(architecture, FrameGrid(16000, 64, 32), state, {"data": "none"})

    return convert


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
            "mixture_snr_db": probe(1, 15, kind="value", unit="dB", averaged_s=0.08),
        }
        return ProbeBank(probes, blocks, channels, self.grid.hop_length / self.grid.sample_rate)


@pytest.fixture(scope="session")
def small_network() -> Callable[..., SmallNetwork]:
    """Return a function that builds a small network from the name of a gate, a grid and sizes."""
    built: dict[Any, SmallNetwork] = {}

    def build(gate: str = "default", window: int = 64, hop: int = 32, **sizes: Any) -> SmallNetwork:
        key = (gate, window, hop, tuple(sizes.items()))
        if key not in built:
            built[key] = SmallNetwork(None if gate == "dense" else GATES[gate], FrameGrid(16000, window, hop), **sizes)
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
