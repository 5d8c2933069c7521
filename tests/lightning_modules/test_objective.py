"""The parts of the enhancement loss: the default is the old loss, parts without weight are not computed, refusals."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch

from lightning_modules import objective
from lightning_modules.losses import compressed_spectral_loss, utilization_loss
from lightning_modules.objective import EnhancementObjective, MetricDiscriminatorSettings, ObjectiveSettings
from networks.complexity import mac_budget
from networks.framing import FrameGrid
from networks.stft import Stft
from tests.lightning_modules.test_enhancement import make_batch, make_module

STFT = Stft(FrameGrid(window_length=64, hop_length=32))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"complex_weight": 1.5}, r"model\.objective\.complex_weight must lie in \[0, 1\], got 1\.5"),
        ({"complex_weight": -0.1}, r"model\.objective\.complex_weight must lie in \[0, 1\], got -0\.1"),
        ({"compression": 0.0}, r"model\.objective\.compression must lie in \(0, 1\], got 0\.0"),
        ({"compression": 1.1}, r"model\.objective\.compression must lie in \(0, 1\], got 1\.1"),
        ({"si_sdr_weight": -1.0}, r"model\.objective\.si_sdr_weight must not be negative, got -1\.0"),
        ({"spectral_weight": 0.0}, r"model\.objective: one of spectral_weight, .* must be positive"),
        ({"multi_resolution_fft_sizes": (30,)}, r"\.multi_resolution_fft_sizes must be multiples of 4, got \[30\]"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ObjectiveSettings(**settings)


@pytest.mark.parametrize("name", ["weight", "learning_rate", "channels", "rated_per_batch", "processes"])
def test_settings_of_the_discriminator_are_positive(name: str) -> None:
    with pytest.raises(ValueError, match=rf"model\.objective\.metric_discriminator\.{name} must be positive, got 0"):
        MetricDiscriminatorSettings(**{name: 0})


@pytest.mark.parametrize("gated", [True, False])
def test_the_default_is_the_spectral_loss_alone_to_the_last_bit(logged: dict[str, float], gated: bool) -> None:
    batch = make_batch()

    def gradients(old: bool) -> list[torch.Tensor | None]:
        module = make_module(gated)
        if old:
            result = module(batch["noisy"])
            loss = compressed_spectral_loss(result.waveform, batch["clean"], batch["clean_rms"], module.stft, 0.3, 0.3)
            if gated:
                loss = loss + 10.0 * utilization_loss(result.channel_masks, 0.25, mac_budget(module.network))
        else:
            loss = module.training_step(batch, 0)
        loss.backward()
        return [loss.detach(), *(parameter.grad for parameter in module.parameters())]

    for new, expected in zip(gradients(old=False), gradients(old=True), strict=True):
        assert (new is None and expected is None) or torch.equal(new, expected)
    assert logged["train/enhancement_loss"] == logged["train/spectral_loss"]


def test_parts_are_logged_unweighted_beside_their_weighted_sum(logged: dict[str, float]) -> None:
    pytest.importorskip("auraloss")
    weights = {"spectral_weight": 0.5, "multi_resolution_weight": 2.0, "si_sdr_weight": 0.01}
    module = make_module(objective=ObjectiveSettings(multi_resolution_fft_sizes=(128, 256), **weights))
    module.training_step(make_batch(), 0)
    parts = [logged[f"train/{name.replace('_weight', '_loss')}"] for name in weights]
    assert len(set(parts)) == 3
    expected = sum(weight * part for weight, part in zip(weights.values(), parts, strict=True))
    assert logged["train/enhancement_loss"] == pytest.approx(expected, rel=1e-5)
    total = logged["train/enhancement_loss"] + 10 * logged["train/sparsity_loss"]
    assert logged["train/loss"] == pytest.approx(total, rel=1e-5)
    logged.clear()
    with torch.no_grad():
        module.validation_step(make_batch(), 0)
    assert {"val/spectral_loss", "val/multi_resolution_loss", "val/si_sdr_loss", "val/enhancement_loss"} <= set(logged)


@pytest.mark.parametrize("used", ["spectral_loss", "si_sdr_loss", "multi_resolution_loss"])
def test_a_part_without_weight_is_not_computed(used: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("auraloss")

    def refuse(*_: Any) -> torch.Tensor:
        raise AssertionError("computed")

    others = {"spectral_loss": "compressed_spectral_loss", "si_sdr_loss": "si_sdr_loss"}
    others["multi_resolution_loss"] = "MultiResolutionLoss"
    for name, function in others.items():
        if name != used:
            monkeypatch.setattr(objective, function, refuse)
    weights = {"spectral_weight": 0.0} | {used.replace("_loss", "_weight"): 1.0}
    settings = ObjectiveSettings(multi_resolution_fft_sizes=(128,), **weights)
    batch = make_batch()
    parts = EnhancementObjective(settings, STFT).parts(batch["noisy"], batch["clean"], batch["clean_rms"])
    assert set(parts) == {used}


def test_a_missing_package_is_named_with_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "auraloss", None)
    monkeypatch.setitem(sys.modules, "auraloss.freq", None)
    with pytest.raises(ValueError, match=r"model\.objective\.multi_resolution_weight .* auraloss"):
        make_module(objective=ObjectiveSettings(multi_resolution_weight=1.0))
    make_module(objective=ObjectiveSettings(multi_resolution_weight=0.0))
