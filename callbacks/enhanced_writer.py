"""Writes what ``predict`` enhances as audio files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from lightning_modules.enhancement import enhancement_module


class EnhancedWriter(BasePredictionWriter):
    """Writes every predicted mixture to ``<run>/enhanced/NNNNN_{noisy,enhanced,clean}.flac`` and its masks beside.

    Masks are written to ``NNNNN_masks.npz`` under the key ``channel_masks``, bool, shape (block, channel, frame). Every
    rank writes the mixtures that it enhances.
    """

    def __init__(self, write_interval: Literal["batch", "epoch", "batch_and_epoch"] = "batch") -> None:
        super().__init__(write_interval)

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Any,
        batch_indices: Sequence[int] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Write a batch."""
        folder = self._folder(trainer)
        folder.mkdir(parents=True, exist_ok=True)
        rate = enhancement_module(pl_module).stft.grid.sample_rate
        for position, index in enumerate(batch["index"].tolist()):
            signals = {
                "noisy": batch["noisy"][position],
                "enhanced": prediction.waveform[position],
                "clean": batch["clean"][position],
            }
            for name, signal in signals.items():
                samples = np.clip(signal.float().cpu().numpy(), -1.0, 1.0)
                soundfile.write(folder / f"{index:05d}_{name}.flac", samples, rate)
            masks = prediction.channel_masks[position].bool().cpu().numpy()
            np.savez_compressed(folder / f"{index:05d}_masks.npz", channel_masks=masks)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where the files are."""
        folder = self._folder(trainer)  # asks all ranks
        if trainer.is_global_zero:
            print(f"enhanced audio and masks: {folder}")

    def _folder(self, trainer: Trainer) -> Path:
        return Path(trainer.log_dir or trainer.default_root_dir) / "enhanced"
