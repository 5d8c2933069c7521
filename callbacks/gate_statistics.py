"""Logs what the gates do: utilization per block, constant channels, and the MACs that are left."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from callbacks.evaluation import EvaluationCallback
from lightning_modules.enhancement import SCORED_LOADER, enhancement_module
from networks.complexity import FrameBudget, cost_per_frame, mac_budget, weight_budget
from networks.mask_statistics import RunCounts, count_runs, count_switches

ALWAYS = 0.99  # share of frames from which a channel counts as always on, or off
BYTES_PER_WEIGHT = 4  # float32


class GateStatistics(EvaluationCallback):
    """Collects the masks of the scored validation or test mixtures and logs their statistics at the end.

    Logged: ``gates/utilization``, ``gates/always_on``, ``gates/always_off``, ``gates/constant`` (shares of channels),
    ``gates/dwell_on_frames``, ``gates/dwell_off_frames`` (mean length of the runs in which a channel stays as it is),
    ``gates/switch_rate`` (share of the frames in which a channel is not what it was in the frame before); utilization,
    constant and switch rate also as ``.../blockNN``. ``cost/macs_per_frame``, ``cost/weight_bytes_per_frame`` (float32
    weights that a frame reads), both with ``_p05`` and ``_p95`` over frames and ``_dense``, and ``cost/macs_saved``
    (share of the dense network, gates included).
    """

    def __init__(self) -> None:
        super().__init__()
        self._active: Tensor | None = None
        self._switches: Tensor | None = None
        self._pairs = 0
        self._runs = RunCounts(0, 0, 0, 0)
        self._frames = 0
        self._budgets: dict[str, FrameBudget] = {}
        self._costs: dict[str, list[Tensor]] = {}

    def start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the masks of the last validation or test."""
        network = enhancement_module(pl_module).network
        self._active, self._frames, self._runs = None, 0, RunCounts(0, 0, 0, 0)
        self._switches, self._pairs = None, 0
        self._budgets = {"macs": mac_budget(network), "weight_bytes": weight_budget(network)}
        self._costs = {name: [] for name in self._budgets}

    def collect(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, loader: int) -> None:
        """Count the active channels of a batch."""
        if loader != SCORED_LOADER:
            return
        masks = outputs["enhancement"].channel_masks  # (batch, block, channel, frame)
        active = masks.sum(dim=(0, 3), dtype=torch.float64).cpu()
        self._active = active if self._active is None else self._active + active
        switches = count_switches(masks).cpu()
        self._switches = switches if self._switches is None else self._switches + switches
        self._pairs += masks.shape[0] * (masks.shape[-1] - 1)
        self._frames += masks.shape[0] * masks.shape[-1]
        self._runs = self._runs.plus(count_runs(masks))
        for name, budget in self._budgets.items():
            self._costs[name].append(cost_per_frame(budget, masks).flatten().cpu())

    def finish(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Log the statistics."""
        if self._active is None:
            return
        share = self._active / self._frames  # (block, channel)
        assert self._switches is not None, "collect() sets both"
        switch_rate = self._switches.double() / max(1, self._pairs)
        always_on = float((share >= ALWAYS).double().mean())
        always_off = float((share <= 1 - ALWAYS).double().mean())
        values = {
            "gates/utilization": float(share.mean()),
            "gates/always_on": always_on,
            "gates/always_off": always_off,
            "gates/constant": always_on + always_off,
            "gates/dwell_on_frames": self._runs.dwell_on,
            "gates/dwell_off_frames": self._runs.dwell_off,
            "gates/switch_rate": float(switch_rate.mean()),
        }
        for name, budget in self._budgets.items():
            unit = BYTES_PER_WEIGHT if name == "weight_bytes" else 1
            cost = torch.cat(self._costs[name]).double() * unit
            values[f"cost/{name}_per_frame"] = float(cost.mean())
            values[f"cost/{name}_per_frame_p05"] = float(cost.quantile(0.05))
            values[f"cost/{name}_per_frame_p95"] = float(cost.quantile(0.95))
            values[f"cost/{name}_per_frame_dense"] = float(budget.dense * unit)
        values["cost/macs_saved"] = 1.0 - values["cost/macs_per_frame"] / self._budgets["macs"].dense
        constant = ((share >= ALWAYS) | (share <= 1 - ALWAYS)).double()
        for name, of_channels in {"utilization": share, "constant": constant, "switch_rate": switch_rate}.items():
            by_block = enumerate(of_channels.mean(dim=1))
            values |= {f"gates/{name}/block{block:02d}": float(value) for block, value in by_block}
        pl_module.log_dict(values, sync_dist=True)
