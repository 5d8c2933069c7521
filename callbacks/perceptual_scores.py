"""PESQ and STOI of the scored mixtures, where their packages are installed."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from lightning_modules.enhancement import SCORED_LOADER, enhancement_module

PESQ_RATES = (8000, 16000)


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
        if enhancement_module(pl_module).stft.grid.sample_rate not in PESQ_RATES:
            raise ValueError(f"PerceptualScores needs data.grid.sample_rate in {PESQ_RATES} Hz")
        if importlib.util.find_spec("pesq") is None:
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


def rate_utterance(degraded: Tensor, reference: Tensor, sample_rate: int) -> dict[str, float]:
    """Rate one utterance with the packages that are installed.

    Args:
        degraded: shape (sample,).
        reference: clean signal of the same length.
        sample_rate: Hz.

    Returns:
        ``pesq_wb`` (1 to 4.6) and ``stoi`` (0 to 1) as far as installed; NaN where the utterance cannot be rated.
    """
    scores: dict[str, float] = {}
    if importlib.util.find_spec("pesq") is not None:
        from pesq import NoUtterancesError
        from torchmetrics.functional.audio.pesq import perceptual_evaluation_speech_quality

        mode = "wb" if sample_rate == 16000 else "nb"
        try:
            scores["pesq_wb"] = float(perceptual_evaluation_speech_quality(degraded, reference, sample_rate, mode))
        except NoUtterancesError:
            scores["pesq_wb"] = math.nan
    if importlib.util.find_spec("pystoi") is not None:
        from torchmetrics.functional.audio.stoi import short_time_objective_intelligibility

        value = float(short_time_objective_intelligibility(degraded, reference, sample_rate))
        scores["stoi"] = value if torch.isfinite(torch.tensor(value)) else math.nan
    return scores
