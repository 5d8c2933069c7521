"""The engine computes what the network in torch computes, whatever its gates, framing and sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from networks.stft import Stft
from streaming.enhancer import StreamingEnhancer


class Reference(NamedTuple):
    """What torch makes of a signal: enhanced (sample,) and masks (frame, block, channel)."""

    enhanced: np.ndarray
    masks: np.ndarray


def in_torch(network: Any, signal: np.ndarray) -> Reference:
    transform = Stft(network.grid)
    with torch.no_grad():
        enhanced = network.torch(transform.analyze(torch.from_numpy(signal)[None]))
        waveform = transform.synthesize(enhanced.spectrum, len(signal))[0].numpy()
    return Reference(waveform, enhanced.channel_masks[0].permute(2, 0, 1).bool().numpy())


def in_engine(path: Path, signal: np.ndarray, forced: np.ndarray | None = None) -> Reference:
    enhancer = StreamingEnhancer(path, keep_masks=True)
    given = None if forced is None else forced[: enhancer.frames_after(len(signal))]
    chunks = [enhancer.feed(signal, given), enhancer.flush()]
    masks = np.concatenate([chunk.channel_masks for chunk in chunks if chunk.channel_masks is not None])
    return Reference(np.concatenate([chunk.samples for chunk in chunks]), masks)


GATE_NAMES = (
    "dense", "default", "raw", "stack", "network", "depthwise", "one tap", "leaky", "hysteresis", "all", "static",
    "static raw", "random",
)  # fmt: skip


@pytest.mark.parametrize("gate", GATE_NAMES)
def test_every_gate(gate: str, small_network: Callable[..., Any], signal: np.ndarray, tmp_path: Path) -> None:
    network = small_network(gate)
    expected, found = in_torch(network, signal), in_engine(network.save(tmp_path), signal)
    assert found.masks.shape == expected.masks.shape
    assert gate == "dense" or 0.05 < expected.masks.mean() < 0.95
    assert (found.masks != expected.masks).sum() <= 1  # of 15,000 decisions; a logit may lie on the threshold
    if (found.masks == expected.masks).all():
        np.testing.assert_allclose(found.enhanced, expected.enhanced, atol=1e-5)


@pytest.mark.parametrize(
    ("window", "hop"), [(16, 8), (64, 32), (64, 16), (128, 64), (48, 24), (80, 20), (96, 32), (512, 256)]
)
def test_every_framing(
    window: int, hop: int, small_network: Callable[..., Any], signal: np.ndarray, tmp_path: Path
) -> None:
    network = small_network("default", window=window, hop=hop)
    path = network.save(tmp_path)
    for length in (len(signal), hop * 20, 1, hop - 1, hop, hop + 1, window, window + hop // 2 + 1):
        expected, found = in_torch(network, signal[:length]), in_engine(path, signal[:length])
        assert found.enhanced.shape == (length,)
        assert (found.masks != expected.masks).sum() <= 1
        if (found.masks == expected.masks).all():
            np.testing.assert_allclose(found.enhanced, expected.enhanced, atol=1e-5)


@pytest.mark.parametrize(
    "sizes",
    [
        {"residual_channels": 8, "channels": 8, "stacks": 1, "dilations": (1,)},
        {"residual_channels": 17, "channels": 33, "kernel_size": 5, "dilations": (2, 1)},
        {"residual_channels": 3, "channels": 1, "kernel_size": 1},
        {"channels": 64, "kernel_size": 2, "compression": 0.5},
    ],
)
def test_every_size(
    sizes: dict[str, Any], small_network: Callable[..., Any], signal: np.ndarray, tmp_path: Path
) -> None:
    network = small_network("default", **sizes)
    expected, found = in_torch(network, signal), in_engine(network.save(tmp_path), signal)
    assert (found.masks != expected.masks).mean() <= 1e-3
    forced = in_engine(network.save(tmp_path), signal, expected.masks)
    whole = (len(signal) // 32 - 1) * 32  # flush makes its own masks
    np.testing.assert_allclose(forced.enhanced[:whole], expected.enhanced[:whole], atol=1e-5)


def test_a_network_of_full_size(small_network: Callable[..., Any], tmp_path: Path) -> None:
    sizes = {"residual_channels": 128, "channels": 256, "stacks": 3, "dilations": (1, 2, 4)}
    network = small_network("default", window=512, hop=256, **sizes)
    rng = np.random.default_rng(0)
    noise = (0.1 * rng.normal(size=48000) * np.repeat(10 ** rng.uniform(-2, 0, 12), 4000)).astype(np.float32)
    expected, found = in_torch(network, noise), in_engine(network.save(tmp_path), noise)
    flips = int((found.masks != expected.masks).sum())
    assert expected.masks.size == 433_152
    assert flips <= 4  # 1e-5 of the decisions
    forced = in_engine(network.save(tmp_path), noise, expected.masks)
    np.testing.assert_allclose(forced.enhanced[:47616], expected.enhanced[:47616], atol=1e-5)
    assert np.abs(expected.enhanced).max() > 0.05


def test_masks_matter(small_network: Callable[..., Any], signal: np.ndarray, tmp_path: Path) -> None:
    network = small_network("default")
    path = network.save(tmp_path)
    masks = in_torch(network, signal).masks
    wrong = masks.copy()
    wrong[50, 0] ^= True
    right, changed = in_engine(path, signal, masks), in_engine(path, signal, wrong)
    different = np.flatnonzero(right.enhanced != changed.enhanced)
    assert 50 * 32 - 32 <= different[0] < 50 * 32 + 32  # the window of that frame, and nothing before
