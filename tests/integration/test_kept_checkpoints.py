"""Which checkpoints the shipped configurations keep while a training gets worse."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

REPOSITORY = Path(__file__).resolve().parents[2]
EPOCHS = 4


class WorseEveryEpoch(LightningModule):
    """Trains one number; its validation loss only rises."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return (self.weight - 1.0).square()

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val/loss", float(self.current_epoch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def configured(config: Path, folder: Path) -> list[Callback]:
    """Return the checkpoint callbacks of a configuration, writing to a folder."""
    listed = yaml.safe_load(config.read_text())["trainer"]["callbacks"]
    wanted = [callback["init_args"] for callback in listed if callback["class_path"].endswith("ModelCheckpoint")]
    return [ModelCheckpoint(dirpath=folder, **arguments) for arguments in wanted]


@pytest.mark.parametrize("config", sorted((REPOSITORY / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_last_checkpoint_is_of_the_last_epoch_even_if_the_first_was_the_best(config: Path, tmp_path: Path) -> None:
    def steps() -> dict[str, int]:
        paths = sorted(tmp_path.glob("*.ckpt"))
        return {path.name: torch.load(path, weights_only=True)["global_step"] for path in paths}

    class KeptAfterEveryEpoch(Callback):
        def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            if trainer.current_epoch > 0:
                assert steps() == {"best.ckpt": 2, "last.ckpt": 2 * trainer.current_epoch}

    trainer = Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[*configured(config, tmp_path), KeptAfterEveryEpoch()],
    )
    batches = DataLoader(TensorDataset(torch.zeros(2, 1)))
    trainer.fit(WorseEveryEpoch(), batches, batches)
    assert steps() == {"best.ckpt": 2, "last.ckpt": 2 * EPOCHS}
