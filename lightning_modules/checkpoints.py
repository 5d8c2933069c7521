"""Checkpoints: bringing them up to date, and refusing one that does not fit."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from networks.former_names import present_name


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why and what to do."""


class TrainingPart(NamedTuple):
    """Something that a network can be trained with and that enhancing does not need.

    Attributes:
        prefix: what the names of its tensors begin with.
        called: what a message calls it.
        key: of the configuration, null without it.
        in_main_optimizer: whether the optimiser of the network has its parameters too.
    """

    prefix: str
    called: str
    key: str
    in_main_optimizer: bool


TRAINING_PARTS = (
    TrainingPart("metric_discriminator.", "a discriminator", "model.objective.metric_discriminator", False),
    TrainingPart("joint_probes.", "joint probes", "model.joint_probes", True),
)


def plain_values(settings: Any) -> Any:
    """Return settings as mappings, lists and numbers, which torch loads with ``weights_only``; None stays None."""
    return None if settings is None else json.loads(json.dumps(asdict(settings)))


def upgrade_state(stored: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the weights of a 0.1.0 checkpoint their present names.

    Args:
        stored: state of the checkpoint.
        expected: state of the configured module, whose thresholds are those that 0.1.0 did not store.

    Returns:
        The state under present names; that of a newer checkpoint as it is.
    """
    upgraded = {present_name(name): value for name, value in stored.items()}
    if not any(name.endswith(".gate.threshold") for name in stored):
        gates = {name.rpartition(".")[0] for name in upgraded if name.endswith(".gate.shift")}
        upgraded |= {
            f"{gate}.threshold": expected[f"{gate}.threshold"] for gate in gates if f"{gate}.threshold" in expected
        }
    return upgraded


def check_architecture(stored: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Check that stored weights fit the configured network.

    Args:
        stored: state of the checkpoint.
        expected: state of the configured module.

    Raises:
        CheckpointError: naming the first tensor that differs and how many do.
    """
    problems = [f"'{name}' is missing" for name in expected if name not in stored]
    problems += [f"'{name}' is not in the configured network" for name in stored if name not in expected]
    problems += [
        f"'{name}' has shape {tuple(stored[name].shape)}, the configured network {tuple(expected[name].shape)}"
        for name in expected
        if name in stored and stored[name].shape != expected[name].shape
    ]
    if problems:
        raise CheckpointError(
            f"the checkpoint is of another architecture: {problems[0]} ({len(problems)} differences in all); "
            "use the config.yaml saved beside its checkpoints folder"
        )


def drop_unconfigured(
    stored: Mapping[str, Tensor], expected: Mapping[str, Tensor], resuming: bool
) -> tuple[dict[str, Tensor], list[str]]:
    """Leave out what the network was trained with and the configuration has not: enhancing does not need it.

    Args:
        stored: state of the checkpoint.
        expected: state of the configured module.
        resuming: whether the checkpoint's training goes on, with the state of its optimiser.

    Returns:
        The rest, and a line about each part that was left out.

    Raises:
        CheckpointError: if a training cannot go on without the part.
    """
    state, told = dict(stored), []
    for part in TRAINING_PARTS:
        if any(name.startswith(part.prefix) for name in expected):
            continue
        kept = {name: value for name, value in state.items() if not name.startswith(part.prefix)}
        dropped = len(state) - len(kept)
        if dropped and resuming and part.in_main_optimizer:
            raise CheckpointError(
                f"--ckpt_path: a training with {part.called} cannot be resumed while {part.key} is null; "
                "--model.initial_weights starts a new one from its weights"
            )
        if dropped:
            told.append(
                f"the checkpoint has {part.called} ({dropped} tensors), {part.key} is null: left out, the enhancement "
                "network is loaded"
            )
        state = kept
    return state, told


def configured_state(
    stored: Mapping[str, Tensor], expected: Mapping[str, Tensor], resuming: bool
) -> tuple[dict[str, Tensor], list[str]]:
    """Bring the state of a checkpoint up to date and to what is configured.

    Args:
        stored: state of the checkpoint, which may be an older one.
        expected: state of the configured module.
        resuming: whether the checkpoint's training goes on, with the state of its optimiser.

    Returns:
        The state, and a line about each part of the training that was left out.

    Raises:
        CheckpointError: if it is of another architecture, or a training cannot go on without a part.
    """
    state, told = drop_unconfigured(upgrade_state(stored, expected), expected, resuming)
    check_architecture(state, expected)
    return state, told


def check_file(path: Path, key: str = "--ckpt_path") -> None:
    """Check that a file can be a checkpoint, before anything slow is done.

    Args:
        path: of the file.
        key: what names it, for the message.

    Raises:
        CheckpointError: if it does not exist or is not a complete archive.
    """
    if not path.is_file():
        raise CheckpointError(f"{key}: no such file '{path}'")
    if not zipfile.is_zipfile(path):
        raise CheckpointError(f"{key}: '{path}' is not a checkpoint, or it is truncated")
