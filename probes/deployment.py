"""Probes as a file: what is left of them when nothing is trained any more, and reading it back.

A prediction is a bias plus the sum of the weights of the active channels that the probe listens to. The file is in the
safetensors format (tensors and text, no code), so that one from elsewhere can be read without trusting it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from scipy.special import expit, softmax

from probes.linear import linear_output
from probes.tasks import ProbeKind
from storage.whole_files import write_whole

FORMAT = "dyncp-probes"
VERSION = 1
# What an output may reach: in float32, squares of larger ones add up to infinity, by which streams see that something
# is no number.
LARGEST_OUTPUT, LARGEST_OCTAVES = 1e15, 50.0
LONGEST_AVERAGE_S = 3600.0
METADATA = ("kind", "unit", "transform", "classes", "threshold")
LATER = ("averaged_s",)  # files of 0.1.0 are without it and have the default


class ProbeFileError(ValueError):
    """A file that holds no usable probes; the message names the file, the field and what was expected."""


@dataclass(frozen=True)
class DeployedProbe:
    """A linear probe on some of the channels.

    Attributes:
        kind: binary, category or value.
        features: positions of the channels that it listens to, counted through all blocks, shape (feature,), rising.
        weights: shape (output, feature), float32; one output, or one per class for categories.
        bias: shape (output,), float32.
        unit: of a value.
        transform: ``log2`` if the output is in octaves of the unit.
        classes: names, in the order of the outputs of a category.
        threshold: probability from which on a binary target is true.
        averaged_s: 0 for a probe of single frames. Otherwise what it says is true of averages alone, over as many
            seconds as those that it was fitted on.

    Raises:
        ValueError: if the fields do not fit together.
    """

    kind: ProbeKind
    features: NDArray[np.int32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    unit: str = ""
    transform: Literal["log2"] | None = None
    classes: tuple[str, ...] = ()
    threshold: float = 0.5
    averaged_s: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(ProbeKind):
            raise ValueError(f"kind must be one of {get_args(ProbeKind)}, got {self.kind!r}")
        if self.features.ndim != 1 or (np.diff(self.features) <= 0).any() or (self.features < 0).any():
            raise ValueError("features must be rising positions of channels")
        outputs = len(self.classes) if self.kind == "category" else 1
        if self.weights.shape != (outputs, self.features.size) or self.bias.shape != (outputs,):
            raise ValueError(
                f"weights must have shape ({outputs}, {self.features.size}) and bias ({outputs},), "
                f"got {self.weights.shape} and {self.bias.shape}"
            )
        if not (np.isfinite(self.weights).all() and np.isfinite(self.bias).all()):
            raise ValueError("weights and bias must be finite")
        reach = np.abs(self.weights.astype(np.float64)).sum(axis=1) + np.abs(self.bias)
        largest = LARGEST_OCTAVES if self.transform == "log2" else LARGEST_OUTPUT
        if (reach > largest).any():
            raise ValueError(f"weights and bias must not add up to more than {largest:g}, got {reach.max():.6g}")
        if self.transform not in (None, "log2"):
            raise ValueError(f"transform must be 'log2' or none, got {self.transform!r}")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must lie in [0, 1], got {self.threshold}")
        if not 0 <= self.averaged_s <= LONGEST_AVERAGE_S or (self.averaged_s > 0 and self.kind != "value"):
            raise ValueError(
                f"averaged_s must lie in [0, {LONGEST_AVERAGE_S:g}] and be 0 but for values, got {self.averaged_s}"
            )

    def predict(self, channel_masks: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Predict from masks.

        Args:
            channel_masks: all channels of all blocks, shape (frame, channel).

        Returns:
            Probability (binary), posteriors (category, shape (frame, class)) or value in ``unit``, shape (frame,), to
            be averaged if ``averaged_s`` says so.
        """
        output = linear_output(channel_masks[:, self.features], self.weights, self.bias)
        if self.kind == "category":
            posterior: NDArray[np.float64] = softmax(output, axis=1)
            return posterior
        if self.kind == "binary":
            probability: NDArray[np.float64] = expit(output[:, 0])
            return probability
        return np.exp2(output[:, 0]) if self.transform == "log2" else output[:, 0]


@dataclass(frozen=True)
class ProbeBank:
    """All probes of one network.

    Attributes:
        probes: by name of the target.
        blocks, channels: of the network that they listen to.
        hop_s: seconds between frames.
        provenance: free text by label: checkpoint and its hash, data, scores.

    Raises:
        ProbeFileError: if a probe listens to a channel that the network does not have.
    """

    probes: Mapping[str, DeployedProbe]
    blocks: int
    channels: int
    hop_s: float
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.blocks < 1 or self.channels < 1 or not self.hop_s > 0:
            raise ProbeFileError(
                f"blocks, channels and hop_s must be positive, got {self.blocks}, {self.channels} and {self.hop_s}"
            )
        for name, probe in self.probes.items():
            if probe.features.size and probe.features[-1] >= self.blocks * self.channels:
                raise ProbeFileError(
                    f"probe '{name}' listens to channel {probe.features[-1]}, the network has "
                    f"{self.blocks} blocks of {self.channels}"
                )

    def save(self, path: Path) -> None:
        """Write the file under a temporary name and rename it."""
        tensors: dict[str, NDArray[Any]] = {}
        described = {}
        for name, probe in self.probes.items():
            tensors |= {f"{name}.{part}": np.ascontiguousarray(getattr(probe, part)) for part in ("weights", "bias")}
            tensors[f"{name}.features"] = np.ascontiguousarray(probe.features)
            described[name] = {key: getattr(probe, key) for key in (*METADATA, *LATER)}
        head = {"format": FORMAT, "version": VERSION, "blocks": self.blocks, "channels": self.channels}
        text = head | {"hop_s": self.hop_s, "probes": described, "provenance": dict(self.provenance)}
        write_whole(path, save(tensors, {"dyncp": json.dumps(text)}))  # save_file lets nobody else read the file

    @classmethod
    def load(cls, path: Path) -> ProbeBank:
        """Read a file.

        Raises:
            ProbeFileError: if it is missing, broken, of another format or version, or holds unusable values.
        """
        if not path.is_file():
            raise ProbeFileError(f"{path}: no such file; `dyncp probe` writes probes.safetensors")
        try:
            with safe_open(path, framework="numpy") as file:
                text = (file.metadata() or {}).get("dyncp", "null")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            described = json.loads(text)
        except (SafetensorError, ValueError, TypeError, AttributeError, KeyError, RecursionError, OSError) as error:
            raise ProbeFileError(f"{path}: not a readable safetensors file ({error!s:.500})") from error
        if not isinstance(described, dict) or (described.get("format"), described.get("version")) != (FORMAT, VERSION):
            raise ProbeFileError(f"{path}: expected probes of format '{FORMAT}', version {VERSION}")
        try:
            probes = {name: _read_probe(name, given, tensors) for name, given in described["probes"].items()}
            sizes = int(described["blocks"]), int(described["channels"]), float(described["hop_s"])
            return cls(probes, *sizes, {str(k): str(v) for k, v in described["provenance"].items()})
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            reason = f"field {error} is missing" if isinstance(error, KeyError) else str(error)
            raise ProbeFileError(f"{path}: {reason:.500}") from error


def _read_probe(name: str, given: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> DeployedProbe:
    arrays = {part: tensors[f"{name}.{part}"] for part in ("features", "weights", "bias")}
    for part, kind in (("features", np.int32), ("weights", np.float32), ("bias", np.float32)):
        if arrays[part].dtype != kind:
            raise ValueError(f"{name}.{part} must be {np.dtype(kind)}, got {arrays[part].dtype}")
    settings: dict[str, Any] = {key: given[key] for key in METADATA} | {"classes": tuple(map(str, given["classes"]))}
    settings |= {key: given[key] for key in LATER if key in given}
    try:
        return DeployedProbe(features=arrays["features"], weights=arrays["weights"], bias=arrays["bias"], **settings)
    except ValueError as error:
        raise ValueError(f"probe '{name}': {error}") from error


def linear_weights(coef: NDArray[Any], intercept: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Bring the weights of a fitted probe into the shapes of a file: (output, feature) and (output,), float32."""
    return np.atleast_2d(coef).astype(np.float32), np.atleast_1d(intercept).astype(np.float32)
