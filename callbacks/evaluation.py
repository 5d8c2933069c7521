"""What callbacks that look at scored mixtures have in common: validation and test are the same to them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class EvaluationCallback(Callback, ABC):
    """Starts, collects and finishes, once in every validation and test."""

    @abstractmethod
    def start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget what was collected before."""

    @abstractmethod
    def collect(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, loader: int) -> None:
        """Take in a batch.

        Args:
            trainer: running.
            pl_module: what is evaluated.
            outputs: of its step.
            batch: on the module's device.
            loader: position of the loader that the batch is from.
        """

    @abstractmethod
    def finish(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Log; ``stage`` is ``val`` or ``test``."""

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a validation."""
        self.start(trainer, pl_module)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a test."""
        self.start(trainer, pl_module)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take in a batch of a validation."""
        self.collect(trainer, pl_module, outputs, batch, dataloader_idx)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take in a batch of a test."""
        self.collect(trainer, pl_module, outputs, batch, dataloader_idx)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End a validation."""
        self.finish(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End a test."""
        self.finish(trainer, pl_module, "test")
