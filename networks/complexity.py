"""Multiply-accumulates per frame: of the dense network, and as a function of the channel masks."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from networks.blocks import PrunedBlock
from networks.conv_fsenet import ConvFSENet


class MacBudget(NamedTuple):
    """MACs of one frame, BatchNorms folded into convolutions.

    Attributes:
        fixed: frontend and backend.
        gates: all gate subnets.
        per_channel: of one active channel in each block: its row, depthwise filter and column.
        channels: gated channels of a block.
        blocks: number of blocks.
    """

    fixed: int
    gates: int
    per_channel: int
    channels: int
    blocks: int

    @property
    def dense(self) -> int:
        """MACs per frame of the network without gates, every channel computed."""
        return self.fixed + self.blocks * self.channels * self.per_channel


def _weight_macs(layer: nn.Module) -> int:
    """MACs per frame of a convolution: one per weight, as every layer keeps the frame rate."""
    return cast(nn.Conv1d, layer).weight.numel()


def mac_budget(network: ConvFSENet) -> MacBudget:
    """Count the MACs per frame of the parts of a network.

    Example:
        >>> mac_budget(ConvFSENet()).dense
        662528
    """
    blocks = [cast(PrunedBlock, block) for block in network.blocks]
    gates = sum(
        _weight_macs(block.gate.squeeze) + _weight_macs(block.gate.expand) for block in blocks if block.gate is not None
    )
    first = blocks[0]
    block_macs = _weight_macs(first.expand) + _weight_macs(first.depthwise.conv) + _weight_macs(first.project)
    return MacBudget(
        fixed=_weight_macs(network.frontend) + _weight_macs(network.backend),
        gates=gates,
        per_channel=block_macs // network.channels,
        channels=network.channels,
        blocks=len(blocks),
    )


def macs_per_frame(budget: MacBudget, channel_masks: Tensor) -> Tensor:
    """Count the MACs that masks leave to compute, gates included.

    Args:
        budget: of the network that made the masks.
        channel_masks: 0 or 1, shape (batch, block, channel, frame).

    Returns:
        Shape (batch, frame), int64.
    """
    active = channel_masks.to(torch.int32).sum(dim=(1, 2)).to(torch.int64)
    return budget.fixed + budget.gates + active * budget.per_channel


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
