"""PESQ and STOI of the scored mixtures, where their packages are installed."""

from __future__ import annotations

import math
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn

from callbacks.evaluation import EvaluationCallback
from datamodules.rating import PESQ_MODES, missing_package, rate_utterance
from lightning_modules.enhancement import SCORED_LOADER, enhancement_module


class PerceptualScores(EvaluationCallback):
    """Logs PESQ-WB and STOI of noisy and enhanced mixtures in ``test`` and in a ``validate`` that is run by itself.

    Logged: ``<stage>/pesq_wb``, ``<stage>/pesq_wb_noisy``, ``<stage>/stoi``, ``<stage>/stoi_noisy``, means over the
    utterances that can be rated, and ``<stage>/<score>_undefined``, the number that cannot (PESQ finds no speech).
    PESQ is skipped with a warning where the package ``pesq`` is not installed: it needs a compiler.
    """

    def __init__(self) -> None:
        super().__init__()
        self._scores: dict[str, list[float]] = {}

    def start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget earlier scores, and say what cannot be scored."""
        self._scores = {}
        if trainer.state.fn == TrainerFn.FITTING:
            return
        if enhancement_module(pl_module).stft.grid.sample_rate not in PESQ_MODES:
            raise ValueError(f"PerceptualScores needs data.grid.sample_rate in {sorted(PESQ_MODES)} Hz")
        if missing_package("pesq_wb"):
            rank_zero_warn("the package pesq is not installed: PESQ is skipped (make install says why)")

    def collect(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, loader: int) -> None:
        """Rate a batch."""
        if loader != SCORED_LOADER or trainer.state.fn == TrainerFn.FITTING:
            return
        rate = enhancement_module(pl_module).stft.grid.sample_rate
        clean = batch["clean"].cpu()
        signals = {"": outputs["enhancement"].waveform.float().cpu(), "_noisy": batch["noisy"].cpu()}
        for suffix, signal in signals.items():
            for degraded, reference in zip(signal, clean, strict=True):
                for name, value in rate_utterance(degraded, reference, rate).items():
                    self._scores.setdefault(name + suffix, []).append(value)

    def finish(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Log the means."""
        for name, values in self._scores.items():
            rated = [value for value in values if math.isfinite(value)]
            if rated:
                pl_module.log(f"{stage}/{name}", sum(rated) / len(rated))
            pl_module.log(f"{stage}/{name}_undefined", float(len(values) - len(rated)))
