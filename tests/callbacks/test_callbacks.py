"""Callbacks on a planted signal: what they log is what the masks hold."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.trainer.states import TrainerFn

from callbacks import GateStatistics, MaskProbing
from callbacks.run_summary import reached_end
from lightning_modules.enhancement import Enhancement, EnhancementModule
from networks.complexity import mac_budget, weight_budget
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.gate_settings import GateSettings
from networks.mask_statistics import count_runs
from probes.deployment import ProbeBank
from probes.tasks import ProbeTask

FRAMES, SAMPLES = 51, 50 * 256


class Logged(EnhancementModule):
    """A module that keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(ConvFSENet(residual_channels=8, channels=6, stacks=1, gate=GateSettings(width=4)), FrameGrid())
        self.logged: dict[str, float] = {}

    def log_dict(self, dictionary: Any, *_: Any, **__: Any) -> None:
        self.logged |= {name: float(value) for name, value in dictionary.items()}


def trainer(folder: Path, **state: Any) -> Any:
    """Return what the callbacks read of a trainer in the last epoch of a training."""
    fields = {
        "sanity_checking": False,
        "current_epoch": 0,
        "max_epochs": 1,
        "state": SimpleNamespace(fn=TrainerFn.FITTING),
        "is_global_zero": True,
        "log_dir": str(folder),
        "loggers": [],
        "checkpoint_callbacks": [],
        "global_step": 0,
    }
    return SimpleNamespace(**fields | state)


def batch(generator: torch.Generator, planted: bool, first: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a step's output and batch; channel 2 of block 1 tells the voice activity if planted."""
    vad = (torch.rand(4, FRAMES, generator=generator) > 0.4).float()
    masks = (torch.rand(4, 3, 6, FRAMES, generator=generator) > 0.5).float()
    masks[:, 0, 0] = 1.0
    masks[:, 0, 1] = 0.0
    if planted:
        masks[:, 1, 2] = vad
    spectrum = torch.randn(4, 257, FRAMES, dtype=torch.complex64, generator=generator)
    waveform = torch.randn(4, SAMPLES, generator=generator) * 0.1
    outputs = {"enhancement": Enhancement(waveform, spectrum, spectrum, masks)}
    targets = {"vad": vad, "level": vad.mean(dim=1)}
    return outputs, {"index": first + torch.arange(4), "noisy": waveform, "clean": waveform, "targets": targets}


def probe(folder: Path, planted: bool) -> dict[str, float]:
    """Run the probing callback through one validation."""
    module, generator = Logged(), torch.Generator().manual_seed(0)
    callback = MaskProbing([ProbeTask("vad", "binary")], frame_stride=1, logistic_rows=2000)
    run = trainer(folder)
    callback.on_validation_epoch_start(run, module)
    for loader, batches in ((0, 4), (1, 8)):
        for number in range(batches):
            outputs, data = batch(generator, planted, first=4 * number)
            callback.on_validation_batch_end(run, module, outputs, data, number, loader)
    callback.on_validation_epoch_end(run, module)
    return module.logged


def test_probing_finds_a_planted_channel_and_nothing_else(tmp_path: Path) -> None:
    found = probe(tmp_path, planted=True)
    assert found["probes/vad/balanced_accuracy"] > 0.99
    assert found["probes/vad/balanced_accuracy_shuffled"] < 0.6
    assert found["controls/log_magnitude/vad/balanced_accuracy"] < 0.6
    assert found["probes/vad/constant_features"] == 2
    assert 0 < found["cost/probing_share_of_epoch"] <= 1
    assert (tmp_path / "figures" / "overview.png").is_file()
    with (tmp_path / "tables" / "probes.csv").open(newline="") as file:
        table = {(row["features"], row["metric"]): row for row in csv.DictReader(file)}
    row = table["masks", "balanced_accuracy"]
    assert float(row["low"]) <= float(row["score"]) <= float(row["high"])
    assert float(row["score"]) == pytest.approx(found["probes/vad/balanced_accuracy"])
    assert float(row["chance"]) == 0.5
    assert row["utterances"] == "16"
    assert {features for features, _ in table} == {"masks", "log_magnitude", "log_energy"}
    bank = ProbeBank.load(tmp_path / "checkpoints" / "last.probes.safetensors")
    assert (bank.blocks, bank.channels, set(bank.probes)) == (3, 6, {"vad"})
    outputs, data = batch(torch.Generator().manual_seed(9), planted=True)
    masks = outputs["enhancement"].channel_masks[0].reshape(18, FRAMES).T.bool().numpy()
    answers = bank.probes["vad"].predict(masks) > bank.probes["vad"].threshold
    assert (answers == data["targets"]["vad"][0].bool().numpy()).mean() > 0.98
    assert abs(probe(tmp_path, planted=False)["probes/vad/balanced_accuracy"] - 0.5) < 0.1


@pytest.mark.parametrize(
    ("every", "state", "drawn"),
    [
        (2, {"current_epoch": 1, "max_epochs": 9}, True),
        (2, {"current_epoch": 2, "max_epochs": 9}, False),
        (2, {"current_epoch": 8, "max_epochs": 9}, True),
        (None, {"current_epoch": 8, "max_epochs": 9}, False),
    ],
)
def test_details_are_drawn_every_n_epochs_and_in_the_last(
    every: int | None, state: dict[str, Any], drawn: bool, tmp_path: Path
) -> None:
    module, generator = Logged(), torch.Generator().manual_seed(0)
    tasks = [ProbeTask("vad", "binary"), ProbeTask("noise_class", "category", per_utterance=True)]
    callback = MaskProbing(tasks, controls=False, logistic_rows=500, details_every_n_epochs=every, embedding_frames=40)
    run = trainer(tmp_path, **state)
    callback.on_validation_epoch_start(run, module)
    for loader in (0, 1):
        outputs, data = batch(generator, True)
        data["targets"]["noise_class"] = torch.tensor([0.0, 1.0, 0.0, 1.0])
        data["mixture"] = {"noise_class": ["rain", "wind", "rain", "wind"]}
        callback.on_validation_batch_end(run, module, outputs, data, 0, loader)
    callback.on_validation_epoch_end(run, module)
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    details = {"scores", "calibration", "confusion_noise_class", "coefficients", "embedding"}
    assert names == {"overview"} | (details if drawn else set())
    assert callback._class_names == {"noise_class": {0: "rain", 1: "wind"}}


@pytest.mark.parametrize(
    ("state", "due"),
    [
        ({"sanity_checking": True}, False),
        ({"current_epoch": 0, "max_epochs": 9}, False),
        ({"current_epoch": 2, "max_epochs": 9}, True),
        ({"current_epoch": 7, "max_epochs": 8}, True),
        ({"current_epoch": 0, "max_epochs": 9, "state": SimpleNamespace(fn=TrainerFn.VALIDATING)}, True),
    ],
)
def test_probing_is_due_every_n_epochs_and_in_the_last(state: dict[str, Any], due: bool, tmp_path: Path) -> None:
    module, generator = Logged(), torch.Generator().manual_seed(0)
    callback = MaskProbing([ProbeTask("vad", "binary")], every_n_epochs=3, figures=False)
    run = trainer(tmp_path, **state)
    callback.on_validation_epoch_start(run, module)
    for loader in (0, 1):
        callback.on_validation_batch_end(run, module, *batch(generator, True), 0, loader)
    callback.on_validation_epoch_end(run, module)
    assert ("probes/vad/accuracy" in module.logged) == due


def test_gate_statistics_count_what_the_masks_hold(tmp_path: Path) -> None:
    module, generator = Logged(), torch.Generator().manual_seed(1)
    callback = GateStatistics()
    callback.on_validation_epoch_start(trainer(tmp_path), module)
    masks = []
    for number in range(3):
        outputs, data = batch(generator, planted=False)
        masks.append(outputs["enhancement"].channel_masks)
        callback.on_validation_batch_end(trainer(tmp_path), module, outputs, data, number, 0)
    callback.on_validation_batch_end(trainer(tmp_path), module, *batch(generator, True), 0, 1)  # not scored
    callback.on_validation_epoch_end(trainer(tmp_path), module)
    every = torch.cat(masks)
    budget = mac_budget(module.network)
    macs = budget.fixed + budget.gates + budget.per_channel * every.sum(dim=(1, 2)).flatten()
    assert module.logged["gates/utilization"] == pytest.approx(float(every.mean()))
    assert module.logged["gates/utilization/block01"] == pytest.approx(float(every[:, 1].mean()))
    weights = weight_budget(module.network)
    read = weights.fixed + weights.gates + weights.per_channel * every.sum(dim=(1, 2)).flatten()
    assert module.logged["cost/weight_bytes_per_frame"] == pytest.approx(4 * float(read.mean()))
    assert module.logged["cost/weight_bytes_per_frame_dense"] == 4 * weights.dense
    assert module.logged["gates/dwell_on_frames"] == pytest.approx(count_runs(every).dwell_on)
    switches = every[..., 1:] != every[..., :-1]
    assert module.logged["gates/switch_rate"] == pytest.approx(float(switches.float().mean()))
    assert module.logged["gates/switch_rate/block02"] == pytest.approx(float(switches[:, 2].float().mean()))
    assert module.logged["gates/constant/block00"] == pytest.approx(2 / 6)
    assert module.logged["gates/constant/block01"] == 0
    assert module.logged["gates/always_on"] == pytest.approx(1 / 18)
    assert module.logged["gates/always_off"] == pytest.approx(1 / 18)
    assert module.logged["cost/macs_per_frame"] == pytest.approx(float(macs.mean()))
    assert module.logged["cost/macs_per_frame_p95"] == pytest.approx(float(macs.quantile(0.95)))


@pytest.mark.parametrize("name", ["every_n_epochs", "frame_stride", "logistic_rows", "details_every_n_epochs"])
def test_probing_refuses_numbers_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        MaskProbing([ProbeTask("vad", "binary")], **{name: 0})


@pytest.mark.parametrize("name", ["embedding_frames", "interval_resamples"])
def test_probing_takes_zero_for_what_can_be_left_out(name: str) -> None:
    MaskProbing([ProbeTask("vad", "binary")], **{name: 0})
    with pytest.raises(ValueError, match=name):
        MaskProbing([ProbeTask("vad", "binary")], **{name: -1})


def test_a_network_without_gates_is_not_probed_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    module = Logged()
    module.network.gated = False
    callback, generator = MaskProbing([ProbeTask("vad", "binary")], frame_stride=1), torch.Generator().manual_seed(0)
    with caplog.at_level("INFO"):
        for _ in range(2):
            callback.on_validation_epoch_start(trainer(tmp_path), module)
            for loader in (0, 1):
                callback.on_validation_batch_end(trainer(tmp_path), module, *batch(generator, True), 0, loader)
            callback.on_validation_epoch_end(trainer(tmp_path), module)
    assert module.logged == {}
    assert not (tmp_path / "figures").exists()
    assert [record.message for record in caplog.records if "network.gated is false" in record.message] != []
    assert sum("MaskProbing" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize(
    ("state", "reached"),
    [
        ({"max_epochs": 3, "current_epoch": 3}, True),
        ({"max_epochs": 3, "current_epoch": 2}, False),  # ended by a limit of time
        ({"max_epochs": -1, "max_steps": 10, "global_step": 10}, True),
        ({"max_epochs": 3, "current_epoch": 1, "max_steps": 10, "global_step": 9}, False),
        ({"max_epochs": None, "current_epoch": 9}, False),
        ({"max_epochs": 9, "early_stopping_callbacks": [SimpleNamespace(stopped_epoch=4)]}, True),
        ({"max_epochs": 9, "early_stopping_callbacks": [SimpleNamespace(stopped_epoch=0)]}, False),
    ],
)
def test_a_training_has_reached_its_end_at_its_last_epoch_or_step(
    state: dict[str, Any], reached: bool, tmp_path: Path
) -> None:
    assert reached_end(trainer(tmp_path, **{"max_steps": -1, "early_stopping_callbacks": [], **state})) == reached
