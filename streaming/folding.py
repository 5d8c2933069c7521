"""Fold the norms of a trained network into its layers, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from checkpoints.architecture import Architecture
from checkpoints.network_file import NetworkFileError, StoredNetwork
from networks.gate_settings import GateSettings
from streaming.network import (
    Array,
    FixedGate,
    FoldedBlock,
    FoldedGate,
    FoldedNetwork,
    FoldedStem,
    Gate,
    RandomMasks,
)

# Added to a variance before the square root, by torch.nn.BatchNorm1d unless told otherwise.
NORM_EPSILON = 1e-5
# Spread below which networks.constant_gates.StaticGate does not divide by it.
SMALLEST_SPREAD = 1e-5

Double = NDArray[np.float64]


class _Scaling(NamedTuple):
    """A norm in inference: ``scale * x + offset``, both of shape (channel,)."""

    scale: Double
    offset: Double


class _Tensors:
    """The tensors of a network in float64, by name below a prefix."""

    def __init__(self, tensors: Mapping[str, NDArray[np.float32]], prefix: str = "") -> None:
        self._tensors, self._prefix = tensors, prefix

    def __getitem__(self, name: str) -> Double:
        return self._tensors[self._prefix + name].astype(np.float64)

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._tensors

    def below(self, name: str) -> _Tensors:
        return _Tensors(self._tensors, f"{self._prefix}{name}.")

    def norm(self, name: str) -> _Scaling:
        """Read a norm; one that does not exist changes nothing."""
        if f"{name}.running_var" not in self:
            return _Scaling(np.float64(1.0).reshape(1), np.float64(0.0).reshape(1))
        scale = 1.0 / np.sqrt(self[f"{name}.running_var"] + NORM_EPSILON)
        offset = -self[f"{name}.running_mean"] * scale
        if f"{name}.weight" in self:
            scale, offset = scale * self[f"{name}.weight"], offset * self[f"{name}.weight"] + self[f"{name}.bias"]
        return _Scaling(scale, offset)


def fold(network: StoredNetwork) -> FoldedNetwork:
    """Bring a trained network into the form that an engine computes.

    Its output is that of the network in evaluation mode but for the rounding of float32, which can decide a gate whose
    logit lies within about 1e-6 of the threshold the other way.

    Args:
        network: of any settings.

    Raises:
        NetworkFileError: if the gates are random and have hysteresis, which no engine offers.
    """
    tensors, architecture = _Tensors(network.tensors), network.architecture
    return FoldedNetwork(
        frontend_weight=_single(tensors["frontend.weight"][:, :, 0]),
        frontend_bias=_single(tensors["frontend.bias"]),
        blocks=tuple(_fold_block(tensors, architecture, i) for i in range(architecture.blocks)),
        backend_weight=_single(tensors["backend.weight"][:, :, 0]),
        backend_bias=_single(tensors["backend.bias"]),
        compression=architecture.compression,
        grid=network.grid,
        fingerprint=network.fingerprint,
    )


def _fold_block(network: _Tensors, architecture: Architecture, block: int) -> FoldedBlock:
    tensors = network.below(f"blocks.{block}")
    expanded, filtered = tensors.norm("expand_norm"), tensors.norm("depthwise_norm")
    return FoldedBlock(
        expand_weight=_single(tensors["expand.weight"][:, :, 0] * expanded.scale[:, None]),
        expand_bias=_single(tensors["expand.bias"] * expanded.scale + expanded.offset),
        depthwise_weight=_single(tensors["depthwise.conv.weight"][:, 0] * filtered.scale[:, None]),
        depthwise_bias=_single(filtered.offset),
        project_weight=_single(tensors["project.weight"][:, :, 0]),
        dilation=architecture.dilation(block),
        gate=_fold_gate(network, architecture.gate, block) if architecture.gated else None,
        holds=architecture.gated and architecture.gate.idle == "hold",
    )


def _fold_gate(network: _Tensors, settings: GateSettings, block: int) -> Gate:
    tensors = network.below(f"blocks.{block}.gate")
    threshold = float(tensors["threshold"])
    if settings.decision == "random":
        if settings.hysteresis > 0:
            raise NetworkFileError(
                f"architecture.gate.hysteresis must be 0 where gates are random, got {settings.hysteresis}"
            )
        return RandomMasks(seed=block, threshold=threshold)
    if settings.decision == "static":
        # constant logits: a channel that starts off stays off, so that only the upper threshold counts
        return FixedGate(_static_logits(tensors, settings) > threshold + settings.hysteresis / 2)
    normed = tensors.norm("logit_norm")
    bias = tensors["expand.bias"] * normed.scale + normed.offset + tensors["shift"]
    return FoldedGate(
        stem=_fold_stem(network, tensors.below("stem"), settings) if "stem.squeeze.weight" in tensors else None,
        weight=_single(tensors["expand.weight"][:, :, 0] * normed.scale[:, None]),
        bias=_single(bias - threshold),
        hysteresis=settings.hysteresis,
    )


def _static_logits(tensors: _Tensors, settings: GateSettings) -> Double:
    logit = tensors["channel_logit"]
    if settings.normalize:
        logit = (logit - logit.mean()) / max(logit.std(), SMALLEST_SPREAD)
    return logit + tensors["shift"]


def _fold_stem(network: _Tensors, tensors: _Tensors, settings: GateSettings) -> FoldedStem:
    normed, weight = tensors.norm("norm"), tensors["squeeze.weight"][:, :, 0]
    bias = tensors["squeeze.bias"] + (weight * normed.offset).sum(axis=1)
    magnitude_weight = None
    if settings.skip == "magnitude":
        of_magnitude, unfolded = network.norm("magnitude_norm"), tensors["magnitude_squeeze.weight"][:, :, 0]
        bias += (unfolded * of_magnitude.offset).sum(axis=1)
        magnitude_weight = _single(unfolded * of_magnitude.scale)
    return FoldedStem(
        weight=_single(weight * normed.scale),
        bias=_single(bias),
        magnitude_weight=magnitude_weight,
        filter=_single(tensors["context.conv.weight"][:, 0]) if settings.context == "depthwise" else None,
        retention=1.0 - 1.0 / settings.context_frames if settings.context == "leaky" else None,
    )


def _single(values: Double) -> Array:
    """Round to float32, in C order; only what is infinite before may be infinite after it.

    Raises:
        NetworkFileError: if weights are so large that they have no place in it.
    """
    largest = np.abs(values, where=np.isfinite(values), out=np.zeros_like(values)).max(initial=0.0)
    if largest > np.finfo(np.float32).max:
        raise NetworkFileError(
            f"weights become as large as {largest:.3g} when norms are folded in; float32 ends before"
        )
    return np.ascontiguousarray(values, dtype=np.float32)
