"""Weights that a training starts from: of a checkpoint, of a network file, of a network that is to be pruned."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from checkpoints.architecture import Architecture
from checkpoints.network_file import StoredNetwork
from lightning_modules.checkpoints import CheckpointError
from lightning_modules.enhancement import EnhancementModule
from lightning_modules.initial_weights import check_initial_weights, read_initial_weights
from lightning_modules.joint_probes import JointProbeSettings, JointTask
from networks.conv_fsenet import ConvFSENet
from networks.gate_settings import GateSettings
from tests.lightning_modules.test_enhancement import GRID, make_module
from tests.test_import_direction import REPOSITORY

PACKAGED = REPOSITORY / "checkpoints" / "conv_fsenet_25.safetensors"


def save_network_file(module: EnhancementModule, path: Path) -> None:
    """Write the network of a module of ``make_module``, every weight moved by 1, as a network file."""
    gate = GateSettings(0.25, width=8)
    gated = module.network.gated
    architecture = Architecture(GRID.num_frequencies, 16, 32, 1, gated=gated, gate=gate)
    state = {name: value + 1 for name, value in module.network.state_dict().items() if "num_batches" not in name}
    StoredNetwork(architecture, GRID, {name: value.numpy() for name, value in state.items()}).save(path)


def test_a_network_without_gates_can_be_pruned(tmp_path: Path) -> None:
    dense, gated = make_module(gated=False).state_dict(), make_module().state_dict()
    dense = {name: value + 1 for name, value in dense.items()}
    torch.save({"state_dict": dense}, tmp_path / "dense.ckpt")
    state = read_initial_weights(tmp_path / "dense.ckpt", gated)
    assert state.keys() == gated.keys()
    assert all(torch.equal(value, dense[name] if name in dense else gated[name]) for name, value in state.items())
    torch.save({"state_dict": gated}, tmp_path / "gated.ckpt")
    with pytest.raises(CheckpointError, match=r"gate\..*' is not in the configured network"):
        read_initial_weights(tmp_path / "gated.ckpt", dense)
    partly = {name: value for name, value in gated.items() if ".gate.expand" not in name}
    torch.save({"state_dict": partly}, tmp_path / "partly.ckpt")
    with pytest.raises(CheckpointError, match=r"gate\.expand.*' is missing"):
        read_initial_weights(tmp_path / "partly.ckpt", gated)


@pytest.mark.parametrize("stored_gated", [True, False])
def test_a_network_file_gives_its_weights_and_nothing_else_changes(tmp_path: Path, stored_gated: bool) -> None:
    path = tmp_path / "network.safetensors"
    save_network_file(make_module(gated=stored_gated), path)
    given = {f"network.{name}": torch.from_numpy(value) for name, value in StoredNetwork.load(path).tensors.items()}
    expected = make_module(joint_probes=JointProbeSettings((JointTask("vad", "binary"),))).state_dict()
    assert any("gate" in name for name in given) == stored_gated
    check_initial_weights(path)
    state = read_initial_weights(path, expected)
    assert state.keys() == expected.keys()
    assert all(torch.equal(value, given.get(name, expected[name])) for name, value in state.items())
    assert not any(torch.equal(value, expected[name]) for name, value in given.items())
    assert any(name.startswith("joint_probes.") for name in state.keys() - given.keys())


def test_the_network_of_the_package_is_one_to_start_from() -> None:
    network = StoredNetwork.load(PACKAGED)
    sizes = network.architecture
    module = EnhancementModule(
        ConvFSENet(sizes.num_frequencies, sizes.residual_channels, sizes.channels, sizes.stacks, gate=sizes.gate),
        network.grid,
    )
    module.load_state_dict(read_initial_weights(PACKAGED, module.state_dict()))
    for name, value in network.tensors.items():
        assert torch.equal(module.network.state_dict()[name], torch.from_numpy(value))


def test_unusable_network_files_are_refused_by_name(tmp_path: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no tensors")
    for path, message in ((broken, "not a readable safetensors file"), (tmp_path / "none.safetensors", "no such file")):
        with pytest.raises(CheckpointError, match=rf"model\.initial_weights: .*{path.name}: {message}"):
            check_initial_weights(path)
    with pytest.raises(CheckpointError, match=r"model\.initial_weights: '.*conv_fsenet_25.*another architecture"):
        read_initial_weights(PACKAGED, make_module().state_dict())
