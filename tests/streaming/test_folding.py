"""The folded network is the trained one, for every kind of gate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from networks.constant_gates import hashed_uniform
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.gate_settings import GateSettings
from streaming.architecture import Architecture
from streaming.folding import fold
from streaming.network import FixedGate, FoldedBlock, FoldedGate, FoldedNetwork, FoldedStem, RandomMasks
from streaming.network_file import NetworkFileError, StoredNetwork

SIZES: dict[str, Any] = {"num_frequencies": 33, "residual_channels": 12, "channels": 20, "stacks": 2}
DILATIONS = (1, 3)
FRAMES = 90
GATES = {
    "default": GateSettings(width=5),
    "raw": GateSettings(width=5, normalize=False),
    "stack": GateSettings(width=5, stem_scope="stack"),
    "network": GateSettings(width=5, stem_scope="network", normalize=False),
    "depthwise": GateSettings(width=5, context="depthwise", context_frames=4),
    "leaky": GateSettings(width=5, context="leaky", context_frames=6, stem_scope="stack"),
    "hysteresis": GateSettings(width=5, hysteresis=0.4, target_utilization=0.5),
    "all": GateSettings(width=5, context="depthwise", stem_scope="network", hysteresis=0.4, target_utilization=0.5),
    "static": GateSettings(decision="static"),
    "static raw": GateSettings(decision="static", normalize=False, hysteresis=0.4),
    "random": GateSettings(decision="random", target_utilization=0.4),
}


def randomized(gate: GateSettings | None, seed: int = 0) -> ConvFSENet:
    """Build a network in evaluation mode whose norms have statistics of their input, and affine parameters."""
    torch.manual_seed(seed)
    settings = {} if gate is None else {"gate": gate}
    network = ConvFSENet(**SIZES, dilations=DILATIONS, gated=gate is not None, **settings)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d) and module.affine:
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.3)
        for name, parameter in network.named_parameters():
            if name.endswith(".shift"):
                parameter.normal_(0, 0.2)
        for _ in range(40):
            network.estimate(features())
    return network.eval()


def stored(network: ConvFSENet) -> StoredNetwork:
    architecture = Architecture(**SIZES, dilations=DILATIONS, gated=network.gated, gate=network.gate_settings)
    state = {name: value.numpy() for name, value in network.state_dict().items() if "num_batches" not in name}
    return StoredNetwork(architecture, FrameGrid(16000, 64, 32), state)


def features() -> torch.Tensor:
    """Compressed magnitudes with quiet and loud passages, shape (1, frequency, frame)."""
    generator = torch.Generator().manual_seed(1)
    loudness = 10 ** (torch.rand(1, 1, FRAMES, generator=generator) * 2 - 1)
    return (torch.rand(1, 33, FRAMES, generator=generator) * loudness) ** 0.3


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


def check(network: ConvFSENet) -> np.ndarray:
    """Compare with the folded network and return its masks; a decision may differ only within rounding."""
    with torch.no_grad():
        spectral, masks = network.estimate(features())
    folded_spectral, folded_masks = computed(fold(stored(network)), features()[0].T.numpy())
    expected = masks[0].transpose(1, 2).bool().numpy()
    differing = np.argwhere((folded_masks != expected).any(axis=(0, 2)))
    assert len(differing) == 0, f"masks differ in frames {differing.ravel()}"
    assert np.abs(folded_spectral - spectral[0].T.numpy()).max() < 1e-5
    return folded_masks


@pytest.mark.parametrize("kind", GATES)
def test_masks_and_output_are_those_of_the_network(kind: str) -> None:
    masks = check(randomized(GATES[kind]))
    assert 0.02 < masks.mean() < 0.98  # otherwise nothing was gated
    changes = (masks[:, 1:] != masks[:, :-1]).mean()
    assert (changes == 0) == kind.startswith("static")


def test_a_dense_network_computes_every_channel() -> None:
    network = randomized(None)
    assert check(network).all()
    assert all(block.gate is None for block in fold(stored(network)).blocks)


@pytest.mark.parametrize("kind", ["default", "hysteresis", "leaky", "static", "random"])
def test_minus_infinity_as_threshold_computes_every_channel(kind: str) -> None:
    network = randomized(GATES[kind])
    network.set_target_utilization(1.0)
    assert math.isinf(network.gates[0].threshold)
    assert check(network).all()


def wrongly_folded(network: ConvFSENet) -> Iterator[ConvFSENet]:
    """Yield networks that differ in one thing that folding must not forget."""
    for name in ("gate.stem.norm", "gate.logit_norm", "expand_norm", "depthwise_norm"):
        changed = randomized(network.gate_settings)
        norm = changed.get_submodule(f"blocks.1.{name}")
        assert isinstance(norm, nn.BatchNorm1d)
        norm.running_mean += 0.2
        yield changed
    changed = randomized(network.gate_settings)
    with torch.no_grad():
        changed.get_parameter("blocks.2.gate.shift").add_(0.5)
    yield changed


def test_every_norm_and_shift_takes_part() -> None:
    network = randomized(GATES["default"])
    reference, _ = computed(fold(stored(network)), features()[0].T.numpy())
    for changed in wrongly_folded(network):
        spectral, _ = computed(fold(stored(changed)), features()[0].T.numpy())
        assert np.abs(spectral - reference).max() > 1e-4
        check(changed)


def test_random_gates_with_hysteresis_are_refused() -> None:
    network = randomized(GateSettings(decision="random", hysteresis=0.5))
    with pytest.raises(NetworkFileError, match=r"gate\.hysteresis must be 0 where gates are random, got 0\.5"):
        fold(stored(network))


def test_the_fingerprint_and_sizes_go_along() -> None:
    network = stored(randomized(GATES["default"]))
    folded = fold(network)
    assert folded.fingerprint == network.fingerprint
    assert (folded.frequencies, folded.residual_channels, folded.channels, len(folded.blocks)) == (33, 12, 20, 4)
    assert [block.dilation for block in folded.blocks] == [1, 3, 1, 3]
    arrays = [folded.frontend_weight, folded.blocks[1].expand_weight, folded.blocks[1].depthwise_weight]
    assert all(array.dtype == np.float32 and array.flags.c_contiguous for array in arrays)
