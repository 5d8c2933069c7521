"""Logs what the gates do: utilization per block, constant channels, and the MACs that are left."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from callbacks.evaluation import EvaluationCallback
from lightning_modules.enhancement import SCORED_LOADER, enhancement_module
from networks.complexity import MacBudget, mac_budget, macs_per_frame

ALWAYS = 0.99  # share of frames from which a channel counts as always on, or off


class GateStatistics(EvaluationCallback):
    """Collects the masks of the scored validation or test mixtures and logs their statistics at the end.

    Logged: ``gates/utilization``, ``gates/utilization/blockNN``, ``gates/always_on``, ``gates/always_off``,
    ``gates/constant`` (shares of channels), ``cost/macs_per_frame``, ``cost/macs_saved`` (share of the dense network,
    gates included) and ``cost/macs_per_frame_p05``, ``_p95`` over frames.
    """

    def __init__(self) -> None:
        super().__init__()
        self._active: Tensor | None = None
        self._frames = 0
        self._macs: list[Tensor] = []
        self._budget: MacBudget | None = None

    def start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the masks of the last validation or test."""
        self._active, self._frames, self._macs = None, 0, []
        self._budget = mac_budget(enhancement_module(pl_module).network)

    def collect(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, loader: int) -> None:
        """Count the active channels of a batch."""
        if loader != SCORED_LOADER:
            return
        masks = outputs["enhancement"].channel_masks  # (batch, block, channel, frame)
        active = masks.sum(dim=(0, 3), dtype=torch.float64).cpu()
        self._active = active if self._active is None else self._active + active
        self._frames += masks.shape[0] * masks.shape[-1]
        assert self._budget is not None
        self._macs.append(macs_per_frame(self._budget, masks).flatten().cpu())

    def finish(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Log the statistics."""
        if self._active is None or self._budget is None:
            return
        share = self._active / self._frames  # (block, channel)
        macs = torch.cat(self._macs).double()
        always_on = (share >= ALWAYS).double().mean()
        always_off = (share <= 1 - ALWAYS).double().mean()
        values = {
            "gates/utilization": share.mean(),
            "gates/always_on": always_on,
            "gates/always_off": always_off,
            "gates/constant": always_on + always_off,
            "cost/macs_per_frame": macs.mean(),
            "cost/macs_per_frame_p05": macs.quantile(0.05),
            "cost/macs_per_frame_p95": macs.quantile(0.95),
            "cost/macs_saved": 1.0 - macs.mean() / self._budget.dense,
        }
        values |= {f"gates/utilization/block{block:02d}": value for block, value in enumerate(share.mean(dim=1))}
        pl_module.log_dict({name: float(value) for name, value in values.items()}, sync_dist=True)
