"""PESQ and STOI of the scored mixtures, where their packages are installed."""

from __future__ import annotations

import math
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn

from datamodules.rating import PESQ_MODES, missing_package, rate_utterance
from lightning_modules.enhancement import SCORED_LOADER, enhancement_module


class PerceptualScores(Callback):
    """Logs PESQ-WB and STOI of noisy and enhanced mixtures in ``test`` and in a ``validate`` that is run by itself.

    Logged: ``<stage>/pesq_wb``, ``<stage>/pesq_wb_noisy``, ``<stage>/stoi``, ``<stage>/stoi_noisy``, means over the
    utterances that can be rated, and ``<stage>/<score>_undefined``, the number that cannot (PESQ finds no speech).
    PESQ is skipped with a warning where the package ``pesq`` is not installed: it needs a compiler.
    """

    def __init__(self) -> None:
        super().__init__()
        self._scores: dict[str, list[float]] = {}

    def _start(self, pl_module: LightningModule) -> None:
        self._scores = {}
        if enhancement_module(pl_module).stft.grid.sample_rate not in PESQ_MODES:
            raise ValueError(f"PerceptualScores needs data.grid.sample_rate in {sorted(PESQ_MODES)} Hz")
        if missing_package("pesq_wb"):
            rank_zero_warn("the package pesq is not installed: PESQ is skipped (make install says why)")

    def _collect(self, pl_module: LightningModule, outputs: Any, batch: Any, loader: int) -> None:
        if loader != SCORED_LOADER:
            return
        rate = enhancement_module(pl_module).stft.grid.sample_rate
        clean = batch["clean"].cpu()
        signals = {"": outputs["enhancement"].waveform.float().cpu(), "_noisy": batch["noisy"].cpu()}
        for suffix, signal in signals.items():
            for degraded, reference in zip(signal, clean, strict=True):
                for name, value in rate_utterance(degraded, reference, rate).items():
                    self._scores.setdefault(name + suffix, []).append(value)

    def _log(self, pl_module: LightningModule, stage: str) -> None:
        for name, values in self._scores.items():
            rated = [value for value in values if math.isfinite(value)]
            if rated:
                pl_module.log(f"{stage}/{name}", sum(rated) / len(rated))
            pl_module.log(f"{stage}/{name}_undefined", float(len(values) - len(rated)))

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget earlier scores."""
        self._start(pl_module)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget earlier scores."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._start(pl_module)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Rate a batch."""
        self._collect(pl_module, outputs, batch, dataloader_idx)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Rate a batch."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._collect(pl_module, outputs, batch, dataloader_idx)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the means."""
        self._log(pl_module, "test")

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the means."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._log(pl_module, "val")
