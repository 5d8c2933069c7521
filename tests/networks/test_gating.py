"""Gates: the step and its surrogate gradient, utilization at the start, channels that never switch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from networks.gating import ChannelGate, binarize

CHANNELS = 96


def make_gate(target: float = 0.25, normalize: bool = True, slope: float = 2.0) -> ChannelGate:
    torch.manual_seed(0)
    return ChannelGate(24, CHANNELS, 16, target, slope, normalize)


def correlated_input(batch: int = 6, frames: int = 300) -> Tensor:
    """A residual stream as blocks see it: not negative, correlated over channels, unequal means."""
    generator = torch.Generator().manual_seed(1)
    mixing = torch.randn(24, 24, generator=generator)
    drawn = torch.randn(batch, 24, frames, generator=generator)
    offset = 3 * torch.randn(24, 1, generator=generator)
    return torch.relu(mixing @ drawn + offset)


@settings(max_examples=50, deadline=None, database=None)
@given(
    st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=20),
    st.floats(-2, 2, width=32),
    st.floats(0.25, 8, width=32),
)
def test_step_forward_and_sigmoid_derivative_backward(logits: list[float], threshold: float, slope: float) -> None:
    logit = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    mask = binarize(logit, threshold, slope)
    assert mask.dtype == logit.dtype
    assert torch.equal(mask.detach(), (logit.detach() > threshold).double())
    weights = torch.linspace(-1, 2, len(logits), dtype=torch.float64)
    (mask * weights).sum().backward()
    smooth = logit.detach().clone().requires_grad_()
    (torch.sigmoid(slope * (smooth - threshold)) * weights).sum().backward()
    torch.testing.assert_close(logit.grad, smooth.grad)


def test_a_logit_at_the_threshold_is_off_and_the_gradient_there_is_a_quarter_of_the_slope() -> None:
    logit = torch.tensor([0.7], dtype=torch.float64, requires_grad=True)
    mask = binarize(logit, 0.7, 3.0)
    mask.sum().backward()
    assert mask.item() == 0.0
    assert logit.grad is not None
    assert logit.grad.item() == pytest.approx(0.75)


@pytest.mark.parametrize("target", [0.125, 0.25, 0.5])
def test_normalised_gates_start_near_the_target_and_switch_every_channel(target: float) -> None:
    mask = make_gate(target)(correlated_input()).channel_mask
    assert mask.shape == (6, CHANNELS, 300)
    assert mask.unique().tolist() == [0.0, 1.0]
    # the logits are sums of few rectified units, so only roughly normal
    assert mask.mean().item() == pytest.approx(target, abs=0.03)
    activity = mask.mean(dim=(0, 2))
    assert ((activity > 0) & (activity < 1)).all()


def test_evaluation_uses_the_running_statistics(settle: Callable[[nn.Module, Tensor], nn.Module]) -> None:
    gate, features = make_gate(), correlated_input()
    trained = gate(features)
    evaluated = settle(gate, features)(features)
    torch.testing.assert_close(evaluated.gate_logit, trained.gate_logit, atol=1e-3, rtol=1e-3)  # variance over n - 1
    single = gate(features[:1, :, :1])
    torch.testing.assert_close(single.gate_logit, evaluated.gate_logit[:1, :, :1], atol=1e-4, rtol=0)


def test_raw_gates_compare_with_zero_and_some_never_switch() -> None:
    gate = make_gate(0.25, normalize=False)
    assert gate.threshold == 0.0
    assert isinstance(gate.input_norm, nn.Identity)
    assert isinstance(gate.logit_norm, nn.Identity)
    output = gate(correlated_input())
    assert torch.equal(output.channel_mask, (output.gate_logit > 0).float())
    activity = output.channel_mask.mean(dim=(0, 2))
    assert ((activity == 0) | (activity == 1)).any()
    normalised = make_gate(0.25)(correlated_input()).channel_mask.mean(dim=(0, 2))
    assert activity.std() > 5 * normalised.std()


def test_normalised_thresholds_are_normal_quantiles_and_the_shift_starts_at_zero() -> None:
    thresholds = {target: make_gate(target).threshold for target in (0.125, 0.25, 0.5)}
    assert thresholds == pytest.approx({0.125: 1.15035, 0.25: 0.67449, 0.5: 0.0}, abs=1e-5)
    assert make_gate().shift.tolist() == [0.0]


def test_the_shift_moves_all_channels_but_a_bias_cannot_hold_one_open() -> None:
    gate, features = make_gate().double(), correlated_input().double()
    before = gate(features).channel_mask
    with torch.no_grad():
        dict(gate.named_parameters())["expand.bias"][5] += 100.0
    assert torch.equal(gate(features).channel_mask, before)
    with torch.no_grad():
        gate.shift.fill_(0.5)
    after = gate(features).channel_mask
    assert (after >= before).all()
    assert (after.mean(dim=(0, 2)) > before.mean(dim=(0, 2))).all()


def test_gates_decide_frame_by_frame() -> None:
    gate, features = make_gate().eval(), correlated_input(1, 20)
    features.requires_grad_()
    gate(features).gate_logit[..., 7].sum().backward()
    assert features.grad is not None
    touched = features.grad.abs().sum(dim=(0, 1)).nonzero().flatten()
    assert touched.tolist() == [7]


def test_gradients_reach_every_parameter() -> None:
    gate = make_gate()
    (gate(correlated_input()).channel_mask * torch.linspace(-1, 1, CHANNELS)[:, None]).sum().backward()
    for name, parameter in gate.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert gate.squeeze.weight.grad is not None
    assert gate.squeeze.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("name", "value", "arguments"),
    [
        ("target_utilization", "0.0", (8, 8, 4, 0.0, 2.0, True)),
        ("target_utilization", "1.0", (8, 8, 4, 1.0, 2.0, False)),
        ("gate_width", "0", (8, 8, 0, 0.25, 2.0, True)),
        ("surrogate_slope", "-1.0", (8, 8, 4, 0.25, -1.0, True)),
    ],
)
def test_errors_name_the_setting_and_its_value(name: str, value: str, arguments: tuple) -> None:
    with pytest.raises(ValueError, match=rf"{name} .*got {value}"):
        ChannelGate(*arguments)
