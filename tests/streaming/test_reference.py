"""The plain network: its input is that of torch, its random gates draw what those of torch draw."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from networks import constant_gates
from networks.conv_fsenet import MAGNITUDE_FLOOR
from networks.framing import FrameGrid
from networks.stft import Stft
from streaming.reference import compressed_magnitudes, hashed_uniform


@pytest.mark.parametrize("samples", [0, 1, 255, 256, 5000])
@pytest.mark.parametrize("grid", [FrameGrid(), FrameGrid(16000, 64, 16)])
def test_magnitudes_are_those_of_torch(samples: int, grid: FrameGrid) -> None:
    waveform = np.random.default_rng(0).standard_normal(samples).astype(np.float32) * 0.1
    padded = waveform if samples else np.zeros(1, np.float32)  # torch has no transform of nothing
    spectrum = Stft(grid).analyze(torch.from_numpy(padded)[None])[0]
    expected = ((spectrum.abs() + MAGNITUDE_FLOOR) ** 0.3).T.numpy()
    found = compressed_magnitudes(waveform, grid, 0.3)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 0.01  # a root magnifies what rounding leaves of nothing
    assert np.abs(found - expected)[expected > 0.1].max(initial=0) < 1e-4


def test_random_numbers_are_those_of_torch() -> None:
    for seed in (0, 8):
        expected = constant_gates.hashed_uniform(seed, 40, 1000).T.numpy()
        assert np.array_equal(hashed_uniform(seed, 1000, 40), expected)
