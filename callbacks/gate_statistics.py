"""Logs what the gates do: utilization per block, constant channels, and the MACs that are left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from callbacks.evaluation import EvaluationCallback
from lightning_modules.enhancement import SCORED_LOADER, enhancement_module
from networks.complexity import FrameBudget, mac_budget, weight_budget
from networks.mask_statistics import MaskCounts, count_masks, count_quantile
from networks.ranks import rank_sum

ALWAYS = 0.99  # share of frames from which a channel counts as always on, or off
BYTES_PER_WEIGHT = 4  # float32


class GateStatistics(EvaluationCallback):
    """Collects the masks of the scored validation or test mixtures and logs their statistics at the end.

    Logged: ``gates/utilization``, ``gates/always_on``, ``gates/always_off``, ``gates/constant`` (shares of channels),
    ``gates/dwell_on_frames``, ``gates/dwell_off_frames`` (mean length of the runs in which a channel stays as it is),
    ``gates/switch_rate`` (share of the frames in which a channel is not what it was in the frame before); utilization,
    constant and switch rate also as ``.../blockNN``. ``cost/macs_per_frame``, ``cost/weight_bytes_per_frame`` (float32
    weights that a frame reads), both with ``_p05`` and ``_p95`` over frames and ``_dense``, and ``cost/macs_saved``
    (share of the dense network, gates included). All are counts, so those of several ranks are those of one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._counts: MaskCounts | None = None

    def start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the masks of the last validation or test."""
        self._counts = None

    def collect(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, loader: int) -> None:
        """Count the active channels of a batch."""
        if loader != SCORED_LOADER:
            return
        counts = count_masks(outputs["enhancement"].channel_masks)
        self._counts = counts if self._counts is None else self._counts.plus(counts)

    def finish(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Log the statistics."""
        if self._counts is None:
            return
        # ranks exchange tensors on their device; what is logged is computed on the CPU
        packed = rank_sum(self._counts.packed.to(pl_module.device)).cpu()
        counts = replace(self._counts, packed=packed)
        network = enhancement_module(pl_module).network
        values = gate_keys(counts) | cost_keys(counts, mac_budget(network), weight_budget(network))
        pl_module.log_dict(values, sync_dist=True)


def gate_keys(counts: MaskCounts) -> dict[str, float]:
    """Return how much and how steadily channels are used, by log key."""
    share, switch_rate = counts.active_share, counts.switch_rate  # (block, channel)
    always_on, always_off = (share >= ALWAYS).double(), (share <= 1 - ALWAYS).double()
    constant = always_on + always_off
    keys = {
        "gates/utilization": float(share.mean()),
        "gates/always_on": float(always_on.mean()),
        "gates/always_off": float(always_off.mean()),
        "gates/constant": float(constant.mean()),
        "gates/dwell_on_frames": counts.runs.dwell_on,
        "gates/dwell_off_frames": counts.runs.dwell_off,
        "gates/switch_rate": float(switch_rate.mean()),
    }
    for name, of_channels in {"utilization": share, "constant": constant, "switch_rate": switch_rate}.items():
        by_block = enumerate(of_channels.mean(dim=1))
        keys |= {f"gates/{name}/block{block:02d}": float(value) for block, value in by_block}
    return keys


def cost_keys(counts: MaskCounts, macs: FrameBudget, weights: FrameBudget) -> dict[str, float]:
    """Return what frames cost, by log key: linear in their active channels, so percentiles are those of these."""
    keys = {}
    for name, budget, unit in (("macs", macs, 1), ("weight_bytes", weights, BYTES_PER_WEIGHT)):
        statistics = {
            "": counts.active_per_frame,
            "_p05": count_quantile(counts.frames_by_active, 0.05),
            "_p95": count_quantile(counts.frames_by_active, 0.95),
        }
        for suffix, active in statistics.items():
            keys[f"cost/{name}_per_frame{suffix}"] = (budget.fixed + budget.gates + active * budget.per_channel) * unit
        keys[f"cost/{name}_per_frame_dense"] = float(budget.dense * unit)
    return keys | {"cost/macs_saved": 1.0 - keys["cost/macs_per_frame"] / macs.dense}
