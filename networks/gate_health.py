"""How decided gates are: how far the logits lie from the threshold that they are compared with."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
NEAR = 0.1  # standard deviations; closer decisions are turned by a small change of the weights or the signal


class GateMargins(NamedTuple):
    """Distance of gate logits from the threshold, in standard deviations of the logits of the block.

    Attributes:
        quantiles: :data:`QUANTILES` of the distances of every block, positive where channels are on, shape
            (block, quantile).
        all_quantiles: the same of all blocks together, shape (quantile,).
        near: share of the decisions of every block that are closer than :data:`NEAR`, shape (block,).
    """

    quantiles: Tensor
    all_quantiles: Tensor
    near: Tensor


def gate_margins(gate_logits: Tensor, thresholds: Tensor) -> GateMargins | None:
    """Measure how far gate logits lie from their thresholds.

    Args:
        gate_logits: shape (batch, block, channel, frame).
        thresholds: shape (block,).

    Returns:
        The margins; None while the gates are held open (thresholds of minus infinity) or the logits are not finite.

    Raises:
        ValueError: if the numbers of blocks differ.

    Example:
        >>> logits = torch.linspace(-1, 1, 2001).reshape(1, 1, 1, -1)
        >>> margins = gate_margins(logits, torch.tensor([0.0]))
        >>> abs(round(float(margins.all_quantiles[2]), 3)), round(float(margins.near[0]), 2)
        (0.0, 0.06)
    """
    if gate_logits.shape[1] != thresholds.numel():
        raise ValueError(f"expected {gate_logits.shape[1]} thresholds, one per block, got {thresholds.numel()}")
    margins = gate_logits.detach().double() - thresholds.double()[:, None, None]
    if not bool(torch.isfinite(margins).all()):
        return None
    by_block = margins.transpose(0, 1).flatten(1)  # (block, batch * channel * frame)
    by_block = by_block / by_block.std(dim=1, keepdim=True).clamp_min(1e-12)
    # sorted by hand: torch.quantile refuses more than 16 million values
    return GateMargins(
        quantiles=_quantiles(by_block),
        all_quantiles=_quantiles(by_block.reshape(1, -1))[0],
        near=(by_block.abs() < NEAR).double().mean(dim=1),
    )


def _quantiles(values: Tensor) -> Tensor:
    """Return :data:`QUANTILES` of each row, the value below each, shape (row, quantile)."""
    last = values.shape[1] - 1
    places = torch.tensor([int(share * last) for share in QUANTILES], device=values.device)
    return values.sort(dim=1).values[:, places]
