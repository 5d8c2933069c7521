"""Records once what a run is made of, and at its end hands over what it leaves."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.pytorch import Callback, LightningModule, Trainer

from callbacks.media_log import media_log
from callbacks.probe_files import BEST, LAST, checkpoint_folder, judged_checkpoint
from reports.environment import code_state, installed_versions, platform_facts, software_at


class RunRecord(Callback):
    """Records a training in all loggers and in ``facts.json`` of its folder; logs checkpoint and probes at the end.

    Recorded are the resolved configuration (``config``, already ``config.yaml`` in the folder) and ``facts``: commit of
    the code, if it is a checkout, and whether it was changed; versions of Python and of the packages; device. The
    hashes of the data's manifests are hyper-parameters of the data module. Artifacts are ``model-<run>``, the best
    checkpoint, and ``probes-<run>``, the probes that belong to it; loggers without artifacts have none.

    Args:
        artifacts: log artifacts.
    """

    def __init__(self, artifacts: bool = True) -> None:
        super().__init__()
        self.artifacts = artifacts

    @cached_property
    def _code(self) -> dict[str, str | bool] | None:
        """State of the code; git is asked once."""
        return code_state()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record what the run is made of."""
        log = media_log(trainer)
        if log is None:
            return
        facts: dict[str, Any] = {
            "git": self._code,
            "packages": installed_versions("dyncp"),
            **platform_facts(),
            "device": device_name(pl_module.device),
        }
        log.facts("facts", facts)
        config = log.folder / "config.yaml"
        if config.is_file():  # written by LightningCLI; a trainer that was built by hand has none
            for sink in log.sinks:
                sink.facts("config", yaml.safe_load(config.read_text(encoding="utf-8")))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep in the checkpoint what it was made with, as plain text."""
        checkpoint["software"] = software_at(self._code)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the best checkpoint and its probes."""
        log, judged = media_log(trainer), judged_checkpoint(trainer)
        if log is None or not self.artifacts or judged is None or not Path(judged.best_model_path).is_file():
            return
        score = judged.best_model_score
        about = {
            "monitor": judged.monitor,
            "score": None if score is None else float(score),
            "steps": trainer.global_step,
        }
        log.artifact("model", [Path(judged.best_model_path)], about)
        folder = checkpoint_folder(trainer, log.folder)
        probes = [folder / name for name in (BEST, LAST) if (folder / name).is_file()]
        if probes:
            log.artifact("probes", probes, about)


def device_name(device: torch.device) -> str:
    """Name a device.

    Example:
        >>> device_name(torch.device("cpu"))
        'cpu'
    """
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
