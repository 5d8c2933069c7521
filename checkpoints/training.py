"""A network from a checkpoint of `lightning fit`; the only module here that needs torch, when it is called."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from checkpoints.architecture import Architecture, plain_fields
from checkpoints.network_file import NetworkFileError, StoredNetwork
from checkpoints.yaml_file import YamlError, read_yaml
from networks.former_names import present_name, present_settings
from networks.framing import FrameGrid

NETWORK = "networks.conv_fsenet.ConvFSENet"
PREFIX = "network."
# What a norm counts to average over all batches, and inference does not use.
COUNTER = ".num_batches_tracked"

Tensors = dict[str, NDArray[np.float32]]


def read_network(path: Path, config: Path | None = None) -> StoredNetwork:
    """Read a network file, or a checkpoint of `lightning fit`.

    Args:
        path: ends in ``.safetensors`` or ``.ckpt``.
        config: configuration of the training, for a checkpoint; None takes the one that its run saved.

    Raises:
        NetworkFileError: if the file is missing, is neither, or cannot be used.
    """
    if path.suffix == ".safetensors":
        return StoredNetwork.load(path)
    if path.suffix == ".ckpt":
        return read_checkpoint(path, config)
    raise NetworkFileError(f"{path}: expected a network file (.safetensors) or a checkpoint (.ckpt)")


def read_checkpoint(checkpoint: Path, config: Path | None = None) -> StoredNetwork:
    """Read the enhancement network of a checkpoint; what it was only trained with is left out.

    Args:
        checkpoint: written by `lightning fit`, also by that of earlier versions.
        config: configuration of the training; None takes ``config.yaml`` of the run, beside the folder of checkpoints.

    Raises:
        NetworkFileError: if a file is missing or broken, the network is another one than ConvFSENet, or the
            configuration does not fit the weights.
        ImportError: if torch is not installed.
    """
    config = checkpoint.parent.parent / "config.yaml" if config is None else config
    settings = _read_settings(config, checkpoint)
    try:
        architecture, grid = _architecture(settings)
    except (ValueError, TypeError, ZeroDivisionError, OverflowError) as error:
        raise NetworkFileError(f"{config}: {error}") from error
    stored = _load(checkpoint)
    tensors = _network_tensors(stored["state_dict"], checkpoint)
    if architecture.blocks > len(tensors):  # before anything is made for each: a configuration may claim any number
        raise NetworkFileError(f"{config}: {architecture.blocks} blocks, but {checkpoint} has {len(tensors)} tensors")
    if not any(name.endswith(".gate.threshold") for name in tensors):
        tensors |= _computed_thresholds(architecture)
    provenance = {
        "checkpoint": checkpoint.name,
        "epochs": str(stored.get("epoch", "")),
        "steps": str(stored.get("global_step", "")),
        "trained_with": _software_text(stored.get("software")),
        "configuration": _configuration_text(settings),
    }
    try:
        return StoredNetwork(architecture, grid, tensors, provenance)
    except NetworkFileError as error:
        raise NetworkFileError(f"{checkpoint}: does not fit {config}: {error}") from error


def _read_settings(config: Path, checkpoint: Path) -> dict[str, Any]:
    if not checkpoint.is_file():
        raise NetworkFileError(f"{checkpoint}: no such file")
    if not config.is_file():
        raise NetworkFileError(f"{config}: no such file; the configuration of the training of {checkpoint} is needed")
    try:
        settings = read_yaml(config)
    except YamlError as error:
        raise NetworkFileError(str(error)) from error
    if not isinstance(settings, dict):
        raise NetworkFileError(f"{config}: expected the configuration of a training, got {settings!r:.50}")
    return settings


def _architecture(settings: Mapping[str, Any]) -> tuple[Architecture, FrameGrid]:
    """Find architecture and grid in the settings of a training.

    Raises:
        ValueError: naming the setting that is missing or unusable.
    """
    model = settings.get("model")
    network = model.get("network") if isinstance(model, dict) else None
    if not isinstance(network, dict) or network.get("class_path") != NETWORK:
        found = network.get("class_path") if isinstance(network, dict) else network
        raise ValueError(f"model.network.class_path must be {NETWORK}, got {found!r:.100}")
    given = network.get("init_args") or {}
    if not isinstance(given, dict):
        raise ValueError(f"model.network.init_args must be a mapping, got {given!r:.100}")
    data = settings.get("data")
    given_grid = data.get("grid", {}) if isinstance(data, dict) else {}
    grid = FrameGrid(**plain_fields(FrameGrid, given_grid, "data.grid", complete=False))
    arguments = {"num_frequencies": grid.num_frequencies} | present_settings(given)
    return Architecture.from_plain(arguments, complete=False), grid


def _load(checkpoint: Path) -> dict[str, Any]:
    import torch  # seconds, and only a checkpoint needs it

    if not zipfile.is_zipfile(checkpoint):
        raise NetworkFileError(f"{checkpoint}: not a checkpoint, or truncated")
    try:
        stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged pickle or archive raises is of two dozen types, and all mean the same
        raise NetworkFileError(f"{checkpoint}: cannot be read as a checkpoint: {error!s:.500}") from error
    if not isinstance(stored, dict) or not isinstance(stored.get("state_dict"), dict):
        raise NetworkFileError(f"{checkpoint}: not a checkpoint of `lightning fit`: it has no state_dict")
    return stored


def _network_tensors(state: Mapping[str, Any], checkpoint: Path) -> Tensors:
    """Pick the network from the state of the module, under present names."""
    named = {present_name(name): value for name, value in state.items() if str(name).startswith(PREFIX)}
    if not named:
        raise NetworkFileError(f"{checkpoint}: not a checkpoint of `lightning fit`: it has no weights of a network")
    return {
        name.removeprefix(PREFIX): _values(name, value, checkpoint)
        for name, value in named.items()
        if not name.endswith(COUNTER)
    }


def _values(name: str, value: Any, checkpoint: Path) -> NDArray[np.float32]:
    """Return a tensor as an array.

    Raises:
        NetworkFileError: if it is none that has its values in the file, as real numbers.
    """
    import torch

    usable = isinstance(value, torch.Tensor) and value.layout == torch.strided and value.device.type == "cpu"
    if not usable or not value.dtype.is_floating_point:
        raise NetworkFileError(f"{checkpoint}: '{name}' must be a tensor of real numbers, got {type(value).__name__}")
    if value.untyped_storage().nbytes() < value.nbytes:  # repeated values, which would be laid out one by one
        raise NetworkFileError(f"{checkpoint}: '{name}' of shape {tuple(value.shape)} has fewer values than that")
    return value.detach().float().contiguous().numpy()


def _computed_thresholds(architecture: Architecture) -> Tensors:
    """Return the thresholds of frame gates, which 0.1.0 did not store."""
    if not architecture.gated or architecture.gate.decision != "frame":
        return {}
    threshold = np.array(architecture.gate.frame_threshold(architecture.gate.target_utilization), dtype=np.float32)
    return {f"blocks.{block}.gate.threshold": threshold for block in range(architecture.blocks)}


def _software_text(software: object) -> str:
    """Return version and commit that a checkpoint was saved with; earlier ones do not say."""
    known = software if isinstance(software, Mapping) else {}
    return ", ".join(f"{name} {known[name]!s:.100}" for name in ("dyncp", "commit") if name in known)


def _configuration_text(settings: Mapping[str, Any]) -> str:
    """Write down what the training was like, without the places of a user's files."""
    kept = {key: settings[key] for key in ("seed_everything", "model", "data") if key in settings}
    if isinstance(kept.get("data"), dict) and "root" in kept["data"]:
        kept["data"] = kept["data"] | {"root": Path(str(kept["data"]["root"])).name}
    return yaml.safe_dump(_without_places(kept), sort_keys=False)


def _without_places(settings: Any) -> Any:
    """Return settings with the last part only of every absolute path."""
    if isinstance(settings, Mapping):
        return {key: _without_places(value) for key, value in settings.items()}
    if isinstance(settings, list):
        return [_without_places(value) for value in settings]
    if isinstance(settings, str) and Path(settings).is_absolute():
        return Path(settings).name
    return settings
