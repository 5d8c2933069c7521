"""The default files are found where they lie, and missed clearly."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from checkpoints import DEFAULT, FOLDER, default_network, probes_beside
from checkpoints.network_file import StoredNetwork
from probes.deployment import ProbeBank


def test_files_are_found(tmp_path: Path) -> None:
    (tmp_path / f"{DEFAULT}.safetensors").touch()
    assert default_network(tmp_path) == tmp_path / f"{DEFAULT}.safetensors"
    assert probes_beside(default_network(tmp_path)) is None
    (tmp_path / f"{DEFAULT}.probes.safetensors").touch()
    assert probes_beside(default_network(tmp_path)) == tmp_path / f"{DEFAULT}.probes.safetensors"


def test_a_missing_default_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no default network: .*conv_fsenet_25\.safetensors does not exist"):
        default_network(tmp_path)


def test_probes_lie_beside_a_network_of_any_format(tmp_path: Path) -> None:
    (tmp_path / "my.net.probes.safetensors").touch()
    for name in ("my.net.safetensors", "my.net.onnx"):
        assert probes_beside(tmp_path / name) == tmp_path / "my.net.probes.safetensors"
    assert probes_beside(tmp_path / "net.safetensors") is None


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.safetensors")), ids=lambda path: path.name)
def test_shipped_files_can_be_read_and_fit(path: Path) -> None:
    if not path.name.endswith(".probes.safetensors"):
        StoredNetwork.load(path)
        return
    bank = ProbeBank.load(path)
    network = StoredNetwork.load(path.with_name(path.name.replace(".probes", "")))
    assert (bank.blocks, bank.channels) == (network.architecture.blocks, network.architecture.channels)
    assert bank.hop_s == network.grid.hop_length / network.grid.sample_rate


def test_shipped_files_are_in_the_package() -> None:
    with (FOLDER.parent / "pyproject.toml").open("rb") as file:
        patterns = tomllib.load(file)["tool"]["setuptools"]["package-data"]["checkpoints"]
    assert all(any(fnmatch(path.name, pattern) for pattern in patterns) for path in FOLDER.glob("*.safetensors"))
    assert fnmatch(f"{DEFAULT}.safetensors", patterns[0])
