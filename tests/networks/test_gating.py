"""Gates: utilization at the start, channels that never switch, variants, and the baselines that do not listen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from networks.constant_gates import RandomGate, StaticGate, hashed_uniform
from networks.gate_settings import GateSettings
from networks.gating import ChannelGate

CHANNELS = 96


def make_gate(target: float = 0.25, normalize: bool = True, **settings: Any) -> ChannelGate:
    torch.manual_seed(0)
    return ChannelGate(24, CHANNELS, GateSettings(target, normalize=normalize, **settings))


def correlated_input(batch: int = 6, frames: int = 300) -> Tensor:
    """A residual stream as blocks see it: not negative, correlated over channels, unequal means."""
    generator = torch.Generator().manual_seed(1)
    mixing = torch.randn(24, 24, generator=generator)
    drawn = torch.randn(batch, 24, frames, generator=generator)
    offset = 3 * torch.randn(24, 1, generator=generator)
    return torch.relu(mixing @ drawn + offset)


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
    assert gate.stem is not None
    assert isinstance(gate.stem.norm, nn.Identity)
    assert isinstance(gate.logit_norm, nn.Identity)
    output = gate(correlated_input())
    assert torch.equal(output.channel_mask, (output.gate_logit > 0).float())
    activity = output.channel_mask.mean(dim=(0, 2))
    assert ((activity == 0) | (activity == 1)).any()
    normalised = make_gate(0.25)(correlated_input()).channel_mask.mean(dim=(0, 2))
    assert activity.std() > 5 * normalised.std()


def test_normalised_thresholds_are_normal_quantiles_and_the_shift_starts_at_zero() -> None:
    thresholds = {target: make_gate(target).threshold.item() for target in (0.125, 0.25, 0.5)}
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
    assert gate.stem is not None
    assert gate.stem.squeeze.weight.grad is not None
    assert gate.stem.squeeze.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("surrogate", ["sigmoid", "straight_through", "gumbel"])
def test_training_with_noise_keeps_as_many_channels_as_evaluation_without(
    settle: Callable[[nn.Module, Tensor], nn.Module], surrogate: str
) -> None:
    features = correlated_input()
    for shift in (0.0, 0.4):
        gate = make_gate(surrogate=surrogate)
        with torch.no_grad():
            gate.shift.fill_(shift)
        trained, again = (gate(features).channel_mask for _ in range(2))
        evaluated = settle(gate, features)(features).channel_mask
        assert trained.mean().item() == pytest.approx(evaluated.mean().item(), abs=0.02)
        assert torch.equal(trained, again) == (surrogate != "gumbel")
        assert torch.equal(gate(features).channel_mask, evaluated)


@pytest.mark.parametrize(("context", "reach"), [("none", [7]), ("depthwise", [4, 5, 6, 7]), ("leaky", [*range(8)])])
def test_a_context_reads_past_frames(context: str, reach: list[int]) -> None:
    gate, features = make_gate(context=context, context_frames=4).eval(), correlated_input(1, 20)
    features.requires_grad_()
    gate(features).gate_logit[..., 7].sum().backward()
    assert features.grad is not None
    assert features.grad.abs().sum(dim=(0, 1)).nonzero().flatten().tolist() == reach
    assert gate.history == (None if context == "leaky" else len(reach) - 1)


def test_hysteresis_makes_channels_switch_less_often() -> None:
    def switches(hysteresis: float) -> float:
        mask = make_gate(hysteresis=hysteresis)(correlated_input()).channel_mask
        return (mask[..., 1:] != mask[..., :-1]).float().mean().item()

    assert switches(1.0) < 0.7 * switches(0.0)
    assert make_gate(hysteresis=1.0).history is None


def test_a_gate_without_a_stem_uses_the_hidden_units_of_another() -> None:
    owner, features = make_gate(), correlated_input()
    follower = ChannelGate(24, CHANNELS, owner.settings, owns_stem=False)
    follower.expand.load_state_dict(owner.expand.state_dict())
    output = owner(features)
    assert output.hidden is not None
    followed = follower(torch.zeros_like(features), output.hidden)
    assert torch.equal(followed.channel_mask, output.channel_mask)
    assert followed.hidden is output.hidden


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("decision", ["frame", "static", "random"])
def test_a_target_of_one_opens_every_channel_and_back(decision: str, normalize: bool) -> None:
    torch.manual_seed(0)
    gate = {
        "frame": lambda settings: ChannelGate(24, CHANNELS, settings),
        "static": lambda settings: StaticGate(CHANNELS, settings),
        "random": lambda settings: RandomGate(CHANNELS, settings, seed=3),
    }[decision](GateSettings(normalize=normalize, decision=decision))
    features, threshold = correlated_input(), gate.threshold.item()
    gate.set_target_utilization(1.0)
    mask = gate(features).channel_mask
    assert (mask == 1).all()
    if mask.requires_grad:
        mask.sum().backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in gate.parameters())
    restored = type(gate)(
        *((24, CHANNELS) if decision == "frame" else (CHANNELS,)), gate.settings, *([3] if decision == "random" else [])
    )
    restored.load_state_dict(gate.state_dict())
    assert (restored(features).channel_mask == 1).all()
    gate.set_target_utilization(0.25)
    assert gate.threshold.item() == threshold


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("target", [0.125, 0.5])
def test_a_static_gate_learns_one_mask_for_all_frames(normalize: bool, target: float) -> None:
    torch.manual_seed(0)
    gate = StaticGate(2000, GateSettings(target, normalize=normalize))
    mask = gate(correlated_input(2, 30)).channel_mask
    assert mask.shape == (2, 2000, 30)
    assert (mask == mask[:1, :, :1]).all()
    assert mask.mean().item() == pytest.approx(target, abs=0.03)
    wanted = torch.arange(2000) % 2  # the gradient turns on what helps
    optimizer = torch.optim.Adam(gate.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        (-(gate(correlated_input(1, 5)).channel_mask * (2 * wanted[:, None] - 1)).mean()).backward()
        optimizer.step()
    mask = gate(correlated_input(1, 5)).channel_mask[0, :, 0]
    assert mask[wanted == 1].mean() > 2 * mask[wanted == 0].mean()


def test_random_masks_hit_their_target_and_know_nothing_of_the_signal() -> None:
    gate = RandomGate(256, GateSettings(0.25), seed=1)
    features = correlated_input(4, 400)
    torch.manual_seed(5)
    drawn = gate(features).channel_mask
    assert drawn.mean().item() == pytest.approx(0.25, abs=0.01)
    assert not torch.equal(drawn, gate(features).channel_mask)  # training draws anew
    gate.eval()
    fixed = gate(features).channel_mask
    assert fixed.mean().item() == pytest.approx(0.25, abs=0.01)
    assert (fixed == fixed[:1]).all()
    assert torch.equal(gate(features[:1, :, :50]).channel_mask, fixed[:1, :, :50])
    other = RandomGate(256, GateSettings(0.25), seed=2).eval()(features).channel_mask
    assert (other == fixed).float().mean().item() == pytest.approx(0.25**2 + 0.75**2, abs=0.01)


def test_hashed_numbers_are_uniform_and_uncorrelated() -> None:
    numbers = hashed_uniform(0, 512, 600)
    counts = torch.histc(numbers, 20, 0.0, 1.0) / numbers.numel()
    assert (counts - 0.05).abs().max() < 0.001
    for axis in (0, 1):
        lagged = torch.corrcoef(
            torch.stack([numbers.narrow(axis, 1, 500).flatten(), numbers.narrow(axis, 0, 500).flatten()])
        )
        assert abs(lagged[0, 1].item()) < 0.01


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target_utilization": 0.0}, r"target_utilization must lie in \(0, 1\), got 0\.0"),
        ({"target_utilization": 1.0}, r"target_utilization must lie in \(0, 1\), got 1\.0"),
        ({"width": 0}, "width must be positive, got 0"),
        ({"context_frames": 0}, "context_frames must be positive, got 0"),
        ({"temperature": -1.0}, r"temperature must be positive, got -1\.0"),
        ({"hysteresis": -0.1}, r"hysteresis must not be negative, got -0\.1"),
        ({"surrogate": "step"}, r"surrogate must be one of \('sigmoid', .*got 'step'"),
        ({"decision": "never"}, "decision must be one of .*got 'never'"),
        ({"stem_scope": "all"}, "stem_scope must be one of .*got 'all'"),
        ({"context": "lstm"}, "context must be one of .*got 'lstm'"),
    ],
)
def test_errors_name_the_setting_and_its_value(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=rf"network\.gate\.{message}"):
        GateSettings(**settings)
