"""Trained networks as files: those that come with the package, their format, and checkpoints of trainings."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
DEFAULT = "conv_fsenet_25"
NETWORK_SUFFIX = ".safetensors"
PROBES_SUFFIX = ".probes.safetensors"


def default_network(folder: Path = FOLDER) -> Path:
    """Return the file of the default network.

    Args:
        folder: with the files that are shipped.

    Raises:
        FileNotFoundError: if this installation came without it.
    """
    path = folder / f"{DEFAULT}{NETWORK_SUFFIX}"
    if not path.is_file():
        raise FileNotFoundError(f"no default network: {path} does not exist; name a network file or a checkpoint")
    return path


def probes_beside(network: Path) -> Path | None:
    """Return the probes that lie beside a network file, ``NAME.probes.safetensors`` of ``NAME.safetensors``.

    Args:
        network: file of any format; its last suffix does not count.
    """
    path = network.with_name(network.stem + PROBES_SUFFIX)
    return path if path.is_file() else None
