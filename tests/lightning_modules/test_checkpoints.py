"""Checkpoints: what is said about one that does not fit, and which is the last."""

from __future__ import annotations

import pytest
import torch

from lightning_modules.checkpoints import CheckpointError, check_architecture, upgrade_state
from networks.conv_fsenet import ConvFSENet
from networks.gate_settings import GateSettings

EXPECTED = {"frontend.weight": torch.zeros(4, 3), "frontend.bias": torch.zeros(4)}


def test_equal_architectures_pass_whatever_their_values() -> None:
    check_architecture({name: value + 1 for name, value in EXPECTED.items()}, EXPECTED)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"frontend.bias": torch.zeros(4)}, r"'frontend\.weight' is missing \(1 differences in all\)"),
        ({}, r"'frontend\.weight' is missing \(2 differences in all\)"),
        (EXPECTED | {"gate.shift": torch.zeros(1)}, r"'gate\.shift' is not in the configured network \(1 differences"),
        (
            EXPECTED | {"frontend.weight": torch.zeros(8, 3)},
            r"'frontend\.weight' has shape \(8, 3\), the configured network \(4, 3\) \(1 differences",
        ),
        ({"other": torch.zeros(1), "frontend.bias": torch.zeros(5)}, r"'frontend\.weight' is missing \(3 differences"),
    ],
)
def test_differences_are_named_and_counted(stored: dict, message: str) -> None:
    with pytest.raises(CheckpointError, match=f"of another architecture: {message}.*config.yaml"):
        check_architecture(stored, EXPECTED)


@pytest.mark.parametrize(
    "changes", [{"channels": 6}, {"stacks": 2}, {"gated": False}, {"gate": GateSettings(normalize=False)}]
)
def test_another_network_is_refused_in_both_directions(changes: dict) -> None:
    sizes: dict = {"num_frequencies": 5, "residual_channels": 3, "channels": 4, "stacks": 1}
    one, other = ConvFSENet(**sizes).state_dict(), ConvFSENet(**(sizes | changes)).state_dict()
    check_architecture(one, ConvFSENet(**sizes).state_dict())
    for stored, expected in ((one, other), (other, one)):
        with pytest.raises(CheckpointError, match="of another architecture"):
            check_architecture(stored, expected)


def test_a_gate_of_0_1_0_is_loaded_under_its_present_names() -> None:
    network = ConvFSENet(5, 3, 4, stacks=1)
    expected = network.state_dict()
    old = {
        name.replace(".stem.norm.", ".input_norm.").replace(".stem.", "."): value + 1
        for name, value in expected.items()
        if not name.endswith(".threshold")
    }
    assert "blocks.0.gate.squeeze.weight" in old
    assert "blocks.0.gate.input_norm.running_mean" in old
    upgraded = upgrade_state(old, expected)
    check_architecture(upgraded, expected)
    assert torch.equal(upgraded["blocks.2.gate.threshold"], expected["blocks.2.gate.threshold"])
    assert torch.equal(upgraded["blocks.2.gate.stem.squeeze.weight"], expected["blocks.2.gate.stem.squeeze.weight"] + 1)
    assert upgrade_state(upgraded, {}) == upgraded  # a present one is left alone
