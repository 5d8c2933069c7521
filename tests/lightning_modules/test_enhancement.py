"""The LightningModule: settings, learning, utilization, reduced precision, checkpoints."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_modules.checkpoints import CheckpointError
from lightning_modules.enhancement import EnhancementModule
from lightning_modules.pruning import PruningSettings
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.gate_settings import GateSettings
from networks.gating import ChannelGate
from tests.golden.conv_fsenet import GOLDEN, state_shapes

GRID = FrameGrid(window_length=64, hop_length=32)


def make_module(gated: bool = True, target: float = 0.25, normalize: bool = True, **settings: Any) -> EnhancementModule:
    torch.manual_seed(0)
    network = ConvFSENet(
        GRID.num_frequencies,
        residual_channels=16,
        channels=32,
        stacks=1,
        gated=gated,
        gate=GateSettings(target, width=8, normalize=normalize),
    )
    return EnhancementModule(network, GRID, **settings)


def make_batch(size: int = 4, samples: int = 3200) -> dict[str, Tensor]:
    """Amplitude-modulated tones, and noise at 0 dB."""
    generator = torch.Generator().manual_seed(0)
    time = torch.arange(samples) / GRID.sample_rate
    f0_hz = 200 + 200 * torch.rand(size, 1, generator=generator)
    clean = 0.1 * torch.sin(2 * torch.pi * f0_hz * time) * (1 + torch.sin(2 * torch.pi * 12 * time))
    rms = clean.square().mean(dim=1).sqrt()
    noise = rms[:, None] * torch.randn(size, samples, generator=generator)
    return {"noisy": clean + noise, "clean": clean, "clean_rms": rms}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0.0}, r"model\.learning_rate must be positive, got 0\.0"),
        ({"weight_decay": -0.1}, r"model\.weight_decay must not be negative, got -0\.1"),
        ({"warmup_steps": -1}, r"model\.warmup_steps must not be negative, got -1"),
        ({"final_learning_rate_share": 2.0}, r"model\.final_learning_rate_share must lie in \[0, 1\], got 2\.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_module(**settings)


def test_forward_returns_waveforms_and_frames_on_the_grid() -> None:
    noisy = make_batch()["noisy"]
    result = make_module().eval()(noisy)
    frames = GRID.num_frames(noisy.shape[1])
    assert result.waveform.shape == noisy.shape
    assert result.spectrum.shape == result.noisy_spectrum.shape == (4, GRID.num_frequencies, frames)
    assert result.channel_masks.shape == (4, 3, 32, frames)


def test_a_few_steps_on_one_batch_lower_the_loss(logged: dict[str, float]) -> None:
    module, batch = make_module(), make_batch()
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
    history = []
    for step in range(25):
        optimizer.zero_grad()
        loss = module.training_step(batch, step)
        loss.backward()
        optimizer.step()
        history.append(logged["train/enhancement_loss"])
        weighted = 10.0 * logged["train/sparsity_loss"]
        assert logged["train/loss"] == pytest.approx(logged["train/enhancement_loss"] + weighted, rel=1e-5)
    assert history[-1] < 0.7 * history[0]
    names = ("loss", "enhancement_loss", "spectral_loss", "sparsity_loss", "utilization", "target_utilization")
    assert set(logged) == {f"train/{name}" for name in (*names, "temperature")}
    assert (logged["train/target_utilization"], logged["train/temperature"]) == (0.25, 0.5)


@pytest.mark.parametrize(("target", "shift"), [(0.25, 1.0), (0.25, -1.0), (0.6, -1.0)])
@pytest.mark.parametrize("normalize", [True, False])
def test_the_sparsity_loss_alone_reaches_its_target(target: float, shift: float, normalize: bool) -> None:
    module, noisy = make_module(target=target, normalize=normalize), make_batch()["noisy"]
    with torch.no_grad():
        for gate in module.modules():
            if isinstance(gate, ChannelGate):
                gate.shift.fill_(shift)  # start far from it
    start = module(noisy).channel_masks.mean().item()
    assert abs(start - target) > 0.1
    optimizer = torch.optim.AdamW(module.parameters(), lr=2e-2)
    utilization = []
    for _ in range(80):
        optimizer.zero_grad()
        masks = module(noisy).channel_masks
        (10.0 * (masks.mean() - target).square()).backward()
        optimizer.step()
        utilization.append(masks.mean().item())
    assert all(abs(value - target) < 0.02 for value in utilization[-5:])


@pytest.mark.parametrize("gated", [True, False])
def test_bfloat16_is_finite_and_its_masks_are_binary(logged: dict[str, float], gated: bool) -> None:
    module, batch = make_module(gated), make_batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = module.training_step(batch, 0)
        masks = module(batch["noisy"]).channel_masks
    loss.backward()
    assert loss.isfinite()
    assert masks.unique().tolist() == ([0.0, 1.0] if gated else [1.0])
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None or not gated, name
        assert parameter.grad is None or parameter.grad.isfinite().all(), name
    full = make_module(gated).training_step(batch, 0)
    assert loss.item() == pytest.approx(full.item(), rel=0.05)


def test_balance_frees_channels_of_raw_gates_that_never_switch(logged: dict[str, float]) -> None:
    def constant_share(balance_weight: float) -> float:
        module, batch = (
            make_module(normalize=False, pruning=PruningSettings(balance_weight=balance_weight)),
            make_batch(),
        )
        optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
        for step in range(40):
            optimizer.zero_grad()
            module.training_step(batch, step).backward()
            optimizer.step()
        share = module(batch["noisy"]).channel_masks.mean(dim=(0, 3))
        return ((share < 0.01) | (share > 0.99)).float().mean().item()

    without, balanced = constant_share(0.0), constant_share(10.0)
    assert without > 0.3
    assert balanced < 0.8 * without
    assert logged["train/balance_loss"] >= 0


def test_training_is_dense_first_and_validation_counts_the_final_target(
    logged: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    pruning = PruningSettings(dense_steps=2, anneal_steps=4, final_temperature=0.1, temperature_steps=4)
    module, batch = make_module(pruning=pruning), make_batch()
    history = {}
    for step in (0, 1, 2, 4, 6, 9):
        monkeypatch.setattr(EnhancementModule, "global_step", step)
        loss = module.training_step(batch, step)
        loss.backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in module.parameters())
        history[step] = (logged["train/target_utilization"], logged["train/utilization"])
    assert [target for target, _ in history.values()] == [1.0, 1.0, 1.0, 0.625, 0.25, 0.25]
    assert [utilization for _, utilization in history.values()][:3] == [1.0, 1.0, 1.0]
    assert all(utilization == pytest.approx(target, abs=0.1) for target, utilization in history.values())
    assert logged["train/temperature"] == pytest.approx(0.1)

    monkeypatch.setattr(EnhancementModule, "global_step", 0)
    module.training_step(batch, 0)
    assert logged["train/sparsity_loss"] == 0.0
    halfway = make_module(pruning=pruning)
    halfway.load_state_dict(module.state_dict())  # what validation of such a checkpoint does
    with torch.no_grad():
        halfway.eval().validation_step(batch, 0, 0)
    assert logged["val/utilization"] == 1.0
    assert logged["val/sparsity_loss"] == pytest.approx(0.75**2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sparsity_weight": -1.0}, r"model\.pruning\.sparsity_weight must not be negative, got -1\.0"),
        ({"balance_weight": -1.0}, r"model\.pruning\.balance_weight must not be negative, got -1\.0"),
        ({"sparsity_scope": "channel"}, r"model\.pruning\.sparsity_scope must be one of .*got 'channel'"),
        ({"dense_steps": -1}, r"model\.pruning\.dense_steps must not be negative, got -1"),
        ({"final_temperature": 0.0}, r"model\.pruning\.final_temperature must be positive, got 0"),
        ({"final_temperature": 0.1}, r"model\.pruning\.temperature_steps must be positive .*got 0"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PruningSettings(**settings)


def test_a_dense_network_has_no_sparsity_loss(logged: dict[str, float]) -> None:
    module = make_module(gated=False)
    module.training_step(make_batch(), 0)
    assert logged["train/loss"] == logged["train/enhancement_loss"]
    assert logged["train/utilization"] == 1.0
    assert "train/sparsity_loss" not in logged


@pytest.mark.parametrize("stage", ["val", "test"])
def test_only_the_first_loader_is_scored(logged: dict[str, float], stage: str) -> None:
    module, batch = make_module(), make_batch()
    with torch.no_grad():
        for _ in range(30):  # batch statistics
            module(batch["noisy"])
    module.eval()
    step = module.validation_step if stage == "val" else module.test_step
    with torch.no_grad():
        assert torch.equal(step(batch, 0, 1)["enhancement"].waveform, module(batch["noisy"]).waveform)
        assert not logged
        step(batch, 0, 0)
    assert logged[f"{stage}/si_sdr_noisy_db"] == pytest.approx(0.0, abs=0.3)  # how the batch was mixed
    gain = logged[f"{stage}/si_sdr_db"] - logged[f"{stage}/si_sdr_noisy_db"]
    assert logged[f"{stage}/si_sdr_gain_db"] == pytest.approx(gain, abs=1e-4)
    assert 0 < logged[f"{stage}/utilization"] < 1


def test_matrices_decay_and_the_schedule_spans_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    module = make_module(learning_rate=0.01, weight_decay=0.1, warmup_steps=4, final_learning_rate_share=0.5)

    class FixedLength:
        estimated_stepping_batches = 20.0

    monkeypatch.setattr(EnhancementModule, "trainer", FixedLength())
    configured: Any = module.configure_optimizers()
    optimizer, scheduler = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    assert configured["lr_scheduler"]["interval"] == "step"
    decayed, rest = optimizer.param_groups
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.1, 0.0)
    assert all(parameter.ndim > 1 for parameter in decayed["params"])
    assert len(decayed["params"]) + len(rest["params"]) == len(list(module.parameters()))
    rates = []
    for _ in range(21):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[:5] == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01])
    assert rates[-1] == pytest.approx(0.005)


def test_the_state_of_the_default_module_is_that_of_old_checkpoints() -> None:
    golden = json.loads(GOLDEN.read_text())
    for name, gated in (("gated", True), ("dense", False)):
        module = EnhancementModule(ConvFSENet(gated=gated), FrameGrid())
        assert state_shapes(module) == {f"network.{key}": shape for key, shape in golden[name]["state"].items()}


def test_a_checkpoint_of_another_architecture_is_refused_before_it_is_loaded() -> None:
    module = make_module()
    module.on_load_checkpoint({"state_dict": make_module(target=0.5).state_dict()})
    with pytest.raises(CheckpointError, match=r"'network\.blocks\.0\.gate\.shift' is missing"):
        module.on_load_checkpoint({"state_dict": make_module(gated=False).state_dict()})


def test_a_compiled_network_does_not_synchronise_norms() -> None:
    network = ConvFSENet(residual_channels=4, channels=4, stacks=1)
    module = EnhancementModule(network, FrameGrid(), compile_network=True)
    module.check_devices(1)
    with pytest.raises(ValueError, match=r"model\.compile_network with 2 devices needs model\.sync_norms false"):
        module.check_devices(2)
    EnhancementModule(network, FrameGrid(), compile_network=True, sync_norms=False).check_devices(2)
