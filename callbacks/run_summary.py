"""Ends a run with a table, and leaves the same numbers in ``summary.json``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.trainer.states import TrainerFn
from rich.console import Console

from lightning_modules.enhancement import enhancement_module
from networks.complexity import count_parameters
from reports.summary import print_summary
from reports.tested_runs import SCORES
from storage.whole_files import write_text_whole


class RunSummary(Callback):
    """Prints the scores of the last validation or of the test, and where checkpoints, figures and logs are.

    ``summary.json`` holds ``stage``, ``steps``, ``parameters``, ``metrics`` and ``places``; that of a training also
    ``finished``: whether it reached its last epoch or step.
    """

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Summarise a training."""
        self._summarize(trainer, "val", finished=reached_end(trainer))

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Summarise a test."""
        self._summarize(trainer, "test")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Summarise a validation that was asked for by itself."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._summarize(trainer, "val")

    def _summarize(self, trainer: Trainer, stage: str, **more: bool) -> None:
        log_dir = trainer.log_dir  # asks all ranks
        if not trainer.is_global_zero:
            return
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        places = _places(trainer, log_dir)
        if log_dir is not None:
            path = Path(log_dir) / "summary.json"
            finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
            parameters = count_parameters(enhancement_module(trainer.lightning_module).network)
            summary = {"stage": stage, "steps": trainer.global_step, "parameters": parameters, **more}
            summary |= {"metrics": finite, "places": places}
            write_text_whole(path, json.dumps(summary, indent=1) + "\n")
            places["summary"] = _relative(str(path))
            places["all of it on one page"] = f"dyncp report {_relative(log_dir)}"
        console = Console()
        print_summary(metrics, stage, places, console if console.is_terminal else Console(width=120))


def reached_end(trainer: Trainer) -> bool:
    """Tell whether a training did all its epochs or steps, or was ended by EarlyStopping; not by a limit of time."""
    epochs_done = trainer.max_epochs not in (None, -1) and trainer.current_epoch >= (trainer.max_epochs or 0)
    steps_done = trainer.max_steps != -1 and trainer.global_step >= trainer.max_steps
    return epochs_done or steps_done or any(stopping.stopped_epoch > 0 for stopping in trainer.early_stopping_callbacks)


def _places(trainer: Trainer, log_dir: str | None) -> dict[str, str]:
    """Return what the run left behind in its folder and elsewhere, label to path."""
    places: dict[str, Any] = {}
    for checkpoint in trainer.checkpoint_callbacks:
        if isinstance(checkpoint, ModelCheckpoint):  # one without a monitor calls its newest the best
            places["best checkpoint" if checkpoint.monitor else "last checkpoint"] = checkpoint.best_model_path
    if log_dir is not None:
        overview = Path(log_dir) / "figures" / "overview.png"
        places["overview figure"] = str(overview) if overview.is_file() else ""
        scores = Path(log_dir) / SCORES
        places["quality per utterance"] = str(scores) if scores.is_file() else ""
        config = Path(log_dir) / "config.yaml"
        places["resolved config"] = str(config) if config.is_file() else ""
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            places["W&B run"] = str(Path(logger.experiment.dir).parent)
    return {label: _relative(place) for label, place in places.items() if place}


def _relative(place: str) -> str:
    """Shorten paths below the working directory."""
    path = Path(place).absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
