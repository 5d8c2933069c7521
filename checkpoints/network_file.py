"""A trained network as a file: weights, what they mean, and where they come from.

The file is in the safetensors format (tensors and text, no code), so that one from elsewhere can be read without
trusting it, and without torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from checkpoints.architecture import Architecture, plain_fields
from networks.framing import FrameGrid
from storage.whole_files import write_whole

FORMAT = "dyncp-network"
VERSION = 1


class NetworkFileError(ValueError):
    """A file that holds no usable network; the message names the file, the field and what was expected."""


@dataclass(frozen=True, eq=False)
class StoredNetwork:
    """A trained network.

    Attributes:
        architecture: sizes and kinds of its layers.
        grid: sample-to-frame alignment that it was trained on.
        tensors: weights and statistics, float32, by their names in the state of a ``ConvFSENet``, without the numbers
            of batches that its norms have seen.
        provenance: free text by label: configuration of the training, data, licences, scores.

    Raises:
        NetworkFileError: if the parts do not fit together, or a value is not finite.
    """

    architecture: Architecture
    grid: FrameGrid
    tensors: Mapping[str, NDArray[np.float32]]
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.grid.num_frequencies != self.architecture.num_frequencies:
            raise NetworkFileError(
                f"grid.window_length {self.grid.window_length} has {self.grid.num_frequencies} frequencies, "
                f"architecture.num_frequencies is {self.architecture.num_frequencies}"
            )
        if self.architecture.blocks > len(self.tensors):  # before their names are listed: a file may claim any number
            raise NetworkFileError(f"architecture has {self.architecture.blocks} blocks, {len(self.tensors)} tensors")
        shapes = self.architecture.tensor_shapes()
        unknown = [name for name in self.tensors if name not in shapes]
        missing = [name for name in shapes if name not in self.tensors]
        if unknown or missing:
            what = (
                f"tensor '{missing[0]}' is missing" if missing else f"tensor '{unknown[0]}' is not in this architecture"
            )
            raise NetworkFileError(f"tensor {what} ({len(missing)} missing, {len(unknown)} unknown)")
        for name, shape in shapes.items():
            _check_tensor(name, self.tensors[name], shape)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of architecture, grid and tensors as hexadecimal digits; the provenance does not count."""
        text = {"architecture": self.architecture.to_plain(), "grid": asdict(self.grid)}
        digest = hashlib.sha256(json.dumps(text, sort_keys=True).encode())
        for name in sorted(self.tensors):
            digest.update(name.encode() + b"\0" + np.ascontiguousarray(self.tensors[name], dtype="<f4").tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write the file; it is there when it is complete."""
        text = {
            "format": FORMAT,
            "version": VERSION,
            "architecture": self.architecture.to_plain(),
            "grid": asdict(self.grid),
            "provenance": dict(self.provenance),
        }
        tensors = {name: np.ascontiguousarray(value).reshape(value.shape) for name, value in self.tensors.items()}
        write_whole(path, save(tensors, {"dyncp": json.dumps(text)}))  # save_file lets nobody else read the file

    @classmethod
    def load(cls, path: Path) -> StoredNetwork:
        """Read a file.

        Raises:
            NetworkFileError: if it is missing, broken, of another format or version, or holds unusable values.
        """
        if not path.is_file():
            raise NetworkFileError(f"{path}: no such file; `dyncp export` writes one")
        try:
            with safe_open(path, framework="numpy") as file:
                text = (file.metadata() or {}).get("dyncp", "null")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            described = json.loads(text)
        except (SafetensorError, ValueError, TypeError, AttributeError, KeyError, RecursionError, OSError) as error:
            raise NetworkFileError(f"{path}: not a readable safetensors file ({error!s:.500})") from error
        if not isinstance(described, dict) or (described.get("format"), described.get("version")) != (FORMAT, VERSION):
            raise NetworkFileError(f"{path}: expected a network of format '{FORMAT}', version {VERSION}")
        try:
            return _assemble(described, tensors)
        except (ValueError, OverflowError, RecursionError) as error:
            raise NetworkFileError(f"{path}: {error!s:.500}") from error


def _assemble(described: Mapping[str, Any], tensors: Mapping[str, NDArray[np.float32]]) -> StoredNetwork:
    provenance = described.get("provenance")
    if not isinstance(provenance, dict) or not all(isinstance(value, str) for value in provenance.values()):
        raise ValueError(f"provenance must be text by label, got {provenance!r:.50}")
    return StoredNetwork(
        Architecture.from_plain(described.get("architecture")),
        FrameGrid(**plain_fields(FrameGrid, described.get("grid"), "grid")),
        tensors,
        provenance,
    )


def _check_tensor(name: str, tensor: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Check one tensor; only a threshold may be infinite, where every channel is computed.

    Raises:
        NetworkFileError: if it has another type or shape, or values that no network has.
    """
    if tensor.dtype != np.float32 or tensor.shape != shape:
        raise NetworkFileError(f"tensor '{name}' must be float32 {shape}, got {tensor.dtype} {tensor.shape}")
    usable = np.isfinite(tensor)
    if name.endswith(".threshold"):
        usable |= np.isneginf(tensor)
    if name.endswith(".running_var"):
        usable &= tensor >= 0
    if not usable.all():
        value = tensor[~usable].flat[0]
        raise NetworkFileError(f"tensor '{name}' must be finite{', not negative' * name.endswith('_var')}, got {value}")
