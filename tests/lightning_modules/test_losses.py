"""Losses: against NumPy, invariances, gradients at silence, direction of the sparsity loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lightning_modules.losses import (
    MAGNITUDE_FLOOR,
    MultiResolutionLoss,
    balance_loss,
    compress,
    compressed_spectral_loss,
    si_sdr_loss,
    utilization_loss,
)
from networks.binarization import binarize
from networks.complexity import FrameBudget, cost_per_frame, mac_budget
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.stft import Stft

STFT = Stft(FrameGrid(window_length=64, hop_length=32))
BUDGET = FrameBudget(fixed=10, gates=6, per_channel=5, channels=4, blocks=3)


def draw(seed: int, batch: int = 3, samples: int = 640) -> Tensor:
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(seed))


def loss(enhanced: Tensor, clean: Tensor, rms: Tensor, exponent: float = 0.3, weight: float = 0.3) -> Tensor:
    return compressed_spectral_loss(enhanced, clean, rms, STFT, exponent, weight)


@settings(max_examples=50, deadline=None, database=None)
@given(st.lists(st.complex_numbers(max_magnitude=50), min_size=1, max_size=9), st.floats(0.1, 1.0))
def test_compression_keeps_phases_and_raises_magnitudes(values: list[complex], exponent: float) -> None:
    spectrum = np.array(values, dtype=np.complex128)
    magnitude, compressed = compress(torch.from_numpy(spectrum), exponent)
    expected = np.sqrt(np.abs(spectrum) ** 2 + MAGNITUDE_FLOOR) ** exponent
    np.testing.assert_allclose(magnitude.numpy(), expected, rtol=1e-9)
    loud = np.abs(spectrum) > 0.1  # well above the floor the power law is plain
    plain = np.abs(spectrum[loud]) ** exponent * np.exp(1j * np.angle(spectrum[loud]))
    np.testing.assert_allclose(compressed.numpy()[loud], plain, rtol=1e-5)


@pytest.mark.parametrize(("exponent", "weight"), [(0.3, 0.3), (0.5, 0.0), (1.0, 1.0)])
def test_loss_equals_numpy(exponent: float, weight: float) -> None:
    enhanced, clean, rms = draw(0), draw(1), torch.tensor([0.05, 0.1, 0.2])
    s, e = (STFT.analyze(signal / rms[:, None]).numpy().astype(np.complex128) for signal in (clean, enhanced))
    s_abs, e_abs = np.abs(s) ** exponent, np.abs(e) ** exponent
    magnitude_error = np.mean((s_abs - e_abs) ** 2)
    complex_error = np.mean(np.abs(s_abs * np.exp(1j * np.angle(s)) - e_abs * np.exp(1j * np.angle(e))) ** 2)
    expected = (1 - weight) * magnitude_error + weight * complex_error
    assert loss(enhanced, clean, rms, exponent, weight).item() == pytest.approx(expected, rel=1e-4)


def test_loss_is_zero_at_equality_and_grows_with_the_error() -> None:
    clean, error, rms = draw(1), draw(2), torch.full((3,), 0.1)
    assert loss(clean, clean, rms).item() == 0.0
    growing = [loss(clean + share * error, clean, rms).item() for share in (0.01, 0.1, 0.5, 1.0)]
    assert growing[0] > 0
    assert growing == sorted(growing)


def test_a_flipped_sign_is_an_error_of_the_complex_part_only() -> None:
    clean, rms = draw(1), torch.full((3,), 0.1)
    assert loss(-clean, clean, rms, weight=0.0).item() == 0.0
    assert loss(-clean, clean, rms, weight=1.0).item() > 0.1


@settings(max_examples=20, deadline=None, database=None)
@given(st.floats(0.05, 20))
def test_loss_does_not_depend_on_the_level_of_the_recording(gain: float) -> None:
    enhanced, clean, rms = draw(0), draw(1), torch.tensor([0.05, 0.1, 0.2])
    assert loss(gain * enhanced, gain * clean, gain * rms).item() == pytest.approx(
        loss(enhanced, clean, rms).item(), rel=1e-4
    )
    if not 0.9 < gain < 1.1:  # the level comes from the clean signal: a wrong level of the enhanced one counts
        assert loss(gain * clean, clean, rms).item() > 0


@pytest.mark.parametrize("level", [0.0, 1e-9])
@pytest.mark.parametrize("clean_level", [0.0, 0.1])
def test_gradients_at_digital_silence_are_finite(level: float, clean_level: float) -> None:
    enhanced = (level * draw(0)).requires_grad_()
    clean = clean_level * draw(1)
    rms = clean.square().mean(dim=1).sqrt()
    result = loss(enhanced, clean, rms)
    result.backward()
    assert result.isfinite()
    assert enhanced.grad is not None
    assert enhanced.grad.isfinite().all()


def test_following_the_gradient_lowers_the_loss() -> None:
    enhanced, clean, rms = draw(0).requires_grad_(), draw(1), torch.full((3,), 0.1)
    before = loss(enhanced, clean, rms)
    before.backward()
    assert enhanced.grad is not None
    step = 1e-3 * enhanced.grad / enhanced.grad.norm()
    assert loss(enhanced.detach() - step, clean, rms) < before < loss(enhanced.detach() + step, clean, rms)


def magnitude_stft(signals: np.ndarray, size: int) -> np.ndarray:
    """Magnitudes of at least 1e-4 of a reflected signal, by NumPy, shape (batch, frame, frequency)."""
    padded = np.pad(signals, ((0, 0), (size // 2, size // 2)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, size, axis=1)[:, :: size // 4]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    return np.maximum(np.abs(np.fft.rfft(frames * window)), 1e-4)


def test_multi_resolution_loss_equals_numpy() -> None:
    pytest.importorskip("auraloss")
    enhanced, clean, rms = draw(0), draw(1), torch.tensor([0.05, 0.1, 0.2])
    clean[:, 400:] = 0.0  # a pause: magnitudes at the floor
    sizes, expected = (64, 128, 256), 0.0
    for size in sizes:
        s, e = (magnitude_stft((x / rms[:, None]).double().numpy(), size) for x in (clean, enhanced))
        expected += np.linalg.norm(s - e) / np.linalg.norm(s) + np.abs(np.log(s) - np.log(e)).mean()
    assert MultiResolutionLoss(sizes)(enhanced, clean, rms).item() == pytest.approx(expected / 3, rel=1e-4)
    with pytest.raises(ValueError, match=r"multi_resolution_fft_sizes: .* \(2048 samples\), got 640 samples"):
        MultiResolutionLoss((512, 2048))(enhanced, clean, rms)


def test_si_sdr_loss_equals_numpy() -> None:
    enhanced, clean = draw(0) + draw(1), draw(1)
    e, s = enhanced.double().numpy(), clean.double().numpy()
    target = (np.sum(e * s, axis=1) / np.sum(s * s, axis=1))[:, None] * s
    ratio = np.sum(target**2, axis=1) / np.sum((target - e) ** 2, axis=1)
    assert si_sdr_loss(enhanced, clean).item() == pytest.approx(-10 * np.log10(ratio).mean(), rel=1e-4)
    assert si_sdr_loss(7 * enhanced, clean).item() == pytest.approx(si_sdr_loss(enhanced, clean).item(), rel=1e-4)


@pytest.mark.parametrize("name", ["multi_resolution", "si_sdr"])
@pytest.mark.parametrize("level", [0.0, 1e-9, 0.1])
@pytest.mark.parametrize("clean_level", [0.0, 0.1])
def test_further_losses_are_finite_at_digital_silence(name: str, level: float, clean_level: float) -> None:
    enhanced, clean = (level * draw(0)).requires_grad_(), clean_level * draw(1)
    if name == "si_sdr":
        result = si_sdr_loss(enhanced, clean)
    else:
        pytest.importorskip("auraloss")
        result = MultiResolutionLoss((64, 128))(enhanced, clean, clean.square().mean(dim=1).sqrt())
    result.backward()
    assert result.isfinite()
    assert enhanced.grad is not None
    assert enhanced.grad.isfinite().all()
    assert level < 0.1 or enhanced.grad.abs().max() > 0


def test_utilization_loss_is_the_squared_distance_of_the_overall_mean() -> None:
    masks = torch.zeros(2, 3, 4, 5)
    masks[0] = 1.0  # one item fully on, the other off: half of everything
    assert utilization_loss(masks, 0.25, BUDGET).item() == pytest.approx(0.0625)
    assert utilization_loss(masks, 0.5, BUDGET).item() == 0.0
    many = torch.ones(4, 9, 250, 7, dtype=torch.bfloat16)  # a mean in bfloat16 would be off by up to 0.4 %
    many[:, :, :77] = 0.0
    assert utilization_loss(many, 0.6905, BUDGET).item() == pytest.approx((173 / 250 - 0.6905) ** 2, rel=1e-2)


@pytest.mark.parametrize(("target", "sign"), [(0.1, 1.0), (0.9, -1.0)])
def test_utilization_loss_pushes_logits_towards_the_target(target: float, sign: float) -> None:
    logit = torch.randn(2, 3, 8, 20, generator=torch.Generator().manual_seed(0)).requires_grad_()
    utilization_loss(binarize(logit, torch.tensor(0.0), torch.tensor(0.5)), target, BUDGET).backward()
    assert logit.grad is not None
    assert (torch.sign(logit.grad) == sign).all()


def test_the_scope_of_a_block_sees_what_the_network_evens_out() -> None:
    masks = torch.zeros(2, 2, 4, 5)
    masks[:, 0] = 1.0  # one block fully on, the other off
    assert utilization_loss(masks, 0.5, BUDGET, "network").item() == 0.0
    assert utilization_loss(masks, 0.5, BUDGET, "block").item() == pytest.approx(0.25)
    assert utilization_loss(masks[:, :1], 0.4, BUDGET, "block") == utilization_loss(masks[:, :1], 0.4, BUDGET)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_scope_of_macs_is_the_share_that_the_blocks_really_cost(share: float) -> None:
    network = ConvFSENet(num_frequencies=9, residual_channels=6, channels=12, stacks=1)
    budget = mac_budget(network)
    masks = (torch.rand(2, 3, 12, 20, generator=torch.Generator().manual_seed(0)) < share).float()
    blocks = (cost_per_frame(budget, masks) - budget.fixed).double().mean() / (budget.dense - budget.fixed)
    assert blocks > masks.mean()  # gates are paid
    measured = utilization_loss(masks, 0.2, budget, "macs").item()
    assert measured == pytest.approx((blocks.item() - 0.2) ** 2, rel=1e-4)


def test_balance_is_the_variance_over_the_channels_of_a_block() -> None:
    generator = torch.Generator().manual_seed(0)
    masks = (torch.rand(3, 2, 6, 50, generator=generator) < torch.linspace(0.1, 0.9, 6)[:, None]).float()
    shares = masks.numpy().mean(axis=(0, 3))
    assert balance_loss(masks).item() == pytest.approx(np.var(shares, axis=1).mean(), rel=1e-5)
    constant = torch.zeros(3, 2, 4, 50)
    constant[:, :, 0] = 1.0  # a quarter of the channels always on, the rest always off: the worst for this utilization
    assert balance_loss(constant).item() == pytest.approx(0.25 * 0.75)
    alike = torch.zeros(3, 2, 4, 50)
    alike[..., ::2] = 1.0
    assert balance_loss(alike).item() == 0.0


def test_balance_pushes_busy_channels_down_and_idle_ones_up() -> None:
    logit = torch.zeros(2, 1, 2, 20)
    logit[:, :, 0] = 0.5
    logit[:, :, 1] = -0.5
    logit.requires_grad_()
    balance_loss(binarize(logit, torch.tensor(0.0), torch.tensor(0.5))).backward()
    assert logit.grad is not None
    assert (logit.grad[:, :, 0] > 0).all() and (logit.grad[:, :, 1] < 0).all()
