"""Builds the network and the data of a run, from its configuration and a checkpoint."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from checkpoints.training import read_checkpoint
from checkpoints.yaml_file import YamlError, read_yaml
from datamodules.enhancement_data import EnhancementDataModule
from lightning_modules.checkpoints import CheckpointError, check_file
from lightning_modules.enhancement import EnhancementModule
from lightning_modules.enhancement_cli import ConfigError, merged_settings, run

OF_SUBCOMMANDS = ("ckpt_path", "weights_only", "verbose")  # saved by a run; they say nothing of network or data


def config_of(checkpoint: Path) -> Path:
    """Return the configuration that a run saved beside its checkpoints.

    Raises:
        CheckpointError: if there is none.
    """
    config = checkpoint.parent.parent / "config.yaml"
    if not config.is_file():
        raise CheckpointError(f"--config: no {config} beside the checkpoint; name the configuration of its training")
    return config


def merged(config: Path, arguments: Sequence[str]) -> dict[str, Any]:
    """Return the settings of a training with what overrides them.

    Args:
        config: of a run, or one that a run has saved.
        arguments: of ``lightning fit`` that override it.

    Raises:
        ConfigError: if a value is refused.
    """
    with tempfile.TemporaryDirectory() as folder:
        trained = Path(folder) / "config.yaml"
        try:
            written = read_yaml(config)
        except YamlError as error:
            raise ConfigError(str(error)) from error
        if not isinstance(written, dict):
            raise ConfigError(f"{config}: expected a mapping of settings")
        trained.write_text(yaml.safe_dump({key: value for key, value in written.items() if key not in OF_SUBCOMMANDS}))
        try:
            return merged_settings(["--config", str(trained), *arguments])
        except ConfigError as error:
            raise ConfigError(f"{config}: {error}") from error


def fingerprint(checkpoint: Path, settings: Mapping[str, Any]) -> str:
    """Return the fingerprint of the network that a checkpoint holds under the settings of :func:`merged`.

    Raises:
        NetworkFileError: if the checkpoint does not fit them.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(yaml.safe_dump(dict(settings)))
        return read_checkpoint(checkpoint, config).fingerprint


def build(settings: Mapping[str, Any]) -> tuple[EnhancementModule, EnhancementDataModule]:
    """Build network and data, with random weights that depend on the seed of the settings.

    Args:
        settings: of :func:`merged`.

    Raises:
        ConfigError: if a value is refused.
    """
    # nothing is trained or logged
    settings = {**settings, "trainer": settings["trainer"] | {"logger": False, "callbacks": None}}
    with warnings.catch_warnings():
        # Lightning warns where the process has arguments of its own; these are of another command.
        warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
        built = run(settings, execute=False)
    return built.model.eval(), built.datamodule


def load_weights(module: EnhancementModule, checkpoint: Path) -> None:
    """Load the weights of a checkpoint, on the CPU.

    Raises:
        CheckpointError: if it cannot be used, or is of another architecture.
    """
    check_file(checkpoint)
    try:
        stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged pickle or archive raises is of two dozen types, and all mean the same
        raise CheckpointError(f"'{checkpoint}' cannot be read as a checkpoint: {error!s:.500}") from error
    if not isinstance(stored, dict) or not isinstance(stored.get("state_dict"), dict):
        raise CheckpointError(f"'{checkpoint}' holds no state_dict, so it is no checkpoint of a training")
    module.on_load_checkpoint(stored)
    module.load_state_dict(stored["state_dict"])
