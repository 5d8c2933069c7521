"""The folded network is the trained one, for every kind of gate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from checkpoints.network_file import NetworkFileError, StoredNetwork
from networks.conv_fsenet import ConvFSENet
from streaming.folding import fold
from streaming.network import FoldedNetwork
from streaming.reference import estimate

Build = Callable[..., ConvFSENet]
Store = Callable[[ConvFSENet], StoredNetwork]


def check(network: ConvFSENet, folded: FoldedNetwork, features: torch.Tensor) -> np.ndarray:
    """Compare a network with the folded one and return the masks."""
    with torch.no_grad():
        spectral, masks = network.estimate(features)
    folded_spectral, folded_masks = estimate(folded, features[0].T.numpy())
    expected = masks[0].permute(2, 0, 1).bool().numpy()
    differing = np.argwhere((folded_masks != expected).any(axis=(1, 2)))
    assert len(differing) == 0, f"masks differ in frames {differing.ravel()}"
    assert np.abs(folded_spectral - spectral[0].T.numpy()).max() < 1e-5
    return folded_masks


def test_masks_and_output_are_those_of_the_network(
    kind: str, trained: Build, stored: Store, features: torch.Tensor
) -> None:
    network = trained(kind)
    masks = check(network, fold(stored(network)), features)
    changes = (masks[1:] != masks[:-1]).mean()
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
    before, after = (estimate(fold(stored(each)), features[0].T.numpy())[0] for each in (network, changed))
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
