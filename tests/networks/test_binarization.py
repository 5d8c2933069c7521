"""From logits to masks: the step and its surrogate gradients, noise, hysteresis."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks.binarization import add_logistic_noise, binarize, hold_threshold

LOGITS = st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=20)


def scalar(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


@settings(max_examples=50, deadline=None, database=None)
@given(LOGITS, st.floats(-2, 2, width=32), st.floats(0.125, 4, width=32))
def test_step_forward_and_sigmoid_derivative_backward(
    logits: list[float], threshold: float, temperature: float
) -> None:
    logit = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    mask = binarize(logit, scalar(threshold), scalar(temperature))
    assert mask.dtype == logit.dtype
    assert torch.equal(mask.detach(), (logit.detach() > threshold).double())
    weights = torch.linspace(-1, 2, len(logits), dtype=torch.float64)
    (mask * weights).sum().backward()
    smooth = logit.detach().clone().requires_grad_()
    (torch.sigmoid((smooth - threshold) / temperature) * weights).sum().backward()
    torch.testing.assert_close(logit.grad, smooth.grad)


def test_a_logit_at_the_threshold_is_off_and_the_gradient_there_is_a_quarter_of_the_slope() -> None:
    logit = torch.tensor([0.7], dtype=torch.float64, requires_grad=True)
    mask = binarize(logit, scalar(0.7), scalar(1 / 3))
    mask.sum().backward()
    assert mask.item() == 0.0
    assert logit.grad is not None
    assert logit.grad.item() == pytest.approx(0.75)


def test_straight_through_passes_the_gradient_on() -> None:
    logit = torch.tensor([-9.0, 0.1, 9.0], requires_grad=True)
    mask = binarize(logit, torch.tensor(0.0), torch.tensor(0.5), "straight_through")
    assert mask.tolist() == [0.0, 1.0, 1.0]
    (mask * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert logit.grad is not None
    assert logit.grad.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("surrogate", ["sigmoid", "straight_through", "gumbel"])
def test_an_endless_threshold_opens_all_with_finite_gradients(surrogate: str) -> None:
    logit = torch.linspace(-5, 5, 11, requires_grad=True)
    mask = binarize(logit, torch.tensor(-torch.inf), torch.tensor(0.5), surrogate)  # type: ignore[arg-type]
    mask.sum().backward()
    assert (mask == 1).all()
    assert logit.grad is not None
    assert logit.grad.isfinite().all()


@pytest.mark.parametrize(("logit", "temperature"), [(0.0, 0.5), (0.4, 0.5), (-1.0, 0.7), (0.4, 0.1)])
def test_noise_switches_a_channel_on_with_the_probability_of_its_sigmoid(logit: float, temperature: float) -> None:
    torch.manual_seed(0)
    noisy = add_logistic_noise(torch.full((40_000,), logit), torch.tensor(temperature), keep_variance=False)
    expected = torch.sigmoid(torch.tensor(logit / temperature)).item()
    assert (noisy > 0).float().mean().item() == pytest.approx(expected, abs=0.01)


def test_noise_can_keep_the_variance_of_standardised_logits() -> None:
    torch.manual_seed(0)
    logit, temperature = torch.randn(100_000), torch.tensor(0.5)
    assert add_logistic_noise(logit, temperature, keep_variance=True).std().item() == pytest.approx(1.0, abs=0.01)
    assert add_logistic_noise(logit, temperature, keep_variance=False).std().item() > 1.3
    assert add_logistic_noise(logit.bfloat16(), temperature, keep_variance=True).dtype == torch.bfloat16


@settings(max_examples=80, deadline=None, database=None)
@given(LOGITS, st.floats(-1, 1, width=32), st.floats(0, 3, width=32))
def test_hysteresis_equals_its_state_machine(logits: list[float], threshold: float, hysteresis: float) -> None:
    on, expected = False, []
    for logit in logits:
        on = logit > (threshold - hysteresis / 2 if on else threshold + hysteresis / 2)
        expected.append(on)
    logit = torch.tensor([logits, logits], dtype=torch.float64)
    mask = logit > hold_threshold(logit, scalar(threshold), hysteresis)
    assert mask.tolist() == [expected, expected]


def test_the_gradient_of_hysteresis_is_taken_at_the_threshold_in_force() -> None:
    logit = torch.tensor([1.0, 0.2, 0.2], dtype=torch.float64, requires_grad=True)
    threshold = hold_threshold(logit, scalar(0.0), hysteresis=1.0)
    assert threshold.tolist() == [0.5, -0.5, -0.5]
    binarize(logit, threshold, scalar(0.5)).sum().backward()
    slope = torch.sigmoid((logit.detach() - threshold) / 0.5)
    assert logit.grad is not None
    torch.testing.assert_close(logit.grad, slope * (1 - slope) / 0.5)
