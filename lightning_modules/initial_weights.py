"""What a new training starts from: the weights of a checkpoint, or of a network file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from checkpoints.network_file import NetworkFileError, StoredNetwork
from checkpoints.training import COUNTER, PREFIX
from lightning_modules.checkpoints import TRAINING_PARTS, CheckpointError, check_architecture, check_file, upgrade_state

KEY = "model.initial_weights"
GATE = ".gate."  # in the names of what a network without gates does not have
NETWORK_FILE = ".safetensors"


def check_initial_weights(path: Path) -> None:
    """Check that a training can start from a file, before anything slow is done.

    Args:
        path: of a network file, if it ends in ``.safetensors``, else of a checkpoint.

    Raises:
        CheckpointError: if it does not exist, is no usable network file, or is not a complete archive.
    """
    if path.suffix == NETWORK_FILE:
        _read_network_file(path)
    else:
        check_file(path, KEY)


def read_initial_weights(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read the weights that a new training starts from.

    Args:
        path: of a checkpoint of `lightning fit`, or of a network file of `dyncp export` (``.safetensors``), such as
            the network of the package.
        expected: state of the configured module.

    Returns:
        A state with the names of ``expected``. What the training alone needs (discriminator, joint probes) is taken
        from a checkpoint as far as it is there and fits, and from ``expected`` otherwise; so are all gates, where the
        file is that of a network without any, which is to be pruned.

    Raises:
        CheckpointError: if the file is neither, or is of another architecture.
    """
    stored = _read_network_file(path) if path.suffix == NETWORK_FILE else _read_checkpoint(path)
    prefixes = tuple(part.prefix for part in TRAINING_PARTS)
    dense = not any(GATE in name for name in stored)
    state = {name: value for name, value in expected.items() if name.startswith(prefixes) or (dense and GATE in name)}
    if path.suffix == NETWORK_FILE:  # which has no counters
        state |= {name: value for name, value in expected.items() if name.endswith(COUNTER)}
    for name, value in upgrade_state(stored, expected).items():
        if not name.startswith(prefixes) or (name in expected and value.shape == expected[name].shape):
            state[name] = value
    try:
        check_architecture(state, expected)
    except CheckpointError as error:
        raise CheckpointError(f"{KEY}: '{path}': {error}") from error
    return state


def _read_checkpoint(path: Path) -> dict[str, Tensor]:
    check_file(path, KEY)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged pickle or archive raises is of two dozen types, and all mean the same
        raise CheckpointError(f"{KEY}: '{path}' cannot be read as a checkpoint: {error!s:.500}") from error
    stored = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(stored, dict) or not any(str(name).startswith(PREFIX) for name in stored):
        raise CheckpointError(f"{KEY}: '{path}' is not a checkpoint of `lightning fit`: it has no weights of a network")
    return stored


def _read_network_file(path: Path) -> dict[str, Tensor]:
    try:
        network = StoredNetwork.load(path)
    except NetworkFileError as error:
        raise CheckpointError(f"{KEY}: {error}") from error
    return {PREFIX + name: torch.from_numpy(value) for name, value in network.tensors.items()}
