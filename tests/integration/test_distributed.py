"""A training by two processes is that by one with the batches of both: losses, weights, masks, probes and files."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from callbacks import GateStatistics, GradientNorms, LoggingCost, MaskProbing, MixtureMedia, RunRecord, RunSummary
from callbacks.evaluation import EvaluationCallback
from lightning_modules.enhancement import SCORED_LOADER, EnhancementModule
from lightning_modules.interruption import SaveOnInterrupt
from lightning_modules.joint_probes import JointProbeSettings, JointTask
from lightning_modules.pruning import PruningSettings
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.gate_settings import GateSettings
from probes.deployment import ProbeBank
from probes.tasks import ProbeTask
from tests.datamodules.small_corpus import data_of, write_corpus
from tests.ranks import run_on_ranks

EPOCHS = 2
# The last batch of an epoch is smaller, and of two ranks one has a smaller one.
COUNTS = {"train_mixtures": 17, "valid_mixtures": 11, "probe_mixtures": 17}
JOINT = JointProbeSettings(
    (JointTask("vad", "binary"), JointTask("noise_class", "category", classes=3, pooled=True)), weight=0.5
)
TASKS = [ProbeTask("vad", "binary"), ProbeTask("snr_db", "value"), ProbeTask("noise_class", "category")]

# Limits that bind: a sample that depended on how rows are dealt out would give other scores.
FITTING: dict[str, Any] = {"frame_stride": 3, "logistic_rows": 100, "folds": 2, "interval_resamples": 10}
FITTING |= {"ridge_l2": [0.1, 1.0], "logistic_l2": [0.1]}


class PlainDescent(EnhancementModule):
    """Trains without Adam, which makes steps of full length out of the rounding errors of gradients that are zero."""

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.02)


class Witness(EvaluationCallback):
    """Keeps the masks of every scored mixture in the last validation."""

    def __init__(self) -> None:
        self.masks: dict[int, Any] = {}
        self.shown = 0

    def start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.masks, self.shown = {}, 0

    def collect(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, loader: int) -> None:
        if loader == SCORED_LOADER:
            self.shown += len(batch["index"])
            masks = outputs["enhancement"].channel_masks.bool().clone()
            self.masks |= dict(zip(batch["index"].tolist(), masks, strict=True))

    def finish(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None: ...


def train(folder: Path, corpus: Path, devices: int) -> dict[str, Any]:
    """Train a small network and return what this process can tell of it."""
    seed_everything(5, verbose=False)
    network = ConvFSENet(residual_channels=8, channels=12, stacks=1, gate=GateSettings(width=4, target_utilization=0.5))
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm1d):
            norm.momentum = 0.9  # else the masks of a validation after six steps would be empty
    pruning = PruningSettings(sparsity_scope="block", balance_weight=1.0)
    module = PlainDescent(network, FrameGrid(), pruning=pruning, joint_probes=JOINT)
    witness = Witness()
    callbacks: list[Callback] = [
        SaveOnInterrupt(),
        ModelCheckpoint(monitor="val/loss", filename="best"),
        ModelCheckpoint(filename="last", enable_version_counter=False),
        GradientNorms(),
        GateStatistics(),
        MaskProbing(TASKS, every_n_epochs=EPOCHS, figures=False, **FITTING),
        MixtureMedia([0, 5], figures=False),
        LoggingCost(),
        RunRecord(),
        RunSummary(),
        witness,
    ]
    trainer = Trainer(
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        max_epochs=EPOCHS,
        logger=CSVLogger(folder, name="run"),
        callbacks=callbacks,
        default_root_dir=folder,
        log_every_n_steps=1,
        num_sanity_val_steps=1,
        gradient_clip_val=1.0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule=data_of(corpus, **COUNTS, batch_size=6 // devices))
    return {
        "state": module.state_dict(),
        "metrics": {name: float(value) for name, value in trainer.callback_metrics.items()},
        "masks": witness.masks,
        "shown": witness.shown,
    }


def on_rank(rank: int, folder: Path, corpus: Path) -> dict[str, Any]:
    """Train as one of two processes that torchrun would have started."""
    os.environ |= {"WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0"}
    os.environ |= {"LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "test", "MASTER_ADDR": "x", "MASTER_PORT": "1"}
    return train(folder, corpus, devices=2)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: tmp_path_factory.mktemp(name) for name in ("corpus", "alone", "together", "ranks")}


@pytest.fixture(scope="module")
def ranks(folders: dict[str, Path]) -> list[dict[str, Any]]:
    """What both processes tell; started first, while nothing of Lightning has run here."""
    return run_on_ranks(on_rank, folders["ranks"], folders["together"], write_corpus(folders["corpus"]))


@pytest.fixture(scope="module")
def alone(folders: dict[str, Path], ranks: list[dict[str, Any]]) -> dict[str, Any]:
    return train(folders["alone"], folders["corpus"], devices=1)


def steps(folder: Path) -> list[dict[str, float]]:
    """Return what was logged in training steps."""
    with (folder / "run" / "version_0" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        {name: float(value) for name, value in row.items() if name.startswith("train/") and value}
        for row in rows
        if row["train/loss"]
    ]


@pytest.mark.slow
def test_steps_are_those_of_one_process(
    alone: dict[str, Any], ranks: list[dict[str, Any]], folders: dict[str, Path]
) -> None:
    expected, found = steps(folders["alone"]), steps(folders["together"])
    assert len(expected) == len(found) == 3 * EPOCHS
    assert {"train/loss", "train/sparsity_loss", "train/balance_loss", "train/joint_vad_loss"} <= set(expected[0])
    for one, other in zip(expected, found, strict=True):
        # gradients are small differences of large numbers: those before the norms above all
        for name, value in one.items():
            assert other[name] == pytest.approx(value, rel=5e-3 if "gradient" in name else 1e-5, abs=1e-7), name
    assert len({step["train/loss"] for step in found}) == len(found)


@pytest.mark.slow
def test_weights_and_running_statistics_are_those_of_one_process(
    alone: dict[str, Any], ranks: list[dict[str, Any]]
) -> None:
    for name, expected in alone["state"].items():
        assert torch.equal(ranks[0]["state"][name], ranks[1]["state"][name]), name
        torch.testing.assert_close(ranks[0]["state"][name], expected, rtol=1e-4, atol=5e-5, msg=name)
    assert alone["state"]["network.blocks.0.expand_norm.num_batches_tracked"] == 3 * EPOCHS


@pytest.mark.slow
def test_every_scored_mixture_is_on_one_rank_and_has_the_same_masks(
    alone: dict[str, Any], ranks: list[dict[str, Any]]
) -> None:
    assert [rank["shown"] for rank in ranks] == [6, 5]
    together = ranks[0]["masks"] | ranks[1]["masks"]
    assert sorted(together) == sorted(alone["masks"]) == list(range(COUNTS["valid_mixtures"]))
    differing = [(together[index] != masks).float().mean() for index, masks in alone["masks"].items()]
    assert max(differing) < 1e-3
    assert 0.1 < torch.stack(list(together.values())).float().mean() < 0.9


@pytest.mark.slow
def test_scores_are_those_of_one_process_on_every_rank(alone: dict[str, Any], ranks: list[dict[str, Any]]) -> None:
    def compared(metrics: dict[str, float]) -> dict[str, float]:
        timed = ("seconds", "share_of_epoch", "logging_share")
        return {name: value for name, value in metrics.items() if not name.endswith(timed)}

    expected = compared(alone["metrics"])
    assert {"val/loss", "gates/utilization", "cost/macs_per_frame_p95", "gates/near_threshold"} <= set(expected)
    assert {"probes/vad/balanced_accuracy", "controls/log_magnitude/snr_db/r2"} <= set(expected)
    for rank in ranks:
        assert compared(rank["metrics"]) == pytest.approx(expected, rel=1e-3, abs=1e-3, nan_ok=True)


@pytest.mark.slow
def test_only_the_first_rank_writes(
    alone: dict[str, Any], ranks: list[dict[str, Any]], folders: dict[str, Path]
) -> None:
    def files(folder: Path) -> list[str]:
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    assert files(folders["together"]) == files(folders["alone"]), "in one folder, each once"
    one, other = (folders[name] / "run" / "version_0" for name in ("alone", "together"))
    counts = [json.loads((run / "summary.json").read_text())["metrics"] for run in (one, other)]
    assert set(counts[0]) == set(counts[1])
    tables = [list(csv.DictReader((run / "tables" / "probes.csv").open())) for run in (one, other)]
    assert [row["utterances"] for row in tables[0]] == [row["utterances"] for row in tables[1]]
    banks = [ProbeBank.load(run / "checkpoints" / "last.probes.safetensors") for run in (one, other)]
    assert banks[0].probes["noise_class"].classes == banks[1].probes["noise_class"].classes == ("hum", "rain", "wind")
    checkpoints = [torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (one, other)]
    assert list(checkpoints[0]["state_dict"]) == list(checkpoints[1]["state_dict"])
    assert checkpoints[1]["global_step"] == 3 * EPOCHS
