"""The folded network is the trained one, for every kind of gate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from networks.constant_gates import hashed_uniform
from networks.conv_fsenet import ConvFSENet
from streaming.folding import fold
from streaming.network import FixedGate, FoldedBlock, FoldedGate, FoldedNetwork, FoldedStem, RandomMasks
from streaming.network_file import NetworkFileError, StoredNetwork

Build = Callable[..., ConvFSENet]
Store = Callable[[ConvFSENet], StoredNetwork]


def remembered(stem: FoldedStem, squeezed: np.ndarray) -> np.ndarray:
    """Memory of a stem over (frame, width)."""
    if stem.filter is not None:
        taps = stem.filter.shape[1]
        padded = np.concatenate([np.zeros((taps - 1, squeezed.shape[1]), np.float32), squeezed])
        return sum(stem.filter[:, tap] * padded[tap : tap + len(squeezed)] for tap in range(taps))
    if stem.retention is not None:
        last, averaged = np.zeros(squeezed.shape[1], np.float32), []
        for frame in squeezed:
            last = np.float32(stem.retention) * last + np.float32(1 - stem.retention) * frame
            averaged.append(last)
        return np.stack(averaged)
    return squeezed


def decide(gate: FoldedGate, hidden: np.ndarray) -> np.ndarray:
    on, masks = np.zeros(gate.bias.shape, bool), []
    for logit in hidden @ gate.weight.T + gate.bias:
        on = logit > np.where(on, -gate.hysteresis / 2, gate.hysteresis / 2)
        masks.append(on)
    return np.stack(masks)


def gate_masks(folded: FoldedNetwork, block: FoldedBlock, residual: np.ndarray, hidden: np.ndarray | None) -> Any:
    """Return the masks of a block, shape (frame, channel), and the hidden units of its gate."""
    if isinstance(block.gate, FoldedGate):
        if (stem := block.gate.stem) is not None:
            hidden = np.maximum(remembered(stem, residual @ stem.weight.T + stem.bias), 0)
        assert hidden is not None
        return decide(block.gate, hidden), hidden
    if isinstance(block.gate, RandomMasks):
        draw = hashed_uniform(block.gate.seed, folded.channels, len(residual)).numpy().T
        return draw > block.gate.threshold, hidden
    mask = block.gate.channel_mask if isinstance(block.gate, FixedGate) else np.ones(folded.channels, bool)
    return np.broadcast_to(mask, (len(residual), folded.channels)), hidden


def computed(folded: FoldedNetwork, magnitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute spectral mask (frame, frequency) and channel masks (block, frame, channel) of (frame, frequency)."""
    residual = np.maximum(magnitude @ folded.frontend_weight.T + folded.frontend_bias, 0)
    hidden, masks = None, []
    for block in folded.blocks:
        mask, hidden = gate_masks(folded, block, residual, hidden)
        masks.append(mask)
        inner = np.maximum(residual @ block.expand_weight.T + block.expand_bias, 0) * mask
        taps = block.depthwise_weight.shape[1]
        padded = np.concatenate([np.zeros(((taps - 1) * block.dilation, folded.channels), np.float32), inner])
        shifted = [padded[tap * block.dilation :][: len(inner)] for tap in range(taps)]
        filtered = sum(block.depthwise_weight[:, tap] * part for tap, part in enumerate(shifted))
        inner = np.maximum(filtered + block.depthwise_bias, 0) * mask
        residual = residual + inner @ block.project_weight.T
    return 1 / (1 + np.exp(-(residual @ folded.backend_weight.T + folded.backend_bias))), np.stack(masks)


def check(network: ConvFSENet, folded: FoldedNetwork, features: torch.Tensor) -> np.ndarray:
    """Compare a network with the folded one and return the masks."""
    with torch.no_grad():
        spectral, masks = network.estimate(features)
    folded_spectral, folded_masks = computed(folded, features[0].T.numpy())
    expected = masks[0].transpose(1, 2).bool().numpy()
    differing = np.argwhere((folded_masks != expected).any(axis=(0, 2)))
    assert len(differing) == 0, f"masks differ in frames {differing.ravel()}"
    assert np.abs(folded_spectral - spectral[0].T.numpy()).max() < 1e-5
    return folded_masks


def test_masks_and_output_are_those_of_the_network(
    kind: str, trained: Build, stored: Store, features: torch.Tensor
) -> None:
    network = trained(kind)
    masks = check(network, fold(stored(network)), features)
    changes = (masks[:, 1:] != masks[:, :-1]).mean()
    if kind == "dense":
        assert masks.all()
        assert all(block.gate is None for block in fold(stored(network)).blocks)
    else:
        assert 0.02 < masks.mean() < 0.98  # otherwise nothing was gated
        assert (changes == 0) == kind.startswith("static")


@pytest.mark.parametrize("kernel_size", [1, 2, 4])
def test_any_number_of_taps_is_folded(kernel_size: int, trained: Build, stored: Store, features: torch.Tensor) -> None:
    network = trained("default", kernel_size)
    check(network, fold(stored(network)), features)


@pytest.mark.parametrize("gates", ["default", "hysteresis", "leaky", "static", "random"])
def test_minus_infinity_as_threshold_computes_every_channel(
    gates: str, trained: Build, stored: Store, features: torch.Tensor
) -> None:
    network = trained(gates)
    network.set_target_utilization(1.0)
    assert math.isinf(network.gates[0].threshold)
    assert check(network, fold(stored(network)), features).all()


@pytest.mark.parametrize("part", ["gate.stem.norm", "gate.logit_norm", "expand_norm", "depthwise_norm", "gate.shift"])
def test_every_norm_and_shift_takes_part(part: str, trained: Build, stored: Store, features: torch.Tensor) -> None:
    network, changed = trained("default"), trained("default")
    name = part if part.endswith("shift") else f"{part}.running_mean"
    with torch.no_grad():
        changed.state_dict()[f"blocks.1.{name}"].add_(0.3)
    before, after = (computed(fold(stored(each)), features[0].T.numpy())[0] for each in (network, changed))
    assert np.abs(after - before).max() > 1e-4
    check(changed, fold(stored(changed)), features)


def test_random_gates_with_hysteresis_are_refused(trained: Build, stored: Store) -> None:
    network = stored(trained("random"))
    gate = replace(network.architecture.gate, hysteresis=0.5)
    with pytest.raises(NetworkFileError, match=r"gate\.hysteresis must be 0 where gates are random, got 0\.5"):
        fold(replace(network, architecture=replace(network.architecture, gate=gate)))


def test_the_fingerprint_and_sizes_go_along(trained: Build, stored: Store) -> None:
    network = stored(trained("default"))
    folded = fold(network)
    assert folded.fingerprint == network.fingerprint
    assert (folded.frequencies, folded.residual_channels, folded.channels, len(folded.blocks)) == (33, 12, 20, 4)
    assert [block.dilation for block in folded.blocks] == [1, 3, 1, 3]
    arrays = [folded.frontend_weight, folded.blocks[1].expand_weight, folded.blocks[1].depthwise_weight]
    assert all(array.dtype == np.float32 and array.flags.c_contiguous for array in arrays)
