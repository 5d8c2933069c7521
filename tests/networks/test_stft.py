"""Analysis and synthesis: reconstruction, alignment with the frame grid, agreement with a direct transform."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch

from networks.framing import FrameGrid
from networks.stft import Stft

GRIDS = [FrameGrid(), FrameGrid(window_length=512, hop_length=128), FrameGrid(8000, 96, 32)]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("rest", [0, 0.5, 0.75])
def test_analysis_and_synthesis_reconstruct(grid: FrameGrid, rest: float) -> None:
    num_samples = 20 * grid.hop_length + int(rest * grid.hop_length)
    waveform = torch.randn(3, num_samples, generator=torch.Generator().manual_seed(0))
    stft = Stft(grid)
    rebuilt = stft.synthesize(stft.analyze(waveform), num_samples)
    assert rebuilt.shape == waveform.shape
    torch.testing.assert_close(rebuilt, waveform, atol=1e-5, rtol=0)


@pytest.mark.parametrize("rest", [200, 230, 250, 255])
def test_a_changed_spectrum_does_not_blow_up_behind_the_last_frame(rest: int) -> None:
    """There a single, vanishing window covers the signal; dividing by it made a click of 160 times full scale."""
    stft, num_samples = Stft(FrameGrid()), 20 * 256 + rest
    generator = torch.Generator().manual_seed(0)
    waveform = 0.1 * torch.randn(4, num_samples, generator=generator)
    spectrum = stft.analyze(waveform)
    changed = stft.synthesize(spectrum * torch.rand(spectrum.shape, generator=generator), num_samples)
    assert changed[:, -rest:].abs().max() < 2 * changed[:, :-rest].abs().max()
    untouched = stft.synthesize(spectrum, num_samples)
    torch.testing.assert_close(untouched[:, : 20 * 256 + 200], waveform[:, : 20 * 256 + 200], atol=1e-5, rtol=0)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("num_samples", [513, 1024, 4000, 4097])
def test_shape_agrees_with_the_grid(grid: FrameGrid, num_samples: int) -> None:
    spectrum = Stft(grid).analyze(torch.zeros(2, num_samples))
    assert spectrum.shape == (2, grid.num_frequencies, grid.num_frames(num_samples))


@pytest.mark.parametrize("grid", GRIDS)
def test_frames_are_centred_on_multiples_of_the_hop(grid: FrameGrid) -> None:
    for frame in (0, 1, 7):
        waveform = torch.zeros(1, 12 * grid.hop_length)
        waveform[0, grid.center(frame)] = 1.0
        spectrum = Stft(grid).analyze(waveform)[0]
        energy = spectrum.abs().square().sum(dim=0)
        assert energy.argmax() == frame
        torch.testing.assert_close(energy[frame].item(), float(grid.num_frequencies), rtol=1e-5, atol=0)
        # at the centre of its frame an impulse has phase pi * frequency, whatever the frame
        signs = torch.tensor([1.0, -1.0]).repeat(grid.num_frequencies)[: grid.num_frequencies]
        torch.testing.assert_close(spectrum[:, frame], signs.to(torch.complex64), atol=1e-4, rtol=0)


def test_a_frame_reads_half_a_window_on_either_side() -> None:
    grid, frame = FrameGrid(), 5
    waveform = torch.randn(1, 4096, generator=torch.Generator().manual_seed(0)).requires_grad_()
    Stft(grid).analyze(waveform)[0, :, frame].abs().sum().backward()
    assert waveform.grad is not None
    read = waveform.grad[0].nonzero().flatten()
    start, stop = grid.span(frame, grid.window_length)
    assert start + 1 <= read.min() <= start + 2  # the periodic window starts with a zero
    assert read.max() == stop - 1


def test_a_frame_is_the_windowed_discrete_fourier_transform() -> None:
    grid, frame = FrameGrid(), 6
    waveform = np.random.default_rng(0).standard_normal(4096).astype(np.float32)
    start, stop = grid.span(frame, grid.window_length)
    n = np.arange(grid.window_length)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / grid.window_length)
    kernel = np.exp(-2j * np.pi * np.arange(grid.num_frequencies)[:, None] * n / grid.window_length)
    expected = kernel @ (window * waveform[start:stop])
    measured = Stft(grid).analyze(torch.from_numpy(waveform)[None])[0, :, frame].numpy()
    np.testing.assert_allclose(measured, expected, atol=1e-4)


@pytest.mark.parametrize("grid", GRIDS)
def test_agrees_with_scipy(grid: FrameGrid) -> None:
    waveform = np.random.default_rng(1).standard_normal(30 * grid.hop_length)
    overlap = grid.window_length - grid.hop_length
    _, _, expected = scipy.signal.stft(waveform, nperseg=grid.window_length, noverlap=overlap, padded=False)
    expected = expected * (grid.window_length / 2)  # scipy divides by the sum of the window
    measured = Stft(grid).analyze(torch.from_numpy(waveform)[None])[0].numpy()
    np.testing.assert_allclose(measured, expected, atol=2e-4)


def test_bfloat16_is_analysed_in_float32_and_the_window_is_not_saved() -> None:
    stft = Stft(FrameGrid())
    assert stft.analyze(torch.zeros(1, 1024, dtype=torch.bfloat16)).dtype == torch.complex64
    assert not stft.state_dict()
