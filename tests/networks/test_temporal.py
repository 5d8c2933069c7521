"""Memory of past frames: which ones are read, and the recursions that averages and held channels unroll."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from networks.temporal import CHUNK, CausalDepthwise, LeakyAverage, hold_last


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (3, 1), (3, 4), (2, 3)])
def test_depthwise_reads_its_taps_and_nothing_else(kernel_size: int, dilation: int) -> None:
    layer = CausalDepthwise(2, kernel_size, dilation)
    nn.init.uniform_(layer.conv.weight, 0.5, 1.0)
    features = torch.randn(1, 2, 30).requires_grad_()
    output = layer(features)
    assert output.shape == features.shape
    output[0, 0, 20].backward()
    assert features.grad is not None
    assert features.grad[0, 1].count_nonzero() == 0  # channels do not mix
    expected = [20 - dilation * tap for tap in reversed(range(kernel_size))]
    assert features.grad[0, 0].nonzero().flatten().tolist() == expected
    assert layer.history == (kernel_size - 1) * dilation


@pytest.mark.parametrize("frames", [1.0, 1.5, 4.0, 300.0])
@pytest.mark.parametrize("length", [1, CHUNK - 1, CHUNK, 2 * CHUNK + 7])
def test_a_leaky_average_equals_its_recursion(frames: float, length: int) -> None:
    features = torch.randn(2, 3, length, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected, last = torch.empty_like(features), torch.zeros(2, 3, dtype=torch.float64)
    for frame in range(length):
        last = (1 - 1 / frames) * last + features[..., frame] / frames
        expected[..., frame] = last
    torch.testing.assert_close(LeakyAverage(frames)(features), expected, rtol=1e-6, atol=1e-7)


def test_a_leaky_average_is_causal_and_forgets() -> None:
    features = torch.randn(1, 2, 3 * CHUNK, dtype=torch.float64).requires_grad_()
    LeakyAverage(4.0)(features)[0, 0, 2 * CHUNK + 5].backward()
    assert features.grad is not None
    assert features.grad[0, 1].count_nonzero() == 0
    influence = features.grad[0, 0]
    assert influence[2 * CHUNK + 6 :].count_nonzero() == 0
    assert influence[2 * CHUNK + 5] == pytest.approx(0.25)
    ratio = influence[CHUNK + 1 : 2 * CHUNK + 5] / influence[CHUNK + 2 : 2 * CHUNK + 6]
    torch.testing.assert_close(ratio, torch.full_like(ratio, 0.75), rtol=1e-5, atol=0)


def test_a_time_constant_below_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 1 frame, got 0\.5"):
        LeakyAverage(0.5)


@given(st.lists(st.tuples(st.booleans(), st.floats(-9, 9, width=32)), min_size=1, max_size=40))
def test_held_channels_equal_their_recursion_in_value_and_gradient(frames: list[tuple[bool, float]]) -> None:
    features = torch.tensor([[[value for _, value in frames]]], dtype=torch.float64).requires_grad_()
    mask = torch.tensor([[[float(on) for on, _ in frames]]], dtype=torch.float64).requires_grad_()
    held = hold_last(features, mask)
    expected, last, source, before = [], 0.0, None, []
    weights = torch.linspace(0.5, 1.5, len(frames), dtype=torch.float64)
    gradient = torch.zeros(len(frames), dtype=torch.float64)
    for frame, (on, value) in enumerate(frames):
        before.append(last)
        last, source = (value, frame) if on else (last, source)
        expected.append(last)
        if source is not None:
            gradient[source] += weights[frame]
    assert held.flatten().tolist() == pytest.approx(expected)
    (held.flatten() * weights).sum().backward()
    assert features.grad is not None
    assert mask.grad is not None
    torch.testing.assert_close(features.grad.flatten(), gradient)
    switched = torch.tensor([value for _, value in frames]) - torch.tensor(before, dtype=torch.float64)
    torch.testing.assert_close(mask.grad.flatten(), weights * switched)
