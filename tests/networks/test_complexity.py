"""Multiply-accumulates: torch's flop counter, a brute-force count, invariances."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from networks.complexity import FrameBudget, cost_per_frame, count_parameters, mac_budget, weight_budget
from networks.conv_fsenet import ConvFSENet
from networks.gate_settings import GateSettings

SIZES = st.fixed_dictionaries(
    {
        "num_frequencies": st.integers(1, 9),
        "residual_channels": st.integers(1, 7),
        "channels": st.integers(1, 8),
        "stacks": st.integers(1, 2),
        "dilations": st.lists(st.integers(1, 3), min_size=1, max_size=3),
        "kernel_size": st.integers(1, 4),
        "gate": st.builds(
            GateSettings,
            width=st.integers(1, 5),
            stem_scope=st.sampled_from(["block", "stack", "network"]),
            context=st.sampled_from(["none", "depthwise"]),
            context_frames=st.integers(1, 3),
        ),
    }
)


def counted_macs_per_frame(network: ConvFSENet, frames: int) -> float:
    """MACs of torch's counter: it charges a convolution 2 * weights * output frames, per group, padding included.

    The blocks pad before their convolutions and keep the frame rate, so nothing is counted beyond ``frames``.
    BatchNorm and activations are not counted, as in ours.
    """
    spectrum = torch.randn(1, network.num_frequencies, frames, dtype=torch.complex64)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(spectrum)
    return counter.get_total_flops() / 2 / frames


@pytest.mark.parametrize("frames", [1, 7])
def test_the_full_network_agrees_with_the_flop_counter(frames: int) -> None:
    dense, gated = ConvFSENet(gated=False), ConvFSENet()
    assert counted_macs_per_frame(dense, frames) == mac_budget(dense).dense == 662_528
    assert counted_macs_per_frame(gated, frames) == 662_528 + mac_budget(gated).gates == 662_528 + 55_296


@settings(max_examples=15, deadline=None, database=None)
@given(SIZES)
def test_networks_of_any_size_agree_with_the_flop_counter(sizes: dict) -> None:
    dense, gated = ConvFSENet(gated=False, **sizes), ConvFSENet(**sizes)
    assert counted_macs_per_frame(dense, 5) == mac_budget(dense).dense
    assert counted_macs_per_frame(gated, 5) == mac_budget(gated).dense + mac_budget(gated).gates


@settings(max_examples=30, deadline=None, database=None)
@given(SIZES, st.booleans(), st.floats(0, 1), st.integers(0, 1000))
def test_masks_cost_what_a_count_of_their_parts_costs(sizes: dict, gated: bool, share: float, seed: int) -> None:
    budget = mac_budget(ConvFSENet(gated=gated, **sizes))
    blocks, residual = sizes["stacks"] * len(sizes["dilations"]), sizes["residual_channels"]
    gate = sizes["gate"]
    shared_by = {"block": 1, "stack": len(sizes["dilations"]), "network": blocks}[gate.stem_scope]
    stem = residual * gate.width + (gate.context_frames * gate.width if gate.context == "depthwise" else 0)
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand(2, blocks, sizes["channels"], 3, generator=generator) < share
    counted = torch.zeros(2, 3, dtype=torch.int64)
    for item in range(2):
        for frame in range(3):
            macs = 2 * sizes["num_frequencies"] * residual  # frontend and backend
            for block in range(blocks):
                if gated:
                    macs += gate.width * sizes["channels"] + (stem if block % shared_by == 0 else 0)
                for channel in range(sizes["channels"]):
                    if masks[item, block, channel, frame]:
                        macs += residual + sizes["kernel_size"] + residual  # row, filter, column
            counted[item, frame] = macs
    for given_masks in (masks, masks.float(), masks.to(torch.bfloat16)):
        measured = cost_per_frame(budget, given_masks)
        assert measured.dtype == torch.int64
        assert torch.equal(measured, counted)


@settings(max_examples=20, deadline=None, database=None)
@given(SIZES, st.booleans(), st.integers(0, 1000))
def test_weights_read_are_those_of_the_folded_layers(sizes: dict, gated: bool, seed: int) -> None:
    network = ConvFSENet(gated=gated, **sizes)
    masks = (
        torch.rand(1, len(network.blocks), sizes["channels"], 1, generator=torch.Generator().manual_seed(seed)) < 0.4
    )
    read = sum(parameter.numel() for layer in (network.frontend, network.backend) for parameter in layer.parameters())
    for block, mask in zip(network.blocks, masks[0, :, :, 0], strict=True):
        if gated:
            parameters = {name: value.numel() for name, value in block.gate.named_parameters()}
            read += sum(parameters.values()) - parameters["shift"]  # which moves the threshold
        # a folded BatchNorm leaves one bias for every channel
        parts = (block.expand.weight[mask], block.expand.bias[mask], block.depthwise.conv.weight[mask])
        read += sum(part.numel() for part in (*parts, block.depthwise_norm.bias[mask], block.project.weight[:, mask]))
    assert cost_per_frame(weight_budget(network), masks).item() == read


def test_ends_of_the_range_and_the_share_that_a_quarter_leaves() -> None:
    budget = mac_budget(ConvFSENet())
    assert budget == FrameBudget(fixed=65_792, gates=55_296, per_channel=259, channels=256, blocks=9)
    closed, opened = torch.zeros(1, 9, 256, 1), torch.ones(1, 9, 256, 1)
    assert cost_per_frame(budget, closed).item() == 65_792 + 55_296
    assert cost_per_frame(budget, opened).item() == budget.dense + budget.gates
    closed[:, :, :64] = 1.0
    assert cost_per_frame(budget, closed).item() == 270_272  # 59 % of the dense MACs saved, gates paid


@pytest.mark.parametrize("decision", ["static", "random"])
def test_gates_that_do_not_listen_cost_nothing(decision: str) -> None:
    network = ConvFSENet(gate=GateSettings(decision=decision))
    assert mac_budget(network).gates == weight_budget(network).gates == 0
    assert counted_macs_per_frame(network, 3) == mac_budget(network).dense


def test_what_sharing_the_first_layer_and_a_memory_cost() -> None:
    costs = {scope: mac_budget(ConvFSENet(gate=GateSettings(stem_scope=scope))).gates for scope in ("stack", "network")}
    assert costs == {"stack": 9 * 16 * 256 + 3 * 128 * 16, "network": 9 * 16 * 256 + 128 * 16}
    plain = mac_budget(ConvFSENet()).gates
    assert mac_budget(ConvFSENet(gate=GateSettings(context="leaky"))).gates == plain + 9 * 16
    assert mac_budget(ConvFSENet(gate=GateSettings(context="depthwise", context_frames=5))).gates == plain + 9 * 16 * 5


def test_the_order_of_channels_does_not_matter() -> None:
    budget = mac_budget(ConvFSENet(gate=GateSettings(width=2)))
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(3, 9, 256, 20, generator=generator) < 0.3
    order = torch.randperm(256, generator=generator)
    assert torch.equal(cost_per_frame(budget, masks[:, :, order]), cost_per_frame(budget, masks))
    assert cost_per_frame(budget, masks).unique().numel() > 1


def test_parameters_are_counted_once_and_frozen_ones_are_not() -> None:
    network = ConvFSENet(num_frequencies=5, residual_channels=3, channels=4, stacks=1, dilations=[1], gated=False)
    block = (3 * 4 + 4) + 2 * 4 + 4 * 3 + 2 * 4 + 4 * 3
    assert count_parameters(network) == (5 * 3 + 3) + block + (3 * 5 + 5)
    network.frontend.requires_grad_(False)
    assert count_parameters(network) == block + (3 * 5 + 5)
