"""What the optimiser is given: a learning rate with linear warm-up, then a cosine to a small share; groups of decay."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def check_schedule(learning_rate: float, weight_decay: float, warmup_steps: int, final_share: float) -> None:
    """Check what a training is configured with.

    Raises:
        ValueError: naming the key of the first value that is out of range.
    """
    if learning_rate <= 0:
        raise ValueError(f"model.learning_rate must be positive, got {learning_rate}")
    if not 0 <= final_share <= 1:
        raise ValueError(f"model.final_learning_rate_share must lie in [0, 1], got {final_share}")
    for name, value in {"weight_decay": weight_decay, "warmup_steps": warmup_steps}.items():
        if value < 0:
            raise ValueError(f"model.{name} must not be negative, got {value}")


def warmup_cosine(step: int, warmup_steps: int, total_steps: int, final_share: float) -> float:
    """Return the factor of the peak learning rate at a step.

    Args:
        step: optimiser steps done.
        warmup_steps: steps of the linear rise.
        total_steps: step at which the cosine ends; the factor stays there afterwards.
        final_share: factor at the end, in [0, 1].

    Example:
        >>> [round(warmup_cosine(step, 2, 10, 0.1), 2) for step in (0, 1, 2, 6, 10, 99)]
        [0.5, 1.0, 1.0, 0.55, 0.1, 0.1]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return final_share + (1.0 - final_share) * 0.5 * (1.0 + math.cos(math.pi * progress))


def warmup_cosine_of(optimizer: Optimizer, warmup_steps: int, total_steps: int, final_share: float) -> LambdaLR:
    """Return what sets the learning rates of an optimiser after every step by :func:`warmup_cosine`."""
    factor = partial(warmup_cosine, warmup_steps=warmup_steps, total_steps=total_steps, final_share=final_share)
    return LambdaLR(optimizer, factor)


def decay_groups(module: nn.Module, learning_rate: float) -> list[dict[str, Any]]:
    """Return the parameters of a module in two groups of an optimiser: norms, biases and shifts are not decayed."""
    parameters = list(module.parameters())
    decayed = [parameter for parameter in parameters if parameter.ndim > 1]
    rest = [parameter for parameter in parameters if parameter.ndim <= 1]
    return [{"params": decayed, "lr": learning_rate}, {"params": rest, "lr": learning_rate, "weight_decay": 0.0}]
