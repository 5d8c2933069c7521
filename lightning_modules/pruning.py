"""What pruning is trained for: the losses of the channel masks, and how target and temperature move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from torch import Tensor

from lightning_modules.losses import SparsityScope, balance_loss, utilization_loss
from networks.complexity import mac_budget
from networks.conv_fsenet import ConvFSENet

KEY = "model.pruning"


@dataclass(frozen=True)
class PruningSettings:
    """Losses of the masks, and their schedule: dense first, then towards the target.

    Attributes:
        sparsity_weight: of the squared distance of the utilization from its target.
        sparsity_scope: what must reach the target: ``network``, ``block`` or ``macs``; see
            :func:`lightning_modules.losses.utilization_loss`.
        balance_weight: of the variance of utilization over the channels of a block; 0 leaves it out.
        dense_steps: optimiser steps in which every channel is computed.
        anneal_steps: steps after them in which the target falls from 1 to its final value, linearly.
        final_temperature: of the gates, at the end; None keeps that of their settings.
        temperature_steps: steps from the start in which it gets there, geometrically.

    Raises:
        ValueError: if a value is negative, or a temperature is not positive or never reached.
    """

    sparsity_weight: float = 10.0
    sparsity_scope: SparsityScope = "network"
    balance_weight: float = 0.0
    dense_steps: int = 0
    anneal_steps: int = 0
    final_temperature: float | None = None
    temperature_steps: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("sparsity_weight", "balance_weight", "dense_steps", "anneal_steps", "temperature_steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"{KEY}.{name} must not be negative, got {getattr(self, name)}")
        scopes = get_args(SparsityScope)
        if self.sparsity_scope not in scopes:
            raise ValueError(f"{KEY}.sparsity_scope must be one of {scopes}, got {self.sparsity_scope!r}")
        if self.final_temperature is not None and self.final_temperature <= 0:
            raise ValueError(f"{KEY}.final_temperature must be positive, got {self.final_temperature}")
        if self.final_temperature is not None and self.temperature_steps == 0:
            raise ValueError(f"{KEY}.temperature_steps must be positive where final_temperature is set, got 0")

    def target_at(self, step: int, final_target: float) -> float:
        """Return the utilization target at an optimiser step.

        Example:
            >>> [PruningSettings(dense_steps=2, anneal_steps=3).target_at(step, 0.25) for step in range(6)]
            [1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
        """
        if step < self.dense_steps:
            return 1.0
        progress = min(1.0, (step - self.dense_steps) / self.anneal_steps) if self.anneal_steps else 1.0
        return 1.0 + (final_target - 1.0) * progress

    def temperature_at(self, step: int, initial: float) -> float:
        """Return the temperature at an optimiser step.

        Example:
            >>> settings = PruningSettings(final_temperature=0.125, temperature_steps=2)
            >>> [settings.temperature_at(step, 0.5) for step in (0, 1, 2, 9)]
            [0.5, 0.25, 0.125, 0.125]
        """
        if self.final_temperature is None:
            return initial
        progress = min(1.0, step / self.temperature_steps)
        return initial * (self.final_temperature / initial) ** progress


DEFAULT_PRUNING = PruningSettings()


class PruningObjective:
    """Moves the gates of a network along the schedule, and compares its masks with the target.

    Args:
        settings: losses and schedule.
        network: whose gates are moved; a dense one has none and no losses.
    """

    def __init__(self, settings: PruningSettings, network: ConvFSENet) -> None:
        self.settings = settings
        self._network = network
        self._budget = mac_budget(network)

    def advance(self, step: int) -> dict[str, float]:
        """Set target and temperature for an optimiser step and return them by logged name; nothing without gates."""
        network = self._network
        if not network.gated:
            return {}
        target = self.settings.target_at(step, network.target_utilization)
        temperature = self.settings.temperature_at(step, network.gate_settings.temperature)
        network.set_target_utilization(target)
        network.set_temperature(temperature)
        return {"target_utilization": target, "temperature": temperature}

    def parts(self, channel_masks: Tensor, target: float | None = None) -> dict[str, Tensor]:
        """Return the losses of masks, unweighted, by logged name; one with weight 0 is only there for sparsity.

        Args:
            channel_masks: 0 or 1, shape (batch, block, channel, frame).
            target: utilization aimed at; None takes the final one, so that in validation a network that is still dense
                is never the best.
        """
        if not self._network.gated:
            return {}
        target = self._network.target_utilization if target is None else target
        scope = self.settings.sparsity_scope
        parts = {"sparsity_loss": utilization_loss(channel_masks, target, self._budget, scope)}
        if self.settings.balance_weight > 0:
            parts["balance_loss"] = balance_loss(channel_masks)
        return parts

    def weighted(self, parts: Mapping[str, Tensor]) -> list[Tensor]:
        """Return losses times their weights."""
        weights = {"sparsity_loss": self.settings.sparsity_weight, "balance_loss": self.settings.balance_weight}
        return [weights[name] * part for name, part in parts.items()]
