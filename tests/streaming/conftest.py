"""Networks with every kind of gate, whose norms have statistics of their input."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.gate_settings import GateSettings
from streaming.architecture import Architecture
from streaming.network_file import StoredNetwork

GATES = {
    "default": GateSettings(width=5),
    "raw": GateSettings(width=5, normalize=False),
    "stack": GateSettings(width=5, stem_scope="stack"),
    "network": GateSettings(width=5, stem_scope="network", normalize=False),
    "depthwise": GateSettings(width=5, context="depthwise", context_frames=4),
    "one tap": GateSettings(width=5, context="depthwise", context_frames=1),
    "leaky": GateSettings(width=5, context="leaky", context_frames=6, stem_scope="stack"),
    "hysteresis": GateSettings(width=5, hysteresis=0.4, target_utilization=0.5),
    "all": GateSettings(
        width=5, context="depthwise", stem_scope="network", hysteresis=0.4, target_utilization=0.5, context_frames=3
    ),
    "static": GateSettings(decision="static"),
    "static raw": GateSettings(decision="static", normalize=False, hysteresis=0.4),
    "random": GateSettings(decision="random", target_utilization=0.4),
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
