"""Checkpoints become networks: present and former names, what is left out, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from checkpoints.network_file import NetworkFileError
from checkpoints.training import read_checkpoint, read_network
from networks.conv_fsenet import ConvFSENet
from networks.gate_settings import GateSettings

ARGUMENTS: dict[str, Any] = {"residual_channels": 4, "channels": 6, "stacks": 1, "dilations": [1, 2]}
GATE = {"width": 3, "target_utilization": 0.5}
GRID = {"sample_rate": 16000, "window_length": 16, "hop_length": 8}
CLASS = "networks.conv_fsenet.ConvFSENet"


def network(**gate: Any) -> ConvFSENet:
    torch.manual_seed(0)
    return ConvFSENet(9, **ARGUMENTS, gate=GateSettings(**(GATE | gate))).eval()


def run(
    folder: Path, state: dict[str, Any], init_args: dict[str, Any] | None = None, class_path: str = CLASS, **data: Any
) -> Path:
    """Write a run as `lightning fit` leaves it, and return its checkpoint."""
    init_args = ARGUMENTS | {"gate": GATE} if init_args is None else init_args
    settings = {
        "seed_everything": 1,
        "trainer": {"max_epochs": 2},
        "model": {"network": {"class_path": class_path, "init_args": init_args}, "joint_probes": None},
        "data": {
            "root": "/home/someone/corpus",
            "grid": GRID,
            "targets": [{"init_args": {"cache_dir": "/home/someone/.cache/pitch"}}],
        }
        | data,
    }
    checkpoint = folder / "checkpoints" / "last.ckpt"
    checkpoint.parent.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    torch.save({"state_dict": state, "epoch": 3, "global_step": 120}, checkpoint)
    return checkpoint


def state_of(module: ConvFSENet) -> dict[str, Any]:
    return {f"network.{name}": value for name, value in module.state_dict().items()}


def test_a_checkpoint_is_read_with_the_configuration_of_its_run(tmp_path: Path) -> None:
    module = network()
    training = {"metric_discriminator.0.weight": torch.ones(2), "joint_probes.heads.vad.weight": torch.ones(3)}
    stored = read_network(run(tmp_path, state_of(module) | training))
    expected = {name: value for name, value in module.state_dict().items() if "num_batches" not in name}
    assert stored.tensors.keys() == expected.keys()
    assert all(np.array_equal(stored.tensors[name], value.numpy()) for name, value in expected.items())
    assert stored.architecture.gate == GateSettings(**GATE)
    assert stored.grid.hop_length == 8
    assert (stored.provenance["epochs"], stored.provenance["steps"]) == ("3", "120")
    written = yaml.safe_load(stored.provenance["configuration"])["data"]
    assert written["root"] == "corpus"  # not where it lay
    assert written["targets"][0]["init_args"]["cache_dir"] == "pitch"


def test_a_checkpoint_of_0_1_0_is_read(tmp_path: Path) -> None:
    module = network()
    old = {
        name.replace(".stem.norm.", ".input_norm.").replace(".stem.", "."): value
        for name, value in state_of(module).items()
        if not name.endswith(".threshold")
    }
    assert "network.blocks.0.gate.squeeze.weight" in old
    arguments = ARGUMENTS | {"gate_width": 3, "target_utilization": 0.5, "gate_normalize": True, "surrogate_slope": 2.0}
    stored = read_checkpoint(run(tmp_path, old, arguments))
    assert all(np.array_equal(tensor, module.state_dict()[name].numpy()) for name, tensor in stored.tensors.items())
    assert stored.architecture.gate == GateSettings(**GATE)


@pytest.mark.parametrize("normalize", [True, False])
def test_missing_thresholds_are_those_of_the_network(tmp_path: Path, normalize: bool) -> None:
    module = network(normalize=normalize, target_utilization=0.2)
    without = {name: value for name, value in state_of(module).items() if not name.endswith(".threshold")}
    gate = {"width": 3, "target_utilization": 0.2, "normalize": normalize}
    stored = read_checkpoint(run(tmp_path, without, ARGUMENTS | {"gate": gate}))
    assert stored.tensors["blocks.1.gate.threshold"] == module.state_dict()["blocks.1.gate.threshold"].numpy()


def test_weights_in_half_precision_are_read_as_float32(tmp_path: Path) -> None:
    stored = read_checkpoint(run(tmp_path, {name: value.bfloat16() for name, value in state_of(network()).items()}))
    assert stored.tensors["backend.bias"].dtype == np.float32


def test_another_configuration_can_be_named(tmp_path: Path) -> None:
    checkpoint = run(tmp_path / "run", state_of(network()))
    moved = (checkpoint.parent.parent / "config.yaml").rename(tmp_path / "elsewhere.yaml")
    with pytest.raises(NetworkFileError, match=r"run/config\.yaml: no such file; the configuration of the training"):
        read_network(checkpoint)
    assert read_network(checkpoint, moved).architecture.channels == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_path": "networks.other.Net"}, r"config\.yaml: model\.network\.class_path must be networks\.conv"),
        ({"init_args": "wide"}, r"config\.yaml: model\.network\.init_args must be a mapping, got 'wide'"),
        ({"init_args": {"channels": 6, "depth": 2}}, r"config\.yaml: architecture\.depth is unknown"),
        ({"init_args": {"surrogate_slope": 0}}, r"config\.yaml: "),
        ({"init_args": ARGUMENTS | {"channels": 7}}, r"last\.ckpt: does not fit .*config\.yaml: tensor 'blocks\.0\."),
        ({"grid": GRID | {"hop_length": 0}}, r"config\.yaml: grid\.hop_length must be positive"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkFileError, match=message):
        read_checkpoint(run(tmp_path, state_of(network()), **change))


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_code_in_a_checkpoint_is_not_executed(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    checkpoint = run(tmp_path, {"network.x": Planted(mark)})
    with pytest.raises(NetworkFileError, match="cannot be read as a checkpoint"):
        read_checkpoint(checkpoint)
    assert not mark.exists()
    torch.load(checkpoint, weights_only=False)  # the plant works where nobody is careful
    assert mark.exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("text", "must be a tensor of real numbers, got str"),
        (torch.zeros(4, 9, 1).to_sparse(), "must be a tensor of real numbers"),
        (torch.zeros(4, 9, 1, dtype=torch.complex64), "must be a tensor of real numbers"),
        (torch.zeros(1).expand(2**40), "has fewer values than that"),  # 4 TiB if it were laid out
    ],
)
def test_tensors_of_other_kinds_are_refused(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(NetworkFileError, match=f"network.frontend.weight' .*{message}"):
        read_checkpoint(run(tmp_path, state_of(network()) | {"network.frontend.weight": value}))


def test_more_blocks_than_tensors_are_refused_before_anything_is_made_for_each(tmp_path: Path) -> None:
    with pytest.raises(NetworkFileError, match=r"config\.yaml: 2000000000000 blocks, but .*last\.ckpt has"):
        read_checkpoint(run(tmp_path, state_of(network()), ARGUMENTS | {"stacks": 10**12}))


def test_what_a_checkpoint_was_made_with_is_kept(tmp_path: Path) -> None:
    checkpoint = run(tmp_path, state_of(network()))
    assert read_checkpoint(checkpoint).provenance["trained_with"] == ""
    content = torch.load(checkpoint, weights_only=True) | {"software": {"dyncp": "0.2.0", "commit": "abc"}}
    torch.save(content, checkpoint)
    assert read_checkpoint(checkpoint).provenance["trained_with"] == "dyncp 0.2.0, commit abc"


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    checkpoint = run(tmp_path, {"head.weight": torch.ones(2)})
    with pytest.raises(NetworkFileError, match="it has no weights of a network"):
        read_checkpoint(checkpoint)
    torch.save([1, 2], checkpoint)
    with pytest.raises(NetworkFileError, match="it has no state_dict"):
        read_checkpoint(checkpoint)
    torch.save({"state_dict": Path("code")}, checkpoint)
    with pytest.raises(NetworkFileError, match="cannot be read as a checkpoint"):
        read_checkpoint(checkpoint)
    checkpoint.write_text("text")
    with pytest.raises(NetworkFileError, match="not a checkpoint, or truncated"):
        read_checkpoint(checkpoint)
    (tmp_path / "config.yaml").write_text("- a list")
    with pytest.raises(NetworkFileError, match="expected the configuration of a training"):
        read_checkpoint(checkpoint)
    with pytest.raises(NetworkFileError, match=r"none\.ckpt: no such file"):
        read_network(tmp_path / "none.ckpt")
    with pytest.raises(NetworkFileError, match=r"expected a network file \(\.safetensors\) or a checkpoint \(\.ckpt\)"):
        read_network(tmp_path / "network.pt")


def test_a_network_file_is_read_without_torch(tmp_path: Path) -> None:
    read_checkpoint(run(tmp_path, state_of(network()))).save(tmp_path / "n.safetensors")
    code = (
        "import sys; from pathlib import Path; from checkpoints.training import read_network; "
        "from streaming.folding import fold; fold(read_network(Path(sys.argv[1]))); print('torch' in sys.modules)"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "n.safetensors")]
    repository = Path(__file__).resolve().parents[2]
    result = subprocess.run(arguments, cwd=repository, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
