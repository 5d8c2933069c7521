"""How the utilization target and the temperature of the gates move in training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PruningSchedule:
    """Dense first, then towards the target; the temperature of the surrogate gradient moves by itself.

    Attributes:
        dense_steps: optimiser steps in which every channel is computed.
        anneal_steps: steps after them in which the target falls from 1 to its final value, linearly.
        final_temperature: temperature at the end; null keeps that of the gates' settings.
        temperature_steps: steps from the start in which it gets there, geometrically.

    Raises:
        ValueError: if a number of steps is negative, or a temperature is not positive or never reached.
    """

    dense_steps: int = 0
    anneal_steps: int = 0
    final_temperature: float | None = None
    temperature_steps: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("dense_steps", "anneal_steps", "temperature_steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"model.pruning.{name} must not be negative, got {getattr(self, name)}")
        if self.final_temperature is not None and self.final_temperature <= 0:
            raise ValueError(f"model.pruning.final_temperature must be positive, got {self.final_temperature}")
        if self.final_temperature is not None and self.temperature_steps == 0:
            raise ValueError("model.pruning.temperature_steps must be positive where final_temperature is set, got 0")

    def target_at(self, step: int, final_target: float) -> float:
        """Return the utilization target at an optimiser step.

        Example:
            >>> [PruningSchedule(dense_steps=2, anneal_steps=3).target_at(step, 0.25) for step in range(6)]
            [1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
        """
        if step < self.dense_steps:
            return 1.0
        progress = min(1.0, (step - self.dense_steps) / self.anneal_steps) if self.anneal_steps else 1.0
        return 1.0 + (final_target - 1.0) * progress

    def temperature_at(self, step: int, initial: float) -> float:
        """Return the temperature at an optimiser step.

        Example:
            >>> schedule = PruningSchedule(final_temperature=0.125, temperature_steps=2)
            >>> [schedule.temperature_at(step, 0.5) for step in (0, 1, 2, 9)]
            [0.5, 0.25, 0.125, 0.125]
        """
        if self.final_temperature is None:
            return initial
        progress = min(1.0, step / self.temperature_steps)
        return initial * (self.final_temperature / initial) ** progress
