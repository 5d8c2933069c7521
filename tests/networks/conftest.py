"""Small networks with settled batch statistics, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from networks.conv_fsenet import ConvFSENet
from networks.gate_settings import GateSettings


def _settle(network: nn.Module, sample: Tensor) -> nn.Module:
    """Give every BatchNorm the statistics of one sample, as after training, and switch to evaluation."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(sample)
    return network.eval()


@pytest.fixture
def settle() -> Callable[[nn.Module, Tensor], nn.Module]:
    return _settle


@pytest.fixture
def random_spectrum() -> Callable[..., Tensor]:
    def draw(frames: int, batch: int = 1, frequencies: int = 9, seed: int = 1) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(batch, frequencies, frames, dtype=torch.complex128, generator=generator)

    return draw


@pytest.fixture
def small_network(random_spectrum: Callable[..., Tensor]) -> Callable[..., ConvFSENet]:
    """Build a float64 network in evaluation mode, half of its channels active."""

    def build(seed: int = 0, gate_changes: Mapping[str, Any] = MappingProxyType({}), **changes: object) -> ConvFSENet:
        torch.manual_seed(seed)
        settings: dict = {"num_frequencies": 9, "residual_channels": 6, "channels": 12}
        gate = GateSettings(**({"target_utilization": 0.5, "width": 8} | gate_changes))
        network = ConvFSENet(**(settings | changes), gate=gate).double()
        _settle(network, random_spectrum(200, batch=2, frequencies=network.num_frequencies))
        return network

    return build
