"""The network: causality by gradients, invariances, masks, errors, golden values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from networks.complexity import count_parameters, mac_budget
from networks.conv_fsenet import ConvFSENet
from networks.gating import ChannelGate
from tests.golden.conv_fsenet import GOLDEN, TOLERANCE, build, describe, state_shapes

Build = Callable[..., ConvFSENet]
Draw = Callable[..., Tensor]
FRAME = 60
WIDE = {"residual_channels": 12, "channels": 32}  # some path to the oldest frame survives rectifiers and masks


def touched_frames(output: Tensor, spectrum: Tensor) -> list[int]:
    """Frames of the input that one frame of an output depends on."""
    weights = torch.linspace(0.5, 1.5, output.numel(), dtype=torch.float64).reshape(output.shape)
    (grad,) = torch.autograd.grad((output * weights).sum(), spectrum, retain_graph=True)
    return grad.abs().sum(dim=(0, 1)).nonzero().flatten().tolist()


@pytest.mark.parametrize("gated", [True, False])
def test_the_spectrum_depends_on_its_receptive_field_and_on_no_later_frame(
    small_network: Build, random_spectrum: Draw, gated: bool
) -> None:
    network, spectrum = small_network(gated=gated, **WIDE), random_spectrum(80, batch=8).requires_grad_()
    assert network.receptive_field == 43
    output = torch.view_as_real(network(spectrum).spectrum)
    for frame in (0, 5, FRAME):
        touched = touched_frames(output[:, :, frame], spectrum)
        assert touched[0] == max(0, frame - 42)
        assert touched[-1] == frame
        assert touched == list(range(touched[0], frame + 1))


def test_masks_and_logits_depend_on_the_blocks_before_them_only(small_network: Build, random_spectrum: Draw) -> None:
    network, spectrum = small_network(**WIDE), random_spectrum(80, batch=8).requires_grad_()
    logits: list[Tensor] = []
    for gate in network.modules():
        if isinstance(gate, ChannelGate):
            gate.register_forward_hook(lambda _module, _inputs, output: logits.append(output.gate_logit))
    masks = network(spectrum).channel_masks
    history = 0
    for block, dilation in enumerate([1, 2, 4] * 3):
        expected = list(range(FRAME - history, FRAME + 1))
        assert touched_frames(masks[:, block, :, FRAME], spectrum) == expected, f"mask of block {block}"
        assert touched_frames(logits[block][..., FRAME], spectrum) == expected, f"logit of block {block}"
        history += 2 * dilation
    assert history + 1 == network.receptive_field


@pytest.mark.parametrize("gated", [True, False])
def test_later_frames_do_not_change_earlier_ones(small_network: Build, random_spectrum: Draw, gated: bool) -> None:
    network, spectrum = small_network(gated=gated), random_spectrum(80)
    with torch.no_grad():
        whole, part = network(spectrum), network(spectrum[..., :50])
    torch.testing.assert_close(part.spectrum, whole.spectrum[..., :50])
    assert torch.equal(part.channel_masks, whole.channel_masks[..., :50])


def test_a_shifted_input_gives_a_shifted_output(small_network: Build, random_spectrum: Draw) -> None:
    network, spectrum, shift = small_network(), random_spectrum(120), 17
    with torch.no_grad():
        whole, late = network(spectrum), network(spectrum[..., shift:])
    settled = network.receptive_field - 1  # until then the padding at the start is seen
    torch.testing.assert_close(late.spectrum[..., settled:], whole.spectrum[..., shift + settled :])
    assert torch.equal(late.channel_masks[..., settled:], whole.channel_masks[..., shift + settled :])
    assert not torch.allclose(late.spectrum[..., :settled], whole.spectrum[..., shift : shift + settled])


def test_items_of_a_batch_do_not_meet_in_evaluation(small_network: Build, random_spectrum: Draw) -> None:
    network, spectrum = small_network(), random_spectrum(50, batch=4)
    with torch.no_grad():
        together = network(spectrum)
        for item in range(4):
            alone = network(spectrum[item : item + 1])
            torch.testing.assert_close(alone.spectrum[0], together.spectrum[item])
            assert torch.equal(alone.channel_masks[0], together.channel_masks[item])


def test_the_order_of_channels_is_arbitrary(small_network: Build, random_spectrum: Draw) -> None:
    network, spectrum = small_network(), random_spectrum(60)
    before = network(spectrum)
    order = torch.randperm(network.channels, generator=torch.Generator().manual_seed(0))
    state = network.state_dict()
    for name, value in state.items():
        if ".project." in name:
            state[name] = value[:, order]
        elif name.startswith("blocks.") and value.ndim and len(value) == network.channels:
            state[name] = value[order]
    network.load_state_dict(state)
    after = network(spectrum)
    torch.testing.assert_close(after.spectrum, before.spectrum)
    assert torch.equal(after.channel_masks, before.channel_masks[:, :, order])


def test_masks_are_binary_dynamic_and_near_their_target(small_network: Build, random_spectrum: Draw) -> None:
    network = small_network(0, {"target_utilization": 0.25}, num_frequencies=257, channels=256, residual_channels=128)
    with torch.no_grad():
        masks = network(random_spectrum(60, batch=2, frequencies=257)).channel_masks
    assert masks.shape == (2, 9, 256, 60)
    assert masks.unique().tolist() == [0.0, 1.0]
    assert masks.mean().item() == pytest.approx(0.25, abs=0.05)
    activity = masks.mean(dim=(0, 3))
    assert ((activity == 0) | (activity == 1)).double().mean() < 0.01


def test_the_spectral_mask_is_real_and_between_zero_and_one(small_network: Build, random_spectrum: Draw) -> None:
    spectrum = random_spectrum(40)
    ratio = small_network()(spectrum).spectrum / spectrum
    assert ratio.imag.abs().max() < 1e-12
    assert 0 < ratio.real.min() < ratio.real.max() < 1


def test_the_dense_network_has_no_gates_and_its_masks_are_ones(small_network: Build, random_spectrum: Draw) -> None:
    network = small_network(gated=False)
    masks = network(random_spectrum(40, batch=2)).channel_masks
    assert masks.shape == (2, 9, 12, 40)
    assert (masks == 1).all()
    assert network.target_utilization == 1.0
    assert not [name for name in network.state_dict() if "gate" in name]


def test_digital_silence_has_finite_gradients(small_network: Build) -> None:
    network = small_network().train()
    network(torch.zeros(2, 9, 30, dtype=torch.complex128)).spectrum.abs().sum().backward()
    spectrum = torch.zeros(2, 9, 30, dtype=torch.complex128, requires_grad=True)
    network(spectrum).channel_masks.sum().backward()
    assert spectrum.grad is not None
    assert torch.view_as_real(spectrum.grad).isfinite().all()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("frequencies", [8, 10, 1])
def test_another_number_of_frequencies_is_refused(
    small_network: Build, random_spectrum: Draw, frequencies: int
) -> None:
    with pytest.raises(ValueError, match=f"expected 9 frequencies, got {frequencies}"):
        small_network()(random_spectrum(10, frequencies=frequencies))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_frequencies": 0}, r"network\.num_frequencies must be positive, got 0"),
        ({"residual_channels": 0}, r"network\.residual_channels must be positive, got 0"),
        ({"channels": -1}, r"network\.channels must be positive, got -1"),
        ({"stacks": 0}, r"network\.stacks must be positive, got 0"),
        ({"kernel_size": 0}, r"network\.kernel_size must be positive, got 0"),
        ({"dilations": []}, r"network\.dilations must be positive and not empty, got \[\]"),
        ({"dilations": [1, 0]}, r"network\.dilations must be positive and not empty, got \[1, 0\]"),
        ({"compression": 0.0}, r"network\.compression must lie in \(0, 1\], got 0\.0"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConvFSENet(**changes)


@pytest.mark.parametrize("gated", [True, False])
def test_size_and_cost_equal_the_golden_values(gated: bool) -> None:
    golden = json.loads(Path(GOLDEN).read_text())["gated" if gated else "dense"]
    network = build(gated)
    budget = mac_budget(network)
    assert count_parameters(network) == golden["parameters"]
    assert (budget.dense, budget.gates) == (golden["macs_dense"], golden["macs_gates"])
    assert budget.dense == 662_528
    assert budget.gates == (55_296 if gated else 0)
    assert state_shapes(network) == golden["state"]


@pytest.mark.parametrize("gated", [True, False])
def test_outputs_equal_the_golden_values(gated: bool) -> None:
    """The tolerance is explained in the generator."""
    golden = json.loads(Path(GOLDEN).read_text())["gated" if gated else "dense"]
    measured = describe(build(gated))
    for name in ("magnitude_sum", "weighted_sum", "utilization"):
        assert measured[name] == pytest.approx(golden[name], rel=TOLERANCE), name
    other = describe(build(gated, seed=1))
    assert other["weighted_sum"] != pytest.approx(golden["weighted_sum"], rel=0.1)


@pytest.mark.parametrize("stem_scope", ["block", "network"])
def test_a_trace_is_what_the_network_computes(small_network: Build, random_spectrum: Draw, stem_scope: str) -> None:
    network, spectrum = small_network(gate_changes={"stem_scope": stem_scope}, **WIDE), random_spectrum(80, batch=3)
    with torch.no_grad():
        trace, enhanced = network.trace(spectrum), network(spectrum)
        residual = trace.frontend
        for block, hidden in zip(network.blocks, trace.masked_activations.unbind(1), strict=True):
            residual = residual + block.project(hidden)
        spectral_mask = torch.sigmoid(network.backend(residual).float())
    assert torch.equal(trace.channel_masks, enhanced.channel_masks)
    assert torch.equal(trace.channel_masks, (trace.gate_logits > network.gates[0].threshold).double())
    assert torch.equal(spectral_mask * spectrum, enhanced.spectrum)
    assert not trace.masked_activations[trace.channel_masks == 0].any()
    assert trace.masked_activations[trace.channel_masks == 1].any()


def test_a_dense_network_has_no_trace(small_network: Build, random_spectrum: Draw) -> None:
    with pytest.raises(ValueError, match="gated is false"):
        small_network(gated=False).trace(random_spectrum(5))
