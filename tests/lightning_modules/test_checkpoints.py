"""Checkpoints: what is said about one that does not fit, and which is the last."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from lightning_modules.checkpoints import CheckpointError, check_architecture, find_last_checkpoint, upgrade_state
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


def test_the_last_checkpoint_is_the_newest_one(tmp_path: Path) -> None:
    for age, version in enumerate(["version_10", "version_2", "version_9"]):
        path = tmp_path / version / "checkpoints" / "last.ckpt"
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (1000 - age, 1000 - age))
        (path.parent / "best.ckpt").touch()  # newer, but not what training stopped at
    assert find_last_checkpoint(tmp_path) == tmp_path / "version_10" / "checkpoints" / "last.ckpt"
    os.utime(tmp_path / "version_2" / "checkpoints" / "last.ckpt", (2000, 2000))
    assert find_last_checkpoint(tmp_path) == tmp_path / "version_2" / "checkpoints" / "last.ckpt"


@pytest.mark.parametrize("folder", [".", "no_such_run"])
def test_no_last_checkpoint_is_an_error(tmp_path: Path, folder: str) -> None:
    (tmp_path / "version_0" / "checkpoints").mkdir(parents=True)
    (tmp_path / "version_0" / "checkpoints" / "best.ckpt").touch()
    with pytest.raises(CheckpointError, match=r"--ckpt_path last: no .*last\.ckpt"):
        find_last_checkpoint(tmp_path / folder)
