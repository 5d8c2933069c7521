"""Steps without a finite loss and gradients leave no trace but a count, and too many of them end the training."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from lightning_modules.enhancement import EnhancementModule
from lightning_modules.joint_probes import JointProbeSettings, JointTask
from lightning_modules.nonfinite import NonfiniteError, NonfiniteGuard
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.gate_settings import GateSettings
from tests.ranks import run_on_ranks

GRID = FrameGrid(window_length=64, hop_length=32)
SAMPLES = 640


def small_module(**settings: Any) -> EnhancementModule:
    torch.manual_seed(0)
    gate = GateSettings(width=4)
    network = ConvFSENet(GRID.num_frequencies, residual_channels=8, channels=8, stacks=1, gated=True, gate=gate)
    return EnhancementModule(network, GRID, warmup_steps=0, final_learning_rate_share=1.0, **settings)


def batches(count: int, planted: dict[int, float]) -> list[dict[str, Any]]:
    """Return batches of noise; one that is planted has a value in its first sample."""
    generator = torch.Generator().manual_seed(1)
    made: list[dict[str, Any]] = []
    for number in range(count):
        clean = 0.1 * torch.randn(2, SAMPLES, generator=generator)
        noisy = clean + 0.1 * torch.randn(2, SAMPLES, generator=generator)
        if number in planted:
            noisy[0, 0] = planted[number]
        vad = torch.ones(2, GRID.num_frames(SAMPLES))
        made.append({"noisy": noisy, "clean": clean, "clean_rms": torch.full((2,), 0.1), "targets": {"vad": vad}})
    return made


class Watch(Callback):
    """Notes the state after every step, and plants infinite gradients."""

    def __init__(self, infinite_at: tuple[int, ...] = ()) -> None:
        self.states: list[dict[str, Tensor]] = []
        self.moments: list[Tensor] = []
        self.infinite_at = infinite_at

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step in self.infinite_at:
            next(pl_module.parameters()).grad[...] = torch.inf  # type: ignore[index]

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.states.append({name: value.clone() for name, value in pl_module.state_dict().items()})
        state = trainer.optimizers[0].state_dict()["state"]
        self.moments.append(
            torch.cat([one[key].flatten() for one in state.values() for key in sorted(one)] or [torch.zeros(0)])
        )


def train(
    folder: Path, data: list[dict[str, Any]], watch: Watch, module: EnhancementModule, **arguments: Any
) -> Trainer:
    trainer = Trainer(
        **{"max_epochs": 1, "accelerator": "cpu", "gradient_clip_val": 1.0, "enable_checkpointing": False, **arguments},
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[watch],
        default_root_dir=folder,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(module, DataLoader(data, batch_size=None))
    return trainer


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in other)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e30])
@pytest.mark.parametrize("joint", [False, True])
def test_a_planted_batch_changes_nothing(tmp_path: Path, value: float, joint: bool) -> None:
    settings = JointProbeSettings(tasks=[JointTask("vad", "binary")]) if joint else None
    watch = Watch()
    trainer = train(tmp_path, batches(5, {2: value}), watch, small_module(joint_probes=settings))
    assert same(watch.states[2], watch.states[1])
    assert torch.equal(watch.moments[2], watch.moments[1])
    assert any("running_mean" in name for name in watch.states[0])
    for before, after in ((0, 1), (2, 3), (3, 4)):
        assert not same(watch.states[after], watch.states[before])
        assert not torch.equal(watch.moments[after], watch.moments[before])
    assert all(value.isfinite().all() for value in watch.states[-1].values())
    assert trainer.callback_metrics["train/nonfinite_steps"] == 1
    # the schedule and the count of steps go by batches
    assert trainer.global_step == 5 == trainer.lr_scheduler_configs[0].scheduler.last_epoch  # type: ignore[union-attr]


def test_without_the_guard_a_planted_batch_ruins_statistics_and_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NonfiniteGuard, "skips", lambda self, parameters: False)
    watch = Watch()
    train(tmp_path, batches(4, {2: torch.nan}), watch, small_module())
    assert not all(value.isfinite().all() for name, value in watch.states[-1].items() if "running" in name)
    assert not all(value.isfinite().all() for name, value in watch.states[-1].items() if "weight" in name)


def test_the_steps_after_are_those_of_a_training_without_the_batch(tmp_path: Path) -> None:
    data = batches(5, {2: torch.nan})
    watch, other = Watch(), Watch()
    train(tmp_path, data, watch, small_module())
    train(tmp_path, data[:2] + data[3:], other, small_module())
    assert same(watch.states[-1], other.states[-1])


def test_infinite_gradients_of_a_finite_loss_are_skipped(tmp_path: Path) -> None:
    watch = Watch(infinite_at=(1, 2))
    trainer = train(tmp_path, batches(4, {}), watch, small_module())
    assert same(watch.states[1], watch.states[0]) and same(watch.states[2], watch.states[0])
    assert not same(watch.states[3], watch.states[2])
    assert trainer.callback_metrics["train/nonfinite_steps"] == 2


def test_a_step_of_several_batches_is_skipped_as_one(tmp_path: Path) -> None:
    watch = Watch()
    train(tmp_path, batches(6, {2: torch.nan}), watch, small_module(), accumulate_grad_batches=2)
    assert same(watch.states[3], watch.states[1])
    assert not same(watch.states[5], watch.states[3])
    assert all(value.isfinite().all() for value in watch.states[-1].values())


def test_too_many_in_a_row_end_the_training_with_the_batch_in_a_file(tmp_path: Path) -> None:
    watch = Watch()
    data = batches(9, dict.fromkeys((0, 1, 3, 4, 5, 6), torch.nan))
    module = small_module(max_nonfinite_steps=3)
    with pytest.raises(NonfiniteError, match=r"3 steps in a row .*last was step 5; the batch itself .*noisy: 1 of"):
        train(tmp_path, data, watch, module)
    path = tmp_path / "nonfinite_step_5.safetensors"
    stored = safetensors.torch.load_file(path)
    assert set(stored) == {"noisy", "clean", "clean_rms", "targets.vad"}
    assert torch.equal(stored["noisy"].nan_to_num(), data[5]["noisy"].nan_to_num()) and stored["noisy"][0, 0].isnan()
    assert all(value.isfinite().all() for value in module.state_dict().values())


def test_a_finite_batch_is_not_blamed(tmp_path: Path) -> None:
    with pytest.raises(NonfiniteError, match=r"the batch is finite: a lower model\.learning_rate"):
        train(tmp_path, batches(3, {}), Watch(infinite_at=(1,)), small_module(max_nonfinite_steps=1))


def test_the_count_goes_on_in_a_resumed_training(tmp_path: Path) -> None:
    data, module = batches(4, {1: torch.nan, 3: torch.nan}), small_module()
    trainer = train(tmp_path, data, Watch(), module)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    checkpoint = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert checkpoint["nonfinite_steps"] == {"count": 2, "in_a_row": 1}
    other = small_module()
    other.on_load_checkpoint(checkpoint)
    assert (other._nonfinite.count, other._nonfinite.in_a_row) == (2, 1)
    del checkpoint["nonfinite_steps"]
    small_module().on_load_checkpoint(checkpoint)  # of an earlier version


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.max_nonfinite_steps must be positive, got 0"):
        small_module(max_nonfinite_steps=0)


def _skips(rank: int) -> tuple[bool, bool]:
    """Return whether a step is skipped that is not finite on the second rank, and one that is finite on both."""
    norm = torch.nn.BatchNorm1d(2)
    guard = NonfiniteGuard(norm, most=5)
    skipped = []
    for second in (torch.nan, 1.0):
        guard.begin()
        guard.watch(torch.tensor(second if rank == 1 else 1.0))
        skipped.append(guard.skips(norm.parameters()))
    return skipped[0], skipped[1]


def test_a_step_that_is_not_finite_on_one_rank_is_skipped_on_all(tmp_path: Path) -> None:
    assert run_on_ranks(_skips, tmp_path) == [(True, False), (True, False)]
