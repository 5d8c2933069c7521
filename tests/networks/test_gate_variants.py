"""Every kind of gate in a whole network: causal, the same wherever an utterance starts and whoever is beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend

from networks.conv_fsenet import ConvFSENet
from networks.gate_settings import GateSettings

Build = Callable[..., ConvFSENet]
Draw = Callable[..., Tensor]
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "raw": {"normalize": False},
    "straight_through": {"surrogate": "straight_through"},
    "gumbel": {"surrogate": "gumbel"},
    "stem_of_stack": {"stem_scope": "stack"},
    "stem_of_network": {"stem_scope": "network", "context": "depthwise", "context_frames": 3},
    "depthwise": {"context": "depthwise"},
    "leaky": {"context": "leaky"},
    "hysteresis": {"hysteresis": 0.8},
    "hold": {"idle": "hold"},
    "skip": {"skip": "magnitude"},
    "raw_skip_of_stack": {"skip": "magnitude", "normalize": False, "stem_scope": "stack"},
    "static": {"decision": "static"},
    "random": {"decision": "random"},
}
variants = pytest.mark.parametrize("variant", VARIANTS)


@variants
def test_later_frames_do_not_change_earlier_ones(small_network: Build, random_spectrum: Draw, variant: str) -> None:
    network, spectrum = small_network(0, VARIANTS[variant]), random_spectrum(90)
    with torch.no_grad():
        whole, part = network(spectrum), network(spectrum[..., :50])
    torch.testing.assert_close(part.spectrum, whole.spectrum[..., :50])
    assert torch.equal(part.channel_masks, whole.channel_masks[..., :50])


@variants
def test_gradients_come_from_the_declared_frames_only(
    small_network: Build, random_spectrum: Draw, variant: str
) -> None:
    network = small_network(0, VARIANTS[variant], residual_channels=12, channels=32)
    spectrum = random_spectrum(100, batch=8).requires_grad_()
    frame = 90
    enhanced = network(spectrum)
    output = torch.view_as_real(enhanced.spectrum)[:, :, frame]
    weights = torch.linspace(0.5, 1.5, output.numel(), dtype=torch.float64).reshape(output.shape)
    (grad,) = torch.autograd.grad((output * weights).sum(), spectrum)
    touched = grad.abs().sum(dim=(0, 1)).nonzero().flatten().tolist()
    assert touched[-1] == frame
    if network.receptive_field is not None:
        assert touched[0] >= frame - network.receptive_field + 1
    if variant in ("default", "depthwise"):
        assert touched == list(range(frame - network.receptive_field + 1, frame + 1))
    assert (network.receptive_field is None) == (variant in ("leaky", "hysteresis", "hold"))


@variants
def test_a_shifted_input_gives_a_shifted_output(small_network: Build, random_spectrum: Draw, variant: str) -> None:
    if variant == "random":
        pytest.skip("random masks belong to the number of a frame, on purpose")
    network, spectrum, shift = small_network(0, VARIANTS[variant]), random_spectrum(260), 17
    with torch.no_grad():
        whole, late = network(spectrum), network(spectrum[..., shift:])
    # until the padding at the start is forgotten; endless memories fade by 0.75 a frame, or at the next clear decision
    settled = (network.receptive_field or 190) - 1
    torch.testing.assert_close(late.spectrum[..., settled:], whole.spectrum[..., shift + settled :])
    assert torch.equal(late.channel_masks[..., settled:], whole.channel_masks[..., shift + settled :])


@variants
def test_items_of_a_batch_do_not_meet_in_evaluation(small_network: Build, random_spectrum: Draw, variant: str) -> None:
    network, spectrum = small_network(0, VARIANTS[variant]), random_spectrum(50, batch=3)
    with torch.no_grad():
        together = network(spectrum)
        for item in range(3):
            alone = network(spectrum[item : item + 1])
            torch.testing.assert_close(alone.spectrum[0], together.spectrum[item])
            assert torch.equal(alone.channel_masks[0], together.channel_masks[item])


@variants
def test_utilization_is_near_its_target_and_gradients_reach_every_parameter(
    random_spectrum: Draw, variant: str
) -> None:
    torch.manual_seed(0)
    network = ConvFSENet(9, 24, 64, gate=GateSettings(0.3, width=8, **VARIANTS[variant])).double().train()
    enhanced = network(random_spectrum(60, batch=4))
    if not variant.startswith(
        ("raw", "hysteresis")
    ):  # raw gates have no normal logits; hysteresis favours the side it is on
        assert enhanced.channel_masks.mean().item() == pytest.approx(0.3, abs=0.07)
    enhanced.spectrum.abs().square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("variant", ["default", "leaky", "hysteresis", "hold", "random", "stem_of_stack"])
def test_float32_masks_of_the_full_size_network_are_identical_in_every_batch_size(
    random_spectrum: Draw, variant: str
) -> None:
    """Bitwise, at the size that is trained: a logit moved by a rounding error would flip a mask sooner or later."""
    torch.manual_seed(0)
    network = ConvFSENet(gate=GateSettings(**VARIANTS[variant])).train()
    spectrum = random_spectrum(150, batch=6, frequencies=257).to(torch.complex64)
    with torch.no_grad():
        network(spectrum)
        together = network.eval()(spectrum).channel_masks
        for size in (1, 2, 4):
            for start in range(0, 6, size):
                part = network(spectrum[start : start + size]).channel_masks
                assert torch.equal(part, together[start : start + size]), f"batches of {size}"


def test_a_compiled_network_computes_the_same_and_is_not_compiled_again(random_spectrum: Draw) -> None:
    """In one graph, captured with its backward pass; moving targets and temperatures are not part of the graph."""
    torch.manual_seed(0)
    gate = GateSettings(context="leaky", hysteresis=0.5, idle="hold")
    plain, compiled = (ConvFSENet(9, 6, 12, stacks=1, dilations=[2], gate=gate) for _ in range(2))
    compiled.load_state_dict(plain.state_dict())
    torch.compiler.reset()
    counter = CompileCounterWithBackend("aot_eager")
    compiled.compile_estimate(backend=counter)
    spectrum = random_spectrum(70, batch=2).to(torch.complex64)
    for target in (1.0, 0.5, 0.3):
        for network in (plain, compiled):
            network.set_target_utilization(target)
            network.set_temperature(target)
            network.zero_grad()
            enhanced = network(spectrum)
            (enhanced.spectrum.abs().mean() + enhanced.channel_masks.mean()).backward()
        for (name, one), other in zip(plain.named_parameters(), compiled.parameters(), strict=True):
            assert (one.grad is None) == (other.grad is None), name
            if one.grad is not None:
                torch.testing.assert_close(one.grad, other.grad, msg=name)
    assert counter.frame_count == 1
    assert list(compiled.state_dict()) == list(plain.state_dict())


def test_channels_that_are_never_off_are_not_held(small_network: Build, random_spectrum: Draw) -> None:
    spectrum = random_spectrum(50)
    zero, held = (small_network(0, {"idle": idle}) for idle in ("zero", "hold"))
    held.load_state_dict(zero.state_dict())
    assert not torch.allclose(zero(spectrum).spectrum, held(spectrum).spectrum)
    for network in (zero, held):
        network.set_target_utilization(1.0)
    torch.testing.assert_close(zero(spectrum).spectrum, held(spectrum).spectrum)
