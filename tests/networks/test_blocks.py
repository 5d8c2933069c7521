"""Blocks: causality, and that what a mask switches off need not exist."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from networks.blocks import PrunedBlock
from networks.gate_settings import GateSettings
from networks.gating import ChannelGate, GateOutput

RESIDUAL, CHANNELS, KERNEL, DILATION, FRAMES = 6, 10, 3, 2, 40


class FixedGate(ChannelGate):
    """Answers with a given mask."""

    def __init__(self, channel_mask: Tensor) -> None:
        super().__init__(RESIDUAL, CHANNELS, GateSettings(width=1))
        self.channel_mask = channel_mask

    def forward(
        self, residual: Tensor, shared_hidden: Tensor | None = None, magnitude: Tensor | None = None
    ) -> GateOutput:
        return GateOutput(self.channel_mask, self.channel_mask - 0.5, None)


def make_block(settle: Callable, residual: Tensor) -> PrunedBlock:
    torch.manual_seed(0)
    gate = ChannelGate(RESIDUAL, CHANNELS, GateSettings(0.4, width=8))
    block = PrunedBlock(RESIDUAL, CHANNELS, KERNEL, DILATION, gate).double()
    for norm in (block.expand_norm, block.depthwise_norm):  # as after training: no two channels alike
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.5, 0.5)
    settle(block, residual)
    return block


@pytest.fixture
def residual() -> Tensor:
    return torch.randn(2, RESIDUAL, FRAMES, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def spoil(block: PrunedBlock, channel: int) -> None:
    """Replace everything that belongs to one channel."""
    state = block.state_dict()  # shares memory with the block
    state["expand.weight"][channel] = 0.7
    state["expand.bias"][channel] = 50.0  # above zero at every frame: once on, the channel is heard
    state["depthwise.conv.weight"][channel] = 29.0
    state["project.weight"][:, channel] = 53.0
    for norm in ("expand_norm", "depthwise_norm"):
        for name, value in {"running_mean": -7.0, "running_var": 0.01, "weight": 5.0, "bias": 3.0}.items():
            state[f"{norm}.{name}"][channel] = value


@pytest.mark.parametrize("frame", [0, 3, 25])
def test_a_block_sees_its_receptive_field(settle: Callable, residual: Tensor, frame: int) -> None:
    block = make_block(settle, residual)
    residual.requires_grad_()
    new_residual, decision = block(residual)
    assert decision is not None
    (grad,) = torch.autograd.grad(new_residual[..., frame].sum(), residual, retain_graph=True)
    reach = [frame - DILATION * tap for tap in (2, 1, 0) if frame - DILATION * tap >= 0]
    assert grad.abs().sum(dim=(0, 1)).nonzero().flatten().tolist() == reach
    (grad,) = torch.autograd.grad(decision.channel_mask[..., frame].sum(), residual)
    assert grad.abs().sum(dim=(0, 1)).nonzero().flatten().tolist() == [frame]


def test_a_dense_block_has_no_gate_and_equals_one_that_is_fully_open(settle: Callable, residual: Tensor) -> None:
    block = make_block(settle, residual)
    block.gate = FixedGate(torch.ones(2, CHANNELS, FRAMES, dtype=torch.float64))
    opened, _ = block(residual)
    block.gate = None
    dense, decision = block(residual)
    assert decision is None
    assert torch.equal(dense, opened)


def test_a_closed_block_passes_the_residual_on(settle: Callable, residual: Tensor) -> None:
    block = make_block(settle, residual)
    block.gate = FixedGate(torch.zeros(2, CHANNELS, FRAMES, dtype=torch.float64))
    assert torch.equal(block(residual)[0], residual)


@pytest.mark.parametrize("channel", [0, 4, CHANNELS - 1])
def test_a_channel_that_is_always_off_may_hold_anything(settle: Callable, residual: Tensor, channel: int) -> None:
    block = make_block(settle, residual)
    channel_mask = (torch.rand(2, CHANNELS, FRAMES, generator=torch.Generator().manual_seed(4)) < 0.5).double()
    channel_mask[:, channel] = 0.0
    block.gate = FixedGate(channel_mask)
    before, _ = block(residual)
    spoil(block, channel)
    assert torch.equal(block(residual)[0], before)
    channel_mask[:, channel, 10:] = 1.0  # positive control: once the channel is on, its weights matter
    after, _ = block(residual)
    assert torch.equal(after[..., :10], before[..., :10])
    assert ((after - before)[..., 10:].abs().amax(dim=1) > 0).all()


def test_output_equals_a_computation_that_skips_inactive_channels(settle: Callable, residual: Tensor) -> None:
    """Rows, filters and columns of inactive channels are never read; a ring of past values feeds the filters."""
    block = make_block(settle, residual)
    with torch.no_grad():
        expected, decision = block(residual)
    assert decision is not None
    channel_mask = decision.channel_mask
    assert 0.1 < channel_mask.mean() < 0.9
    bias = block.state_dict()["expand.bias"]

    def normalise(norm: nn.BatchNorm1d, channel: int, value: Tensor) -> Tensor:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight[channel] / torch.sqrt(norm.running_var[channel] + norm.eps)
        return (value - norm.running_mean[channel]) * scale + norm.bias[channel]

    for item in range(2):
        past = torch.zeros(CHANNELS, FRAMES, dtype=torch.float64)
        for frame in range(FRAMES):
            column = residual[item, :, frame]
            output = column.clone()
            for channel in channel_mask[item, :, frame].nonzero().flatten().tolist():
                row = block.expand.weight[channel, :, 0] @ column + bias[channel]
                past[channel, frame] = torch.relu(normalise(block.expand_norm, channel, row)).detach()
                taps = [frame - DILATION * (KERNEL - 1 - tap) for tap in range(KERNEL)]
                weights = block.depthwise.conv.weight[channel, 0]
                filtered = sum(
                    (weights[tap] * past[channel, at] for tap, at in enumerate(taps) if at >= 0),
                    start=torch.zeros((), dtype=torch.float64),
                )
                value = torch.relu(normalise(block.depthwise_norm, channel, filtered))
                output = output + (block.project.weight[:, channel, 0] * value).detach()
            torch.testing.assert_close(output, expected[item, :, frame])
