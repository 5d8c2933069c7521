"""Gradient norms, margins of the gates, fixed mixtures and kept probes, on stand-ins for a trainer."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn

from callbacks import GradientNorms, LoggingCost, MixtureMedia
from callbacks.gradient_norms import network_parts
from callbacks.probe_files import BEST, LAST, ProbeFiles
from lightning_modules.enhancement import EnhancementModule
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.gate_health import gate_margins
from networks.gate_settings import GateSettings
from networks.mask_statistics import count_switches
from probes.deployment import ProbeBank


class Logged(EnhancementModule):
    """A module that keeps what is logged."""

    def __init__(self, gated: bool = True) -> None:
        network = ConvFSENet(residual_channels=8, channels=6, stacks=1, gated=gated, gate=GateSettings(width=4))
        super().__init__(network, FrameGrid())
        self.logged: dict[str, float] = {}

    def log_dict(self, dictionary: Any, *_: Any, **__: Any) -> None:
        self.logged |= {name: float(value) for name, value in dictionary.items()}


def trainer(folder: Path, **state: Any) -> Any:
    fields = {"log_dir": str(folder), "sanity_checking": False, "is_global_zero": True, "loggers": []}
    fields |= {"global_step": 0, "current_epoch": 0, "max_epochs": 1, "log_every_n_steps": 1, "callbacks": []}
    fields |= {"precision_plugin": SimpleNamespace(forward_context=contextlib.nullcontext)}
    return SimpleNamespace(**fields | {"state": SimpleNamespace(fn=TrainerFn.FITTING)} | state)


def test_gradient_norms_are_those_of_the_parts(tmp_path: Path) -> None:
    module, callback = Logged(), GradientNorms()
    callback.on_fit_start(trainer(tmp_path), module)
    module(torch.randn(2, 4096)).waveform.square().sum().backward()
    callback.on_before_optimizer_step(trainer(tmp_path), module, None)  # type: ignore[arg-type]
    gradients = [one.grad.flatten() for one in module.parameters() if one.grad is not None]
    assert module.logged["train/gradient_norm"] == pytest.approx(float(torch.cat(gradients).norm()), rel=1e-4)
    names = {name for name in module.logged if name != "train/gradient_norm"}
    assert names == {f"train/gradient_norm/{part}" for part in ("frontend", "blocks", "gates", "backend")}
    squares = sum(module.logged[name] ** 2 for name in names)
    assert math.sqrt(squares) == pytest.approx(module.logged["train/gradient_norm"], rel=1e-4)


def test_every_trained_parameter_is_in_one_part() -> None:
    module = Logged()
    ids = [id(parameter) for parameters in network_parts(module).values() for parameter in parameters]
    assert sorted(ids) == sorted(id(parameter) for parameter in module.parameters())
    assert set(network_parts(Logged(gated=False))) == {"frontend", "blocks", "backend"}


def test_gradient_norms_are_logged_with_the_other_numbers_of_a_step(tmp_path: Path) -> None:
    module, callback = Logged(), GradientNorms()
    callback.on_fit_start(trainer(tmp_path), module)
    for step, due in ((0, False), (9, True), (10, False)):
        module.logged.clear()
        state = trainer(tmp_path, global_step=step, log_every_n_steps=10)
        callback.on_before_optimizer_step(state, module, None)  # type: ignore[arg-type]
        assert bool(module.logged) == due
    with pytest.raises(ValueError, match="every_n_steps"):
        GradientNorms(every_n_steps=0)


def test_margins_are_in_standard_deviations_of_a_block() -> None:
    logits = torch.randn(2, 3, 6, 4000, generator=torch.Generator().manual_seed(0))
    logits[:, 1] *= 5  # another scale is another block's own
    margins = gate_margins(logits, torch.tensor([0.0, 0.0, 1.0]))
    assert margins is not None
    assert margins.quantiles[:, 2].tolist() == pytest.approx([0.0, 0.0, -1.0], abs=0.05)
    assert margins.quantiles[:, 4].tolist() == pytest.approx([1.645, 1.645, 0.645], abs=0.05)
    assert margins.near.tolist() == pytest.approx([0.0797, 0.0797, 0.0484], abs=0.006)
    assert gate_margins(logits, torch.full((3,), -math.inf)) is None  # held open
    with pytest.raises(ValueError, match="thresholds"):
        gate_margins(logits, torch.zeros(2))


def test_switches_are_counted_within_utterances() -> None:
    masks = torch.tensor([[0, 1, 1, 0], [1, 1, 1, 1]]).reshape(2, 1, 1, 4)
    assert count_switches(masks).tolist() == [[2]]


def show(folder: Path, callback: MixtureMedia, module: Logged, **state: Any) -> None:
    run = trainer(folder, **state)
    callback.on_validation_epoch_start(run, module)
    for start in (0, 2):
        noisy = 0.1 * torch.randn(2, 8192, generator=torch.Generator().manual_seed(start))
        batch = {"index": torch.tensor([start, start + 1]), "noisy": noisy, "clean": noisy / 2}
        for loader in (1, 0):  # mixtures that probes are fitted on have the same positions
            with torch.no_grad():
                outputs = {"enhancement": module(noisy if loader == 0 else 0 * noisy)}
            callback.on_validation_batch_end(run, module, outputs, batch, start, loader)
    callback.on_validation_epoch_end(run, module)


def test_fixed_mixtures_are_shown_every_n_epochs_and_their_margins_every_time(tmp_path: Path) -> None:
    module, callback = Logged().eval(), MixtureMedia([1, 2, 9], every_n_epochs=2)
    show(tmp_path, callback, module, max_epochs=9)
    assert not list(tmp_path.iterdir())
    assert {"gates/margin/p05", "gates/margin/p50", "gates/margin/p95", "gates/near_threshold"} <= set(module.logged)
    show(tmp_path, callback, module, max_epochs=9, current_epoch=1)
    sounds = {f"{signal}_{name}.wav" for signal in ("noisy", "enhanced", "clean") for name in ("001", "002")}
    assert {path.name for path in (tmp_path / "audio").iterdir()} == sounds  # the corpus has no tenth mixture
    pictures = {f"{key}_{name}.png" for key in ("spectrograms", "channel_masks") for name in ("001", "002")}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == pictures | {"gate_margins.png"}
    assert callback.logging_seconds > 0


def test_a_dense_network_is_heard_but_has_no_gates(tmp_path: Path) -> None:
    module = Logged(gated=False).eval()
    show(tmp_path, MixtureMedia([0], figures=False), module)
    assert module.logged == {}
    assert len(list((tmp_path / "audio").iterdir())) == 3
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize("mixtures", [[-1], [0, 0]])
def test_positions_are_checked(mixtures: list[int]) -> None:
    with pytest.raises(ValueError, match="mixtures"):
        MixtureMedia(mixtures)


def test_the_cost_of_logging_is_a_share_of_the_time_between_validations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 20.0, 30.0])
    monkeypatch.setattr("callbacks.logging_time.time.perf_counter", lambda: next(clock))
    module, timed, cost = Logged(), GradientNorms(), LoggingCost()
    run = trainer(tmp_path, callbacks=[timed, cost])
    cost.on_validation_epoch_end(run, module)  # a validation by itself
    assert module.logged == {}
    cost.on_train_start(run, module)
    timed.logging_seconds = 0.5
    cost.on_validation_epoch_end(run, module)
    assert module.logged == {"cost/logging_seconds": 0.5, "cost/logging_share": 0.05}
    cost.on_validation_epoch_end(run, module)
    assert module.logged == {"cost/logging_seconds": 0.0, "cost/logging_share": 0.0}


def bank(step: int) -> ProbeBank:
    return ProbeBank({}, 1, 1, 0.016, {"step": str(step)})


def test_probes_are_kept_with_the_checkpoint_that_they_belong_to(tmp_path: Path) -> None:
    checkpoint = ModelCheckpoint(monitor="val/loss")
    run, files = SimpleNamespace(checkpoint_callbacks=[checkpoint]), ProbeFiles()
    checkpoint.best_model_score = torch.tensor(0.9)  # of the training that this one resumes
    files.begin(run)  # type: ignore[arg-type]
    kept = []
    for step, score, probed in ((1, 0.9, True), (2, 0.5, True), (3, 0.5, True), (4, 0.4, False), (5, 0.3, True)):
        files.write(bank(step) if probed else None, tmp_path)
        checkpoint.best_model_score = torch.tensor(score)  # saved after the validation
        files.settle(run, tmp_path)  # type: ignore[arg-type]
        found = [path for path in (tmp_path / BEST, tmp_path / LAST) if path.is_file()]
        kept.append({path.name: ProbeBank.load(path).provenance["step"] for path in found})
    assert kept == [{LAST: "1"}, {BEST: "2", LAST: "2"}, {BEST: "2", LAST: "3"}, {}, {BEST: "5", LAST: "5"}]
