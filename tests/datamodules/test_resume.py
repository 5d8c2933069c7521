"""A training that was stopped anywhere and goes on is the training that was not stopped."""

from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from datamodules.enhancement_data import EnhancementDataModule
from datamodules.shards.settings import ShardSettings
from lightning_modules.enhancement import EnhancementModule
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.gate_settings import GateSettings
from tests.datamodules.small_corpus import data_of, write_corpus, write_sharded

GRID = FrameGrid()
EPOCHS, BATCHES = 3, 3  # 8 mixtures in batches of 3


class Journal(Callback):
    """Notes the loss of every step with what was shown."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, tuple[int, ...], float]] = []
        self.validations = 0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        content = float(batch["noisy"].double().square().sum())
        self.steps.append((float(outputs["loss"]), tuple(batch["index"].tolist()), content))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.validations += 1


def small_module() -> EnhancementModule:
    torch.manual_seed(0)
    network = ConvFSENet(
        GRID.num_frequencies, residual_channels=8, channels=8, stacks=1, gated=True, gate=GateSettings(width=4)
    )
    # The learning rate is constant: its schedule depends on max_steps, the data must not.
    return EnhancementModule(network, GRID, warmup_steps=0, final_learning_rate_share=1.0)


def train(
    folder: Path, data: EnhancementDataModule, ckpt: Path | None = None, keep: bool = False, **arguments: Any
) -> tuple[Journal, Trainer]:
    journal = Journal()
    kept = [ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)] if keep else []
    trainer = Trainer(
        accelerator="cpu",
        callbacks=[journal, *kept],
        logger=False,
        enable_checkpointing=keep,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
        **{"max_epochs": EPOCHS, **arguments},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message=".*not resumable.*")
        trainer.fit(small_module(), datamodule=data, ckpt_path=ckpt)
    return journal, trainer


@pytest.fixture(scope="module", params=["loose", "shards"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    return write_corpus(folder / "corpus") if request.param == "loose" else write_sharded(folder)


def short_blocks(root: Path, **arguments: Any) -> EnhancementDataModule:
    return data_of(root, shards=ShardSettings(block_mixtures=4), **arguments)


@pytest.fixture(scope="module")
def whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Journal]:
    folder = tmp_path_factory.mktemp("whole")
    journal, _ = train(folder, short_blocks(root), keep=True)
    assert len(journal.steps) == EPOCHS * BATCHES
    assert len({content for _, _, content in journal.steps}) == EPOCHS * BATCHES
    return folder, journal


@pytest.mark.parametrize(("step", "workers"), [(1, 0), (3, 0), (4, 0), (5, 0), (4, 2), (6, 2)])
def test_a_checkpoint_of_any_step_goes_on_with_the_next(
    root: Path, whole: tuple[Path, Journal], tmp_path: Path, step: int, workers: int
) -> None:
    folder, journal = whole
    rest, trainer = train(tmp_path, short_blocks(root, num_workers=workers), ckpt=folder / f"step={step}.ckpt")
    assert rest.steps == journal.steps[step:]
    assert trainer.current_epoch == EPOCHS
    state = torch.load(folder / f"step={step}.ckpt", weights_only=True)["EnhancementDataModule"]
    assert (state["next_epoch"], state["next_batch"]) == divmod(step, BATCHES)


@pytest.mark.parametrize("stops", [(3, 6, 7), (2, 3, 5)])
def test_a_run_that_is_stopped_again_goes_on_with_the_next(
    root: Path, whole: tuple[Path, Journal], tmp_path: Path, stops: tuple[int, ...]
) -> None:
    """After the last batch of an epoch, too: 3 and 6."""
    folder, journal = whole
    for stop, later in pairwise((*stops, EPOCHS * BATCHES)):
        rest, _ = train(tmp_path / str(stop), short_blocks(root), ckpt=folder / f"step={stop}.ckpt", keep=True)
        assert rest.steps == journal.steps[stop:], stop
        folder = tmp_path / str(stop)
        assert (folder / f"step={later}.ckpt").is_file()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stops", [(3,), (4,), (1, 5)])
def test_a_run_that_max_steps_stopped_goes_on_with_the_next(
    root: Path, whole: tuple[Path, Journal], tmp_path: Path, stops: tuple[int, ...], workers: int
) -> None:
    steps, ckpt = [], None
    for stop in (*stops, EPOCHS * BATCHES):
        journal, trainer = train(
            tmp_path, short_blocks(root, num_workers=workers), ckpt=ckpt, max_steps=stop, max_epochs=-1
        )
        ckpt = tmp_path / f"{stop}.ckpt"
        trainer.save_checkpoint(ckpt)
        steps += journal.steps
    assert steps == whole[1].steps


def test_after_max_steps_a_run_without_it_begins_a_new_epoch(
    root: Path, whole: tuple[Path, Journal], tmp_path: Path
) -> None:
    """As Lightning does; nothing is shown twice, and the epochs that follow are whole."""
    _, trainer = train(tmp_path, short_blocks(root), max_steps=4, max_epochs=-1)
    trainer.save_checkpoint(tmp_path / "cut.ckpt")
    journal, _ = train(tmp_path, short_blocks(root), ckpt=tmp_path / "cut.ckpt")
    contents = [content for _, _, content in journal.steps]
    assert contents == [content for _, _, content in whole[1].steps[6:]]
    assert journal.validations == 1


def test_validation_within_an_epoch_and_a_limit_change_nothing(
    root: Path, whole: tuple[Path, Journal], tmp_path: Path
) -> None:
    journal, _ = train(tmp_path, short_blocks(root), val_check_interval=1, keep=True)
    assert [step[1:] for step in journal.steps] == [step[1:] for step in whole[1].steps]
    rest, _ = train(tmp_path / "rest", short_blocks(root), ckpt=tmp_path / "step=4.ckpt", val_check_interval=1)
    assert rest.steps == journal.steps[4:]
    limited, _ = train(tmp_path / "limited", short_blocks(root), limit_train_batches=2, keep=True)
    assert [step[1] for step in limited.steps] == [(0, 1, 2), (3, 4, 5)] * EPOCHS
    rest, _ = train(
        tmp_path / "again", short_blocks(root), ckpt=tmp_path / "limited" / "step=3.ckpt", limit_train_batches=2
    )
    assert rest.steps == limited.steps[3:]


def test_a_second_training_with_the_same_datamodule_begins_at_the_beginning(
    root: Path, whole: tuple[Path, Journal], tmp_path: Path
) -> None:
    folder, journal = whole
    data = short_blocks(root)
    train(tmp_path, data, ckpt=folder / "step=8.ckpt")
    again, _ = train(tmp_path, data)
    assert again.steps == journal.steps


def test_another_batch_size_within_an_epoch_is_told(root: Path, whole: tuple[Path, Journal], tmp_path: Path) -> None:
    folder, _ = whole
    with pytest.warns(UserWarning, match="after batch 1 of 3 of an epoch, which now has 2"):
        data = short_blocks(root, batch_size=4)
        data.trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, default_root_dir=tmp_path)
        data.load_state_dict(torch.load(folder / "step=4.ckpt", weights_only=True)["EnhancementDataModule"])


def test_checkpoints_written_before_batches_were_counted_still_load(root: Path) -> None:
    data = short_blocks(root)
    data.load_state_dict({"categories": [], "next_epoch": 2})
    assert data.state_dict() == {"categories": [], "next_epoch": 2, "next_batch": 0}
