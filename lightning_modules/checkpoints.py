"""Checkpoints: finding the last one, and refusing one that does not fit."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

DISCRIMINATOR = "metric_discriminator."  # what the names of a discriminator's tensors begin with


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why and what to do."""


# Layers of a gate that had other names in 0.1.0.
RENAMED = {".gate.input_norm.": ".gate.stem.norm.", ".gate.squeeze.": ".gate.stem.squeeze."}


def upgrade_state(stored: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the weights of a 0.1.0 checkpoint their present names.

    Args:
        stored: state of the checkpoint.
        expected: state of the configured module, whose thresholds are those that 0.1.0 did not store.

    Returns:
        The state under present names; that of a newer checkpoint as it is.
    """
    upgraded = {}
    for name, value in stored.items():
        for old, new in RENAMED.items():
            name = name.replace(old, new)
        upgraded[name] = value
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


def drop_discriminator(stored: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], int]:
    """Leave out the discriminator that the network was trained against: enhancing needs none.

    Args:
        stored: state of the checkpoint.

    Returns:
        The rest, and how many tensors were left out.
    """
    kept = {name: value for name, value in stored.items() if not name.startswith(DISCRIMINATOR)}
    return kept, len(stored) - len(kept)


def check_file(path: Path) -> None:
    """Check that a file can be a checkpoint, before anything slow is done.

    Raises:
        CheckpointError: if it does not exist or is not a complete archive.
    """
    if not path.is_file():
        raise CheckpointError(f"--ckpt_path: no such file '{path}'")
    if not zipfile.is_zipfile(path):
        raise CheckpointError(f"--ckpt_path: '{path}' is not a checkpoint, or it is truncated")


def find_last_checkpoint(runs: Path) -> Path:
    """Return the newest ``last.ckpt`` of the runs in a folder.

    Args:
        runs: folder whose subfolders are runs with a ``checkpoints`` folder.

    Raises:
        CheckpointError: if there is none.
    """
    found = list(runs.glob("*/checkpoints/last.ckpt"))
    if not found:
        raise CheckpointError(f"--ckpt_path last: no {runs}/*/checkpoints/last.ckpt; has a run been started?")
    return max(found, key=lambda path: path.stat().st_mtime)
