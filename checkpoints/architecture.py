"""Sizes and kinds of the layers of a Conv-FSENet, and the names and shapes of its weights; no torch."""

from __future__ import annotations

import reprlib
import sys
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from networks.gate_settings import GateSettings

# Frames between taps: each is memory of a stream. 4096 frames are 65 s at 16 kHz; trained networks have a few.
LARGEST_DILATION = 4096
# Settings of gates that earlier versions did not have: their files mean the default, which is not written either, so
# that fingerprints of networks stay what they were.
LATER = ("idle", "skip")
Shapes = dict[str, tuple[int, ...]]
Settings = TypeVar("Settings")


@dataclass(frozen=True)
class Architecture:
    """The constructor arguments of ``networks.conv_fsenet.ConvFSENet``.

    Attributes:
        num_frequencies: bins F of the spectrum.
        residual_channels: channels R between blocks.
        channels: gated channels C inside a block.
        stacks: how often the series of dilations is repeated.
        dilations: frames between the taps of the depthwise convolutions of one stack.
        kernel_size: taps of the depthwise convolutions.
        compression: exponent of the input magnitude.
        gated: False is the dense network.
        gate: what the gates are like; of no meaning in a dense network.

    Raises:
        ValueError: if a size is not positive, or the compression is out of range.

    Example:
        >>> Architecture().blocks, Architecture().tensor_shapes()["blocks.8.expand.weight"]
        (9, (256, 128, 1))
    """

    num_frequencies: int = 257
    residual_channels: int = 128
    channels: int = 256
    stacks: int = 3
    dilations: tuple[int, ...] = (1, 2, 4)
    kernel_size: int = 3
    compression: float = 0.3
    gated: bool = True
    gate: GateSettings = field(default_factory=GateSettings)

    def __post_init__(self) -> None:
        for name in ("num_frequencies", "residual_channels", "channels", "stacks", "kernel_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"architecture.{name} must be positive, got {getattr(self, name)}")
        if not self.dilations or min(self.dilations) < 1:
            raise ValueError(f"architecture.dilations must be positive and not empty, got {list(self.dilations)}")
        if max(self.dilations) > LARGEST_DILATION:
            raise ValueError(
                f"architecture.dilations must be at most {LARGEST_DILATION} frames, got {_brief(max(self.dilations))}"
            )
        if not 0 < self.compression <= 1:
            raise ValueError(f"architecture.compression must lie in (0, 1], got {self.compression}")

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return self.stacks * len(self.dilations)

    def dilation(self, block: int) -> int:
        """Return the frames between the taps of a block."""
        return self.dilations[block % len(self.dilations)]

    def owns_stem(self, block: int) -> bool:
        """Tell whether the gate of a block has a first layer of its own."""
        if not self.gated or self.gate.decision != "frame":
            return False
        shared_by = {"block": 1, "stack": len(self.dilations), "network": self.blocks}[self.gate.stem_scope]
        return block % shared_by == 0

    def tensor_shapes(self) -> Shapes:
        """Return the shape of every weight and statistic by its name in the state of a ConvFSENet."""
        inner, outer, bins = self.channels, self.residual_channels, self.num_frequencies
        shapes: Shapes = _pointwise("frontend", bins, outer)
        if self.gated and self.gate.reads_magnitude and self.gate.normalize:
            shapes |= _statistics("magnitude_norm", bins)
        for block in range(self.blocks):
            name = f"blocks.{block}"
            if self.gated:
                shapes |= self._gate_shapes(f"{name}.gate", block)
            shapes |= _pointwise(f"{name}.expand", outer, inner)
            shapes |= _statistics(f"{name}.expand_norm", inner) | _affine(f"{name}.expand_norm", inner)
            shapes[f"{name}.depthwise.conv.weight"] = (inner, 1, self.kernel_size)
            shapes |= _statistics(f"{name}.depthwise_norm", inner) | _affine(f"{name}.depthwise_norm", inner)
            shapes[f"{name}.project.weight"] = (outer, inner, 1)
        return shapes | _pointwise("backend", outer, bins)

    def _gate_shapes(self, name: str, block: int) -> Shapes:
        shapes: Shapes = {f"{name}.threshold": ()}
        if self.gate.decision == "random":
            return shapes
        shapes[f"{name}.shift"] = (1,)
        if self.gate.decision == "static":
            return shapes | {f"{name}.channel_logit": (self.channels,)}
        if self.owns_stem(block):
            shapes |= _pointwise(f"{name}.stem.squeeze", self.residual_channels, self.gate.width)
            if self.gate.normalize:
                shapes |= _statistics(f"{name}.stem.norm", self.residual_channels)
            if self.gate.skip == "magnitude":
                shapes[f"{name}.stem.magnitude_squeeze.weight"] = (self.gate.width, self.num_frequencies, 1)
            if self.gate.context == "depthwise":
                shapes[f"{name}.stem.context.conv.weight"] = (self.gate.width, 1, self.gate.context_frames)
        if self.gate.normalize:
            shapes |= _statistics(f"{name}.logit_norm", self.channels)
        return shapes | _pointwise(f"{name}.expand", self.gate.width, self.channels)

    def to_plain(self) -> dict[str, Any]:
        """Return the values as mappings, lists, numbers and text."""
        usual = asdict(GateSettings())
        gate = {name: value for name, value in asdict(self.gate).items() if name not in LATER or value != usual[name]}
        return asdict(self) | {"dilations": list(self.dilations), "gate": gate}

    @classmethod
    def from_plain(cls, given: object, *, complete: bool = True) -> Architecture:
        """Read what :meth:`to_plain` returned.

        Args:
            given: by name of the argument.
            complete: refuse missing values; otherwise the default is taken.

        Raises:
            ValueError: naming the value that is missing, unknown, or of another type or range than expected.
        """
        values = plain_fields(cls, given, "architecture", complete)
        if "dilations" in values:
            if not all(type(step) is int for step in values["dilations"]):
                raise ValueError(f"architecture.dilations must be whole numbers, got {_brief(given['dilations'])}")  # type: ignore[index]
            values["dilations"] = tuple(values["dilations"])
        if "gate" in values:
            values["gate"] = GateSettings(**plain_fields(GateSettings, values["gate"], "architecture.gate", complete))
        return cls(**values)


def plain_fields(kind: type[Settings], given: object, where: str, complete: bool = True) -> dict[str, Any]:
    """Check that a mapping holds the fields of a dataclass, each of the type of its default.

    Args:
        kind: dataclass whose fields all have defaults.
        given: by name of the field; lists stand for tuples, mappings for dataclasses.
        where: names the mapping in messages.
        complete: refuse missing fields.

    Returns:
        The fields that were given.

    Raises:
        ValueError: naming the field.

    Example:
        >>> from networks.framing import FrameGrid
        >>> plain_fields(FrameGrid, {"hop_length": 128}, "grid", complete=False)
        {'hop_length': 128}
    """
    if not isinstance(given, dict):
        raise ValueError(f"{where} must be a mapping, got {_brief(given)}")
    defaults = {item.name: getattr(kind(), item.name) for item in fields(kind)}  # type: ignore[arg-type]
    for name, value in given.items():
        if name not in defaults:
            raise ValueError(f"{where}.{name!s:.50} is unknown; expected {', '.join(defaults)}")
        if not _is_like(value, defaults[name]):
            raise ValueError(f"{where}.{name} must be like {defaults[name]!r}, got {_brief(value)}")
    missing = [name for name in defaults if name not in given and name not in LATER]
    if complete and missing:
        raise ValueError(f"{where}.{missing[0]} is missing")
    return {name: float(value) if isinstance(defaults[name], float) else value for name, value in given.items()}


def _is_like(value: object, default: object) -> bool:
    """Tell whether a value from a file can stand where the default does."""
    if isinstance(default, float):
        return type(value) in (int, float) and abs(value) <= sys.float_info.max  # type: ignore[arg-type]
    if isinstance(default, tuple):
        return isinstance(value, list | tuple)
    if isinstance(default, bool | int | str):
        return type(value) is type(default)
    return isinstance(value, dict)


def _brief(value: object) -> str:
    """Return the beginning of a value that may be of any size; YAML can name one part a million times."""
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a whole number of {value.bit_length()} bits"
    return reprlib.repr(value)


def _pointwise(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs, 1), f"{name}.bias": (outputs,)}


def _statistics(name: str, channels: int) -> Shapes:
    return {f"{name}.running_mean": (channels,), f"{name}.running_var": (channels,)}


def _affine(name: str, channels: int) -> Shapes:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}
